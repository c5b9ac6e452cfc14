"""The tables that every department's database has for the exchange: letters, outbox, inbox, mirror.

`letters` is the one place where a letter is kept, whoever wrote it; cases, items and arrivals are folded
from it. Times are microseconds since 1970 UTC in 64-bit integers.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

letters = sa.Table(
    "letters",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False, comment="act, arrival, item, key_grant, erasure"),
    sa.Column("case_id", sa.Text, comment="case of an act, item id of an item"),
    sa.Column("act", sa.Text, nullable=False, server_default=""),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("number", sa.Text, nullable=False, server_default="", comment="letter number (发文字号)"),
    sa.Column("disposition", sa.Text, nullable=False, comment="RECORDED, ADMITTED, REFUSED"),
    sa.Column("position", sa.BigInteger, comment="in the ledger, once admitted"),
    sa.Column("admitted_at_us", sa.BigInteger),
    sa.Column("common_version", sa.BigInteger),
    sa.Column("signed_at_us", sa.BigInteger, nullable=False),
    sa.Column("occurred_at_us", sa.BigInteger, nullable=False),
    sa.Column("letter_digest", sa.LargeBinary, nullable=False),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column(
        "extras", sa.LargeBinary, nullable=False, comment="serialized Envelope with assertions and wraps only"
    ),
    sa.Column(
        "proof",
        sa.LargeBinary,
        nullable=False,
        comment="serialized AuthorProof; of own letters empty until sent",
    ),
    sa.Column("flags", sa.Text, nullable=False, server_default=""),
    sa.Column("reason", sa.Text, nullable=False, server_default="", comment="of a refusal"),
    sa.Column("message", sa.Text, nullable=False, server_default="", comment="of a refusal, for people"),
    sa.Column("idempotency_key", sa.Text, comment="of the request that recorded it, within its actor"),
    sa.Column("request_digest", sa.LargeBinary),
    sa.Column(
        "sequence", sa.BigInteger, comment="order of recording, of own letters that have no answer yet"
    ),
    sa.Column(
        "attempts", sa.Integer, nullable=False, server_default="0", comment="times the registry put it off"
    ),
    sa.Column("error", sa.Text, nullable=False, server_default="", comment="why, the last time"),
    sa.Index("letters_case", "case_id", "position"),
    sa.Index("letters_position", "position", unique=True),
    sa.Index(
        "letters_key",
        "idempotency_key",
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
    ),
    sa.Index(
        "letters_sequence",
        "sequence",
        unique=True,
        postgresql_where=sa.text("sequence IS NOT NULL"),
        sqlite_where=sa.text("sequence IS NOT NULL"),
    ),
    sa.Index(
        "letters_number",
        "number",
        postgresql_where=sa.text("number <> ''"),
        sqlite_where=sa.text("number <> ''"),
    ),
)

_own = letters.c
outbox = (
    sa.select(_own.sequence, _own.letter_id, _own.case_id, _own.attempts, _own.error)
    .where(_own.sequence.is_not(None))
    .subquery("outbox")
)
"""Own letters on their way: no table, but the part of `letters` that an index of its own holds."""

parked = sa.Table(
    "parked",
    metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("letter_id", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False, comment="blocked until its first parked letter applies"),
    sa.Column("delivery", sa.LargeBinary, nullable=False, comment="serialized Delivery, as it came"),
    sa.Column("proof", sa.LargeBinary, nullable=False, comment="serialized AuthorProof"),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_us", sa.BigInteger, comment="null: only by hand"),
    sa.Index("parked_case", "case_id", "position"),
)

link = sa.Table(
    "link",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, comment="always 1"),
    sa.Column(
        "at", sa.BigInteger, nullable=False, comment="cursor: all up to here is durable and applied or parked"
    ),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("checkpoint", sa.Text, nullable=False, comment="the newest verified head"),
    sa.Column("sequence", sa.BigInteger, nullable=False, comment="last outbox sequence used"),
)

common_entries = sa.Table(
    "common_entries",
    metadata,
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("admitted_at_us", sa.BigInteger, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False, comment="serialized directory.v1.CommonEntry"),
)

arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("last_at", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("received_at_us", sa.BigInteger, nullable=False),
)

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("series", sa.Text, primary_key=True, comment="such as 清卫移"),
    sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", sa.BigInteger, nullable=False),
)

reserved_numbers = sa.Table(
    "reserved_numbers",
    metadata,
    sa.Column("number", sa.Text, primary_key=True, comment="issued, of no letter yet and not void"),
    sa.Column("owner", sa.Text, nullable=False, comment="the document in the department that has it"),
    sa.Column("issued_at_us", sa.BigInteger, nullable=False),
)

void_numbers = sa.Table(
    "void_numbers",
    metadata,
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("letter_id", sa.Text, nullable=False, comment="or the document that had it"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("voided_at_us", sa.BigInteger, nullable=False),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("object_id", sa.Text, nullable=False),
    sa.Column("result", sa.Text, nullable=False),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Index("audit_case", "case_id", "id"),
    sa.Index("audit_subject", "subject", "id"),
)
