"""The gateway's own small store. Times are microseconds since 1970 UTC; secrets are kept as digests only."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

MIGRATIONS: Final = Path(__file__).parent.parent / "migrations"
VERSION_TABLE: Final = "gateway_version"

metadata = sa.MetaData()

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("username", sa.Text, nullable=False, unique=True, comment="lower case"),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False, comment="the issuer's id of the person, in assertions"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("roles", sa.Text, nullable=False, comment="separated by spaces"),
    sa.Column("certificate", sa.Text, nullable=False, comment="an officer's; empty for none"),
    sa.Column("password", sa.Text, nullable=False, comment="argon2id; empty: only by another way"),
    sa.Column("must_change", sa.Boolean, nullable=False),
    sa.Column("totp", sa.Text, nullable=False, comment="Base32; empty: not used"),
    sa.Column("totp_step", sa.BigInteger, nullable=False, comment="of the last code: none is good twice"),
    sa.Column("failures", sa.BigInteger, nullable=False, comment="wrong passwords in a row"),
    sa.Column("locked_until_us", sa.BigInteger, nullable=False),
    sa.Column("disabled", sa.Boolean, nullable=False),
    sa.Column("language", sa.Text, nullable=False, comment="empty: the browser's"),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Index("accounts_department", "department", "username"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column(
        "digest", sa.LargeBinary, nullable=False, unique=True, comment="SHA-256 of what the cookie holds"
    ),
    sa.Column("account", sa.Text, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("acr", sa.Text, nullable=False, comment="how it was authenticated"),
    sa.Column("origin", sa.Text, nullable=False, comment="address of the browser"),
    sa.Column("agent", sa.Text, nullable=False, comment="what the browser says it is"),
    sa.Column("began_at_us", sa.BigInteger, nullable=False),
    sa.Column("seen_at_us", sa.BigInteger, nullable=False),
    sa.Index("sessions_account", "account"),
    sa.Index("sessions_began", "began_at_us"),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False, comment="which system"),
    sa.Column("scopes", sa.Text, nullable=False, comment="separated by spaces"),
    sa.Column("created_by", sa.Text, nullable=False, comment="account"),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("expires_at_us", sa.BigInteger, nullable=False),
    sa.Column("revoked_at_us", sa.BigInteger),
    sa.Column("seen_at_us", sa.BigInteger),
    sa.Index("tokens_department", "department", "created_at_us"),
)
