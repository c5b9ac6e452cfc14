"""Rows of accounts, sessions and tokens. Every function runs inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.gateway.accounts import tables
from services.gateway.accounts.model import (
    DISPLAY,
    DISPLAY_IDLE,
    DISPLAY_LONGEST,
    IDLE,
    LONGEST,
    Account,
    Session,
    Token,
)

_ACCOUNTS: Final = tables.accounts.c
_SESSIONS: Final = tables.sessions.c
_TOKENS: Final = tables.tokens.c


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is compared at log-in, and never leaves this part.

    Attributes:
        password: The hash; empty for none.
        totp: The key in Base32; empty for none.
        totp_step: The step of the last code that was taken.
    """

    password: str
    totp: str
    totp_step: int


def find(connection: Connection, username: str) -> tuple[Account, Secrets] | None:
    """An account by its user name, with its secrets."""
    row = connection.execute(sa.select(tables.accounts).where(_ACCOUNTS.username == username)).first()
    return None if row is None else (account_of(row), _secrets_of(row))


def get(connection: Connection, account_id: str) -> tuple[Account, Secrets] | None:
    """An account by its id, with its secrets."""
    row = connection.execute(sa.select(tables.accounts).where(_ACCOUNTS.id == account_id)).first()
    return None if row is None else (account_of(row), _secrets_of(row))


def list_accounts(connection: Connection, department: str) -> list[Account]:
    """The accounts of a department by user name."""
    query = sa.select(tables.accounts).where(_ACCOUNTS.department == department).order_by(_ACCOUNTS.username)
    return [account_of(row) for row in connection.execute(query)]


def add(connection: Connection, account: Account, password: str, now: datetime) -> None:
    """Add an account; a user name that exists fails the transaction."""
    connection.execute(
        tables.accounts.insert().values(
            id=account.id, username=account.username, department=account.department, subject=account.subject,
            name=account.name, roles=" ".join(account.roles), certificate=account.certificate, password=password,
            must_change=account.must_change, totp="", totp_step=0, failures=0, locked_until_us=0,
            disabled=account.disabled, language=account.language, created_at_us=microseconds(now),
        )
    )  # fmt: skip


def change(connection: Connection, account_id: str, **values: Any) -> None:
    """Set columns of an account."""
    connection.execute(sa.update(tables.accounts).where(_ACCOUNTS.id == account_id).values(**values))


def count_failure(connection: Connection, account_id: str) -> int:
    """One more wrong password in a row; returns how many, each counted though many come at once."""
    counted = sa.update(tables.accounts).where(_ACCOUNTS.id == account_id)
    counted = counted.values(failures=_ACCOUNTS.failures + 1)
    return int(connection.execute(counted.returning(_ACCOUNTS.failures)).scalar_one())


def take_step(connection: Connection, account_id: str, step: int) -> bool:
    """Take a code's step, each once; False if it or a later one was taken before."""
    taken = sa.update(tables.accounts).where(_ACCOUNTS.id == account_id, _ACCOUNTS.totp_step < step)
    return connection.execute(taken.values(totp_step=step)).rowcount == 1


# -- sessions ---------------------------------------------------------------------------------------


def open_session(connection: Connection, session: Session, digest: bytes) -> None:
    """Add a session, and forget those that are over."""
    now = session.began_at
    displays = sa.select(_ACCOUNTS.id).where(_ACCOUNTS.roles == DISPLAY)
    over = sa.or_(
        sa.and_(_old(now, LONGEST, IDLE), _SESSIONS.account.not_in(displays)),
        _old(now, DISPLAY_LONGEST, DISPLAY_IDLE),
    )
    connection.execute(sa.delete(tables.sessions).where(over))
    connection.execute(
        tables.sessions.insert().values(
            id=session.id, digest=digest, account=session.account.id, acr=session.acr, origin=session.origin,
            agent=session.agent, began_at_us=microseconds(now), seen_at_us=microseconds(now),
        )
    )  # fmt: skip


def _old(now: datetime, longest: timedelta, idle: timedelta) -> sa.ColumnElement[bool]:
    return sa.or_(
        _SESSIONS.began_at_us <= microseconds(now - longest), _SESSIONS.seen_at_us <= microseconds(now - idle)
    )


def find_session(connection: Connection, digest: bytes) -> Session | None:
    """A session by what its cookie holds."""
    found = _sessions(connection, _SESSIONS.digest == digest)
    return found[0] if found else None


