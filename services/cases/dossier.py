"""The dossier: everything of one case in one file that anyone can verify offline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from services.common.errors import Unavailable
from services.exchange.department import Department
from services.exchange.evidence_store import EvidenceStore

Prove = Callable[[int, int], Awaitable[tuple[list[bytes], str]]]
"""Asks the registry for the path of a position under the head of a size, and its newest checkpoint."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a dossier is to hold."""

    case_id: str


class Dossier:
    """Writes the dossier of a case."""

    def __init__(self, department: Department, prove: Prove | None, evidence: EvidenceStore | None) -> None:
        self._department = department
        self._prove = prove
        self._evidence = evidence

    def contents(self, connection: Connection, case_id: str) -> Contents:
        """What the dossier of a case will hold."""
        raise Unavailable

    def frames(self, contents: Contents) -> AsyncIterator[bytes]:
        """The file in frames."""
        raise NotImplementedError
