"""Personal data as it stands on pages until somebody says what it is needed for: hidden but for its ends."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from liandong.cases.v1 import bodies_pb2

from services.common.masking import words

__all__ = ["masked", "words"]

M = TypeVar("M", bound=Message)

_ENDS: Final = 4
_PLACE: Final = 6


def masked(message: M) -> M:
    """A copy of a body, or anything else that people wrote, in which personal data is masked.

    Of persons the address and the number are masked; what a unit is registered under is public.
    """
    found = type(message)()
    found.CopyFrom(message)
    _mask(found)
    return found


def _mask(message: Any) -> None:
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            if field.is_repeated:
                value[:] = [words(each) for each in value]
            else:
                setattr(message, field.name, words(value))
        elif field.message_type is not None:
            for each in value if field.is_repeated else (value,):
                _mask(each)
    if isinstance(message, bodies_pb2.Subject):
        _mask_subject(message)


def _mask_subject(subject: bodies_pb2.Subject) -> None:
    subject.telephone = _middle(subject.telephone)
    if subject.kind != bodies_pb2.SUBJECT_KIND_UNIT:
        subject.identifier = _middle(subject.identifier)
        if subject.address:
            subject.address = f"{subject.address[:_PLACE]}****"


def _middle(text: str) -> str:
    """Both ends of a number; nothing of a short one."""
    if "*" in text or not text:
        return text
    if len(text) <= 2 * _ENDS:
        return "*" * len(text)
    return f"{text[:_ENDS]}{'*' * (len(text) - 2 * _ENDS)}{text[-_ENDS:]}"
