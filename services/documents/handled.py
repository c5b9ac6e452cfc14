"""How a letter went through a department (发文处理单, 收文处理单): each step with who, when and which opinion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import handling_service_pb2 as pb

from services.common.title import Title
from services.common.titles import role_title
from services.documents.letter import Letter
from services.documents.letters import subject_of
from services.documents.model import HINT, Align, Cell, Document, Face, Language, Table
from services.documents.sheets import HALVES, sheet_of
from services.documents.words import instant, pick, say
from services.exchange.letters import moment

_SHOWN: Final = frozenset(
    {
        pb.TASK_OUTCOME_DONE,
        pb.TASK_OUTCOME_PROVISIONAL,
        pb.TASK_OUTCOME_RETURNED,
        pb.TASK_OUTCOME_HANDED_ON,
    }
)
"""What somebody did; what is open, or was never done, says nothing."""


def handling(
    letter: Letter,
    handled: pb.GetDocumentResponse,
    own: Title,
    acts: Mapping[str, Title],
    language: Language,
    now: datetime,
) -> Document:
    """The sheet of a letter that went through a chain of a department's own.

    Args:
        letter: Which.
        handled: How.
        own: The department.
        acts: Titles of the acts of its procedure: a step that an act did is noted with the act's name.
        language: Of the words around.
        now: When it is printed.
    """
    found = handled.document
    inbound = found.direction == pb.DIRECTION_INBOUND

    def row(*pairs: tuple[str, str]) -> tuple[Cell, ...]:
        cells: list[Cell] = []
        for key, value in pairs:
            cells += [_label(say(key, language)), Cell(value, span=5 - 2 * len(pairs))]
        return tuple(cells)

    rows = [row(("sheet.document", subject_of(letter, language).replace(HINT, "")))]
    if inbound:
        rows.append(row(("sheet.number", letter.number), ("handled.incoming", found.number)))
        rows.append(row(("sheet.sender", pick(letter.author, language)), ("handled.section", found.section)))
    else:
        rows.append(row(("sheet.number", letter.number or found.number)))
        rows.append(row(("sheet.drafted_by", found.drafter.name), ("handled.section", found.section)))
    ended = _at(found.ended_at, language) if found.HasField("ended_at") else ""
    rows.append(row(("handled.began", _at(found.started_at, language)), ("handled.ended", ended)))
    header = tuple(_label(say(f"handled.{key}", language)) for key in ("step", "person", "at", "opinion"))
    steps = Table((0.14, 0.2, 0.28, 0.38), (header, *_steps(handled, acts, language)), header=1)
    key = "handled.in" if inbound else "handled.out"
    return sheet_of(
        say(key, language), pick(own, language), language, now, [Table(HALVES, tuple(rows)), steps]
    )


def _steps(
    handled: pb.GetDocumentResponse, acts: Mapping[str, Title], language: Language
) -> Iterator[tuple[Cell, ...]]:
    for task in handled.tasks:
        if task.outcome not in _SHOWN:
            continue
        title = task.title_zh if language == "zh" else task.title_en
        who = task.done_by if task.HasField("done_by") else task.call.approver
        person = who.name or who.subject
        if who.role:
            person = say("sheet.person", language, name=person, role=pick(role_title(who.role), language))
        if task.HasField("acting_for"):
            person = say("sheet.stood_for", language, name=person, other=task.acting_for.name)
        at = _at(task.done_at, language) if task.HasField("done_at") else ""
        yield (
            Cell(title, align=Align.CENTRE),
            Cell(person, align=Align.CENTRE),
            Cell(at, align=Align.CENTRE),
            Cell("\n".join(_opinion(task, acts, language))),
        )


def _opinion(task: pb.TaskView, acts: Mapping[str, Title], language: Language) -> Iterator[str]:
    if not task.stands:
        yield say("handled.former", language)
    if task.HasField("call"):
        call = task.call
        yield say(
            "handled.call",
            language,
            words=call.words,
            clerk=call.clerk.name,
            at=_at(call.called_at, language),
        )
        if call.denied:
            yield say("handled.denied", language, words=call.denied)
        elif call.HasField("confirmed_at"):
            yield say("handled.confirmed", language, at=_at(call.confirmed_at, language))
        else:
            yield say("handled.provisional", language)
    if task.outcome == pb.TASK_OUTCOME_RETURNED:
        yield say("handled.returned", language, note=task.note)
    elif task.outcome == pb.TASK_OUTCOME_HANDED_ON:
        yield say("handled.handed_on", language, note=task.note).strip()
    elif task.note in acts:
        yield say("handled.by_act", language, act=pick(acts[task.note], language))
    elif task.note:
        yield task.note
    elif not task.HasField("call"):
        yield say("handled.agreed", language)


def _at(stamp: Timestamp, language: Language) -> str:
    return instant(moment(stamp).replace(second=0, microsecond=0), language)


def _label(text: str) -> Cell:
    return Cell(text, face=Face.HEI, align=Align.CENTRE)
