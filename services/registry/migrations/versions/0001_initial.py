"""The registry's tables, and those of evidence and codes.

Until the first release this revision is what the program knows; with the release it is written out, and
every later change is a revision of its own.
"""

from alembic import op

from services.exchange import code_tables, evidence_tables
from services.registry import tables

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    tables.metadata.create_all(op.get_bind())
    evidence_tables.metadata.create_all(op.get_bind())
    code_tables.metadata.create_all(op.get_bind())
