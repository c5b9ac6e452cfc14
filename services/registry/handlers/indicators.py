"""IndicatorService: wire to figures, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import grpc.aio
from liandong.oversight.v1 import indicator_service_pb2 as pb
from sqlalchemy import Connection

from services.common import page_tokens
from services.common.caller import caller
from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, LimitExceeded, NotFound, PermissionDenied
from services.exchange.directory import Directory
from services.registry.indicators import freeze, items, live, views
from services.registry.indicators.amounts import loads
from services.registry.indicators.bulletin import Language, compile_bulletin
from services.registry.indicators.catalogue import Catalogue, Indicator, Measure
from services.registry.indicators.figures import Figure, Group, figures, groups, hold_against_target
from services.registry.indicators.items import EVERYTHING, Narrow
from services.registry.indicators.live import Asked, Found
from services.registry.indicators.periods import Month, Period
from services.registry.indicators.sight import OutOfSight, Sight
from services.registry.oversight_scope import Scope
from services.registry.oversight_views import obligation_view

Context = grpc.aio.ServicerContext[Any, Any]

FRAME: Final = 64 * 1024
"""Bytes in one message of a file."""
MOST_FIGURES: Final = 5_000
"""Figures in one answer."""

_PAGE: Final = 100
_LANGUAGES: Final = {
    pb.BULLETIN_LANGUAGE_UNSPECIFIED: Language.ZH,
    pb.BULLETIN_LANGUAGE_EN: Language.EN,
}


class UnknownIndicator(NotFound):
    """The catalogue has no such indicator."""


class NoItems(InvalidField):
    """What this part of the figure counts is no obligation and no letter."""


class IndicatorHandlers:
    """Figures for offices, departments and operators.

    Args:
        database: The registry's database.
        directory: Gives the newest directory.
        clock: The time.
        catalogue: The indicators.
    """

    def __init__(
        self, database: Database, directory: Callable[[], Directory], clock: Clock, catalogue: Catalogue
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._catalogue = catalogue
        self._targets = views.targets(catalogue)

    async def ListIndicators(
        self, _request: pb.ListIndicatorsRequest, _context: Context
    ) -> pb.ListIndicatorsResponse:
        """The catalogue."""
        return views.catalogue_view(self._catalogue)

    async def GetFigures(self, request: pb.GetFiguresRequest, _context: Context) -> pb.GetFiguresResponse:
        """Figures of a period."""
        return await self._figures(request)

    async def ListFigureItems(
        self, request: pb.ListFigureItemsRequest, _context: Context
    ) -> pb.ListFigureItemsResponse:
        """What a figure counts."""
        directory, scope, now = self._seen()
        (indicator,) = self._chosen([request.indicator])
        measure = _part(indicator, request.part)
        period = _period(request.period)
        sight, narrow = _narrowed(request, indicator, scope, directory)
        size = request.page_size or _PAGE
        if measure.items == "letters":
            after = page_tokens.decode(request.page_token, ((int,),))
        else:
            after = page_tokens.decode(request.page_token, ((int,), (str,), (str,), (int,)))

        def read(connection: Connection) -> pb.ListFigureItemsResponse:
            seen = live.window_of(connection, period, sight, Group.NONE, directory, now)
            response = pb.ListFigureItemsResponse()
            if measure.items == "letters":
                place = after[0] if after else None
                rows = items.list_acts(
                    connection, seen, measure, place, size + 1, narrow, with_area=indicator.areas
                )
                response.items.extend(
                    pb.FigureItem(letter=views.letter_view(row, directory)) for row in rows[:size]
                )
                last = [rows[size - 1].position] if len(rows) > size else None
            else:
                rows = items.list_obligations(
                    connection, seen, measure, directory.law, after, size + 1, narrow
                )
                response.items.extend(
                    pb.FigureItem(obligation=obligation_view(row, directory, now)) for row in rows[:size]
                )
                last = [*items.item_key(rows[size - 1], measure)] if len(rows) > size else None
            if last is not None:
                response.next_page_token = page_tokens.encode(last)
            return response

        return await asyncio.to_thread(self._database.read, read)

    async def ListFrozen(self, request: pb.ListFrozenRequest, _context: Context) -> pb.ListFrozenResponse:
        """The frozen months, newest first."""
        size = request.page_size or _PAGE
        before = page_tokens.decode(request.page_token, ((int,),))
        found = await asyncio.to_thread(
            self._database.read,
            lambda connection: freeze.list_frozen(connection, before[0] if before else None, size + 1),
        )
        response = pb.ListFrozenResponse(months=[views.month_view(each) for each in found[:size]])
        if len(found) > size:
            response.next_page_token = page_tokens.encode([found[size - 1].month.number])
        return response

    async def GetFrozen(self, request: pb.GetFrozenRequest, _context: Context) -> pb.GetFrozenResponse:
        """A frozen month's figures, beside those of now."""
        directory, scope, now = self._seen()
        month = Month.parse(request.month)
        group = views.GROUPS[request.group_by]
        sight = Sight.of(scope, request.procedure, request.department)
        chosen = self._chosen(request.indicators)

        def read(connection: Connection) -> pb.GetFrozenResponse:
            about, content = freeze.get_frozen(connection, month)
            given = loads(content)
            part = sight.part(group)
            made = [
                figure
                for each in chosen
                for figure in sight.shown(group, _held(each, figures(each, given, group, part)))
            ]
            response = pb.GetFrozenResponse(month=views.month_view(about))
            pairs: Iterable[tuple[Figure, Figure | None]] = [(each, None) for each in made]
            if request.with_live:
                asked = Asked(chosen, month.period, group)
                found = live.find(connection, asked, sight, self._catalogue, directory, now)
                pairs = views.beside_live(made, found.figures)
            for each, other in pairs:
                _bound(len(response.figures))
                target = self._targets[each.indicator]
                response.figures.append(views.figure_view(each, group, given.context, target, other))
            return response

        return await asyncio.to_thread(self._database.read, read)

    async def GetFrozenContent(
        self, request: pb.GetFrozenContentRequest, _context: Context
    ) -> AsyncIterator[pb.GetFrozenContentResponse]:
        """What a frozen month was computed to."""
        _, scope, _ = self._seen()
        if not scope.everything:
            raise PermissionDenied
        month = Month.parse(request.month)
        _, content = await asyncio.to_thread(
            self._database.read, lambda connection: freeze.get_frozen(connection, month)
        )
        for frame in _frames(content):
            yield pb.GetFrozenContentResponse(frame=frame)

    async def CompileBulletin(
        self, request: pb.CompileBulletinRequest, _context: Context
    ) -> AsyncIterator[pb.CompileBulletinResponse]:
        """The bulletin of two months."""
        directory, scope, now = self._seen()
        month = Month.parse(request.month)
        language = _LANGUAGES[request.language]
        as_workbook = request.format == pb.BULLETIN_FORMAT_XLSX
        content = await asyncio.to_thread(
            compile_bulletin,
            self._database,
            self._catalogue,
            directory,
            scope,
            month,
            request.procedure,
            now,
            language,
            as_workbook=as_workbook,
        )
        for frame in _frames(content):
            yield pb.CompileBulletinResponse(frame=frame)

    async def ExportFigures(
        self, request: pb.ExportFiguresRequest, _context: Context
    ) -> AsyncIterator[pb.ExportFiguresResponse]:
        """Figures as a workbook."""
        found = await self._figures(request.figures)
        # imported here: a registry that is asked for no file needs no library of workbooks
        from services.registry.indicators.workbook import figures_workbook  # noqa: PLC0415

        content = await asyncio.to_thread(
            figures_workbook, found, self._catalogue, _LANGUAGES[request.language]
        )
        for frame in _frames(content):
            yield pb.ExportFiguresResponse(frame=frame)

    async def _figures(self, request: pb.GetFiguresRequest) -> pb.GetFiguresResponse:
        directory, scope, now = self._seen()
        period = _period(request.period)
        group = views.GROUPS[request.group_by]
        compared_with = self._compared_with(request, period)
        asked = Asked(self._chosen(request.indicators), period, group, compared_with)
        sight = Sight.of(scope, request.procedure, request.department)
        found: Found = await asyncio.to_thread(
            self._database.read,
            lambda connection: live.find(connection, asked, sight, self._catalogue, directory, now),
        )
        _bound(len(found.figures) - 1)
        response = pb.GetFiguresResponse(
            figures=[
                views.figure_view(each, group, found.context, self._targets[each.indicator])
                for each in found.figures
            ],
            period=views.period_view(period),
            unfinished=microseconds(now) < period.end_us,
            ledger_size=found.ledger_size,
            acts_counted=found.acts_counted,
        )
        if compared_with is not None:
            response.compared_with.CopyFrom(views.period_view(compared_with))
        return response

    def _compared_with(self, request: pb.GetFiguresRequest, period: Period) -> Period | None:
        match request.compare:
            case pb.COMPARE_PREVIOUS_YEAR:
                return period.year_before()
            case pb.COMPARE_PREVIOUS_PERIOD:
                return period.before()
            case pb.COMPARE_BASE_YEAR:
                return period.in_year(self._catalogue.base_year)
            case pb.COMPARE_BASE:
                if not request.HasField("base"):
                    raise InvalidField("A base is compared with that is not given.", field="base")
                return _period(request.base, "base")
            case _:
                return None

    def _chosen(self, names: Iterable[str]) -> tuple[Indicator, ...]:
        known = self._catalogue.indicators
        wanted = set(names)
        for name in sorted(wanted - set(known)):
            raise UnknownIndicator(f"The catalogue has no indicator {name}.", field="indicators")
        return tuple(each for name, each in known.items() if not wanted or name in wanted)

    def _seen(self) -> tuple[Directory, Scope, datetime]:
        directory = self._directory()
        return directory, Scope.of(caller(), directory), self._clock.now()


