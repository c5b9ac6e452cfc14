"""The gateway's own small store. Times are microseconds since 1970 UTC; secrets are kept as digests only."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.schema import metadata

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
    sa.Index("accounts_subject", "department", "subject", unique=True),
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

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True, comment="a provider's URL, or an authority's name"),
    sa.Column("subject", sa.Text, primary_key=True, comment="stable there: `sub`, or a certificate's key"),
    sa.Column("account", sa.Text, sa.ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("title", sa.Text, nullable=False, comment="for people"),
    sa.Column("claimed", sa.Boolean, nullable=False, comment="name and roles follow what the provider says"),
    sa.Column("added_at_us", sa.BigInteger, nullable=False),
    sa.Index("identities_account", "account"),
)

flows = sa.Table(
    "flows",
    metadata,
    sa.Column(
        "digest", sa.LargeBinary, primary_key=True, comment="SHA-256 of what the browser's cookie holds"
    ),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("nonce", sa.Text, nullable=False),
    sa.Column("verifier", sa.Text, nullable=False, comment="PKCE"),
    sa.Column("place", sa.Text, nullable=False, comment="where the browser goes afterwards"),
    sa.Column("began_at_us", sa.BigInteger, nullable=False),
    sa.Index("flows_began", "began_at_us"),
    comment="log-ins that are under way at the provider",
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.Column("department", sa.Text, nullable=False, comment="empty: nobody knows whose attempt it was"),
    sa.Column("who", sa.Text, nullable=False, comment="user name or token; empty: nobody known"),
    sa.Column("action", sa.Text, nullable=False, comment="such as `log-in`, or an RPC"),
    sa.Column("about", sa.Text, nullable=False, comment="account, token, path"),
    sa.Column("result", sa.Text, nullable=False, comment="`ok`, or the reason of the refusal"),
    sa.Column("origin", sa.Text, nullable=False, comment="address of the browser or system"),
    sa.Column("request_id", sa.Text, nullable=False),
    sa.Column("times", sa.BigInteger, nullable=False, comment="so often in this moment"),
    sa.Index("audit_at", "at_us"),
    sa.Index("audit_department", "department", "id"),
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
