"""Accounts, sessions, tokens; sheets with their files."""

from alembic import op

from services.gateway.accounts import tables
from services.gateway.sheets import tables as sheets

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    # one store: both modules state their tables in one list
    assert sheets.sheets.metadata is tables.metadata
    tables.metadata.create_all(op.get_bind())
