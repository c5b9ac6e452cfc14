"""The tables of what a department's people are told. Times are microseconds since 1970 UTC.

Messages and what became of their deliveries are a record: who was told what, when, through which channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "notices_version"

metadata = sa.MetaData()

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="of event and person: what is told twice is one"),
    sa.Column("person", sa.Text, nullable=False, comment="* for everybody of the department"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("text_zh", sa.Text, nullable=False),
    sa.Column("text_en", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("duty", sa.Text, nullable=False),
    sa.Column("subject_department", sa.Text, nullable=False),
    sa.Column("due_at_us", sa.BigInteger),
    sa.Column("raised_at_us", sa.BigInteger, nullable=False),
    sa.Column("delivery", sa.Text, comment="the digest or urgent delivery that has it; null until then"),
    sa.Index("messages_person", "person", "raised_at_us", "id"),
    sa.Index(
        "messages_waiting",
        "person",
        postgresql_where=sa.text("delivery IS NULL"),
        sqlite_where=sa.text("delivery IS NULL"),
    ),
    sa.Index("messages_delivery", "delivery"),
)

reads = sa.Table(
    "message_reads",
    metadata,
    sa.Column("message", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("read_at_us", sa.BigInteger, nullable=False),
    sa.Index("message_reads_person", "person"),
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True, comment="digest/person/date or urgent/message"),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="WAITING, SENDING, SENT, FAILED, UNKNOWN"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("next_at_us", sa.BigInteger, comment="while it waits"),
    sa.Column("ended_at_us", sa.BigInteger),
    sa.Column("error", sa.Text, nullable=False),
    sa.Index("deliveries_created", "created_at_us", "id", "channel"),
    sa.Index(
        "deliveries_next",
        "next_at_us",
        postgresql_where=sa.text("next_at_us IS NOT NULL"),
        sqlite_where=sa.text("next_at_us IS NOT NULL"),
    ),
)

preferences = sa.Table(
    "notice_preferences",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("channels", sa.Text, nullable=False, comment="JSON: channel to address"),
    sa.Column("digest_minute", sa.Integer, comment="after midnight; null: the node's hour"),
    sa.Column("language", sa.Text, nullable=False),
)

feed = sa.Table(
    "notice_feed",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False, comment="always 1"),
    sa.Column(
        "read_until_us", sa.BigInteger, nullable=False, comment="alerts that fired until then were read"
    ),
)
