"""What one registry process keeps in memory over the shared database.

Nothing here is truth: every value can be read again, and is, whenever the head shows that another
replica appended or that a commit's fate is unknown. One thread changes it, the committer's; the event
loop reads. A reader takes the head first and looks at nothing beyond it: what a head covers is in place
before the head is.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.directory.v1 import common_entry_pb2
from sqlalchemy import Connection

from services.common.clock import from_microseconds
from services.exchange.assertions import Verifier
from services.exchange.directory import Directory
from services.procedures.case import CaseState
from services.registry import ledger, store
from services.registry.ledger import Hashes, Head
from services.registry.recent import Recent

_CASES: Final = 20_000
_ROOTS: Final = 4096
"""Heads remembered with the time of their last leaf: some minutes of full load."""


class Replica:
    """One process's view of the ledger.

    Attributes:
        name: Of this process, among its replicas.
        registry: Of the registry, such as `registry.qinghe`.
        sign_key: Signs heads and common entries.
        key_id: Its id in the directory.
        head: The newest head that is known to be durable.
        directory: Everything common, as of `head`.
        hashes: Subtree hashes.
        recent: The newest deliveries.
        common_positions: Positions of common entries, rising; the entry of version v stands at v - 1.
        cases: Folded cases, the last used at the end; only for the committer's thread.
        roots: Root and last admission by size; only for the committer's thread.
    """

    def __init__(
        self, name: str, registry: str, region: str, sign_key: Ed25519PrivateKey, key_id: str
    ) -> None:
        self.name = name
        self.registry = registry
        self.sign_key = sign_key
        self.key_id = key_id
        self.directory = Directory.empty(region)
        self.head: Head
        self.hashes = Hashes()
        self.recent = Recent(0)
        self.common_positions: list[int] = []
        self.cases: OrderedDict[str, CaseState] = OrderedDict()
        self.roots: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._checkpoint: tuple[Head, str] | None = None
        self._verifiers: dict[str, tuple[common_entry_pb2.Department | None, Verifier]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()

    def load(self, connection: Connection) -> None:
        """Read head and directory, at start."""
        head = ledger.read_head(connection)
        directory, positions = catch_up(connection, self.directory, head)
        self.note_common(enumerate(positions, start=self.directory.version + 1))
        self.recent.clear(head.size)
        self.advance(head, directory)

    def checkpoint(self) -> tuple[Head, str]:
        """The newest durable head and its signed note."""
        head = self.head
        known = self._checkpoint
        if known is None or known[0] is not head:
            known = (head, head.signed(self.sign_key))
            self._checkpoint = known
        return known

    def note_common(self, entries: Iterable[tuple[int, int]]) -> None:
        """Add (version, position) of common entries, those known already left out."""
        for version, position in entries:
            if version > len(self.common_positions):
                self.common_positions.append(position)

    def advance(self, head: Head, directory: Directory) -> None:
        """Publish a head that is durable, and the directory as of it; wake the streams."""
        self.directory = directory
        self.head = head
        self.roots[head.size] = (head.edge.root, head.admitted_at_us)
        while len(self.roots) > _ROOTS:
            self.roots.popitem(last=False)
        self.wake()

    def remember_cases(self, changed: Mapping[str, CaseState]) -> None:
        """Keep folded cases of a durable commit."""
        cases = self.cases
        for case_id, state in changed.items():
            cases[case_id] = state
            cases.move_to_end(case_id)
        while len(cases) > _CASES:
            cases.popitem(last=False)

    def version_at(self, position: int) -> int:
        """The number of the common entry at a position."""
        return bisect_right(self.common_positions, position)

    def verifier(self, department: str, directory: Directory) -> Verifier:
        """The verifier of a department's actor assertions; the same one while its entry is."""
        listed = directory.department(department)
        known = self._verifiers.get(department)
        # an entry of the directory is replaced, never changed
        if known is None or known[0] is not listed:
            known = (listed, Verifier(directory.issuers(department), department))
            self._verifiers[department] = known
        return known[1]

    # -- waking streams -------------------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Name the loop whose streams are to be woken."""
        self._loop = loop

    def subscribe(self) -> asyncio.Event:
        """An event that is set whenever the head advances; give it back with `unsubscribe`."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def unsubscribe(self, event: asyncio.Event) -> None:
        """Give an event back."""
        self._waiting.discard(event)

    def wake(self) -> None:
        """Set all events, from whatever thread."""
        if self._loop is not None:
            # a closed loop has nobody waiting
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._set_all)

    def _set_all(self) -> None:
        for event in self._waiting:
            event.set()


def catch_up(connection: Connection, directory: Directory, head: Head) -> tuple[Directory, list[int]]:
    """The directory as of a head, and the positions of the entries that were applied for it."""
    positions = []
    for position, payload, admitted_us in store.common_entries(connection, directory.version, head.size):
        positions.append(position)
        directory = directory.apply(
            common_entry_pb2.CommonEntry.FromString(payload),
            version=directory.version + 1,
            position=position,
            admitted_at=from_microseconds(admitted_us),
        )
    return directory, positions
