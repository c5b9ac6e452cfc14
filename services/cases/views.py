"""Cases, obligations and letters as people see them: domain to proto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2, exchange_service_pb2, reason_pb2

from services.cases.entry import Entry
from services.cases.fragments import Fragment
from services.cases.queries import CaseRow, Link, Parties
from services.common.clock import microseconds
from services.common.errors import NotFound
from services.common.title import Title
from services.exchange import letters
from services.exchange.department import Department
from services.exchange.digests import sha256
from services.exchange.letters import timestamp, timestamp_us
from services.procedures import case as cases
from services.procedures.admit import permitted
from services.procedures.calendar import NEVER, Calendar
from services.procedures.deadlines import due_time, explain
from services.procedures.law import Law
from services.procedures.model import ObligationRule, Procedure
from services.procedures.obligation import Limit, Obligation, Unit

_NEVER_US: Final = microseconds(NEVER)
_NO_TITLE: Final = Title("", "")


def case_view(
    entry: Entry,
    department: str,
    law: Law,
    obligations: Iterable[Obligation],
    subjects: Sequence[bodies_pb2.Subject],
    links: Iterable[pb.CaseLink],
    now: datetime,
) -> pb.CaseView:
    """A case with own pending letters on top, and what may be done next and why not."""
    state = entry.view or entry.admitted
    assert state is not None
    admitted = entry.admitted
    procedure = law.procedure(state.procedure, state.version)
    title = procedure.states.get(state.state, _NO_TITLE) if procedure else _NO_TITLE
    view = pb.CaseView(
        case_id=state.case_id,
        procedure=state.procedure,
        procedure_version=state.version,
        title=entry.title,
        state=state.state,
        state_title_zh=title.zh,
        state_title_en=title.en,
        admitted_state=admitted.state if admitted else "",
        parties=[
            envelope_pb2.Party(role=role, department=name)
            for role, held in sorted(state.parties.items())
            for name in held
        ],
        urgency=letters.URGENCY_NUMBERS[state.urgency],
        obligations=obligation_views(obligations, procedure, law.calendar(state.home_registry), now),
        last_position=max(admitted.last_position, 0) if admitted else 0,
        opened_at=timestamp(state.opened_at),
        pending=len(entry.pending),
        subjects=subjects,
        state_digest=sha256(cases.dumps(admitted)) if admitted else b"",
        closed=procedure is not None and state.state in procedure.final,
        links=links,
    )
    for each in permitted(state, department, law):
        assert procedure is not None
        act = procedure.acts[each.act]
        view.acts.add(
            act=act.name,
            title_zh=act.title.zh,
            title_en=act.title.en,
            permitted=each.allowed,
            reason=reason(each.why_not),
            needs=act.needs,
            approved_by=act.approved_by,
        )
    return view


def link_view(link: Link, known: CaseRow | None, law: Law) -> pb.CaseLink:
    """A case beside another."""
    view = pb.CaseLink(case_id=link.case_id, relation=link.relation, outgoing=link.outgoing)
    if known is not None:
        procedure = law.newest(known.procedure)
        view.procedure, view.state = known.procedure, known.state
        view.closed = procedure is not None and known.state in procedure.final
    return view


def obligation_views(
    obligations: Iterable[Obligation], procedure: Procedure | None, calendar: Calendar, now: datetime
) -> list[pb.ObligationView]:
    """Obligations, open ones first by due time."""
    rules = procedure.obligations if procedure else {}
    ordered = sorted(
        ((not each.open, due_time(each, calendar), each.rule, each.ordinal, each) for each in obligations),
        key=lambda item: item[:4],
    )
    return [obligation_view(each, rules.get(each.rule), calendar, now) for *_, each in ordered]


def obligation_view(
    each: Obligation, rule: ObligationRule | None, calendar: Calendar, now: datetime
) -> pb.ObligationView:
    """An obligation, its due time computed by the calendar as it is now."""
    explanation = explain(each, calendar)
    due = explanation.due
    title = rule.title if rule else _NO_TITLE
    view = pb.ObligationView(
        rule=each.rule,
        ordinal=each.ordinal,
        title_zh=title.zh,
        title_en=title.en,
        owed_by=each.owed_by,
        state=_state(each, due, now),
        limit=" + ".join(_limit(part) for part in (each.limit, *(more.limit for more in each.extensions))),
        provisional=explanation.provisional,
        suspended=each.open and any(pause.since <= now < pause.end for pause in explanation.pauses),
        opened_at=timestamp(each.admitted_at),
    )
    if due < NEVER:
        view.due_at.CopyFrom(timestamp(due))
    if each.discharged_at is not None:
        view.discharged_at.CopyFrom(timestamp(each.discharged_at))
    return view


def _state(each: Obligation, due: datetime, now: datetime) -> str:
    if each.outcome is not None:
        return each.outcome.value
    if each.lapsed_at is not None:
        return "LAPSED"
    # the due time is exclusive: an act admitted at it is late
    return "OVERDUE" if now >= due else "OPEN"


def _limit(limit: Limit) -> str:
    if limit.unit in (Unit.AT_ONCE, Unit.FIXED):
        return limit.unit.value
    return f"{limit.value} {limit.unit.value}"


def summary(
    row: CaseRow, parties: Mapping[str, Parties], pending: Mapping[str, int], law: Law, matched: str = ""
) -> pb.CaseSummary:
    """A case as a list shows it."""
    title = state_title(law, row.procedure, row.state)
    owed = rule_title(law, row.procedure, row.next_rule)
    view = pb.CaseSummary(
        case_id=row.case_id,
        procedure=row.procedure,
        title=row.title,
        state=row.state,
        state_title_zh=title.zh,
        state_title_en=title.en,
        parties=[
            envelope_pb2.Party(role=role, department=name) for role, name in parties.get(row.case_id, ())
        ],
        next_rule=row.next_rule,
        next_title_zh=owed.zh,
        next_title_en=owed.en,
        changed_at=timestamp_us(row.changed_at_us),
        pending=pending.get(row.case_id, 0),
        matched=matched,
    )
    if row.next_due_at_us is not None and row.next_due_at_us < _NEVER_US:
        view.next_due_at.CopyFrom(timestamp_us(row.next_due_at_us))
    return view


def matched_text(fragment: Fragment) -> pb.MatchedText:
    """What of a case matched a search."""
    return pb.MatchedText(text=fragment.text, begin=fragment.begin, length=fragment.length)


def state_title(law: Law, procedure: str, state: str) -> Title:
    """What a state is called, by the newest version of the procedure that has it."""
    found = (each.states[state] for each in _newest(law, procedure) if state in each.states)
    return next(found, _NO_TITLE)


def rule_title(law: Law, procedure: str, rule: str) -> Title:
    """What an obligation is called, likewise."""
    found = (each.obligations[rule].title for each in _newest(law, procedure) if rule in each.obligations)
    return next(found, _NO_TITLE)


def _newest(law: Law, procedure: str) -> list[Procedure]:
    versions = sorted((version for name, version in law.procedures if name == procedure), reverse=True)
    return [law.procedures[procedure, version] for version in versions]


def letter_view(row: Any, department: Department, received: Mapping[str, int]) -> pb.LetterView:
    """A letter in a timeline.

    Args:
        row: Its row of `letters`.
        department: Whose node this is.
        received: Departments and when their nodes had it, in microseconds.
    """
    header = envelope_pb2.Header.FromString(row.header)
    content = envelope_pb2.ActContent.FromString(header.act.content)
    procedure = department.directory.law.procedure(content.procedure, content.procedure_version)
    act = procedure.acts.get(content.act) if procedure else None
    view = pb.LetterView(
        letter_id=row.letter_id,
        act=row.act,
        act_title_zh=act.title.zh if act else "",
        act_title_en=act.title.en if act else "",
        author=row.author,
        actor=header.actor,
        number=row.number,
        disposition=exchange_service_pb2.Disposition.Value(f"DISPOSITION_{row.disposition}"),
        reason=reason(row.reason),
        occurred_at=timestamp_us(row.occurred_at_us),
        signed_at=timestamp_us(row.signed_at_us),
        received=[
            pb.ReceivedBy(department=name, received_at=timestamp_us(at))
            for name, at in sorted(received.items())
        ],
        materials=content.materials,
        flags=row.flags.split(",") if row.flags else [],
        approvals=header.act.approvals,
    )
    if row.position is not None:
        head = department.head
        view.position.log_id = department.log_id
        view.position.epoch = head.epoch if head else 1
        view.position.position = row.position
        view.admitted_at.CopyFrom(timestamp_us(row.admitted_at_us))
    return view


def reason(name: str) -> reason_pb2.Reason.ValueType:
    """A reason by its name; unspecified for none, and for one that is newer than this program."""
    known = f"REASON_{name}"
    if known in reason_pb2.Reason.keys():  # noqa: SIM118 - an enum wrapper is no mapping
        return reason_pb2.Reason.Value(known)
    return reason_pb2.REASON_UNSPECIFIED


def body_type(header: bytes) -> str:
    """The type of an act's body; of a sealed one nothing can be shown."""
    parsed = envelope_pb2.Header.FromString(header)
    return "" if parsed.sealed else envelope_pb2.ActContent.FromString(parsed.act.content).body_type


