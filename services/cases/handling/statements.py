"""What a department states about handling: chains, number series, delegations, a post that changes hands.

Inside a command of the department's writer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from services.cases.handling import store, tables
from services.cases.handling.documents import Documents, Moved
from services.cases.handling.seal_image import sides
from services.cases.handling.store import Event, Kept
from services.common.clock import microseconds
from services.common.errors import InvalidField, LimitExceeded, NotFound, RoleNotPermitted
from services.exchange.actors import ActorFacts
from services.exchange.session import DepartmentSession
from services.procedures import handling
from services.procedures.chain import Direction
from services.procedures.chain_source import load_chain
from services.procedures.checker import PERSON_ROLES
from services.procedures.defects import DefectiveProcedure
from services.procedures.document import Actor, Person

if TYPE_CHECKING:
    from services.cases.desk import DeskSession

ADMINISTRATORS: Final = frozenset({"leader-in-charge", "principal", "registry-clerk", "section-head"})
"""Who states how a department handles its letters, and who acts for whom."""

SEAL_KEEPERS: Final = frozenset({"leader-in-charge", "principal", "registry-clerk"})
"""Who says what the department's seal looks like: those who answer for it, and whoever keeps it (收发, 用印)."""

_STATED: Final = 2000
_SEALS: Final = 100
_AT_ONCE: Final = 1000
"""Documents that one hand-over moves; repeating it moves the rest."""
_IN_NUMBERS: Final = frozenset("〔〕\n\t")
_LONGEST: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a change of post moved.

    Attributes:
        moved: Documents, with the tasks that changed hands.
        left: Documents with calls that only the predecessor can confirm.
        ended: Delegations that ended with the post, by number.
    """

    moved: tuple[tuple[Kept, tuple[int, ...]], ...]
    left: tuple[tuple[Kept, tuple[int, ...]], ...]
    ended: tuple[int, ...]


class Statements:
    """What is stated, in one session."""

    def __init__(self, session: DepartmentSession, desk: DeskSession) -> None:
        self._session = session
        self._desk = desk
        self._connection = session.connection

    # -- chains ---------------------------------------------------------------------------------

    def set_chain(
        self,
        source: str,
        procedure: str,
        act: str,
        since: datetime,
        until: datetime | None,
        actor: ActorFacts,
    ) -> int:
        """State a chain; returns its number.

        Raises:
            InvalidField: The YAML is defective, line by line; there is no such act; the period is none.
            LimitExceeded: Too many were stated.
        """
        try:
            chain = load_chain(source)
        except DefectiveProcedure as error:
            raise InvalidField(str(error), field="source") from error
        _check_period(since, until, "valid_until")
        self._check_act(procedure, act)
        for step in chain.steps:
            for who in (*step.by, *step.each):
                self._check_section(who.section if who.section != "own" else "")
        if len(self._desk.rules.stated) >= _STATED:
            raise LimitExceeded(f"A department states at most {_STATED} chains.", field="source")
        chains = tables.chains
        number = self._next(chains)
        self._connection.execute(
            chains.insert().values(
                id=number, direction=chain.direction, procedure=procedure, act=act,
                since_us=microseconds(since), until_us=None if until is None else microseconds(until),
                source=source, **self._set_by(actor),
            )
        )  # fmt: skip
        self._desk.restated()
        return number

    def withdraw(self, table: sa.Table, number: int, field: str) -> None:
        """End a chain's or a number series' validity now; it stays visible.

        Raises:
            NotFound: There is none of that number, or it has ended.
        """
        now_us = microseconds(self._session.now)
        done = self._connection.execute(
            table.update()
            .where(table.c.id == number, sa.or_(table.c.until_us.is_(None), table.c.until_us > now_us))
            .values(until_us=now_us)
        )
        if not done.rowcount:
            raise NotFound("None of that number is in force.", field=field)
        self._desk.restated()

    # -- number series --------------------------------------------------------------------------

    def set_series(
        self,
        word: str,
        direction: Direction,
        procedure: str,
        act: str,
        section: str,
        since: datetime,
        until: datetime | None,
        actor: ActorFacts,
    ) -> int:
        """State a number series; returns its number.

        Raises:
            InvalidField: The word cannot stand in a number; there is no such act or section.
            LimitExceeded: Too many were stated.
        """
        if not word.strip() or set(word) & _IN_NUMBERS:
            raise InvalidField("A word is what stands before 〔year〕 in a number.", field="word")
        _check_period(since, until, "valid_until")
        self._check_act(procedure, act)
        self._check_section(section)
        if len(self._desk.rules.series) >= _STATED:
            raise LimitExceeded(f"A department states at most {_STATED} series.", field="word")
        number = self._next(tables.number_series)
        self._connection.execute(
            tables.number_series.insert().values(
                id=number, word=word, direction=direction, procedure=procedure, act=act, section=section,
                since_us=microseconds(since), until_us=None if until is None else microseconds(until),
                **self._set_by(actor),
            )
        )  # fmt: skip
        self._desk.restated()
        return number

    # -- the seal -------------------------------------------------------------------------------

    def set_seal_image(
        self, png: bytes, width_mm: int, since: datetime, until: datetime | None, actor: ActorFacts
    ) -> int:
        """State what the department's seal looks like; returns the picture's number.

        Raises:
            InvalidField: The picture cannot be a seal's; the period is none.
            LimitExceeded: Too many were stated.
        """
        _check_period(since, until, "valid_until")
        wide, high = sides(png, "png")
        images = tables.seal_images
        number = self._next(images)
        if number > _SEALS:
            raise LimitExceeded(f"A department states at most {_SEALS} seals.", field="png")
        self._connection.execute(
            images.insert().values(
                id=number, png=png, digest=sha256(png).digest(), width_mm=width_mm, pixels_wide=wide,
                pixels_high=high, since_us=microseconds(since),
                until_us=None if until is None else microseconds(until), **self._set_by(actor),
            )
        )  # fmt: skip
        return number

    # -- delegations ----------------------------------------------------------------------------

    def delegate(
        self,
        number: int,
        absent: Person,
        section: str,
        delegate: Person,
        since: datetime,
        until: datetime,
        scope: Sequence[str],
        reason: str,
        actor: ActorFacts,
        *,
        holds_role: bool,
    ) -> int:
        """Let somebody act for an absent person, or change that; returns its number.

        Raises:
            NotFound: There is no delegation of that number.
            RoleNotPermitted: Only the absent person or an administrator says so.
            InvalidField: A person, the role, the period or the scope means nothing.
        """
        self._check_delegator(absent.subject, actor)
        if not absent.subject or not absent.name or not delegate.subject or not delegate.name:
            raise InvalidField("Name both persons by id and name.", field="absent")
        if absent.subject == delegate.subject:
            raise InvalidField("Nobody acts for themselves.", field="delegate.subject")
        if absent.role not in PERSON_ROLES:
            raise InvalidField("The role that is delegated is none of a person's.", field="absent.role")
        _check_period(since, until, "until")
        if until - since > _LONGEST:
            raise InvalidField("A delegation is for a year at most.", field="until")
        self._check_section(section)
        for each in scope:
            self._check_act(*each.split("/") if "/" in each else (each, ""))
        delegations = tables.delegations
        values: dict[str, object] = {
            "absent": absent.subject, "absent_name": absent.name, "role": absent.role, "section": section,
            "delegate": delegate.subject, "delegate_name": delegate.name, "since_us": microseconds(since),
            "until_us": microseconds(until), "scope": "\n".join(scope), "holds_role": holds_role,
            "reason": reason, **self._set_by(actor),
        }  # fmt: skip
        if not number:
            number = self._next(delegations)
            self._connection.execute(delegations.insert().values(id=number, **values))
            return number
        self._delegation(number, actor)
        self._connection.execute(delegations.update().where(delegations.c.id == number).values(**values))
        return number

    def end_delegation(self, number: int, actor: ActorFacts) -> None:
        """End a delegation now.

        Raises:
            NotFound: There is none of that number.
            RoleNotPermitted: Only the absent person or an administrator says so.
        """
        self._delegation(number, actor)
        self._cut(number)

    def _delegation(self, number: int, actor: ActorFacts) -> None:
        row = delegation_row(self._connection, number)
        self._check_delegator(row.absent, actor)

    def _cut(self, number: int) -> None:
        delegations, now_us = tables.delegations, microseconds(self._session.now)
        self._connection.execute(
            delegations.update()
            .where(delegations.c.id == number, delegations.c.until_us > now_us)
            .values(until_us=now_us)
        )

    def _check_delegator(self, absent: str, actor: ActorFacts) -> None:
        if absent != actor.subject and ADMINISTRATORS.isdisjoint(actor.roles):
            raise RoleNotPermitted

    # -- a post changes hands -------------------------------------------------------------------

    def hand_over(self, before: Person, after: Person, reason: str, actor: ActorFacts) -> HandedOver:
        """Give everything that a person has open to whoever takes their post.

        Raises:
            InvalidField: A person is not named, or both are the same.
        """
        if not (before.subject and after.subject and after.name):
            raise InvalidField("Name who leaves by id, and who comes by id and name.", field="after")
        if before.subject == after.subject:
            raise InvalidField("They are the same person.", field="after.subject")
        documents: Documents = self._desk.documents
        person = Actor(Person(actor.subject, actor.name, actor.role))
        moved: list[tuple[Kept, tuple[int, ...]]] = []
        left: list[tuple[Kept, tuple[int, ...]]] = []
        for kept in self._open_of(before.subject):
            calls = tuple(
                each.id
                for each in kept.document.open_tasks
                if each.call is not None and each.waits_for_confirmation
                and each.call.approver.subject == before.subject
            )  # fmt: skip
            if calls:
                left.append((kept, calls))
            document = handling.hand_over(kept.document, before.subject, after, person, documents.clock)
            if document == kept.document:
                continue
            known = len(kept.document.tasks)
            note = f"{before.subject} → {after.subject} {after.name}: {reason}"
            saved = documents.save(
                Moved(kept.with_document(document), (Event("handed-over", person, note=note),))
            )
            moved.append((saved, tuple(each.id for each in document.tasks[known:])))
        return HandedOver(tuple(moved), tuple(left), self._end_delegations(before.subject))

    def _open_of(self, subject: str) -> list[Kept]:
        documents, participants, queue = tables.documents.c, tables.participants.c, tables.queue.c
        theirs = sa.union(
            sa.select(queue.document_id).where(queue.key == f"p:{subject}"),
            sa.select(participants.document_id).where(participants.subject == subject),
        )
        rows = self._connection.execute(
            sa.select(tables.documents)
            .where(documents.document_id.in_(theirs))
            .where(sa.or_(documents.state == store.OPEN, documents.document_id.in_(
                sa.select(queue.document_id).where(queue.key == f"p:{subject}")
            )))
            .order_by(documents.document_id)
            .limit(_AT_ONCE)
        ).all()  # fmt: skip
        return [store.kept(self._connection, row) for row in rows]

    def _end_delegations(self, subject: str) -> tuple[int, ...]:
        """Of the post: made by whoever leaves it, and to them."""
        columns, now_us = tables.delegations.c, microseconds(self._session.now)
        ended = self._connection.execute(
            sa.select(columns.id)
            .where(sa.or_(columns.absent == subject, columns.delegate == subject), columns.until_us > now_us)
            .order_by(columns.id)
        ).scalars().all()  # fmt: skip
        for number in ended:
            self._cut(number)
        return tuple(ended)

    # -- common ---------------------------------------------------------------------------------

    def _next(self, table: sa.Table) -> int:
        last = self._connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0
        return int(last) + 1

    def _set_by(self, actor: ActorFacts) -> dict[str, object]:
        return {
            "set_by": actor.subject, "set_name": actor.name, "set_at_us": microseconds(self._session.now)
        }  # fmt: skip

    def _check_act(self, procedure: str, act: str) -> None:
        if act and not procedure:
            raise InvalidField("An act is of a procedure; name it.", field="procedure")
        if not procedure:
            return
        known = [each for each in self._session.directory.law.procedures.values() if each.name == procedure]
        if not known:
            raise InvalidField(f"There is no procedure {procedure}.", field="procedure")
        if act and not any(act in each.acts for each in known):
            raise InvalidField(f"{procedure} has no act {act}.", field="act")

    def _check_section(self, section: str) -> None:
        department = self._session.directory.departments.get(self._session.department.name)
        if section and (department is None or section not in [each.id for each in department.sections]):
            raise InvalidField(f"The department has no section {section}.", field="section")


def delegation_row(connection: sa.Connection, number: int) -> Any:
    """The row of a delegation.

    Raises:
        NotFound: There is none of that number.
    """
    row = connection.execute(sa.select(tables.delegations).where(tables.delegations.c.id == number)).first()
    if row is None:
        raise NotFound("No delegation has that number.", field="delegation_id")
    return row


def _check_period(since: datetime, until: datetime | None, field: str) -> None:
    if until is not None and until <= since:
        raise InvalidField("The period ends before it begins.", field=field)
