"""Documents, tasks and what is stated about them, as people see them: domain to proto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from liandong.cases.v1 import handling_service_pb2 as pb

from services.cases.handling import store
from services.cases.handling.numbering import Number
from services.cases.handling.store import Kept
from services.exchange.letters import timestamp, timestamp_us
from services.procedures.chain import Chain, Direction, Kind, Step, Who
from services.procedures.chain_source import load_chain
from services.procedures.delegation import Delegation
from services.procedures.document import Call, Person, Task
from services.procedures.law import Law
from services.procedures.obligation import Limit, Unit


def direction(way: Direction | str) -> pb.Direction.ValueType:
    """A direction."""
    return pb.Direction.Value(f"DIRECTION_{Direction(way).name}")


def way_of(value: pb.Direction.ValueType) -> Direction | None:
    """A direction from the wire, None where none was named."""
    if not value:
        return None
    return Direction[pb.Direction.Name(value).removeprefix("DIRECTION_")]


def kind(value: Kind) -> pb.StepKind.ValueType:
    """A kind of step."""
    return pb.StepKind.Value(f"STEP_KIND_{value.value.replace('-', '_').upper()}")


def person(who: Person | None) -> pb.HandlingPerson | None:
    """Somebody, or nobody."""
    return None if who is None else somebody(who)


def somebody(who: Person) -> pb.HandlingPerson:
    """Somebody who is there."""
    return pb.HandlingPerson(subject=who.subject, name=who.name, role=who.role)


def person_from(message: pb.HandlingPerson) -> Person:
    """Somebody, from the wire."""
    return Person(message.subject, message.name, message.role)


def who_view(who: Who) -> pb.Who:
    """Who may do something."""
    return pb.Who(role=who.role, section=who.section, subject=who.subject)


def who_from(message: pb.Who) -> Who:
    """Who may do something, from the wire."""
    return Who(message.role, message.section, message.subject)


def document(kept: Kept, title: str, law: Law, now: datetime) -> pb.DocumentView:
    """A document."""
    found, step, due = kept.document, kept.document.current, kept.due_at
    acts = [
        each.acts[kept.act]
        for each in law.procedures.values()
        if each.name == kept.procedure and kept.act in each.acts
    ]
    view = pb.DocumentView(
        document_id=found.id,
        letter_id=kept.letter_id,
        case_id=kept.case_id,
        direction=direction(kept.direction),
        procedure=kept.procedure,
        act=kept.act,
        act_title_zh=acts[-1].title.zh if acts else "",
        act_title_en=acts[-1].title.en if acts else "",
        content_digest=found.digest,
        state=pb.DocumentState.Value(f"DOCUMENT_STATE_{kept.state}"),
        overdue=due is not None and due <= now,
        drafter=person(found.drafter),
        section=found.section,
        number=kept.number,
        started_at=timestamp(kept.started_at),
        chain_id=kept.chain_id,
        title=kept.title or title,
        departments=kept.departments,
        letter_number=kept.letter_number,
    )
    if step is not None:
        view.step, view.step_title_zh, view.step_title_en = step.name, step.title.zh, step.title.en
    if due is not None:
        view.due_at.CopyFrom(timestamp(due))
    if found.ended_at is not None:
        view.ended_at.CopyFrom(timestamp(found.ended_at))
    return view


def task(kept: Kept, each: Task, now: datetime) -> pb.TaskView:
    """A task."""
    step = kept.document.chain.step(each.step)
    view = pb.TaskView(
        task=each.id,
        step=each.step,
        kind=kind(step.kind),
        title_zh=step.title.zh,
        title_en=step.title.en,
        who=[who_view(who) for who in each.whos],
        started_at=timestamp(each.started_at),
        overdue=each.due_at is not None and each.due_at <= (each.done_at or now),
        outcome=pb.TaskOutcome.Value(f"TASK_OUTCOME_{each.outcome.value}"),
        stands=each.stands,
        taken_by=person(each.taken_by),
        done_by=person(each.done_by),
        acting_for=person(each.acting_for),
        content_digest=each.digest,
        note=each.note,
        added_by=each.added_by,
        call=None if each.call is None else call(each.call),
    )
    for name in ("due_at", "taken_at", "done_at"):
        at = getattr(each, name)
        if at is not None:
            getattr(view, name).CopyFrom(timestamp(at))
    return view


def call(noted: Call) -> pb.CallView:
    """What was agreed to by telephone."""
    view = pb.CallView(
        approver=person(noted.approver),
        clerk=person(noted.clerk),
        called_at=timestamp(noted.called_at),
        words=noted.words,
        confirm_by=timestamp(noted.confirm_by),
        denied=noted.denied,
    )
    if noted.confirmed_at is not None:
        view.confirmed_at.CopyFrom(timestamp(noted.confirmed_at))
    return view


def steps(chain: Chain) -> list[pb.StepView]:
    """The steps of a chain."""
    return [_step(each) for each in chain.steps]


def _step(step: Step) -> pb.StepView:
    return pb.StepView(
        name=step.name,
        kind=kind(step.kind),
        title_zh=step.title.zh,
        title_en=step.title.en,
        by=[who_view(each) for each in step.by],
        each=[who_view(each) for each in step.each],
        within=_limit(step.within),
        may=sorted(step.powers),
    )


def _limit(limit: Limit | None) -> str:
    if limit is None:
        return ""
    return limit.unit.value if limit.unit is Unit.AT_ONCE else f"{limit.value} {limit.unit.value}"


def chain_view(row: Any) -> pb.ChainView:
    """A chain that was stated, from its row."""
    view = shipped_chain(row.source)
    view.chain_id, view.procedure, view.act = row.id, row.procedure, row.act
    _validity(view, row)
    return view


def shipped_chain(source: str) -> pb.ChainView:
    """A chain by its YAML."""
    chain = load_chain(source)
    return pb.ChainView(
        name=chain.name,
        direction=direction(chain.direction),
        title_zh=chain.title.zh,
        title_en=chain.title.en,
        source=source,
        steps=steps(chain),
    )


def series_view(row: Any) -> pb.SeriesView:
    """A number series, from its row."""
    view = pb.SeriesView(
        series_id=row.id,
        word=row.word,
        direction=direction(row.direction),
        procedure=row.procedure,
        act=row.act,
        section=row.section,
    )
    _validity(view, row)
    return view


def seal_view(row: Any) -> pb.SealImageView:
    """The picture of a seal, from its row."""
    view = pb.SealImageView(
        seal_id=row.id,
        digest=row.digest,
        size_mm=row.width_mm,
        pixels_wide=row.pixels_wide,
        pixels_high=row.pixels_high,
    )
    _validity(view, row)
    return view


def _validity(view: pb.ChainView | pb.SeriesView | pb.SealImageView, row: Any) -> None:
    view.valid_from.CopyFrom(timestamp_us(row.since_us))
    if row.until_us is not None:
        view.valid_until.CopyFrom(timestamp_us(row.until_us))
    view.set_by.subject, view.set_by.name = row.set_by, row.set_name
    view.set_at.CopyFrom(timestamp_us(row.set_at_us))


def delegation_view(row: Any, now: datetime) -> pb.DelegationView:
    """A delegation, from its row."""
    found: Delegation = store.delegation(row)
    return pb.DelegationView(
        delegation_id=found.id,
        absent=person(found.absent),
        section=found.section,
        delegate=person(found.delegate),
        since=timestamp(found.since),
        until=timestamp(found.until),
        scope=found.scope,
        delegate_holds_role=found.holds_role,
        reason=row.reason,
        set_by=pb.HandlingPerson(subject=row.set_by, name=row.set_name),
        set_at=timestamp_us(row.set_at_us),
        in_effect=found.in_effect(now),
    )


def attachment(row: Any) -> pb.AttachmentView:
    """What lies beside a step, from its row."""
    return pb.AttachmentView(
        step=row.step,
        kind=row.kind,
        manifest_root=row.root,
        note=row.note,
        attached_by=pb.HandlingPerson(subject=row.subject, name=row.name, role=row.role),
        attached_at=timestamp_us(row.at_us),
        file_name=row.file_name or "",
        media_type=row.media_type or "",
        size=row.size or 0,
    )


def event(row: Any) -> pb.HandlingEvent:
    """A line of a document's history, from its row."""
    absent = pb.HandlingPerson(subject=row.for_subject, name=row.for_name) if row.for_subject else None
    return pb.HandlingEvent(
        at=timestamp_us(row.at_us),
        person=pb.HandlingPerson(subject=row.subject, name=row.name, role=row.role),
        acting_for=absent,
        what=row.what,
        step=row.step,
        task=row.task,
        note=row.note,
    )


def number(found: Number) -> pb.NumberView:
    """A number and what it is."""
    view = pb.NumberView(
        number=found.number,
        running=found.running,
        state=pb.NumberState.Value(f"NUMBER_STATE_{found.state}"),
        letter_id=found.owner,
        reason=found.reason,
    )
    if found.voided_at is not None:
        view.voided_at.CopyFrom(timestamp(found.voided_at))
    return view


def handed_over(
    parts: Iterable[tuple[Kept, tuple[int, ...]]], titles: Mapping[str, str], law: Law, now: datetime
) -> list[pb.HandedOver]:
    """What moved with a post."""
    return [
        pb.HandedOver(document=document(kept, titles.get(kept.case_id, ""), law, now), tasks=tasks)
        for kept, tasks in parts
    ]
