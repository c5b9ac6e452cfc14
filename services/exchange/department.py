"""One department as its node hosts it: its database, keys, directory, and the one writer of all of it.

Everything that changes a department's database is a command of its group committer, decided against a
`DepartmentSession`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from sqlalchemy import Connection

from services.common.clock import Clock, from_microseconds
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.exchange import tables
from services.exchange.assertions import Verifier
from services.exchange.checkpoint import Checkpoint, parse_checkpoint
from services.exchange.delivered import Place
from services.exchange.directory import Directory
from services.exchange.feature import FeatureFactory
from services.exchange.session import Command, DepartmentSession, OutboxItem, OwnLetter
from services.exchange.subject_tokens import SubjectKeys

T = TypeVar("T")

CLOCK_TOLERANCE_MS: Final = 5 * 60 * 1000


@dataclass(slots=True)
class LinkState:
    """What the link knows, for people."""

    connected: bool = False
    last_heard_at: datetime | None = None
    clock_offset_ms: int = 0
    error: str = ""


@dataclass(slots=True)
class Department:
    """A department that this process hosts.

    Attributes:
        name: Dotted name.
        registry: Name of its home registry.
        log_id: Name of the registry's ledger.
        registry_key: The registry's `sign` key, as known from joining.
        directory: Everything common, as far as delivered.
        head: The newest verified head.
        cursor: Where its mailbox is durable up to.
        sequence: The last outbox sequence used.
        offer: Takes what was just recorded to the link; set by the link.
        features: What takes part in every session, by kind of letter.
        recorded: Own letters on their way, as far as remembered.
        blocked: Cases with a parked letter; None until read.
        subject_keys: The regional keys of subjects' tokens that it holds.
    """

    name: str
    registry: str
    log_id: str
    database: Database
    clock: Clock
    sign_key: Ed25519PrivateKey
    sign_key_id: str
    registry_key: bytes
    registry_key_id: str
    directory: Directory
    head: Checkpoint | None = None
    checkpoint: str = ""
    cursor: Place = Place(-1, -1)  # noqa: RUF009 - immutable
    sequence: int = 0
    link: LinkState = field(default_factory=LinkState)
    recorded: dict[str, OwnLetter] = field(default_factory=dict)
    blocked: frozenset[str] | None = None
    features: Mapping[str, FeatureFactory] = field(default_factory=dict)
    subject_keys: SubjectKeys = field(default_factory=SubjectKeys)
    offer: Callable[[Sequence[OutboxItem]], None] = lambda items: None
    proof_of: Callable[[str], bytes] = lambda letter_id: b""
    committer: GroupCommitter[Command, Any] = field(init=False)
    _verifier: tuple[object, Verifier] | None = None

    def start(self) -> None:
        """Read what is durable and start the writer."""
        self.database.write(self._load)
        self.committer = GroupCommitter(
            self.database, lambda connection: DepartmentSession(connection, self), name=f"writer-{self.name}"
        )

    def _load(self, connection: Connection) -> None:
        row = connection.execute(sa.select(tables.link)).first()
        if row is None:
            connection.execute(
                tables.link.insert().values(id=1, at=-1, position=-1, checkpoint="", sequence=0)
            )
        else:
            self.cursor = Place(row.at, row.position)
            self.checkpoint = row.checkpoint
            self.sequence = row.sequence
            if row.checkpoint:
                # verified before it was stored: the registry must show that it continues it
                self.head = parse_checkpoint(row.checkpoint).checkpoint
        entries = tables.common_entries
        for version, position, admitted_us, entry in connection.execute(
            sa.select(
                entries.c.version, entries.c.position, entries.c.admitted_at_us, entries.c.entry
            ).order_by(entries.c.version)
        ):
            self.directory = self.directory.apply(
                directory_pb.CommonEntry.FromString(entry),
                version=version, position=position, admitted_at=from_microseconds(admitted_us),
            )  # fmt: skip

    @property
    def clock_is_off(self) -> bool:
        """Whether our clock is too far off the registry's to date a letter."""
        return abs(self.link.clock_offset_ms) > CLOCK_TOLERANCE_MS

    @property
    def verifier(self) -> Verifier:
        """Verifies assertions by the issuers that this department lists now."""
        issuers = self.directory.issuers(self.name)
        key = tuple(sorted(issuers.items()))
        if self._verifier is None or self._verifier[0] != key:
            self._verifier = (key, Verifier(issuers, self.name))
        return self._verifier[1]

    async def run(self, command: Command) -> Any:
        """Run a command in the next commit group; returns after it is durable."""
        return await self.committer.submit(command)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read the database off the event loop."""
        return await asyncio.to_thread(self.database.read, work)
