"""Codes of act headers against the code tables that the region has published for them."""

from __future__ import annotations

from datetime import date
from typing import Final

from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.errors import InvalidField
from services.exchange import code_store, codes
from services.exchange.codes import CodeTables

_FIELDS: Final = ("item_code", "area_code", "outcome_code", "reason_code")


class CodeRefused(InvalidField):
    """The code is not one of its table's, or may no longer be used."""


def check(connection: Connection, content: pb.ActContent, opens: bool, tables: CodeTables, day: date) -> None:
    """Check the codes of a content before it is frozen.

    A field of which no table in force says that it holds its codes is not looked at, and of several that say so one
    is enough. A case that runs may go on to name a code that was retired meanwhile; a new one may not.

    Args:
        connection: In a transaction.
        content: What is to be said.
        opens: It opens a case.
        tables: As far as delivered here.
        day: Today.

    Raises:
        CodeRefused: With the field, and what to use in its place.
    """
    for field in _FIELDS:
        code: str = getattr(content, field)
        governing = tables.governing(content.procedure, field) if code else []
        refusals = [_refusal(connection, table, code, opens, day) for table in governing]
        if refusals and all(refusals):
            raise CodeRefused(refusals[0], field=f"draft.{field}")


def _refusal(connection: Connection, table: codes.Heading, code: str, opens: bool, day: date) -> str:
    row = code_store.find(connection, table, [code]).get(code)
    if row is None:
        return f"{table.title.zh} {table.name} has no code {code!r}."
    if not opens or codes.usable(row, day):
        return ""
    instead = f" Use {', '.join(row.replaced_by)}." if row.replaced_by else ""
    return f"{code} {row.title.zh} is not in use on {day}.{instead}"
