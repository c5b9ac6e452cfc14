"""What the registry's writer is asked to do, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.exchange.directory import Directory
from services.exchange.letters import Letter
from services.registry.group import Signed
from services.registry.judgement import Answer
from services.registry.ledger import Head


@dataclass(frozen=True, slots=True)
class Batch:
    """Letters of one department, signed together and opened.

    Attributes:
        author: The department of the certificate that submitted them.
        letters: What became of opening each: the letter, or why it is none.
        signed: The batch as its author signed it.
        first: Where these letters begin in it; above 0 only where a batch was taken apart.
    """

    author: str
    letters: tuple[Letter | Answer, ...]
    signed: Signed
    first: int = 0


Change = Callable[[Directory, datetime], directory_pb.CommonEntry | None]
"""Gives an entry from the directory below it and the time of its admission; None to publish nothing.

An entry replaces the one before it, so what it takes over from that one is read here, under the head's lock:
of two replicas that read the same entry ahead, the later would undo what the earlier published.
"""


@dataclass(frozen=True, slots=True)
class Publication:
    """A common entry to be published by the registry itself.

    Attributes:
        change: Gives the entry; may raise `LiandongError`.
        digest: Of what was asked for.
        idempotency_key: Repeating a publication under the same key answers the same; empty for none.
        make: Makes the signed letter, from the entry, its version, the head below it and its admission.
    """

    change: Change
    digest: bytes
    idempotency_key: str
    make: Callable[[directory_pb.CommonEntry, int, Head, datetime], tuple[Letter, Signed]]


@dataclass(frozen=True, slots=True)
class Publications:
    """Common entries that are published together, or none of them. Each has an idempotency key."""

    each: tuple[Publication, ...]


@dataclass(frozen=True, slots=True)
class Refresh:
    """Take over what other replicas appended, or what a commit in doubt may have kept."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A letter's place."""

    position: int


Result = Admitted | Answer
Command = Batch | Publication | Publications | Refresh
