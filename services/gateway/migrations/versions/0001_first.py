"""Accounts, sessions, tokens."""

from alembic import op

from services.gateway.accounts import tables

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    tables.metadata.create_all(op.get_bind())
