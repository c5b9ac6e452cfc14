"""The stored form of a document: its tasks and what else the rules read, as compact JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from services.common.clock import from_microseconds, microseconds
from services.procedures.chain import Chain, Who
from services.procedures.document import Call, Document, Outcome, Person, Task


def dumps(document: Document) -> bytes:
    """A document as compact JSON; the chain is stored once, beside it."""
    return orjson.dumps(
        {
            "approvers": document.approvers,
            "drafter": _person(document.drafter),
            "section": document.section,
            "digest": document.digest.hex(),
            "numbered": document.numbered,
            "tasks": [_task(each) for each in document.tasks],
            "assigned": [_who(each) for each in document.assigned],
            "ended_at": _time(document.ended_at),
        }
    )


def loads(folded: bytes, document_id: str, chain: Chain) -> Document:
    """A document from its stored form."""
    found = orjson.loads(folded)
    return Document(
        id=document_id,
        chain=chain,
        approvers=tuple(found["approvers"]),
        drafter=_load_person(found["drafter"]),
        section=found["section"],
        digest=bytes.fromhex(found["digest"]),
        numbered=found["numbered"],
        tasks=tuple(_load_task(each) for each in found["tasks"]),
        assigned=tuple(Who(*each) for each in found["assigned"]),
        ended_at=_load_time(found["ended_at"]),
    )


def assigned(folded: bytes) -> tuple[Who, ...]:
    """To whom a document was dispatched, from its stored form."""
    return tuple(Who(*each) for each in orjson.loads(folded)["assigned"])


def _task(task: Task) -> dict[str, object]:
    call = task.call
    return {
        "id": task.id,
        "step": task.step,
        "whos": [_who(each) for each in task.whos],
        "started_at": _time(task.started_at),
        "due_at": _time(task.due_at),
        "outcome": task.outcome.value,
        "stands": task.stands,
        "taken_by": _person(task.taken_by),
        "taken_at": _time(task.taken_at),
        "done_by": _person(task.done_by),
        "acting_for": _person(task.acting_for),
        "done_at": _time(task.done_at),
        "digest": task.digest.hex(),
        "note": task.note,
        "added_by": task.added_by,
        "call": None
        if call is None
        else {
            "approver": _person(call.approver),
            "clerk": _person(call.clerk),
            "called_at": _time(call.called_at),
            "words": call.words,
            "confirm_by": _time(call.confirm_by),
            "confirmed_at": _time(call.confirmed_at),
            "denied": call.denied,
        },
    }


def _load_task(found: Mapping[str, Any]) -> Task:
    call = found["call"]
    return Task(
        id=found["id"],
        step=found["step"],
        whos=tuple(Who(*each) for each in found["whos"]),
        started_at=from_microseconds(found["started_at"]),
        due_at=_load_time(found["due_at"]),
        outcome=Outcome(found["outcome"]),
        stands=found["stands"],
        taken_by=_load_person(found["taken_by"]),
        taken_at=_load_time(found["taken_at"]),
        done_by=_load_person(found["done_by"]),
        acting_for=_load_person(found["acting_for"]),
        done_at=_load_time(found["done_at"]),
        digest=bytes.fromhex(found["digest"]),
        note=found["note"],
        added_by=found["added_by"],
        call=None
        if call is None
        else Call(
            approver=Person(*call["approver"]),
            clerk=Person(*call["clerk"]),
            called_at=from_microseconds(call["called_at"]),
            words=call["words"],
            confirm_by=from_microseconds(call["confirm_by"]),
            confirmed_at=_load_time(call["confirmed_at"]),
            denied=call["denied"],
        ),
    )


def _who(who: Who) -> list[str]:
    return [who.role, who.section, who.subject]


def _person(person: Person | None) -> list[str] | None:
    return None if person is None else [person.subject, person.name, person.role]


def _load_person(found: Sequence[str] | None) -> Person | None:
    return None if found is None else Person(*found)


def _time(at: datetime | None) -> int | None:
    return None if at is None else microseconds(at)


def _load_time(found: int | None) -> datetime | None:
    return None if found is None else from_microseconds(found)
