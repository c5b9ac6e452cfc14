"""What a drafter should know before sending: another department has an open case about the same subject.

A question to the registry while a draft is written or prepared, never a condition of it: where nobody answers in time,
that is said.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import structlog
from liandong.cases.v1 import case_service_pb2 as pb

from services.cases import bodies
from services.common.errors import LiandongError
from services.exchange.department import Department
from services.exchange.directory import Directory

Ask = Callable[[Sequence[bytes]], Awaitable[Sequence[tuple[int, str, str]]]]
"""Asks the registry about tokens: which of them, department, procedure; raises `LiandongError` if it cannot."""

_TOKENS: Final = 128


class Named(NamedTuple):
    """Somebody by identifier, and what they are called in the draft."""

    identifier: str
    name: str


_log = structlog.get_logger(__name__)


def named(draft: pb.ActDraft) -> list[Named]:
    """Whom a draft names by identifier."""
    name = draft.WhichOneof("body")
    subjects = bodies.subjects_of(getattr(draft, name)) if name else ()
    return [Named(each.identifier, each.name) for each in subjects if each.identifier]


async def warnings(
    department: Department, subjects: Sequence[Named], ask: Ask | None
) -> list[pb.DraftWarning]:
    """The warnings about a draft; none where it names nobody by identifier, or the region has no subject keys.

    Args:
        department: The drafter's.
        subjects: Whom the draft names by identifier.
        ask: None where the registry cannot be asked at all.
    """
    tokens: list[tuple[bytes, Named]] = [
        (token, subject)
        for subject in subjects
        for token in department.subject_keys.every_token(bodies.normalised(subject.identifier))
    ][:_TOKENS]
    if not tokens:
        return []
    if ask is None or not department.link.connected:
        return [_not_asked()]
    try:
        found = await ask([token for token, _ in tokens])
    except LiandongError as error:
        _log.info("elsewhere.not_asked", reason=error.reason)
        return [_not_asked()]
    told = {
        (tokens[place][1].name or tokens[place][1].identifier, other, procedure): None
        for place, other, procedure in found
        if place < len(tokens)
    }
    return [_elsewhere(*each, department.directory) for each in told]


def _not_asked() -> pb.DraftWarning:
    return pb.DraftWarning(
        kind=pb.DRAFT_WARNING_KIND_NOT_ASKED,
        message_zh="未能询问登记中心：不知其他部门是否正在办理同一当事人的案件。",
        message_en="The registry could not be asked whether another department has an open case about the subject.",
    )


def _elsewhere(subject: str, department: str, procedure: str, directory: Directory) -> pb.DraftWarning:
    known, rules = directory.department(department), directory.law.newest(procedure)
    zh, en = (known.title.zh, known.title.en) if known else (department, department)
    title_zh, title_en = (rules.title.zh, rules.title.en) if rules else (procedure, procedure)
    return pb.DraftWarning(
        kind=pb.DRAFT_WARNING_KIND_CASE_ELSEWHERE,
        subject=subject,
        department=department,
        procedure=procedure,
        message_zh=f"{zh}正在办理涉及“{subject}”的案件（{title_zh}），请先与其沟通。",
        message_en=f"{en} has an open case about {subject} ({title_en}): talk to them first.",
    )
