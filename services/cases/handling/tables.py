"""The tables of document handling: chains, documents on them, what waits for whom.

They share the metadata of the department's cases. A document is stored folded, like a case: its tasks are one
value that the rules read and write whole; `handling_queue` is the index of those that are open.
"""

from __future__ import annotations

import sqlalchemy as sa

from services.cases.tables import metadata as metadata  # noqa: PLC0414 - for migrations: with these tables in it

chains = sa.Table(
    "handling_chains",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("direction", sa.Text, nullable=False, comment="outbound, inbound"),
    sa.Column("procedure", sa.Text, nullable=False, comment="empty for all"),
    sa.Column("act", sa.Text, nullable=False, comment="empty for all"),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, comment="exclusive"),
    sa.Column("source", sa.Text, nullable=False, comment="YAML; never changes: running documents are on it"),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_name", sa.Text, nullable=False),
    sa.Column("set_at_us", sa.BigInteger, nullable=False),
)

documents = sa.Table(
    "handling_documents",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("letter_id", sa.Text, nullable=False, unique=True, comment="of a draft: the one that stands"),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("chain_id", sa.BigInteger, nullable=False, comment="0: the implicit chain"),
    sa.Column("state", sa.Text, nullable=False, comment="OPEN, DONE, DISCARDED"),
    sa.Column("step", sa.Text, nullable=False, comment="empty when it is through"),
    sa.Column("due_at_us", sa.BigInteger, comment="first due time of an open task"),
    sa.Column("title", sa.Text, nullable=False, comment="of the body; empty where it gives none"),
    sa.Column("number", sa.Text, nullable=False, server_default=""),
    sa.Column("departments", sa.Text, nullable=False, comment="of the other side, separated by spaces"),
    sa.Column("letter_number", sa.Text, nullable=False, comment="of what arrived, the author's"),
    sa.Column("started_at_us", sa.BigInteger, nullable=False),
    sa.Column("ended_at_us", sa.BigInteger),
    sa.Column("folded", sa.LargeBinary, nullable=False, comment="handling.stored.dumps"),
    sa.Index("handling_documents_case", "case_id", "document_id"),
    sa.Index("handling_documents_state", "state", "direction", "document_id"),
)

queue = sa.Table(
    "handling_queue",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="p:person, r:role, r:role@section"),
    sa.Column("due_at_us", sa.BigInteger, primary_key=True, autoincrement=False, comment="NEVER without one"),
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("task", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False, comment="of the step; confirm: a call is to be confirmed"),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Index("handling_queue_document", "document_id"),
)

participants = sa.Table(
    "handling_participants",
    metadata,
    sa.Column("subject", sa.Text, primary_key=True, comment="drafted it, or did something of it"),
    sa.Column("document_id", sa.Text, primary_key=True),
)

events = sa.Table(
    "handling_events",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("document_id", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("for_subject", sa.Text, nullable=False),
    sa.Column("for_name", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("step", sa.Text, nullable=False),
    sa.Column("task", sa.Integer, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("handling_events_document", "document_id", "id"),
)

attachments = sa.Table(
    "handling_attachments",
    metadata,
    sa.Column("document_id", sa.Text, primary_key=True),
    sa.Column("step", sa.Text, primary_key=True),
    sa.Column("root", sa.LargeBinary, primary_key=True, comment="of the evidence's manifest"),
    sa.Column("kind", sa.Integer, nullable=False, comment="cases.v1.AttachmentKind"),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
)

delegations = sa.Table(
    "handling_delegations",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("absent", sa.Text, nullable=False),
    sa.Column("absent_name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False, comment="of the absent person, that is delegated"),
    sa.Column("section", sa.Text, nullable=False),
    sa.Column("delegate", sa.Text, nullable=False),
    sa.Column("delegate_name", sa.Text, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, nullable=False, comment="exclusive"),
    sa.Column(
        "scope", sa.Text, nullable=False, comment="procedure or procedure/act, a line each; empty for all"
    ),
    sa.Column("holds_role", sa.Boolean, nullable=False, comment="the delegate has the role anyway"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_name", sa.Text, nullable=False),
    sa.Column("set_at_us", sa.BigInteger, nullable=False),
    sa.Index("handling_delegations_delegate", "delegate"),
    sa.Index("handling_delegations_absent", "absent"),
)

seal_images = sa.Table(
    "handling_seal_images",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("png", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of the PNG"),
    sa.Column("width_mm", sa.Integer, nullable=False, comment="on paper"),
    sa.Column("pixels_wide", sa.Integer, nullable=False),
    sa.Column("pixels_high", sa.Integer, nullable=False),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, comment="exclusive"),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_name", sa.Text, nullable=False),
    sa.Column("set_at_us", sa.BigInteger, nullable=False),
)

number_series = sa.Table(
    "number_series",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("word", sa.Text, nullable=False, comment="such as 清卫法监"),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("procedure", sa.Text, nullable=False, comment="empty for all"),
    sa.Column("act", sa.Text, nullable=False, comment="empty for all"),
    sa.Column("section", sa.Text, nullable=False, comment="of whoever drafts; empty for all"),
    sa.Column("since_us", sa.BigInteger, nullable=False),
    sa.Column("until_us", sa.BigInteger, comment="exclusive"),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_name", sa.Text, nullable=False),
    sa.Column("set_at_us", sa.BigInteger, nullable=False),
)
