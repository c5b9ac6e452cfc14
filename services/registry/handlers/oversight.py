"""OversightService: wire to queries, nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.oversight.v1 import oversight_service_pb2 as pb
from sqlalchemy import Connection

from services.common import page_tokens
from services.common.bulk import Bulk
from services.common.caller import caller
from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField
from services.exchange.directory import Directory
from services.procedures.obligation import Outcome
from services.registry import oversight, tables
from services.registry.case_overview import case_overview
from services.registry.department_states import department_states, ledger_size
from services.registry.matrix import dispute_rules, matrix
from services.registry.obligation_index import OPEN
from services.registry.oversight import ObligationFilter
from services.registry.oversight_hub import OversightHub
from services.registry.oversight_scope import Scope
from services.registry.oversight_views import alert_view, obligation_view, states_asked
from services.registry.rate_limit import RateLimit
from services.registry.reminders import Draft, note_reminders, remind, reminders_of

Context = grpc.aio.ServicerContext[Any, Any]

_OBLIGATIONS: Final = Bulk(tables.obligations)
_PAGE: Final = 100
_BURST: Final = 60
_PER_SECOND: Final = 0.5
Sent = Mapping[tuple[str, str, int], Sequence[Any]]
_YEARS: Final = range(1970, 9999)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class OversightHandlers:
    """What an office sees of its mechanisms.

    Args:
        database: The registry's.
        directory: The newest.
        clock: The time.
        hub: Feeds those who watch.
        woken: Called after a commit that raised alerts.
        limit: How often one department may remind.
    """

    def __init__(
        self,
        database: Database,
        directory: Callable[[], Directory],
        clock: Clock,
        hub: OversightHub,
        woken: Callable[[], None] = lambda: None,
        limit: RateLimit | None = None,
    ) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._hub = hub
        self._woken = woken
        self._limit = limit or RateLimit(_BURST, _PER_SECOND)

    async def ListDepartmentStates(
        self, _request: pb.ListDepartmentStatesRequest, _context: Context
    ) -> pb.ListDepartmentStatesResponse:
        """Departments: link, mailbox, what they owe."""
        directory, scope, now = self._seen()
        return await asyncio.to_thread(
            self._database.read,
            lambda connection: pb.ListDepartmentStatesResponse(
                departments=department_states(connection, scope, directory, now),
                ledger_size=ledger_size(connection),
            ),
        )

    async def ListObligations(
        self, request: pb.ListObligationsRequest, _context: Context
    ) -> pb.ListObligationsResponse:
        """Obligations by due time."""
        directory, scope, now = self._seen()
        size = request.page_size or _PAGE
        after = page_tokens.decode(request.page_token, ((int,), (str,), (str,), (int,)))
        wanted = _filter(request, now, directory)
        procedures = {name for name, _ in directory.law.procedures}

        def read(connection: Connection) -> tuple[Sequence[Any], Sent]:
            rows = oversight.list_obligations(connection, scope, wanted, procedures, after, size + 1)
            return rows, reminders_of(connection, [row.case_id for row in rows])

        rows, sent = await asyncio.to_thread(self._database.read, read)
        page = rows[:size]
        response = pb.ListObligationsResponse(
            obligations=[obligation_view(row, directory, now) for row in page],
            next_page_token=page_tokens.encode(oversight.obligation_key(page[-1]))
            if len(rows) > size
            else "",
        )
        for row, view in zip(page, response.obligations, strict=True):
            note_reminders(view, sent.get((row.case_id, row.rule, row.ordinal), ()))
        return response

    async def GetMatrix(self, request: pb.GetMatrixRequest, _context: Context) -> pb.GetMatrixResponse:
        """How departments stand in mechanisms."""
        directory, scope, now = self._seen()
        soon_before = _moment(request, "soon_before")
        disputes = dispute_rules(directory.law)
        return await asyncio.to_thread(
            self._database.read,
            lambda connection: pb.GetMatrixResponse(
                cells=matrix(connection, scope, disputes, soon_before, now),
                ledger_size=ledger_size(connection),
            ),
        )

    async def Remind(self, request: pb.RemindRequest, _context: Context) -> pb.RemindResponse:
        """An office's reminders."""
        _, scope, now = self._seen()
        self._limit.take(scope.department, now)
        drafts = [
            Draft(each.case_id, each.rule, each.ordinal, each.owed_by, each.text)
            for each in request.reminders
        ]
        results = await asyncio.to_thread(
            self._database.write, lambda connection: remind(connection, scope, drafts, request.person, now)
        )
        self._woken()
        return pb.RemindResponse(results=results)

    async def GetCaseOverview(
        self, request: pb.GetCaseOverviewRequest, _context: Context
    ) -> pb.GetCaseOverviewResponse:
        """One case."""
        directory, scope, now = self._seen()
        return await asyncio.to_thread(
            self._database.read,
            lambda connection: case_overview(connection, scope, directory, request.case_id, now),
        )

    async def GetIndicators(
        self, request: pb.GetIndicatorsRequest, _context: Context
    ) -> pb.GetIndicatorsResponse:
        """Counts per department and mechanism."""
        directory, scope, now = self._seen()
        begin, end = _period(request, now)
        asked = {name for name, _ in directory.law.procedures if request.procedure in {"", name}}
        counts = await asyncio.to_thread(
            self._database.read,
            lambda connection: oversight.count_obligations(connection, scope, asked, begin, end, now),
        )
        indicators: dict[tuple[str, str], pb.Indicator] = {}
        for count in counts:
            key = (count.department, count.procedure)
            indicator = indicators.setdefault(key, pb.Indicator(department=key[0], procedure=key[1]))
            _count(indicator, count)
        return pb.GetIndicatorsResponse(indicators=indicators.values())

    async def GetFlows(self, request: pb.GetFlowsRequest, _context: Context) -> pb.GetFlowsResponse:
        """Who sends how much to whom."""
        _, scope, now = self._seen()
        begin, end = _period(request, now)
        flows = await asyncio.to_thread(
            self._database.read,
            lambda connection: oversight.count_flows(connection, scope, request.procedure, begin, end),
        )
        return pb.GetFlowsResponse(flows=[pb.Flow(**flow._asdict()) for flow in flows])

    async def ListAlerts(self, request: pb.ListAlertsRequest, _context: Context) -> pb.ListAlertsResponse:
        """Alerts, newest first."""
        directory, scope, now = self._seen()
        size = request.page_size or _PAGE
        before = page_tokens.decode(request.page_token, ((int,),))

        def read(connection: Any) -> tuple[Any, dict[tuple[str, str, int], Any]]:
            rows = oversight.list_alerts(
                connection, scope, request.addressee, None if before is None else before[0], size + 1
            )
            cases = {row.case_id for row in rows if row.case_id}
            found = _OBLIGATIONS.select_in(connection, "case_id", cases)
            return rows, {(each.case_id, each.rule, each.ordinal): each for each in found}

        rows, obligations = await asyncio.to_thread(self._database.read, read)
        response = pb.ListAlertsResponse()
        for row in rows[:size]:
            about = obligations.get((row.case_id, row.rule, row.ordinal))
            view = None if about is None else obligation_view(about, directory, now)
            response.alerts.append(alert_view(row, view))
        if len(rows) > size:
            response.next_page_token = page_tokens.encode([rows[size - 1].id])
        return response

    async def Watch(self, request: pb.WatchRequest, _context: Context) -> AsyncIterator[pb.WatchResponse]:
        """Changes as they happen."""
        async for response in self._hub.watch(caller(), request.procedure):
            yield response

    def _seen(self) -> tuple[Directory, Scope, datetime]:
        directory = self._directory()
        return directory, Scope.of(caller(), directory), self._clock.now()


