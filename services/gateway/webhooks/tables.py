"""Webhooks in the gateway's store. Times are microseconds since 1970 UTC."""

from __future__ import annotations

import sqlalchemy as sa

from services.gateway.schema import metadata

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False, comment="which system"),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("types", sa.Text, nullable=False, comment="separated by spaces"),
    sa.Column("secret", sa.Text, nullable=False, comment="in clear, since it signs"),
    sa.Column(
        "old_secret", sa.Text, nullable=False, comment="signs, too, until old_secret_until_us; empty: none"
    ),
    sa.Column("old_secret_until_us", sa.BigInteger),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("disabled", sa.Text, nullable=False, comment="by-hand, gone, behind; empty: it is not"),
    sa.Index("webhooks_department", "department", "created_at_us"),
)

events = sa.Table(
    "webhook_events",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False, comment="when it happened"),
    sa.Column("noted_at_us", sa.BigInteger, nullable=False, comment="when it was read from the node"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the CloudEvent as it is posted"),
    sa.Index("webhook_events_noted", "noted_at_us"),
)

deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("webhook", sa.Text, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("event", sa.Text, primary_key=True),
    sa.Column("department", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, comment="waiting, sent, failed"),
    sa.Column("attempts", sa.BigInteger, nullable=False),
    sa.Column("created_at_us", sa.BigInteger, nullable=False),
    sa.Column("next_at_us", sa.BigInteger, comment="while it waits"),
    sa.Column("ended_at_us", sa.BigInteger),
    sa.Column("status", sa.BigInteger, nullable=False, comment="HTTP status of the last answer, 0 for none"),
    sa.Column("error", sa.Text, nullable=False, comment="of the last attempt"),
    sa.Index("webhook_deliveries_next", "next_at_us"),
    sa.Index("webhook_deliveries_created", "webhook", "created_at_us", "event"),
)

feeds = sa.Table(
    "webhook_feeds",
    metadata,
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("letters", sa.BigInteger, nullable=False, comment="position up to which letters were read"),
    sa.Column("bulletins", sa.BigInteger, nullable=False, comment="position up to which bulletins were read"),
    sa.Column("alerts", sa.BigInteger, nullable=False, comment="number of the newest alert that was read"),
)
