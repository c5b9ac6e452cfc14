"""Logging in and out, passwords, sessions.

What a browser holds is 32 random bytes; the store knows their SHA-256, so that a copy of it opens nothing. A
log-in always begins a session of its own: what a browser held before is worth nothing. Everything that
changes something is noted in the audit in its own transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import structlog
import uuid_utils
from sqlalchemy import Connection

from services.common.clock import Clock, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.common.faults import ConstraintBroken
from services.gateway.accounts import store
from services.gateway.accounts.codes import step_of
from services.gateway.accounts.model import (
    MOST_NAME,
    PASSWORD_ACR,
    TOTP_ACR,
    Account,
    CodeWanted,
    Locked,
    NotKnown,
    Session,
    SessionOver,
    UsernameTaken,
    check_person,
    is_over,
    lock_after,
)
from services.gateway.accounts.passwords import Passwords, Turns, check_password
from services.gateway.accounts.stored import SECRET_BYTES, SEEN_EVERY, Stored, digest_of
from services.gateway.audit import OPERATOR, Audit, By, Event
from services.gateway.rest.limits import RateLimit

GUESSES_AT_ONCE: Final = 60
"""Wrong passwords from one address before it has to wait, whichever accounts they were for."""
_GUESSES_PER_SECOND: Final = 0.1
_MOST_TEXT: Final = 200

_log = structlog.get_logger(__name__)


class Accounts(Stored):
    """The accounts of one gateway.

    Args:
        database: The gateway's own.
        clock: The time.
        passwords: How they are hashed.
        audit: Where it is noted.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        passwords: Passwords | None = None,
        audit: Audit | None = None,
    ) -> None:
        super().__init__(database, clock, audit)
        self._passwords = passwords or Passwords()
        self._guesses = RateLimit(_GUESSES_PER_SECOND, GUESSES_AT_ONCE)
        self._turns = Turns()

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
            TooManyCalls: Too many wrong ones came from this address.
        """
        self._guesses.check(origin)
        now = self._clock.now()
        found = await self._read(lambda connection: store.find(connection, username.strip().lower()))
        account, known = found or (None, None)
        stored = known.password if known is not None else ""
        right = await self._turns.run(self._passwords.matches, stored, password)
        if account is None or known is None:
            # what was typed is not noted: it may have been the password
            self._guesses.count(origin)
            self.audit.refused(Event(action="log-in", result="NOT_KNOWN", origin=origin))
            _log.warning("account.unknown", origin=origin)
            raise NotKnown
        if account.locked_until is not None and now < account.locked_until:
            # judged after the comparison, so that a lock says nothing about the password
            wait = account.locked_until - now
            self._guesses.count(origin)
            self.audit.refused(
                By(account.username, origin).event("log-in", account.department, "", Locked.reason)
            )
            raise Locked(retry_after_ms=int(wait.total_seconds() * 1000))
        if not right or account.disabled:
            await self._failed(account, "log-in", "DISABLED" if right else "NOT_KNOWN", origin)
            raise NotKnown
        acr = PASSWORD_ACR
        if account.totp:
            step = step_of(known.totp, code, now)
            taken = step is not None and await self._write(
                lambda connection: store.take_step(connection, account.id, step)
            )
            if not taken:
                if code:
                    await self._failed(account, "log-in", CodeWanted.reason, origin)
                raise CodeWanted
            acr = TOTP_ACR
        return await self.begin(account, acr, origin=origin, agent=agent)

    async def begin(self, account: Account, acr: str, *, origin: str, agent: str) -> tuple[Session, str]:
        """Begin a session of somebody who was authenticated; returns it and what the cookie holds."""
        now = self._clock.now()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        session = Session(
            id=uuid_utils.uuid7().hex, account=account, acr=acr, origin=origin[:_MOST_TEXT],
            agent=agent[:_MOST_TEXT], began_at=now, seen_at=now,
        )  # fmt: skip

        def work(connection: Connection) -> None:
            store.change(connection, account.id, failures=0, locked_until_us=0)
            store.open_session(connection, session, digest_of(secret))
            by = By(account.username, session.origin)
            self.audit.note(connection, by.event("log-in", account.department, acr))

        await self._write(work)
        _log.info("account.session", account=account.username, acr=acr, origin=origin)
        return session, secret

    async def _failed(self, account: Account, action: str, result: str, origin: str) -> None:
        now = self._clock.now()
        self._guesses.count(origin)

        def work(connection: Connection) -> int:
            event = By(account.username, origin).event(action, account.department, "", result)
            self.audit.note(connection, event)
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
        if now - session.seen_at >= SEEN_EVERY:
            await self._write(lambda connection: store.seen_session(connection, session.id, now))
        return session

    async def peek(self, secret: str) -> Session:
        """The same without counting as use.

        Raises:
            SessionOver: It is over, was ended, or never was.
        """
        now = self._clock.now()
        session = await self._read(lambda connection: store.find_session(connection, digest_of(secret)))
        if session is None or session.account.disabled or is_over(session, now):
            raise SessionOver
        return session

    async def sessions(self, account_id: str) -> list[Session]:
        """An account's sessions that are not over."""
        now = self._clock.now()
        found = await self._read(lambda connection: store.list_sessions(connection, account_id))
        return [each for each in found if not is_over(each, now)]

    async def end(
        self, account_id: str, only: Sequence[str] = (), but: str = "", *, by: By | None = None
    ) -> int:
        """End sessions of an account: these, or all, or all but one; returns how many.

        Args:
            account_id: Whose.
            only: Ids; none for all.
            but: An id that stays.
            by: Who ends them; the account itself if not said.
        """

        def work(connection: Connection) -> int:
            ended = store.end_sessions(connection, account_id, only, but)
            found = store.get(connection, account_id)
            if ended and found is not None:
                account = found[0]
                who = by or By(account.username)
                self.audit.note(connection, who.event("session.end", account.department, account.username))
            return ended

        return await self._write(work)

    # -- accounts -------------------------------------------------------------------------------

    async def create(self, account: Account, password: str, by: By = OPERATOR) -> Account:
        """Add an account; its id is given here.

        Args:
            account: What it is to be.
            password: The first one; empty if it is entered another way only.
            by: Who adds it.

        Raises:
            UsernameTaken: There is one of this name.
            WeakPassword: The password is too easy to guess.
        """
        username = account.username.strip().lower()
        if not 0 < len(username) <= MOST_NAME or not username.isprintable() or " " in username:
            raise InvalidField("A user name has no spaces.", field="username")
        if not 0 < len(account.subject) <= MOST_NAME:
            raise InvalidField("A person has an id.", field="subject")
        check_person(account.name, account.roles)
        made = Account(
            id=uuid_utils.uuid7().hex, username=username, department=account.department,
            subject=account.subject, name=account.name, roles=account.roles, certificate=account.certificate,
            must_change=account.must_change, totp=False, locked_until=None, disabled=account.disabled,
            language=account.language,
        )  # fmt: skip
        hashed = ""
        if password:
            check_password(password, username, account.name)
            hashed = await self._turns.run(self._passwords.hashed, password)
        now = self._clock.now()

        def work(connection: Connection) -> None:
            store.add(connection, made, hashed, now)
            about = f"{made.username} {' '.join(made.roles)}"
            self.audit.note(connection, by.event("account.add", made.department, about))

        try:
            await self._write(work)
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
            Locked: It was not, too often.
            WeakPassword: The new one is too easy to guess, or is the old one.
        """
        account = session.account
        await self.prove(session, old, "password.change")
        if old == new:
            raise InvalidField("The new password is the old one.", field="password")
        check_password(new, account.username, account.name)
        hashed = await self._turns.run(self._passwords.hashed, new)

        def work(connection: Connection) -> None:
            store.change(connection, account.id, password=hashed, must_change=False, failures=0)
            store.end_sessions(connection, account.id, but=session.id)
            self.audit.note(connection, _of(session).event("password.change", account.department))

        await self._write(work)

    async def reset_password(
        self, department: str, account_id: str, password: str, by: By = OPERATOR
    ) -> None:
        """Give an account a password that has to be changed at the next log-in; all its sessions end.

        Raises:
            NotFound: The department has no such account.
            WeakPassword: It is too easy to guess.
        """
        account = await self.account(department, account_id)
        check_password(password, account.username, account.name)
        hashed = await self._turns.run(self._passwords.hashed, password)

        def work(connection: Connection) -> None:
            store.change(
                connection, account_id, password=hashed, must_change=True, failures=0, locked_until_us=0, totp=""
            )  # fmt: skip
            store.end_sessions(connection, account_id)
            self.audit.note(connection, by.event("account.reset", department, account.username))

        await self._write(work)

    async def change(
        self, department: str, account_id: str, *, name: str, roles: Sequence[str], certificate: str, by: By
    ) -> None:
        """Change what an account is; it holds at once, in sessions that run, too.

        Args:
            department: Whose.
            account_id: Which.
            name: As others read it.
            roles: All that it has from now on.
            certificate: Number of an officer's; empty for none.
            by: Who says so.

        Raises:
            NotFound: The department has no such account.
            InvalidField: No name, or a role that is not known.
        """
        account = await self.account(department, account_id)
        check_person(name, roles)

        def work(connection: Connection) -> None:
            store.change(
                connection, account_id, name=name.strip(), roles=" ".join(roles), certificate=certificate
            )
            about = f"{account.username} {' '.join(roles)}"
            self.audit.note(connection, by.event("account.change", department, about))

        await self._write(work)

    async def disable(self, department: str, account_id: str, *, disabled: bool, by: By = OPERATOR) -> None:
        """Let nobody log in with an account, or let them again; sessions that run end.

        Raises:
            NotFound: The department has no such account.
        """
        account = await self.account(department, account_id)

        def work(connection: Connection) -> None:
            store.change(connection, account_id, disabled=disabled)
            if disabled:
                store.end_sessions(connection, account_id)
            action = "account.disable" if disabled else "account.enable"
            self.audit.note(connection, by.event(action, department, account.username))

        await self._write(work)

    async def account(self, department: str, account_id: str) -> Account:
        """An account of a department.

        Raises:
            NotFound: The department has no such account.
        """
        found = await self._read(lambda connection: store.get(connection, account_id))
        if found is None or found[0].department != department:
            raise NotFound("There is no such account.", field="account")
        return found[0]

    async def prove(self, session: Session, password: str, action: str) -> None:
        """Check that it is still the person, before something is changed that matters.

        Args:
            session: Whose.
            password: As typed.
            action: What is to be done, for the audit.

        Raises:
            NotKnown: It is not the password.
            Locked: It was not, too often.
        """
        account = session.account
        found = await self._read(lambda connection: store.get(connection, account.id))
        if found is None:
            raise SessionOver
        now = self._clock.now()
        until = found[0].locked_until
        if until is not None and now < until:
            raise Locked(retry_after_ms=int((until - now).total_seconds() * 1000))
        if not await self._turns.run(self._passwords.matches, found[1].password, password):
            await self._failed(account, action, "NOT_KNOWN", session.origin)
            raise NotKnown("The password is not right.", field="old")


def _of(session: Session) -> By:
    """Who changes something of their own."""
    return By(session.account.username, session.origin)
