"""What takes part in a department's commit groups: cases, shared items, each folding the letters of its kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from services.exchange.delivered import Delivered

if TYPE_CHECKING:
    from services.exchange.session import Command, DepartmentSession


class Feature(Protocol):
    """What a kind of letters means here; one for each attempt of a commit group."""

    def foresee(self, commands: Sequence[Command]) -> None:
        """The commands of the group: what they all need can be read at once."""
        ...

    def deliver(self, delivered: Delivered) -> None:
        """Fold an admitted letter of another party, or the receipt of an own one.

        Raises:
            Exception: It cannot be applied; nothing of the feature was changed.
        """
        ...

    def refused(self, letter_id: str, reason: str, not_submitted: frozenset[str]) -> None:
        """An own letter was refused for good."""
        ...

    def arrived(self, department: str, positions: Sequence[int], received_at: datetime) -> None:
        """Another department's node has these letters."""
        ...

    def law_changed(self) -> None:
        """The directory changed; what is computed from it must be."""
        ...

    def prepare(self) -> None:
        """All is decided: read what must still be read to write it."""
        ...

    def flush(self) -> None:
        """Write; see `bulk.pipelined`."""
        ...

    def committed(self) -> None:
        """It is durable: publish to memory."""
        ...

    def discard(self) -> None:
        """Nothing was kept."""
        ...


FeatureFactory = Callable[["DepartmentSession"], Feature]
