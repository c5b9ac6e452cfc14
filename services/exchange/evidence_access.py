"""Who may bring evidence and who may read it, and that each use is written down.

On the registry a department reads what it brought and what an admitted letter to it names. On a node a
person reads what they brought and what a letter of a case names that they may see. Who may not read is told
that there is nothing.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, Protocol

from sqlalchemy import Connection

from services.common.caller import Actor, Caller
from services.common.db import Database
from services.common.errors import NotFound
from services.exchange.evidence_records import department_reader, granted_readers, readable_holder

_CASE = "case:"


@dataclass(frozen=True, slots=True)
class EvidenceUse:
    """One use of evidence, for the audit.

    Attributes:
        caller: The certificate that was shown.
        actor: The person or system that acted, None between node and registry.
        action: `register` a manifest, `write` a chunk, `look` at a manifest, `read` a chunk.
        root: The manifest.
        holder: Whose evidence it is.
        index: The chunk, if it is about one.
    """

    caller: Caller
    actor: Actor | None
    action: Literal["register", "write", "look", "read"]
    root: bytes
    holder: str
    index: int | None = None


RecordUse = Callable[[EvidenceUse], None]
"""Writes a use down; blocks. Reads are recorded before the bytes go, and refused if that fails."""


class Access(Protocol):
    """Asked at each call, in a thread: methods may block."""

    def may_write(self, caller: Caller, actor: Actor | None, root: bytes) -> str:
        """The holder under whom the caller may bring this evidence.

        Raises:
            LiandongError: The caller may not.
        """
        ...

    def may_read(self, caller: Caller, actor: Actor | None, root: bytes) -> str:
        """The holder whose evidence of that root the caller may read.

        Raises:
            NotFound: The caller may read none; or there is none.
        """
        ...

    def record(self, use: EvidenceUse) -> None:
        """Write a use down."""
        ...


class DepartmentAccess:
    """Access on the registry: departments, and the letters admitted between them.

    Args:
        database: Holds the grants.
        record: Writes a use down.
    """

    def __init__(self, database: Database, record: RecordUse) -> None:
        self._database = database
        self.record = record

    def may_write(self, caller: Caller, actor: Actor | None, root: bytes) -> str:  # noqa: ARG002
        """Every department may bring evidence: it is worth nothing until a letter names it."""
        return caller.department

    def may_read(self, caller: Caller, actor: Actor | None, root: bytes) -> str:  # noqa: ARG002
        """What the department brought itself, or was sent; see `Access.may_read`."""
        readers = [department_reader(caller.department)]
        return _found(
            self._database.read(lambda each: readable_holder(each, root, readers, [caller.department]))
        )


class CaseAccess:
    """Access on a node: people and systems of the department, and the cases that they may see.

    Args:
        database: Holds the grants.
        record: Writes a use down.
        holder_of: The name under which an actor brings evidence, from the actor and the caller.
        visible_cases: Those of the case ids that an actor may see.
    """

    def __init__(
        self,
        database: Database,
        record: RecordUse,
        *,
        holder_of: Callable[[Caller, Actor | None], str],
        visible_cases: Callable[[Connection, Caller, Actor | None, Collection[str]], Collection[str]],
    ) -> None:
        self._database = database
        self.record = record
        self._holder_of = holder_of
        self._visible_cases = visible_cases

    def may_write(self, caller: Caller, actor: Actor | None, root: bytes) -> str:  # noqa: ARG002
        """Whoever the permission table lets in may bring evidence, under a name of their own."""
        return self._holder_of(caller, actor)

    def may_read(self, caller: Caller, actor: Actor | None, root: bytes) -> str:
        """What the actor brought, or what a case names that they may see; see `Access.may_read`."""

        def work(connection: Connection) -> str | None:
            cases = [
                reader.removeprefix(_CASE)
                for reader in granted_readers(connection, root)
                if reader.startswith(_CASE)
            ]
            visible = self._visible_cases(connection, caller, actor, cases) if cases else ()
            readers = [_CASE + case for case in visible]
            return readable_holder(connection, root, readers, [self._holder_of(caller, actor)])

        return _found(self._database.read(work))


def _found(holder: str | None) -> str:
    if holder is None:
        raise NotFound
    return holder
