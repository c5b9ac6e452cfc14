"""Cases, obligations, drafts and what cases are found by."""

from alembic import op

from services.cases import tables

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    tables.metadata.create_all(op.get_bind())
