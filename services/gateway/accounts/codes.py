"""Codes of an authenticator (RFC 6238): set up, taken off, judged."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import Connection

from services.common.errors import InvalidField
from services.gateway.accounts import store
from services.gateway.accounts.model import Session
from services.gateway.accounts.stored import Stored
from services.gateway.audit import By

ISSUER: Final = "Liandong"
_STEP_S: Final = 30


class Codes(Stored):
    """The authenticators of one gateway's accounts."""

    def begin(self, session: Session) -> str:
        """A new key for an authenticator, as `otpauth://`; nothing changes until a code was shown."""
        return pyotp.TOTP(pyotp.random_base32()).provisioning_uri(
            name=session.account.username, issuer_name=ISSUER
        )

    async def confirm(self, session: Session, uri: str, code: str) -> None:
        """From now on a code is wanted; every other session of the account ends.

        Raises:
            InvalidField: The code does not belong to the key.
        """
        try:
            key = pyotp.parse_uri(uri).secret
        except ValueError:
            raise InvalidField("This is no key of an authenticator.", field="uri") from None
        account = session.account
        step = step_of(key, code, self._clock.now())
        if step is None:
            raise InvalidField("The code does not belong to this key.", field="code")

        def work(connection: Connection) -> None:
            store.change(connection, account.id, totp=key, totp_step=step)
            store.end_sessions(connection, account.id, but=session.id)
            by = By(account.username, session.origin)
            self.audit.note(connection, by.event("authenticator.set", account.department))

        await self._write(work)

    async def end(self, session: Session) -> None:
        """No code is wanted any more; every other session of the account ends."""
        account = session.account

        def work(connection: Connection) -> None:
            store.change(connection, account.id, totp="")
            store.end_sessions(connection, account.id, but=session.id)
            by = By(account.username, session.origin)
            self.audit.note(connection, by.event("authenticator.end", account.department))

        await self._write(work)


def step_of(key: str, code: str, now: datetime) -> int | None:
    """The time step (RFC 6238) that a code belongs to, of now or one beside it; None for none."""
    totp = pyotp.TOTP(key)
    current = int(now.timestamp()) // _STEP_S
    for step in (current, current - 1, current + 1):
        if secrets.compare_digest(totp.at(step * _STEP_S), code.strip().replace(" ", "")):
            return step
    return None
