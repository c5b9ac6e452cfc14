"""What a first screen, a search and an office's picture ask of the services, and how long each takes to answer.

One caller, one question after the other, over the wire as the gateway asks: what is counted is from the call to its
answer. A question is asked a few times before it is timed, as a screen is by many people.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import handling_service_pb2 as handling
from liandong.cases.v1 import subject_service_pb2 as subjects
from liandong.cases.v1.handling_service_pb2_grpc import HandlingServiceStub
from liandong.cases.v1.subject_service_pb2_grpc import SubjectServiceStub
from liandong.notices.v1 import notification_service_pb2 as notices
from liandong.notices.v1.notification_service_pb2_grpc import NotificationServiceStub
from liandong.oversight.v1 import indicator_service_pb2 as indicators
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.oversight.v1.indicator_service_pb2_grpc import IndicatorServiceStub
from liandong.oversight.v1.oversight_service_pb2_grpc import OversightServiceStub

from services.cases import pinyin
from services.cli.bench import cost
from services.cli.demo.district import District
from services.cli.demo.party import Party
from services.common.channel import open_channel
from services.procedures.calendar import ZONE
from tests.load.district import JUSTICE, MARKET

_WARM: Final = 3
_TIMED: Final = 40
_LONG_S: Final = 8.0
_QUIET: Final = 5
_IDLE: Final = 0.15
"""Processor seconds of all processes in a second in which nothing is done but to keep the links."""

Question = tuple[Any, Any, str]
"""A method, its request, and the role of whoever asks; without one the caller is the certificate's department."""


@dataclass(frozen=True, slots=True)
class Taken:
    """How long a question took, in milliseconds, the processor time of who answers among it, and its answer's bytes."""

    p50: float
    p95: float
    cpu: float
    size: int


def percentile(values: list[float], percent: int) -> float:
    """The value below which so many of a hundred lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


async def settled(district: District, seconds: float = 900) -> float:
    """Wait until a district that was loaded has done what it does by itself; returns the seconds that it took.

    That is to tell of the marks that have passed, to freeze months, and to make messages of alerts.

    Raises:
        TimeoutError: It still works.
    """
    began = time.monotonic()
    quiet = 0
    while quiet < _QUIET:
        before = sum(cost.own_cpu_seconds(each.pid) for each in district.processes)
        await asyncio.sleep(1)
        spent = sum(cost.own_cpu_seconds(each.pid) for each in district.processes) - before
        quiet = quiet + 1 if spent < _IDLE else 0
        if time.monotonic() - began > seconds:
            raise TimeoutError(f"the district still works after {seconds:.0f} s")
    return time.monotonic() - began


async def measure(
    district: District, tell: Callable[[str], None], only: str = "", timed: int = _TIMED
) -> dict[str, Taken]:
    """Ask everything of the market bureau's node, and of the registry as the office of case transfer."""
    market, justice = district.parties[MARKET], district.parties[JUSTICE]
    pids = {each.name: each.pid for each in district.processes}
    found = {}
    async with AsyncExitStack() as stack:
        office = open_channel(district.registry_address, justice.tls)
        node = open_channel(market.address, market.tls)
        for channel in (office, node):
            stack.push_async_callback(channel.close, None)
        asked = {**await _lists(market, node), **await _searches(market), **await _picture(office)}
        for name, (method, request, role) in asked.items():
            if only in name:
                pid = pids[MARKET if role else "registry-1"]
                took = found[name] = await _time(market, (method, request, role), timed, pid)
                tell(
                    f"{name:42} p50 {took.p50:7.1f}  p95 {took.p95:7.1f}  cpu {took.cpu:7.1f} ms {took.size:7} B"
                )
    return found


async def _time(party: Party, question: Question, timed: int, pid: int) -> Taken:
    method, request, role = question
    times: list[float] = []
    size, began, spent = 0, time.monotonic(), cost.own_cpu_seconds(pid)
    asked = 0
    for count in range(_WARM + timed):
        metadata = party.actor(role) if role else None
        start = time.perf_counter()
        answer = await method(request, metadata=metadata, timeout=60)
        if count >= _WARM or time.monotonic() - began > _LONG_S:
            times.append((time.perf_counter() - start) * 1000)
        size, asked = answer.ByteSize(), count + 1
        if times and time.monotonic() - began > _LONG_S:
            break
    spent = (cost.own_cpu_seconds(pid) - spent) * 1000 / asked
    return Taken(percentile(times, 50), percentile(times, 95), spent, size)


async def _lists(party: Party, channel: Any) -> dict[str, Question]:
    """A first screen, and what is one click from it."""
    work, people = HandlingServiceStub(channel), NotificationServiceStub(channel)
    api = party.cases
    first = await api.ListCases(cases.ListCasesRequest(), metadata=party.actor("clerk"))
    asked: dict[str, Question] = {
        "screen: counts": (work.CountWork, handling.CountWorkRequest(), "registry-clerk")
    }
    for name, role in (
        ("TO_DO", "registry-clerk"), ("TO_APPROVE", "leader-in-charge"), ("TO_SIGN_FOR", "registry-clerk"),
        ("WAITING", "registry-clerk"), ("SENT", "clerk"),
    ):  # fmt: skip
        which = handling.WorkList.Value(f"WORK_LIST_{name}")
        asked[f"screen: {name.lower()}"] = (work.ListWork, handling.ListWorkRequest(list=which), role)
    for name, request in {
        "by due time": cases.ListCasesRequest(),
        "by due time, second page": cases.ListCasesRequest(page_token=first.next_page_token),
        "overdue": cases.ListCasesRequest(overdue=True),
        "of a mechanism": cases.ListCasesRequest(procedure="case-transfer"),
        "in a state": cases.ListCasesRequest(state="accepted"),
        "with a department": cases.ListCasesRequest(department="ecology.qinghe"),
        "with a rare department": cases.ListCasesRequest(department="fire.qinghe"),
        "closed too, 500": cases.ListCasesRequest(include_closed=True, page_size=500),
    }.items():
        asked[f"cases: {name}"] = (api.ListCases, request, "clerk")
    asked["case: whole"] = (api.GetCase, cases.GetCaseRequest(case_id=first.cases[0].case_id), "clerk")
    asked["case: timeline"] = (
        api.GetTimeline, cases.GetTimelineRequest(case_id=first.cases[-1].case_id), "clerk",
    )  # fmt: skip
    asked["screen: messages"] = (people.ListMessages, notices.ListMessagesRequest(), "liaison")
    case = await party.case(first.cases[0].case_id)
    about = subjects.GetSubjectFileRequest(identifier=case.subjects[0].identifier, purpose="执法检查")
    asked["subject: file"] = (SubjectServiceStub(channel).GetSubjectFile, about, "clerk")
    return asked


