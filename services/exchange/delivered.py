"""What comes down the link, verified: letters of others and receipts of own ones, at their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.exchange.digests import Leaf
from services.exchange.letters import Letter


class Place(NamedTuple):
    """A place in this department's mailbox."""

    at: int
    position: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The registry's word that an own letter was admitted."""

    letter_id: str
    leaf: Leaf
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A letter of another party, verified, or a receipt of an own one, at its place."""

    place: Place
    leaf: Leaf
    letter: Letter | None
    receipt: Receipt | None
    flags: tuple[str, ...]
    proof: bytes
    raw: bytes
    error: str = ""
