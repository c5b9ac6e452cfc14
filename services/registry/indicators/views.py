"""Indicators and figures as the messages of IndicatorService."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import indicator_service_pb2 as pb

from services.common.clock import microseconds
from services.exchange.directory import Directory
from services.registry.indicators.amounts import Context
from services.registry.indicators.catalogue import Catalogue, Elsewhere, Indicator, Target, Unit
from services.registry.indicators.figures import Figure, Group, groups
from services.registry.indicators.freeze import Frozen
from services.registry.indicators.periods import Period
from services.registry.oversight_views import stamp

GROUPS: Final = {
    pb.FIGURE_GROUP_UNSPECIFIED: Group.NONE,
    pb.FIGURE_GROUP_DEPARTMENT: Group.DEPARTMENT,
    pb.FIGURE_GROUP_PROCEDURE: Group.PROCEDURE,
    pb.FIGURE_GROUP_LEVEL: Group.LEVEL,
    pb.FIGURE_GROUP_ITEM: Group.ITEM,
    pb.FIGURE_GROUP_AREA: Group.AREA,
    pb.FIGURE_GROUP_SPECIALTY: Group.SPECIALTY,
}
_NUMBERS: Final = {group: number for number, group in GROUPS.items()}
_UNITS: Final = {
    Unit.COUNT: pb.INDICATOR_UNIT_COUNT,
    Unit.SHARE: pb.INDICATOR_UNIT_SHARE,
    Unit.SECONDS: pb.INDICATOR_UNIT_SECONDS,
    Unit.RATE: pb.INDICATOR_UNIT_RATE,
}
LEVELS: Final = {
    directory_pb.LEVEL_UNSPECIFIED: ("未定级", "no level"),
    directory_pb.LEVEL_CITY: ("市", "city"),
    directory_pb.LEVEL_DISTRICT: ("区县", "district"),
    directory_pb.LEVEL_TOWN: ("乡镇街道", "town"),
    directory_pb.LEVEL_VILLAGE: ("村居", "village"),
}


def catalogue_view(catalogue: Catalogue) -> pb.ListIndicatorsResponse:
    """The whole catalogue."""
    return pb.ListIndicatorsResponse(
        indicators=[indicator_view(each) for each in catalogue.indicators.values()],
        elsewhere=[_elsewhere(each) for each in catalogue.elsewhere],
        base_year=catalogue.base_year,
    )


def indicator_view(each: Indicator) -> pb.IndicatorView:
    """An indicator."""
    return pb.IndicatorView(
        name=each.name,
        title_zh=each.title.zh,
        title_en=each.title.en,
        source=each.source,
        definition_zh=each.definition.zh,
        definition_en=each.definition.en,
        unit=_UNITS[each.unit],
        groups=[_NUMBERS[group] for group in groups(each)],
        numerator_items=each.numerator.items,
        denominator_items=each.denominator.items if each.denominator else "",
        target=_target(each.target, None),
        higher_is_better=each.higher_is_better,
    )


def figure_view(
    each: Figure, group: Group, context: Context, target: Target | None, live: Figure | None = None
) -> pb.Figure:
    """A figure; `live` is what the ledger shows now for a frozen one."""
    zh, en = title_of(each.key, group, context)
    view = pb.Figure(
        indicator=each.indicator,
        key=each.key,
        title_zh=zh,
        title_en=en,
        numerator=each.numerator,
        denominator=each.denominator,
        value=each.value,
        rank=each.rank,
        ranked_of=each.ranked_of,
        target=_target(target, each.target_met),
    )
    if each.compared is not None:
        view.comparison.CopyFrom(
            pb.Comparison(
                numerator=each.compared.numerator,
                denominator=each.compared.denominator,
                value=each.compared.value,
                change=each.compared.change,
            )
        )
    if live is not None:
        same = (live.numerator, live.denominator, live.value) == (
            each.numerator,
            each.denominator,
            each.value,
        )
        view.live.CopyFrom(
            pb.LiveFigure(
                numerator=live.numerator, denominator=live.denominator, value=live.value, differs=not same
            )
        )
    return view


def beside_live(frozen: Iterable[Figure], live: Iterable[Figure]) -> list[tuple[Figure, Figure]]:
    """Each figure beside its live counterpart; what only one of both has is nought, without a value, in the other."""
    first = {(each.indicator, each.key): each for each in frozen}
    second = {(each.indicator, each.key): each for each in live}
    missing = [_nothing(each) for key, each in second.items() if key not in first]
    return [
        (each, second.get((each.indicator, each.key)) or _nothing(each))
        for each in [*first.values(), *missing]
    ]


def title_of(key: str, group: Group, context: Context) -> tuple[str, str]:
    """What people call the key of a figure, in both languages; itself where nobody named it."""
    match group:
        case Group.DEPARTMENT:
            return context.departments.get(key, (key, key))
        case Group.PROCEDURE:
            return context.procedures.get(key, (key, key))
        case Group.LEVEL:
            return LEVELS.get(directory_pb.Level.ValueType(int(key)), (key, key))
        case Group.SPECIALTY:
            specialty = context.specialties.get(key)
            return (specialty.zh, specialty.en) if specialty else (key, key)
        case _:
            return key, key


def period_view(period: Period) -> pb.Period:
    """A period."""
    return pb.Period(first=period.first.isoformat(), last=period.last.isoformat())


def month_view(each: Frozen) -> pb.FrozenMonth:
    """A frozen month."""
    return pb.FrozenMonth(
        month=str(each.month),
        frozen_at=stamp(microseconds(each.frozen_at)),
        log_id=each.log_id,
        epoch=each.epoch,
        size=each.size,
        root=each.root,
        digest=each.digest,
    )


def letter_view(row: Any, directory: Directory) -> pb.LetterView:
    """A row of the index over acts."""
    procedure = directory.law.newest(row.procedure)
    act = procedure.acts.get(row.act) if procedure else None
    return pb.LetterView(
        position=row.position,
        case_id=row.case_id,
        procedure=row.procedure,
        act=row.act,
        title_zh=act.title.zh if act else "",
        title_en=act.title.en if act else "",
        author=row.author,
        admitted_at=stamp(row.admitted_at_us),
        item_code=row.item_code,
        area_code=row.area_code,
        outcome_code=row.outcome_code,
    )


def targets(catalogue: Catalogue) -> Mapping[str, Target | None]:
    """The targets of all indicators."""
    return {name: each.target for name, each in catalogue.indicators.items()}


def _target(target: Target | None, met: bool | None) -> pb.Target | None:
    if target is None:
        return None
    if target.at_least is not None:
        return pb.Target(at_least=target.at_least, met=met)
    return pb.Target(growth=target.growth or 0, met=met)


def _elsewhere(each: Elsewhere) -> pb.ElsewhereView:
    return pb.ElsewhereView(
        name=each.name,
        title_zh=each.title.zh,
        title_en=each.title.en,
        source=each.source,
        reason_zh=each.reason.zh,
        reason_en=each.reason.en,
    )


def _nothing(like: Figure) -> Figure:
    denominator = None if like.denominator is None else 0
    value = 0 if denominator is None else None
    return replace(
        like, numerator=0, denominator=denominator, value=value, rank=0, ranked_of=0, target_met=None
    )