def _narrowed(
    request: pb.ListFigureItemsRequest, indicator: Indicator, scope: Scope, directory: Directory
) -> tuple[Sight, Narrow]:
    """What is seen, and which part of it one key of a split is of."""
    group = views.GROUPS[request.group_by]
    if group not in groups(indicator):
        raise InvalidField("The indicator is not split so.", field="group_by")
    key = request.key
    # as for the figures of the split, of which this is one
    sight = Sight.of(scope, request.procedure, request.department)
    if group is Group.DEPARTMENT:
        if key != (sight.department or key):
            raise OutOfSight(field="key")
        return sight, Narrow(departments=(key,))
    if group is Group.PROCEDURE:
        known = frozenset({key}) if sight.procedures is None else sight.procedures & {key}
        return replace(sight, procedures=known), EVERYTHING
    match group:
        case Group.LEVEL:
            names = [name for name, each in directory.departments.items() if str(int(each.level)) == key]
            return sight, Narrow(departments=tuple(sorted(names)))
        case Group.ITEM:
            return sight, Narrow(items=(key,))
        case Group.AREA:
            return sight, Narrow(area=key)
        case Group.SPECIALTY:
            duty = directory.duties.get(key)
            return sight, Narrow(items=tuple(duty.item_codes) if duty else ())
        case _:
            return sight, EVERYTHING


def _held(indicator: Indicator, made: list[Figure]) -> list[Figure]:
    """Frozen figures against their targets; growth is asked of live ones, which know the base year."""
    return hold_against_target(indicator, made, None)


def _part(indicator: Indicator, part: pb.FigurePart.ValueType) -> Measure:
    measure: Measure | None = indicator.numerator
    if part == pb.FIGURE_PART_DENOMINATOR:
        # times are divided by the number of those that took them
        measure = indicator.denominator or (indicator.numerator if indicator.unit == "seconds" else None)
    if measure is None or not measure.items:
        raise NoItems(field="part")
    return measure


def _period(given: pb.Period, field: str = "period") -> Period:
    return Period.of(given.first, given.last, field)


def _bound(figures_so_far: int) -> None:
    if figures_so_far >= MOST_FIGURES:
        raise LimitExceeded(
            f"More than {MOST_FIGURES} figures: ask for fewer indicators or less of a split.",
            field="indicators",
        )


def _frames(content: bytes) -> Iterable[bytes]:
    return (content[start : start + FRAME] for start in range(0, len(content), FRAME))
