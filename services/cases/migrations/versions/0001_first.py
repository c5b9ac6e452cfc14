"""Cases, obligations, drafts, what cases are found by, and the handling of documents."""

from alembic import op

from services.cases.handling import tables

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    tables.metadata.create_all(op.get_bind())
