"""Accounts, sessions, tokens; sheets with their files; phrases."""

from alembic import op

from services.gateway import phrases
from services.gateway.accounts import tables
from services.gateway.sheets import tables as sheets

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    # one store, one list of tables
    assert sheets.sheets.metadata is phrases.table.metadata is tables.metadata
    tables.metadata.create_all(op.get_bind())
