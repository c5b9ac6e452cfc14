"""Channels: how a text leaves the node. One Protocol, an adapter for each kind.

A channel says how an attempt ended, since what may be done next differs. What was surely not taken is
tried again. What was refused for good is not. What may have been taken is the hard case: no protocol
without a memory on the other side can tell a lost request from a lost answer. A channel whose other side
knows ids (`repeats`) is sent the same id again, at least once; of others such a delivery stays in doubt
and is shown, at most once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One text to one address; `id` is the same in every attempt."""

    id: str
    address: str
    subject: str
    text: str


class NotTaken(Exception):
    """The other side surely did not take it; it may be tried again."""


class Rejected(Exception):
    """The other side will not take it, however often it is tried."""


class FateUnknown(Exception):
    """The other side may have taken it."""


class Channel(Protocol):
    """One way out."""

    @property
    def name(self) -> str:
        """As people choose it."""
        ...

    @property
    def repeats(self) -> bool:
        """What may have been taken may be sent again under its id."""
        ...

    def send(self, message: Outgoing) -> None:
        """Hand a text over; blocks, with a deadline.

        Raises:
            NotTaken, Rejected, FateUnknown: How it ended, where it was not taken.
        """
        ...
