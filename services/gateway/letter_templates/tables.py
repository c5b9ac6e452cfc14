"""Templates of letters in the gateway's store. Times are microseconds since 1970 UTC."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.schema import metadata

templates = sa.Table(
    "letter_templates",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column(
        "owner", sa.Text, sa.ForeignKey("accounts.id", ondelete="CASCADE"), comment="null: the department's"
    ),
    sa.Column("procedure", sa.Text, nullable=False),
    sa.Column("act", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("texts", sa.Text, nullable=False, comment="JSON: text by name of the body's field"),
    sa.Column("changed_by", sa.Text, nullable=False, comment="name of the person"),
    sa.Column("changed_at_us", sa.BigInteger, nullable=False),
    sa.Index("letter_templates_act", "department", "procedure", "act"),
)
