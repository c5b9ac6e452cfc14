"""The tables of a department's shared items: what is folded from their letters, and who read what.

The letters themselves, bodies included, stand in `letters` of the exchange. Everything but `item_reads`
can be rebuilt from them. Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "sharing_version"

metadata = sa.MetaData()

item_revisions = sa.Table(
    "item_revisions",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("item_id", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("act", sa.Text, nullable=False, comment="publish, correct, withdraw"),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("formed_at_us", sa.BigInteger, nullable=False),
    sa.Column("signed_at_us", sa.BigInteger, nullable=False),
    sa.Column("restricted", sa.Boolean, nullable=False),
    sa.Column("recipients", sa.Text, nullable=False, comment="departments named, by comma"),
    sa.Column("heading", sa.LargeBinary, comment="sharing.v1.Bulletin without text; null: not displayable"),
    sa.Column("refused", sa.Boolean, nullable=False, comment="by the registry; no part of the item"),
    sa.Column("position", sa.BigInteger, comment="in the ledger, once admitted"),
    sa.Column("admitted_at_us", sa.BigInteger),
    sa.Index("item_revisions_item", "item_id", "revision"),
    sa.Index(
        "item_revisions_pending",
        "letter_id",
        postgresql_where=sa.text("position IS NULL AND NOT refused"),
        sqlite_where=sa.text("position IS NULL AND NOT refused"),
    ),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("seen_at_us", sa.BigInteger, nullable=False, comment="when it first came here; never changes"),
    sa.Column("letter_id", sa.Text, nullable=False, comment="of the newest revision"),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="the newest"),
    sa.Column("withdrawn", sa.Boolean, nullable=False),
    sa.Column("heading", sa.LargeBinary, comment="as in the newest revision"),
    sa.Column("position", sa.BigInteger, comment="of the newest revision"),
    sa.Column("admitted_at_us", sa.BigInteger, comment="of the newest revision"),
    sa.Column("formed_at_us", sa.BigInteger, nullable=False),
    sa.Column("restricted", sa.Boolean, nullable=False),
    sa.Column("recipients", sa.Text, nullable=False),
    sa.Column("first_revision", sa.BigInteger, nullable=False, comment="the oldest that is here"),
    sa.Column("first_signed_at_us", sa.BigInteger, nullable=False),
    sa.Column("first_admitted_at_us", sa.BigInteger),
    sa.Index("items_seen", "seen_at_us", "item_id"),
    sa.Index("items_category", "category", "seen_at_us", "item_id"),
    sa.Index("items_author", "author", "seen_at_us", "item_id"),
)

item_terms = sa.Table(
    "item_terms",
    metadata,
    sa.Column("term", sa.Text, primary_key=True, comment="one character, or two neighbouring ones"),
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Index("item_terms_item", "item_id"),
)

item_reads = sa.Table(
    "item_reads",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True, comment="the issuer's id of the person"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False, comment="the newest that was read"),
    sa.Column("read_at_us", sa.BigInteger, nullable=False, comment="when that one was first read"),
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("category", sa.Text, primary_key=True),
    sa.Column("subscribed", sa.Boolean, nullable=False, comment="with own letters on their way"),
    sa.Column("admitted", sa.Boolean, nullable=False, comment="as the registry has it"),
    sa.Column("letter_id", sa.Text, nullable=False, comment="the newest that changed it"),
)
