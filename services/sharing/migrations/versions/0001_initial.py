"""Shared items, their revisions, words and readers, and subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them, as they were at this revision."""
    op.create_table(
        "item_revisions",
        sa.Column("letter_id", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("formed_at_us", sa.BigInteger, nullable=False),
        sa.Column("signed_at_us", sa.BigInteger, nullable=False),
        sa.Column("restricted", sa.Boolean, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("heading", sa.LargeBinary),
        sa.Column("refused", sa.Boolean, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("admitted_at_us", sa.BigInteger),
    )
    op.create_index("item_revisions_item", "item_revisions", ["item_id", "revision"])
    op.create_index(
        "item_revisions_pending",
        "item_revisions",
        ["letter_id"],
        postgresql_where=sa.text("position IS NULL AND NOT refused"),
        sqlite_where=sa.text("position IS NULL AND NOT refused"),
    )
    op.create_table(
        "items",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("seen_at_us", sa.BigInteger, nullable=False),
        sa.Column("letter_id", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("heading", sa.LargeBinary),
        sa.Column("position", sa.BigInteger),
        sa.Column("admitted_at_us", sa.BigInteger),
        sa.Column("formed_at_us", sa.BigInteger, nullable=False),
        sa.Column("restricted", sa.Boolean, nullable=False),
        sa.Column("recipients", sa.Text, nullable=False),
        sa.Column("first_revision", sa.BigInteger, nullable=False),
        sa.Column("first_signed_at_us", sa.BigInteger, nullable=False),
        sa.Column("first_admitted_at_us", sa.BigInteger),
    )
    op.create_index("items_seen", "items", ["seen_at_us", "item_id"])
    op.create_index("items_category", "items", ["category", "seen_at_us", "item_id"])
    op.create_index("items_author", "items", ["author", "seen_at_us", "item_id"])
    op.create_table(
        "item_terms",
        sa.Column("term", sa.Text, primary_key=True),
        sa.Column("item_id", sa.Text, primary_key=True),
    )
    op.create_index("item_terms_item", "item_terms", ["item_id"])
    op.create_table(
        "item_reads",
        sa.Column("item_id", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("read_at_us", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "subscriptions",
        sa.Column("category", sa.Text, primary_key=True),
        sa.Column("subscribed", sa.Boolean, nullable=False),
        sa.Column("admitted", sa.Boolean, nullable=False),
        sa.Column("letter_id", sa.Text, nullable=False),
    )