def list_sessions(connection: Connection, account_id: str) -> list[Session]:
    """An account's sessions, the newest first."""
    return _sessions(connection, _SESSIONS.account == account_id)


def seen_session(connection: Connection, session_id: str, now: datetime) -> None:
    """It was used."""
    seen = sa.update(tables.sessions).where(_SESSIONS.id == session_id)
    connection.execute(seen.values(seen_at_us=microseconds(now)))


def end_sessions(connection: Connection, account_id: str, only: Sequence[str] = (), but: str = "") -> int:
    """End an account's sessions: these, or all, or all but one; returns how many."""
    ended = sa.delete(tables.sessions).where(_SESSIONS.account == account_id, _SESSIONS.id != but)
    if only:
        ended = ended.where(_SESSIONS.id.in_(only))
    return connection.execute(ended).rowcount


def _sessions(connection: Connection, condition: sa.ColumnElement[bool]) -> list[Session]:
    query = (
        sa.select(
            _SESSIONS.id.label("session"), _SESSIONS.acr, _SESSIONS.origin, _SESSIONS.agent,
            _SESSIONS.began_at_us, _SESSIONS.seen_at_us, tables.accounts,
        )
        .join(tables.accounts, _ACCOUNTS.id == _SESSIONS.account)
        .where(condition)
        .order_by(_SESSIONS.began_at_us.desc())
    )  # fmt: skip
    return [
        Session(
            id=row.session, account=account_of(row), acr=row.acr, origin=row.origin, agent=row.agent,
            began_at=from_microseconds(row.began_at_us), seen_at=from_microseconds(row.seen_at_us),
        )
        for row in connection.execute(query)
    ]  # fmt: skip


# -- tokens -----------------------------------------------------------------------------------------


def add_token(connection: Connection, token: Token, digest: bytes) -> None:
    """Add a token."""
    connection.execute(
        tables.tokens.insert().values(
            id=token.id, digest=digest, department=token.department, title=token.title,
            scopes=" ".join(token.scopes), created_by=token.created_by,
            created_at_us=microseconds(token.created_at), expires_at_us=microseconds(token.expires_at),
        )
    )  # fmt: skip


def find_token(connection: Connection, digest: bytes) -> Token | None:
    """A token by what its bearer shows."""
    row = connection.execute(sa.select(tables.tokens).where(_TOKENS.digest == digest)).first()
    return None if row is None else _token_of(row)


def list_tokens(connection: Connection, department: str) -> list[Token]:
    """A department's tokens, the newest first."""
    query = sa.select(tables.tokens).where(_TOKENS.department == department)
    return [_token_of(row) for row in connection.execute(query.order_by(_TOKENS.created_at_us.desc()))]


def seen_token(connection: Connection, token_id: str, now: datetime) -> None:
    """It was used."""
    seen = sa.update(tables.tokens).where(_TOKENS.id == token_id)
    connection.execute(seen.values(seen_at_us=microseconds(now)))


def revoke_token(connection: Connection, department: str, token_id: str, now: datetime) -> bool:
    """Revoke a token of a department; False if there is none that was good."""
    revoked = sa.update(tables.tokens).where(
        _TOKENS.id == token_id, _TOKENS.department == department, _TOKENS.revoked_at_us.is_(None)
    )
    return connection.execute(revoked.values(revoked_at_us=microseconds(now))).rowcount == 1


def account_of(row: Any) -> Account:
    """The account that a row is."""
    return Account(
        id=row.id, username=row.username, department=row.department, subject=row.subject, name=row.name,
        roles=tuple(row.roles.split()), certificate=row.certificate, must_change=row.must_change,
        totp=bool(row.totp),
        locked_until=from_microseconds(row.locked_until_us) if row.locked_until_us else None,
        disabled=row.disabled, language=row.language,
    )  # fmt: skip


def _secrets_of(row: Any) -> Secrets:
    return Secrets(row.password, row.totp, row.totp_step)


def _token_of(row: Any) -> Token:
    return Token(
        id=row.id, department=row.department, title=row.title, scopes=tuple(row.scopes.split()),
        created_by=row.created_by, created_at=from_microseconds(row.created_at_us),
        expires_at=from_microseconds(row.expires_at_us),
        revoked_at=None if row.revoked_at_us is None else from_microseconds(row.revoked_at_us),
        seen_at=None if row.seen_at_us is None else from_microseconds(row.seen_at_us),
    )  # fmt: skip
