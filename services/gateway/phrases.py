"""Phrases that people use again and again in opinions, kept for each account in the gateway's own store."""

from __future__ import annotations

import sqlalchemy as sa
import uuid_utils

from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, LimitExceeded
from services.gateway.schema import metadata

MOST = 50
LONGEST = 500

table = sa.Table(
    "phrases",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("account", sa.Text, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("account", "text", name="phrases_account_text"),
)


class Phrases:
    """The phrases of everybody.

    Args:
        database: The gateway's own.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def of(self, account: str) -> list[tuple[str, str]]:
        """Somebody's phrases with their ids, in the order in which they came."""
        columns = table.c
        query = (
            sa.select(columns.id, columns.text)
            .where(columns.account == account)
            .order_by(columns.created_at_us, columns.id)
        )
        return self._database.read(
            lambda connection: [(row.id, row.text) for row in connection.execute(query)]
        )

    def add(self, account: str, text: str) -> None:
        """Keep one; one that is kept already stays as it is.

        Raises:
            InvalidField: It is empty, too long, or more than a line.
            LimitExceeded: There are `MOST` already.
        """
        text = text.strip()
        if not text or len(text) > LONGEST or not text.isprintable():
            raise InvalidField(f"A phrase is one line of 1 to {LONGEST} characters.", field="text")
        columns = table.c

        def work(connection: sa.Connection) -> None:
            kept = set(
                connection.execute(sa.select(columns.text).where(columns.account == account)).scalars()
            )
            if text in kept:
                return
            if len(kept) >= MOST:
                raise LimitExceeded(f"At most {MOST} phrases are kept.", field="text")
            now = microseconds(self._clock.now())
            connection.execute(
                table.insert().values(
                    id=uuid_utils.uuid7().hex, account=account, text=text, created_at_us=now
                )
            )

        self._database.write(work)

    def remove(self, account: str, phrase: str) -> None:
        """Keep it no longer."""
        gone = sa.delete(table).where(table.c.account == account, table.c.id == phrase)
        self._database.write(lambda connection: connection.execute(gone))
