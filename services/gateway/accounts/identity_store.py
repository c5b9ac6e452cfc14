"""Rows of identities and of log-ins under way. Every function runs inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.gateway.accounts import tables
from services.gateway.accounts.model import Account
from services.gateway.accounts.store import account_of

_IDENTITIES: Final = tables.identities.c
_FLOWS: Final = tables.flows.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A way into an account other than its password.

    Attributes:
        issuer: A provider's URL, or the name of an authority of certificates.
        subject: Stable there: `sub`, or the certificate's key.
        account: Into which.
        title: For people.
        claimed: Name, department and roles of the account follow what the provider says.
        added_at: When.
    """

    issuer: str
    subject: str
    account: str
    title: str
    claimed: bool
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A log-in that is under way at the provider.

    Attributes:
        state: What comes back with the browser.
        nonce: What comes back in the ID token.
        verifier: Of PKCE (RFC 7636).
        place: Where the browser goes afterwards.
        began_at: When.
    """

    state: str
    nonce: str
    verifier: str
    place: str
    began_at: datetime


def find(connection: Connection, issuer: str, subject: str) -> tuple[Account, Identity] | None:
    """The account that an identity opens."""
    query = (
        sa.select(tables.identities, tables.accounts)
        .join(tables.accounts, tables.accounts.c.id == _IDENTITIES.account)
        .where(_IDENTITIES.issuer == issuer, _IDENTITIES.subject == subject)
    )
    # both tables have a column of this name; accounts' own is asked for by itself
    row = connection.execute(
        query.with_only_columns(
            tables.accounts, _IDENTITIES.title, _IDENTITIES.claimed, _IDENTITIES.added_at_us
        )
    ).first()
    if row is None:
        return None
    account = account_of(row)
    return account, Identity(
        issuer=issuer, subject=subject, account=account.id, title=row.title, claimed=row.claimed,
        added_at=from_microseconds(row.added_at_us),
    )  # fmt: skip


def of_account(connection: Connection, account_id: str) -> list[Identity]:
    """An account's identities, the oldest first."""
    query = sa.select(tables.identities).where(_IDENTITIES.account == account_id)
    return [
        Identity(
            issuer=row.issuer, subject=row.subject, account=row.account, title=row.title, claimed=row.claimed,
            added_at=from_microseconds(row.added_at_us),
        )
        for row in connection.execute(query.order_by(_IDENTITIES.added_at_us))
    ]  # fmt: skip


def add(connection: Connection, identity: Identity) -> None:
    """Add an identity; one that exists fails the transaction."""
    connection.execute(
        tables.identities.insert().values(
            issuer=identity.issuer, subject=identity.subject, account=identity.account, title=identity.title,
            claimed=identity.claimed, added_at_us=microseconds(identity.added_at),
        )
    )  # fmt: skip


def remove(connection: Connection, account_id: str, issuer: str, subject: str) -> bool:
    """Remove an identity of an account; False if it has no such."""
    removed = sa.delete(tables.identities).where(
        _IDENTITIES.account == account_id, _IDENTITIES.issuer == issuer, _IDENTITIES.subject == subject
    )
    return connection.execute(removed).rowcount == 1


def begin_flow(connection: Connection, digest: bytes, flow: Flow, forgotten: datetime) -> None:
    """Add a log-in under way, and forget those that began before a moment."""
    connection.execute(sa.delete(tables.flows).where(_FLOWS.began_at_us < microseconds(forgotten)))
    connection.execute(
        tables.flows.insert().values(
            digest=digest, state=flow.state, nonce=flow.nonce, verifier=flow.verifier, place=flow.place,
            began_at_us=microseconds(flow.began_at),
        )
    )  # fmt: skip


def take_flow(connection: Connection, digest: bytes) -> Flow | None:
    """Take a log-in under way, each once."""
    taken = sa.delete(tables.flows).where(_FLOWS.digest == digest).returning(tables.flows)
    row = connection.execute(taken).first()
    if row is None:
        return None
    return Flow(
        state=row.state, nonce=row.nonce, verifier=row.verifier, place=row.place,
        began_at=from_microseconds(row.began_at_us),
    )  # fmt: skip
