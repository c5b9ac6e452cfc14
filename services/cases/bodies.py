"""Bodies of acts: which field of a draft holds which message, and what of a body is looked up by people.

Rules never read a body. Titles, subjects and words for the search are taken from it where its type is
known here; an unknown type is kept and shown as not displayable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from liandong.cases.v1 import bodies_pb2, case_service_pb2

from services.common.errors import FieldViolation, LiandongError

_FIELDS: Final[dict[str, Any]] = {
    field.message_type.full_name: field  # type: ignore[union-attr]  # every choice is a message
    for field in case_service_pb2.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
}
_SEARCHED: Final = ("title", "facts", "result", "grounds", "text")
_UNSEARCHED: Final = frozenset({"liandong.cases.v1.ProgressReport", "liandong.cases.v1.SignFor"})
"""Frequent bodies without names: indexing each of their words would cost more than the letter itself."""
_PEOPLE: Final = ("complainant", "complainant_contact", "contact", "officer", "telephone")
"""Fields that name people to ask, or say how they are reached."""
_TEXT_LIMIT: Final = 2_000
_TELEPHONE: Final = re.compile(r"\+?\d[\d -]{5,}\d")
_LOCAL: Final = 7
_LONGEST: Final = 15


class IdentifierInvalid(LiandongError):
    """A subject's code or id number has a wrong check digit."""

    reason = "IDENTIFIER_INVALID"
    code = "INVALID_ARGUMENT"


def body_of(draft: case_service_pb2.ActDraft) -> tuple[str, bytes]:
    """The full name and the bytes of a draft's body."""
    message: Message = getattr(draft, draft.WhichOneof("body") or "")
    return message.DESCRIPTOR.full_name, message.SerializeToString()


def parse_body(body_type: str, payload: bytes) -> Message | None:
    """A body, None if its type is unknown here or its bytes are not of it."""
    field = _FIELDS.get(body_type)
    if field is None:
        return None
    try:
        message: Message = GetMessageClass(field.message_type).FromString(payload)
    except DecodeError:
        return None
    return message


def draft_with(body_type: str, payload: bytes) -> case_service_pb2.ActDraft | None:
    """A draft that holds only the body, for answers; None if it cannot be shown."""
    body = parse_body(body_type, payload)
    if body is None:
        return None
    draft = case_service_pb2.ActDraft()
    getattr(draft, _FIELDS[body_type].name).CopyFrom(body)
    return draft


def title_of(body: Message) -> str:
    """The title that a body gives its case, empty if it gives none."""
    return str(getattr(body, "title", ""))


def title_in(body_type: str, payload: bytes) -> str:
    """The title that a body gives its case, empty if it gives none or is not known here."""
    body = parse_body(body_type, payload)
    return "" if body is None else title_of(body)


def names_subjects(body_type: str) -> bool:
    """Whether bodies of this type name subjects."""
    field = _FIELDS.get(body_type)
    return field is not None and "subjects" in field.message_type.fields_by_name


def searched(body_type: str) -> bool:
    """Whether bodies of this type are indexed by word."""
    return body_type in _FIELDS and body_type not in _UNSEARCHED


def subjects_of(body: Message) -> Sequence[bodies_pb2.Subject]:
    """The subjects that a body names."""
    return list(getattr(body, "subjects", ()))


def decision_of(body: Message) -> tuple[str, int, int | None] | None:
    """The penalty that a body feeds back: number, fine in fen, time in microseconds; None if it feeds none back."""
    number, fine = getattr(body, "decision_number", ""), getattr(body, "fine_fen", 0)
    if not number and not fine:
        return None
    decided = body.decided_at.ToMicroseconds() if body.HasField("decided_at") else None  # type: ignore[attr-defined]
    return str(number), int(fine), decided


def text_of(body: Message) -> str:
    """The words of a body that people search for."""
    return " ".join(str(getattr(body, name)) for name in _SEARCHED if hasattr(body, name))[:_TEXT_LIMIT]


def people_of(body: Message) -> list[str]:
    """What a body says of people beside its subjects: who asks, who answers, how they are reached.

    Nothing of a complainant whose name is kept secret.
    """
    if getattr(body, "confidential", False):
        return []
    found = [str(getattr(body, name)) for name in _PEOPLE if hasattr(body, name)]
    return [each for each in found if each]


def telephones(text: str) -> set[str]:
    """Telephone numbers in a text, as digits: whole, and without the code of the country or the area."""
    found = set()
    for written in _TELEPHONE.findall(text):
        within = written.removeprefix("+86")
        digits, local = (
            "".join(each for each in part if each.isdigit()) for part in (within, within.rpartition("-")[2])
        )
        found |= {each for each in (digits, local) if _LOCAL <= len(each) <= _LONGEST}
    return found


def check_subjects(subjects: Iterable[bodies_pb2.Subject], path: str) -> None:
    """Check the identifiers of subjects.

    Args:
        subjects: The subjects.
        path: Field path of the list, for the violation.

    Raises:
        IdentifierInvalid: A unified social credit code (GB 32100) or citizen id (GB 11643) is wrong.
    """
    for index, subject in enumerate(subjects):
        check_subject(subject, f"{path}[{index}].identifier")


def check_subject(subject: bodies_pb2.Subject, field: str) -> None:
    """Check the identifier of one subject.

    Raises:
        IdentifierInvalid: Likewise.
    """
    # not before the first letter with subjects: it loads pydoc and its web server
    from stdnum.cn import ric, uscc  # noqa: PLC0415

    checker = {bodies_pb2.SUBJECT_KIND_UNIT: uscc, bodies_pb2.SUBJECT_KIND_CITIZEN: ric}.get(subject.kind)
    if checker is None or not subject.identifier:
        return
    # the check digits alone would also take digits of other scripts, which are never looked up again
    if not subject.identifier.isascii() or not checker.is_valid(subject.identifier):
        raise IdentifierInvalid(
            field=field, violations=[FieldViolation(field, "check_digit", "Wrong check digit.")]
        )


def normalised(identifier: str) -> str:
    """An identifier as it is compared: upper case, no blanks."""
    return identifier.replace(" ", "").upper()


def terms(text: str) -> set[str]:
    """What of a text is indexed: every pair of neighbouring characters that are not blanks.

    Pairs find Chinese without a dictionary and Latin words alike; a query must hold all of its pairs.
    """
    folded = "".join(character.lower() for character in text if character.isalnum())
    return {folded[start : start + 2] for start in range(len(folded) - 1)} or ({folded} if folded else set())