def _filter(request: pb.ListObligationsRequest, now: datetime, directory: Directory) -> ObligationFilter:
    before = _moment(request, "due_before")
    due_before = None if before is None else microseconds(before)
    due_from = None
    if request.state == pb.OBLIGATION_STATE_OPEN:
        due_from = microseconds(now) + 1
    elif request.state == pb.OBLIGATION_STATE_OVERDUE:
        limit = microseconds(now) + 1
        due_before = limit if due_before is None else min(limit, due_before)
    return ObligationFilter(
        request.procedure,
        request.owed_by,
        states_asked(request.state),
        due_from,
        due_before,
        request.party,
        dispute_rules(directory.law) if request.disputed else None,
    )


def _period(
    request: pb.GetIndicatorsRequest | pb.GetFlowsRequest, now: datetime
) -> tuple[datetime, datetime]:
    """From the beginning where none is said, to now where no end is."""
    begin, end = _moment(request, "from"), _moment(request, "to")
    return begin or _EPOCH, end or now


def _moment(request: Any, name: str) -> datetime | None:
    if not request.HasField(name):
        return None
    value: Timestamp = getattr(request, name)
    try:
        moment = value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidField(f"{name} is no time.", field=name) from None
    if moment.year not in _YEARS:
        raise InvalidField(f"{name} is outside the years that are kept.", field=name)
    return moment


def _count(indicator: pb.Indicator, count: oversight.Count) -> None:
    indicator.owed += count.obligations
    match count.state:
        case Outcome.ON_TIME.value:
            indicator.on_time += count.obligations
        case Outcome.LATE.value:
            indicator.late += count.obligations
        case Outcome.TRANSMITTED_LATE.value:
            indicator.transmitted_late += count.obligations
        case Outcome.EXCUSED.value:
            indicator.excused += count.obligations
        case state if state == OPEN:
            indicator.open += count.obligations - count.past_due
            indicator.overdue += count.past_due