def leaf(row: Any) -> exchange_service_pb2.Leaf:
    """The ledger's leaf of an admitted letter's row."""
    return exchange_service_pb2.Leaf(
        position=row.position,
        admitted_at_us=row.admitted_at_us,
        common_version=row.common_version,
        letter_digest=row.letter_digest,
    )


def explained(
    entry: Entry, duties: Iterable[Obligation], rule: str, ordinal: int, law: Law, now: datetime
) -> pb.ExplainDueTimeResponse:
    """How an obligation's due time is computed; the newest opening of the rule where `ordinal` is 0.

    Raises:
        NotFound: The case has no such obligation.
    """
    state = entry.admitted
    found = [each for each in duties if each.rule == rule and ordinal in (0, each.ordinal)]
    if state is None or not found:
        raise NotFound("The case has no such obligation.", field="rule")
    duty = max(found, key=lambda each: each.ordinal)
    calendar = law.calendar(state.home_registry)
    procedure = law.procedure(state.procedure, state.version)
    explanation = explain(duty, calendar)
    return pb.ExplainDueTimeResponse(
        obligation=obligation_view(
            duty, procedure.obligations.get(rule) if procedure else None, calendar, now
        ),
        lines_zh=explanation.lines("zh"),
        lines_en=explanation.lines("en"),
    )


def audit_line(row: Any) -> pb.AuditLine:
    """A line of the audit."""
    return pb.AuditLine(
        at=timestamp_us(row.at_us),
        subject=row.subject,
        name=row.name,
        role=row.role,
        method=row.method,
        case_id=row.case_id,
        object_id=row.object_id,
        result=row.result,
        request_id=row.request_id,
    )
