"""The templates of a gateway's departments: kept by a person for herself, or for the whole department."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import sqlalchemy as sa
import uuid_utils
from sqlalchemy import Connection

from services.common.clock import Clock, from_microseconds, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, LimitExceeded, NotFound
from services.gateway.audit import Audit, By
from services.gateway.letter_templates import places, tables

T = TypeVar("T")

MOST_OWN: Final = 50
MOST_DEPARTMENT: Final = 200
LONGEST_TITLE: Final = 60
LONGEST_TEXT: Final = 8000
MOST_FIELDS: Final = 20
_COLUMNS: Final = tables.templates.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template.

    Attributes:
        id: Its id; empty before it is kept.
        department: Whose.
        owner: The account that alone has it; empty: the department's.
        procedure: Of the act.
        act: For which act.
        title: What it is called.
        texts: By the name of the body's field, with places.
        changed_by: Who changed it last.
        changed_at: When.
    """

    id: str = ""
    department: str
    owner: str = ""
    procedure: str
    act: str
    title: str
    texts: Mapping[str, str] = field(default_factory=dict)
    changed_by: str = ""
    changed_at: datetime | None = None


class LetterTemplates:
    """The templates.

    Args:
        database: The gateway's own.
        clock: The time.
        audit: Where changes of a department's templates are noted.
    """

    def __init__(self, database: Database, clock: Clock, audit: Audit) -> None:
        self._database = database
        self._clock = clock
        self._audit = audit

    async def of(self, department: str, account: str, procedure: str = "", act: str = "") -> list[Template]:
        """Those that a person may use, the department's first; of one act, or all."""
        query = sa.select(tables.templates).where(_seen(department, account))
        if procedure:
            query = query.where(_COLUMNS.procedure == procedure, _COLUMNS.act == act)
        order = (_COLUMNS.owner.isnot(None), _COLUMNS.procedure, _COLUMNS.act, _COLUMNS.title, _COLUMNS.id)
        return await self._read(
            lambda connection: [_template(row) for row in connection.execute(query.order_by(*order))]
        )

    async def get(self, department: str, account: str, template_id: str) -> Template:
        """One that a person may use.

        Raises:
            NotFound: None of that id.
        """
        return await self._read(lambda connection: _of(connection, department, account, template_id))

    async def keep(self, template: Template, account: str, by: By) -> Template:
        """Keep a new one, or one that was changed; who may, its caller knows.

        Args:
            template: As it is to be; without an id it is new.
            account: Of who keeps it.
            by: For the audit.

        Raises:
            InvalidField: Title, a text or a place is not of its form; `field` is `title`, `texts` or `text.NAME`.
            LimitExceeded: There are too many.
            NotFound: It is changed, and there is none of that id.
        """
        check(template)
        now = self._clock.now()
        values = {
            "department": template.department, "owner": template.owner or None,
            "procedure": template.procedure, "act": template.act, "title": template.title,
            "texts": json.dumps(dict(template.texts), ensure_ascii=False), "changed_by": template.changed_by,
            "changed_at_us": microseconds(now),
        }  # fmt: skip

        def work(connection: Connection) -> Template:
            if template.id:
                before = _of(connection, template.department, account, template.id)
                connection.execute(
                    sa.update(tables.templates).where(_COLUMNS.id == before.id).values(**values)
                )
                found = before.id
            else:
                found = uuid_utils.uuid7().hex
                connection.execute(tables.templates.insert().values(id=found, **values))
            # with this one: what was the department's may become a person's, and the other way
            most = MOST_OWN if template.owner else MOST_DEPARTMENT
            count = sa.select(sa.func.count()).where(
                _COLUMNS.department == template.department, _COLUMNS.owner == (template.owner or None)
            )
            if connection.execute(count).scalar_one() > most:
                raise LimitExceeded(f"At most {most} templates are kept.", field="title")
            if not template.owner or (template.id and not before.owner):
                action = "template.change" if template.id else "template.add"
                self._audit.note(connection, by.event(action, template.department, found))
            return _of(connection, template.department, account, found)

        return await self._write(work)

    async def remove(self, department: str, account: str, template_id: str, by: By) -> None:
        """Keep one no longer.

        Raises:
            NotFound: None of that id.
        """

        def work(connection: Connection) -> None:
            found = _of(connection, department, account, template_id)
            connection.execute(sa.delete(tables.templates).where(_COLUMNS.id == found.id))
            if not found.owner:
                self._audit.note(connection, by.event("template.remove", department, found.id))

        await self._write(work)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.write, work)


def check(template: Template) -> None:
    """Check a template's form.

    Raises:
        InvalidField: See `LetterTemplates.keep`.
    """
    if not template.title or len(template.title) > LONGEST_TITLE or not template.title.isprintable():
        raise InvalidField(
            f"A template's title is one line of 1 to {LONGEST_TITLE} characters.", field="title"
        )
    if not template.texts or len(template.texts) > MOST_FIELDS:
        raise InvalidField(f"A template has 1 to {MOST_FIELDS} texts.", field="texts")
    for name, text in template.texts.items():
        if not text.strip() or len(text) > LONGEST_TEXT or "\x00" in text:
            raise InvalidField(f"A text has 1 to {LONGEST_TEXT} characters.", field=f"text.{name}")
        if unknown := places.unknown(text):
            raise InvalidField(f"There is no place {{{unknown[0]}}}.", field=f"text.{name}")


def _seen(department: str, account: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        _COLUMNS.department == department, sa.or_(_COLUMNS.owner.is_(None), _COLUMNS.owner == account)
    )


def _of(connection: Connection, department: str, account: str, template_id: str) -> Template:
    query = sa.select(tables.templates).where(_seen(department, account), _COLUMNS.id == template_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such template.", field="template")
    return _template(row)


def _template(row: Any) -> Template:
    return Template(
        id=row.id, department=row.department, owner=row.owner or "", procedure=row.procedure, act=row.act,
        title=row.title, texts=json.loads(row.texts), changed_by=row.changed_by,
        changed_at=from_microseconds(row.changed_at_us),
    )  # fmt: skip
