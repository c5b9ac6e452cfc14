"""Whom of a department a message is for, by the directory's people and their roles (M01)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.notices.model import Kind

EVERYBODY: Final = "*"
"""Where the directory names nobody who fits: all see it in their list."""

_CONTACT: Final = ("liaison", "section-head", "registry-clerk")
_LEADER: Final = ("leader-in-charge", "principal")
_ROLES: Final = {
    Kind.REMIND: _CONTACT,
    Kind.WARN_LEADER: _LEADER,
    Kind.TELL_OFFICE: _CONTACT,
    Kind.PROPOSE_SUPERVISION: (*_LEADER, *_CONTACT),
    Kind.LINK_DOWN: _CONTACT,
    Kind.CERTIFICATE: _CONTACT,
    Kind.OFFICE_REMINDER: _CONTACT,
}


def recipients(people: Iterable[directory_pb.Person], kind: Kind, mechanism: str) -> tuple[str, ...]:
    """Ids of those who are told.

    Those in the first role that anybody holds; among them those that are named for the mechanism, if any is. To propose
    supervision takes both a leader and a contact.

    Args:
        people: The department's.
        kind: Of the message.
        mechanism: The procedure it is about; may be empty.
    """
    working = [each for each in people if not each.retired]
    if kind is Kind.PROPOSE_SUPERVISION:
        chosen = [*_first(working, _LEADER, mechanism), *_first(working, _CONTACT, mechanism)]
    else:
        chosen = _first(working, _ROLES[kind], mechanism)
    return tuple(dict.fromkeys(chosen)) or (EVERYBODY,)


def _first(people: Sequence[directory_pb.Person], roles: Sequence[str], mechanism: str) -> list[str]:
    for role in roles:
        holding = [each for each in people if role in each.roles]
        named = [each for each in holding if mechanism in each.mechanisms]
        if holding:
            return [each.id for each in named or holding]
    return []
