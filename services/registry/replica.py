"""What one registry process keeps in memory over the shared database.

Nothing here is truth: every value can be read again, and is, whenever the head shows that another
replica appended or that a commit's fate is unknown.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.exchange.assertions import Verifier
from services.exchange.directory import Directory
from services.procedures.case import CaseState
from services.registry.ledger import Hashes, Head
from services.registry.recent import Recent

_CASES: Final = 20_000


class Replica:
    """One process's view of the ledger.

    Attributes:
        name: Of this process, among its replicas.
        registry: Of the registry, such as `registry.qinghe`.
        directory: Everything common, as of `head`.
        head: The newest head that is known to be durable.
        hashes: Subtree hashes.
        recent: The newest deliveries.
        common_positions: Positions of common entries, rising; their index is the version less one.
    """

    def __init__(self, name: str, registry: str, sign_key: Ed25519PrivateKey, key_id: str) -> None:
        self.name = name
        self.registry = registry
        self.sign_key = sign_key
        self.key_id = key_id
        self.directory: Directory
        self.head: Head
        self.hashes = Hashes()
        self.recent: Recent
        self.common_positions: list[int] = []
        self.cases: OrderedDict[str, CaseState] = OrderedDict()
        self.roots: OrderedDict[int, bytes] = OrderedDict()
        self._checkpoint: tuple[Head, str] | None = None
        self._verifiers: dict[str, tuple[tuple[tuple[str, bytes], ...], Verifier]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[asyncio.Event] = set()

    def checkpoint(self) -> tuple[Head, str]:
        """The newest durable head and its signed note."""
        head = self.head
        known = self._checkpoint
        if known is None or known[0] is not head:
            known = (head, head.signed(self.sign_key))
            self._checkpoint = known
        return known

    def advance(self, head: Head, directory: Directory) -> None:
        """Publish a head that is durable, and the directory as of it."""
        self.directory = directory
        self.head = head
        self.roots[head.size] = head.edge.root
        while len(self.roots) > 4096:  # noqa: PLR2004 - some minutes of heads
            self.roots.popitem(last=False)
        self.wake()

    def remember_cases(self, changed: dict[str, CaseState]) -> None:
        """Keep folded cases of a durable commit."""
        cases = self.cases
        for case_id, state in changed.items():
            cases[case_id] = state
            cases.move_to_end(case_id)
        while len(cases) > _CASES:
            cases.popitem(last=False)

    def forget(self) -> None:
        """Drop everything that another replica may have changed."""
        self.cases.clear()
        self.recent = Recent(self.head.size)

    def verifier(self, department: str, directory: Directory) -> Verifier:
        """The verifier of a department's actor assertions; the same one while its issuers are."""
        issuers = directory.issuers(department)
        key = tuple(sorted(issuers.items()))
        known = self._verifiers.get(department)
        if known is None or known[0] != key:
            known = (key, Verifier(issuers, department))
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
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._set_all)

    def _set_all(self) -> None:
        for event in self._waiting:
            event.set()
