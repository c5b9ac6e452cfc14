"""Logging in and out, passwords and codes, sessions and tokens.

What a browser or a system holds is 32 random bytes; the store knows their SHA-256, so that a copy of it
opens nothing. A log-in always begins a session of its own: what a browser held before is worth nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

import pyotp
import structlog
import uuid_utils
from sqlalchemy import Connection

from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, NotFound, Unauthenticated
from services.common.faults import ConstraintBroken
from services.gateway.accounts import store
from services.gateway.accounts.model import (
    PASSWORD_ACR,
    TOTP_ACR,
    Account,
    CodeWanted,
    Locked,
    NotKnown,
    Session,
    SessionOver,
    Token,
    UsernameTaken,
    is_over,
    lock_after,
)
from services.gateway.accounts.passwords import Passwords, check_password

T = TypeVar("T")

TOKEN_PREFIX: Final = "liandong_"  # noqa: S105 - so that scanners of leaked secrets know it
LONGEST_TOKEN: Final = timedelta(days=366)
_SECRET_BYTES: Final = 32
_STEP_S: Final = 30
_SEEN_EVERY: Final = timedelta(minutes=1)
_MOST_TEXT: Final = 200

_log = structlog.get_logger(__name__)


class Accounts:
    """The accounts of one gateway.

    Args:
        database: The gateway's own.
        clock: The time.
        passwords: How they are hashed.
    """

    def __init__(self, database: Database, clock: Clock, passwords: Passwords | None = None) -> None:
        self._database = database
        self._clock = clock
        self._passwords = passwords or Passwords()

    # -- log-in ---------------------------------------------------------------------------------

    async def log_in(
        self, username: str, password: str, code: str = "", *, origin: str, agent: str
    ) -> tuple[Session, str]:
        """Begin a session; returns it and what the cookie holds.

        Args:
            username: As typed.
            password: As typed.
            code: Of the authenticator, where the account wants one.
            origin: The browser's address.
            agent: What the browser says it is.

        Raises:
            NotKnown: User name or password are not right, or the account is disabled; nothing says which.
            Locked: Too many wrong passwords; says until when.
            CodeWanted: The password is right, and the code is missing or not right.
        """
        now = self._clock.now()
        found = await self._read(lambda connection: store.find(connection, username.strip().lower()))
        account, known = found or (None, None)
        stored = known.password if known is not None else ""
        right = await asyncio.to_thread(self._passwords.matches, stored, password)
        if account is None or known is None:
            _log.warning("account.unknown", origin=origin)
            raise NotKnown
        if account.locked_until is not None and now < account.locked_until:
            # judged after the comparison, so that a lock says nothing about the password
            wait = account.locked_until - now
            raise Locked(retry_after_ms=int(wait.total_seconds() * 1000))
        if not right or account.disabled:
            await self._failed(account, origin)
            raise NotKnown
        acr = PASSWORD_ACR
        if account.totp:
            step = _step_of(known.totp, code, now)
            taken = step is not None and await self._write(
                lambda connection: store.take_step(connection, account.id, step)
            )
            if not taken:
                if code:
                    await self._failed(account, origin)
                raise CodeWanted
            acr = TOTP_ACR
        return await self.begin(account, acr, origin=origin, agent=agent)

    async def begin(self, account: Account, acr: str, *, origin: str, agent: str) -> tuple[Session, str]:
        """Begin a session of somebody who was authenticated; returns it and what the cookie holds."""
        now = self._clock.now()
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        session = Session(
            id=uuid_utils.uuid7().hex, account=account, acr=acr, origin=origin[:_MOST_TEXT],
            agent=agent[:_MOST_TEXT], began_at=now, seen_at=now,
        )  # fmt: skip

        def work(connection: Connection) -> None:
            store.change(connection, account.id, failures=0, locked_until_us=0)
            store.open_session(connection, session, _digest(secret))

        await self._write(work)
        _log.info("account.session", account=account.username, acr=acr, origin=origin)
        return session, secret

    async def _failed(self, account: Account, origin: str) -> None:
        now = self._clock.now()

        def work(connection: Connection) -> int:
            failures = store.count_failure(connection, account.id)
            lock = lock_after(failures)
            if lock is not None:
                store.change(connection, account.id, locked_until_us=microseconds(now + lock))
            return failures

        failures = await self._write(work)
        _log.warning("account.failed", account=account.username, failures=failures, origin=origin)

    # -- sessions -------------------------------------------------------------------------------

    async def session_of(self, secret: str) -> Session:
        """The session that a cookie belongs to.

        Raises:
            SessionOver: It is over, was ended, or never was.
        """
        session = await self.peek(secret)
        now = self._clock.now()
        if now - session.seen_at >= _SEEN_EVERY:
            await self._write(lambda connection: store.seen_session(connection, session.id, now))
        return session

    async def peek(self, secret: str) -> Session:
        """The same without counting as use.

        Raises:
            SessionOver: It is over, was ended, or never was.
        """
        now = self._clock.now()
        session = await self._read(lambda connection: store.find_session(connection, _digest(secret)))
        if session is None or session.account.disabled or is_over(session, now):
            raise SessionOver
        return session

    async def sessions(self, account_id: str) -> list[Session]:
        """An account's sessions that are not over."""
        now = self._clock.now()
        found = await self._read(lambda connection: store.list_sessions(connection, account_id))
        return [each for each in found if not is_over(each, now)]

    async def end(self, account_id: str, only: Sequence[str] = (), but: str = "") -> int:
        """End sessions of an account: these, or all, or all but one; returns how many."""
        return await self._write(lambda connection: store.end_sessions(connection, account_id, only, but))

    # -- accounts -------------------------------------------------------------------------------

    async def create(self, account: Account, password: str) -> Account:
        """Add an account; its id is given here.

        Raises:
            UsernameTaken: There is one of this name.
            WeakPassword: The password is too easy to guess.
        """
        username = account.username.strip().lower()
        if not username or any(each.isspace() for each in username):
            raise InvalidField("A user name has no spaces.", field="username")
        made = Account(
            id=uuid_utils.uuid7().hex, username=username, department=account.department,
            subject=account.subject, name=account.name, roles=account.roles, certificate=account.certificate,
            must_change=account.must_change, totp=False, locked_until=None, disabled=account.disabled,
            language=account.language,
        )  # fmt: skip
        hashed = ""
        if password:
            check_password(password, username, account.name)
            hashed = await asyncio.to_thread(self._passwords.hashed, password)
        now = self._clock.now()
        try:
            await self._write(lambda connection: store.add(connection, made, hashed, now))
        except ConstraintBroken:
            raise UsernameTaken(field="username") from None
        return made

    async def accounts(self, department: str) -> list[Account]:
        """The accounts of a department."""
        return await self._read(lambda connection: store.list_accounts(connection, department))

    async def change_password(self, session: Session, old: str, new: str) -> None:
        """Change one's own password; every other session of the account ends.

        Raises:
            NotKnown: The old one is not right.
            WeakPassword: The new one is too easy to guess, or is the old one.
        """
        account = session.account
        found = await self._read(lambda connection: store.get(connection, account.id))
        if found is None:
            raise SessionOver
        if not await asyncio.to_thread(self._passwords.matches, found[1].password, old):
            await self._failed(account, session.origin)
            raise NotKnown("The old password is not right.", field="old")
        if old == new:
            raise InvalidField("The new password is the old one.", field="password")
        check_password(new, account.username, account.name)
        hashed = await asyncio.to_thread(self._passwords.hashed, new)

        def work(connection: Connection) -> None:
            store.change(connection, account.id, password=hashed, must_change=False, failures=0)
            store.end_sessions(connection, account.id, but=session.id)

        await self._write(work)

    async def reset_password(self, department: str, account_id: str, password: str) -> None:
        """Give an account a password that has to be changed at the next log-in; all its sessions end.

        Raises:
            NotFound: The department has no such account.
            WeakPassword: It is too easy to guess.
        """
        account = await self._of(department, account_id)
        check_password(password, account.username, account.name)
        hashed = await asyncio.to_thread(self._passwords.hashed, password)

        def work(connection: Connection) -> None:
            store.change(
                connection,
                account_id,
                password=hashed,
                must_change=True,
                failures=0,
                locked_until_us=0,
                totp="",
            )
            store.end_sessions(connection, account_id)

        await self._write(work)

    async def disable(self, department: str, account_id: str, *, disabled: bool) -> None:
        """Let nobody log in with an account, or let them again; sessions that run end.

        Raises:
            NotFound: The department has no such account.
        """
        await self._of(department, account_id)

        def work(connection: Connection) -> None:
            store.change(connection, account_id, disabled=disabled)
            if disabled:
                store.end_sessions(connection, account_id)

        await self._write(work)

    async def _of(self, department: str, account_id: str) -> Account:
        found = await self._read(lambda connection: store.get(connection, account_id))
        if found is None or found[0].department != department:
            raise NotFound("There is no such account.", field="account")
        return found[0]

    # -- codes ----------------------------------------------------------------------------------

    async def begin_totp(self, session: Session) -> str:
        """A new key for an authenticator, as `otpauth://`; nothing changes until a code was shown."""
        return pyotp.TOTP(pyotp.random_base32()).provisioning_uri(
            name=session.account.username, issuer_name="Liandong"
        )

    async def confirm_totp(self, session: Session, uri: str, code: str) -> None:
        """From now on a code is wanted; every other session of the account ends.

        Raises:
            InvalidField: The code does not belong to the key.
        """
        try:
            key = pyotp.parse_uri(uri).secret
        except ValueError:
            raise InvalidField("This is no key of an authenticator.", field="uri") from None
        step = _step_of(key, code, self._clock.now())
        if step is None:
            raise InvalidField("The code does not belong to this key.", field="code")

        def work(connection: Connection) -> None:
            store.change(connection, session.account.id, totp=key, totp_step=step)
            store.end_sessions(connection, session.account.id, but=session.id)

        await self._write(work)

    # -- tokens ---------------------------------------------------------------------------------

    async def create_token(
        self, department: str, created_by: str, title: str, scopes: Sequence[str], lifetime: timedelta
    ) -> tuple[Token, str]:
        """A token for a system of a department; returns it and what its bearer shows, once.

        Args:
            department: Whose system.
            created_by: User name; empty for the operator of the gateway.
            title: Which system.
            scopes: What it is good for.
            lifetime: From now.

        Raises:
            InvalidField: No title, no scope, or it would live for more than a year.
        """
        if not title.strip() or len(title) > _MOST_TEXT:
            raise InvalidField("A token says for which system it is.", field="title")
        if not scopes:
            raise InvalidField("A token is good for something.", field="scopes")
        if not timedelta(0) < lifetime <= LONGEST_TOKEN:
            raise InvalidField("A token lives for at most a year.", field="expires_at")
        now = self._clock.now()
        secret = TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        token = Token(
            id=uuid_utils.uuid7().hex, department=department, title=title.strip(),
            scopes=tuple(sorted(set(scopes))), created_by=created_by, created_at=now,
            expires_at=now + lifetime, revoked_at=None, seen_at=None,
        )  # fmt: skip
        await self._write(lambda connection: store.add_token(connection, token, _digest(secret)))
        return token, secret

    async def token_of(self, secret: str) -> Token:
        """The token that a bearer shows.

        Raises:
            Unauthenticated: It is not known, revoked or expired.
        """
        now = self._clock.now()
        token = await self._read(lambda connection: store.find_token(connection, _digest(secret)))
        if token is None or token.revoked_at is not None or now >= token.expires_at:
            raise Unauthenticated("The token is not known, or no longer good.")
        if token.seen_at is None or now - token.seen_at >= _SEEN_EVERY:
            await self._write(lambda connection: store.seen_token(connection, token.id, now))
        return token

    async def tokens(self, department: str) -> list[Token]:
        """A department's tokens."""
        return await self._read(lambda connection: store.list_tokens(connection, department))

    async def revoke_token(self, department: str, token_id: str) -> None:
        """Revoke a token.

        Raises:
            NotFound: The department has no such token that was good.
        """
        now = self._clock.now()
        if not await self._write(
            lambda connection: store.revoke_token(connection, department, token_id, now)
        ):
            raise NotFound("There is no such token.", field="token")

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.write, work)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _step_of(key: str, code: str, now: datetime) -> int | None:
    """The time step (RFC 6238) that a code belongs to, of now or one beside it; None for none."""
    totp = pyotp.TOTP(key)
    current = int(now.timestamp()) // _STEP_S
    for step in (current, current - 1, current + 1):
        if secrets.compare_digest(totp.at(step * _STEP_S), code.strip().replace(" ", "")):
            return step
    return None
