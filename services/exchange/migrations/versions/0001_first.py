"""Letters, outbox, inbox and mirror of a department, its evidence and codes."""

from alembic import op

from services.exchange import code_tables, evidence_tables, tables

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    tables.metadata.create_all(op.get_bind())
    evidence_tables.metadata.create_all(op.get_bind())
    code_tables.metadata.create_all(op.get_bind())
