"""Accounts, sessions, tokens; webhooks, their events and deliveries."""

from alembic import op

from services.gateway.accounts import tables
from services.gateway.webhooks import tables as webhooks

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    assert webhooks.webhooks.metadata is tables.metadata
    tables.metadata.create_all(op.get_bind())
