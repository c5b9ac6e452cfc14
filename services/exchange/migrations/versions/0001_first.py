"""Letters, outbox, inbox and mirror of a department, and its evidence."""

from alembic import op

from services.exchange import evidence_tables, tables

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    tables.metadata.create_all(op.get_bind())
    evidence_tables.metadata.create_all(op.get_bind())
