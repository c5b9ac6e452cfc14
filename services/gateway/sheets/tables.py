"""Tables of sheets; in the gateway's own store, beside accounts. Times are microseconds since 1970 UTC."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from services.gateway.schema import metadata

_GONE: Final = "CASCADE"

sheets = sa.Table(
    "sheets",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("fields", sa.Text, nullable=False, comment="JSON: name to list of texts"),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("begun_by", sa.Text, nullable=False, comment="account"),
    sa.Column("begun_name", sa.Text, nullable=False),
    sa.Column("begun_at_us", sa.BigInteger, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Column("changed_name", sa.Text, nullable=False),
    sa.Column("changed_at_us", sa.BigInteger, nullable=False),
    sa.Column("holder", sa.Text, nullable=False, comment="account; empty for nobody"),
    sa.Column("holder_name", sa.Text, nullable=False),
    sa.Column("holder_seen_at_us", sa.BigInteger, nullable=False),
    sa.Column(
        "taken_from", sa.Text, nullable=False, comment="name of the holder before, if it was taken over"
    ),
    sa.Column("case_id", sa.Text, nullable=False),
    sa.Column("letter_id", sa.Text, nullable=False),
    sa.Column("prepared", sa.BigInteger, nullable=False, comment="revision the letter was made of; -1: none"),
    sa.Column("warnings", sa.Text, nullable=False, comment="JSON: list of [Chinese, English]"),
    sa.Column("done", sa.Boolean, nullable=False),
    sa.Index("sheets_department", "department", "done", "changed_at_us"),
    sa.Index("sheets_letter", "letter_id"),
    sa.Index("sheets_changed", "changed_at_us"),
)

revisions = sa.Table(
    "sheet_revisions",
    metadata,
    sa.Column("sheet", sa.Text, sa.ForeignKey("sheets.id", ondelete=_GONE), primary_key=True),
    sa.Column("revision", sa.BigInteger, primary_key=True),
    sa.Column("fields", sa.Text, nullable=False),
)

files = sa.Table(
    "sheet_files",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("sheet", sa.Text, sa.ForeignKey("sheets.id", ondelete=_GONE), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False, comment="by its content"),
    sa.Column("root", sa.LargeBinary, nullable=False, comment="empty: on its way"),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("added_by", sa.Text, nullable=False),
    sa.Column("added_name", sa.Text, nullable=False),
    sa.Column("by_phone", sa.Boolean, nullable=False),
    sa.Column("added_at_us", sa.BigInteger, nullable=False),
    sa.Index("sheet_files_sheet", "sheet", "added_at_us"),
)

captures = sa.Table(
    "sheet_captures",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column(
        "digest", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of what the link holds"
    ),
    sa.Column("sheet", sa.Text, sa.ForeignKey("sheets.id", ondelete=_GONE), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("made_by", sa.Text, nullable=False, comment="account"),
    sa.Column("acr", sa.Text, nullable=False),
    sa.Column("session", sa.Text, nullable=False, comment="of who made it: it ends with that"),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("device", sa.LargeBinary, nullable=False, comment="SHA-256 of the telephone's cookie"),
    sa.Column("photos", sa.BigInteger, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False),
    sa.Index("sheet_captures_sheet", "sheet"),
)
