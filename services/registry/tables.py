"""The registry's tables.

The ledger is append-only; mailboxes and obligations are indexes over it that could be rebuilt from it.
Times are microseconds since 1970 UTC in 64-bit integers, so that both databases compare them alike.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()


def _number_key(
    name: str, kind: type[sa.Integer] = sa.BigInteger, comment: str | None = None
) -> sa.Column[int]:
    """A whole number in a primary key that the program gives, never the database."""
    return sa.Column(name, kind, primary_key=True, autoincrement=False, comment=comment)


def _serial() -> sa.Column[int]:
    """A primary key that the database gives; SQLite counts only what it calls INTEGER."""
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("id", kind, primary_key=True, autoincrement=True)


def _only(condition: str) -> dict[str, Any]:
    """An index over the rows for which a condition holds, on either database."""
    return {f"{dialect}_where": sa.text(condition) for dialect in ("postgresql", "sqlite")}


ledger_head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column(
        "id", sa.SmallInteger, primary_key=True, comment="always 1: locking this row orders all appends"
    ),
    sa.Column("log_id", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column(
        "edge", sa.LargeBinary, nullable=False, comment="roots of the complete subtrees on the right edge"
    ),
    sa.Column("common_version", sa.BigInteger, nullable=False),
    sa.Column("admitted_at_us", sa.BigInteger, nullable=False),
    sa.Column("held_since_us", sa.BigInteger, comment="since when nothing is taken; null while letters are"),
)

ledger = sa.Table(
    "ledger",
    metadata,
    _number_key("position"),
    sa.Column("letter_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False, comment="act, arrival, item, key_grant, erasure, common"),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column(
        "case_id", sa.Text, comment="case of an act, item id of an item, common version of a common entry"
    ),
    sa.Column("letter_digest", sa.LargeBinary, nullable=False),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Column("admitted_at_us", sa.BigInteger, nullable=False),
    sa.Column("common_version", sa.BigInteger, nullable=False),
    sa.Column("batch", sa.BigInteger, nullable=False, comment="batches.batch"),
    sa.Column("batch_index", sa.Integer, nullable=False),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column(
        "extras", sa.LargeBinary, nullable=False, comment="serialized Envelope with assertions and wraps only"
    ),
    sa.Column("flags", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("letter_id", name="ledger_letter"),
    sa.Index("ledger_case", "case_id", "position"),
    sa.Index("ledger_common", "common_version", **_only("kind = 'common'")),
)

batches = sa.Table(
    "batches",
    metadata,
    _number_key("batch", comment="position of its first admitted letter"),
    sa.Column("suite", sa.SmallInteger, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
    sa.Column(
        "digests",
        sa.LargeBinary,
        nullable=False,
        comment="letter digests of all leaves, refused ones too, 32 bytes each",
    ),
)

ledger_nodes = sa.Table(
    "ledger_nodes",
    metadata,
    _number_key("level", sa.SmallInteger, comment="1 and up; level 0 is ledger.leaf_hash"),
    _number_key("node_index"),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

refusals = sa.Table(
    "refusals",
    metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("letter_digest", sa.LargeBinary, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("field", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("refused_at_us", sa.BigInteger, nullable=False),
)

mailbox = sa.Table(
    "mailbox",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    _number_key("at", comment="position that caused the delivery"),
    _number_key("position"),
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("last_seen_us", sa.BigInteger, nullable=False),
    sa.Column("connected_replica", sa.Text, comment="the replica that serves its Deliver stream now"),
    sa.Column("disconnected_us", sa.BigInteger, comment="since when no replica does"),
)

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Column("opened_at_us", sa.BigInteger, nullable=False),
    sa.Column("last_position", sa.BigInteger, nullable=False),
    sa.Column("folded", sa.LargeBinary, nullable=False, comment="procedures.case.dumps"),
    # a case's row changes with each act: with room on its page, no index is touched
    postgresql_with={"fillfactor": 70},
)

case_parties = sa.Table(
    "case_parties",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    # an office stands in every case of its mechanism: who else takes part is found beside it
    sa.Index("case_parties_department", "department", "role", "case_id"),
)

case_links = sa.Table(
    "case_links",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True, comment="the case that names the other"),
    sa.Column("linked", sa.Text, primary_key=True),
    sa.Column("relation", sa.Text, primary_key=True),
    sa.Index("case_links_linked", "linked"),
)

case_subjects = sa.Table(
    "case_subjects",
    metadata,
    sa.Column(
        "token", sa.LargeBinary, primary_key=True, comment="of the act header; who it is nobody here knows"
    ),
    sa.Column("case_id", sa.Text, primary_key=True),
)

subject_questions = sa.Table(
    "subject_questions",
    metadata,
    _serial(),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("department", sa.Text, nullable=False, comment="that of the certificate"),
    sa.Column("serial", sa.Text, nullable=False, comment="of the certificate"),
    sa.Column("tokens", sa.LargeBinary, nullable=False, comment="32 bytes each"),
    sa.Column("found", sa.Integer, nullable=False, comment="how many departments and mechanisms were told"),
    sa.Index("subject_questions_department", "department", "id"),
)

obligations = sa.Table(
    "obligations",
    metadata,
    sa.Column("case_id", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    _number_key("ordinal", sa.Integer),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column(
        "procedure_version",
        sa.Integer,
        nullable=False,
        comment="with procedure and rule: whose marks apply; 0 of a standing duty, whose id is the rule",
    ),
    sa.Column("owed_by", sa.Text, nullable=False),
    sa.Column("opened_position", sa.BigInteger, nullable=False),
    sa.Column("opened_at_us", sa.BigInteger, nullable=False),
    sa.Column(
        "due_at_us", sa.BigInteger, nullable=False, comment="an index: computed from facts and calendar"
    ),
    sa.Column(
        "state", sa.Text, nullable=False, comment="OPEN, ON_TIME, TRANSMITTED_LATE, EXCUSED, LATE, LAPSED"
    ),
    sa.Column("ended_at_us", sa.BigInteger, comment="discharged or lapsed"),
    sa.Column("next_mark", sa.Text, comment="the mark that fires next, such as 80%"),
    sa.Column("next_mark_at_us", sa.BigInteger),
    sa.Column("facts", sa.LargeBinary, nullable=False, comment="procedures.case.dumps_obligation"),
    sa.Index("obligations_mark", "next_mark_at_us", **_only("next_mark_at_us IS NOT NULL")),
    sa.Index("obligations_owed", "owed_by", "state", "due_at_us", "case_id"),
    # with all that lists order by and indicators count, so that a month is read from it alone
    sa.Index(
        "obligations_procedure",
        "procedure",
        "state",
        "due_at_us",
        "case_id",
        "rule",
        "ordinal",
        "owed_by",
        "opened_at_us",
        "ended_at_us",
    ),
    # what was opened in a period is counted from it alone; none of these columns changes as an obligation ends
    sa.Index("obligations_opened", "opened_position", "procedure", "rule", "owed_by"),
    sa.Index("obligations_standing", "rule", **_only("procedure_version = 0 AND state = 'OPEN'")),
    sa.Index("obligations_duties", "opened_position", **_only("procedure_version = 0")),
)

ended_obligations = sa.Table(
    "ended_obligations",
    metadata,
    _number_key("bucket", comment="tallies.BUCKET positions at which they were opened"),
    sa.Column("procedure", sa.Text, primary_key=True),
    sa.Column("owed_by", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, primary_key=True),
    sa.Column("obligations", sa.BigInteger, nullable=False),
    comment="how many obligations of cases have ended; standing duties are not counted",
    # counted up with each group of letters
    postgresql_with={"fillfactor": 70},
)

duty_sweeps = sa.Table(
    "duty_sweeps",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, comment="always 1"),
    sa.Column("swept_until_us", sa.BigInteger, nullable=False, comment="what opened until then has its rows"),
    sa.Column("common_version", sa.BigInteger, nullable=False, comment="what open rows were computed by"),
)

act_index = sa.Table(
    "act_index",
    metadata,
    _number_key("position", comment="of the act: an index over the ledger that indicators read"),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column(
        "before",
        sa.Text,
        nullable=False,
        comment="author of the case's last act before by another; may be empty",
    ),
    sa.Column("opens", sa.Boolean, nullable=False, comment="the first act of its case"),
    sa.Column("closes", sa.Boolean, nullable=False, comment="its case ended with it"),
    sa.Column("item_code", sa.Text, nullable=False),
    sa.Column("area_code", sa.Text, nullable=False),
    sa.Column("outcome_code", sa.Text, nullable=False),
    sa.Column("admitted_at_us", sa.BigInteger, nullable=False),
    sa.Index("act_index_act", "procedure", "act", "position"),
)

act_index_end = sa.Table(
    "act_index_end",
    metadata,
    sa.Column("id", sa.SmallInteger, primary_key=True, comment="always 1: locking this row orders indexers"),
    sa.Column("position", sa.BigInteger, nullable=False, comment="acts below it are indexed"),
)

frozen_months = sa.Table(
    "frozen_months",
    metadata,
    _number_key("month", sa.Integer, comment="such as 202603; written once, never changed"),
    sa.Column("log_id", sa.Text, nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False, comment="leaves of the ledger that it was computed of"),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("common_version", sa.BigInteger, nullable=False),
    sa.Column("frozen_at_us", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False, comment="SHA-256 of content"),
    sa.Column("content", sa.LargeBinary, nullable=False, comment="indicators.amounts.dumps"),
)

arrivals = sa.Table(
    "arrivals",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    _number_key(
        "last_at", comment="all letters to it from first_at to last_at had come; the earliest row counts"
    ),
    sa.Column("first_at", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False, comment="of the Arrival itself"),
    sa.Column("received_at_us", sa.BigInteger, nullable=False),
)

awaited_receipts = sa.Table(
    "awaited_receipts",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    _number_key("position", comment="a letter whose receipt starts a clock"),
    sa.Column("case_id", sa.Text, nullable=False),
)

alerts = sa.Table(
    "alerts",
    metadata,
    _serial(),
    sa.Column("kind", sa.Text, nullable=False, comment="of `marks`, `links`, `certificates` and `reminders`"),
    sa.Column("addressee", sa.Text, nullable=False),
    sa.Column("subject_department", sa.Text, nullable=False),
    sa.Column(
        "procedure", sa.Text, nullable=False, server_default="", comment="of the obligation; empty for a link"
    ),
    sa.Column("case_id", sa.Text, nullable=False, server_default=""),
    sa.Column("rule", sa.Text, nullable=False, server_default=""),
    sa.Column("ordinal", sa.Integer, nullable=False, server_default="0"),
    sa.Column("mark", sa.Text, nullable=False),
    sa.Column("fires_at_us", sa.BigInteger, nullable=False),
    sa.Column("fired_at_us", sa.BigInteger, nullable=False),
    sa.Column("text", sa.Text, nullable=False, server_default="", comment="of an office's reminder"),
    sa.Column("sender", sa.Text, nullable=False, server_default="", comment="the office's department"),
    sa.Column("person", sa.Text, nullable=False, server_default="", comment="who, as the office said"),
    sa.UniqueConstraint("case_id", "rule", "ordinal", "mark", "kind", "addressee", name="alerts_once"),
    sa.Index("alerts_addressee", "addressee", "id"),
    sa.Index("alerts_subject", "subject_department", "id"),
    sa.Index("alerts_procedure", "procedure", "id"),
)

flows = sa.Table(
    "flows",
    metadata,
    _number_key("day", sa.Integer, comment="days since 1970 in the region's zone"),
    sa.Column("procedure", sa.Text, primary_key=True),
    sa.Column("author", sa.Text, primary_key=True),
    sa.Column("recipient", sa.Text, primary_key=True),
    sa.Column("letters", sa.BigInteger, nullable=False),
)

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column(
        "token_digest",
        sa.LargeBinary,
        primary_key=True,
        comment="SHA-256 of the secret; the secret is never stored",
    ),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("redeemed_at_us", sa.BigInteger),
    sa.Column(
        "redeemed_by_key",
        sa.LargeBinary,
        comment="sign key it was redeemed with: repeating a join answers the same",
    ),
)

certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("serial", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("not_after_us", sa.BigInteger, nullable=False),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Index("certificates_department", "department", "not_after_us"),
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("category", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, primary_key=True),
)

items = sa.Table(
    "items",
    metadata,
    sa.Column("item_id", sa.Text, primary_key=True),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("category", sa.Text, nullable=False),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("withdrawn", sa.Boolean, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
)

published = sa.Table(
    "published",
    metadata,
    sa.Column("idempotency_key", sa.Text, primary_key=True),
    sa.Column("request_digest", sa.LargeBinary, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

evidence_uses = sa.Table(
    "evidence_uses",
    metadata,
    _serial(),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("department", sa.Text, nullable=False, comment="that of the certificate"),
    sa.Column("serial", sa.Text, nullable=False, comment="of the certificate"),
    sa.Column("action", sa.Text, nullable=False, comment="register, write, look, read"),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("holder", sa.Text, nullable=False, comment="whose evidence it is"),
    sa.Column("chunk_index", sa.Integer),
    sa.Index("evidence_uses_root", "root", "id"),
)