async def _searches(party: Party) -> dict[str, Question]:
    """What people type into the field, from what is there."""
    api, actor = party.cases, party.actor("clerk")
    over = cases.ListCasesRequest(procedure="case-transfer", state="closed", page_size=500)
    listed = await api.ListCases(over, metadata=actor)
    chosen = listed.cases[-1].case_id
    subject = (await party.case(chosen)).subjects[0]
    numbers = [each.number for each in await party.timeline(chosen) if each.number]
    code = subject.identifier
    typed = {
        "letter number": numbers[-1],
        "beginning of a number": numbers[-1][:-3],
        "code": code,
        "beginning of a code": code[:8],
        "name": subject.name,
        "representative": subject.representative or subject.name,
        "telephone": subject.telephone,
        "beginning of a telephone": subject.telephone[:5],
        "initials": pinyin.initials(subject.name)[0],
        "two initials": "zj",
        "common word": "涉嫌",
        "phrase": "涉嫌无证行医",
        "two words": "清河 无证行医",
        "nothing": "紫檀木雕展览",
        "common pairs, nothing": "违规行医检查笔录排放食品",
    }
    return {
        f"search: {name}": (api.SearchCases, cases.SearchCasesRequest(query=words), "clerk")
        for name, words in typed.items()
    }


async def _picture(channel: Any) -> dict[str, Question]:
    """What the office sees."""
    sees, figures = OversightServiceStub(channel), IndicatorServiceStub(channel)
    now = datetime.now(UTC)
    today = now.astimezone(ZONE).date()

    def days(count: int) -> indicators.Period:
        return indicators.Period(first=(today - timedelta(days=count)).isoformat(), last=today.isoformat())

    departments = indicators.FIGURE_GROUP_DEPARTMENT
    found: dict[str, Question] = {
        "office: departments": (sees.ListDepartmentStates, oversight.ListDepartmentStatesRequest(), ""),
        "office: counts, ever": (sees.GetIndicators, oversight.GetIndicatorsRequest(), ""),
        "office: counts, year": (sees.GetIndicators, _from(oversight.GetIndicatorsRequest(), now, 365), ""),
        "office: counts, month": (sees.GetIndicators, _from(oversight.GetIndicatorsRequest(), now, 30), ""),
        "office: counts of a mechanism": (
            sees.GetIndicators, oversight.GetIndicatorsRequest(procedure="case-transfer"), "",
        ),
        "office: flows, ever": (sees.GetFlows, oversight.GetFlowsRequest(), ""),
        "office: flows, month": (sees.GetFlows, _from(oversight.GetFlowsRequest(), now, 30), ""),
        "office: alerts": (sees.ListAlerts, oversight.ListAlertsRequest(), ""),
        "figures: month": (figures.GetFigures, indicators.GetFiguresRequest(period=days(30)), ""),
        "figures: month by department": (
            figures.GetFigures, indicators.GetFiguresRequest(period=days(30), group_by=departments), "",
        ),
        "figures: month against the month before": (
            figures.GetFigures,
            indicators.GetFiguresRequest(period=days(30), compare=indicators.COMPARE_PREVIOUS_PERIOD), "",
        ),
        "figures: year by department": (
            figures.GetFigures, indicators.GetFiguresRequest(period=days(365), group_by=departments), "",
        ),
        "figures: year": (figures.GetFigures, indicators.GetFiguresRequest(period=days(365)), ""),
        "figures: frozen months": (figures.ListFrozen, indicators.ListFrozenRequest(), ""),
    }  # fmt: skip
    for state in ("OPEN", "OVERDUE", "LATE", "UNSPECIFIED"):
        request = oversight.ListObligationsRequest(
            state=oversight.ObligationState.Value(f"OBLIGATION_STATE_{state}")
        )
        found[f"office: obligations {state.lower()}"] = (sees.ListObligations, request, "")
    found["office: obligations of one overdue"] = (
        sees.ListObligations,
        oversight.ListObligationsRequest(owed_by=MARKET, state=oversight.OBLIGATION_STATE_OVERDUE), "",
    )  # fmt: skip
    answer = await sees.ListObligations(
        oversight.ListObligationsRequest(state=oversight.OBLIGATION_STATE_OPEN)
    )
    overview = oversight.GetCaseOverviewRequest(case_id=answer.obligations[0].case_id)
    found["office: case"] = (sees.GetCaseOverview, overview, "")
    return found


def _from(request: Any, now: datetime, days: int) -> Any:
    """A request about the time since so many days ago; its field has a name that Python keeps for itself."""
    getattr(request, "from").FromDatetime(now - timedelta(days=days))
    return request
