"""Accounts, sessions, tokens; sheets with their files; phrases, templates of letters; webhooks with theirs."""

from alembic import op

from services.gateway import phrases as _phrases  # noqa: F401 - declares its table, as those below do
from services.gateway import schema
from services.gateway.accounts import tables as _accounts  # noqa: F401
from services.gateway.letter_templates import tables as _letter_templates  # noqa: F401
from services.gateway.sheets import tables as _sheets  # noqa: F401
from services.gateway.webhooks import tables as _webhooks  # noqa: F401

revision = "0001"
down_revision = None
branch_labels = ("pre",)
depends_on = None


def upgrade() -> None:
    """Create them."""
    schema.metadata.create_all(op.get_bind())
