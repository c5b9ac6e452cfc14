"""What systems of a department call with: 32 random bytes of which the store knows the SHA-256."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import uuid_utils
from sqlalchemy import Connection

from services.common.errors import InvalidField, NotFound, Unauthenticated
from services.gateway.accounts import store
from services.gateway.accounts.model import Token
from services.gateway.accounts.stored import SECRET_BYTES, SEEN_EVERY, Stored, digest_of
from services.gateway.audit import OPERATOR, By

TOKEN_PREFIX: Final = "liandong_"  # noqa: S105 - so that scanners of leaked secrets know it
LONGEST_TOKEN: Final = timedelta(days=366)
_MOST_TITLE: Final = 200


class Tokens(Stored):
    """The tokens of one gateway."""

    async def create(
        self, department: str, title: str, scopes: Sequence[str], lifetime: timedelta, by: By = OPERATOR
    ) -> tuple[Token, str]:
        """A token for a system of a department; returns it and what its bearer shows, once.

        Args:
            department: Whose system.
            title: Which system.
            scopes: What it is good for.
            lifetime: From now.
            by: Who makes it.

        Raises:
            InvalidField: No title, no scope, or it would live for more than a year.
        """
        if not title.strip() or len(title) > _MOST_TITLE:
            raise InvalidField("A token says for which system it is.", field="title")
        if not scopes:
            raise InvalidField("A token is good for something.", field="scopes")
        if not timedelta(0) < lifetime <= LONGEST_TOKEN:
            raise InvalidField("A token lives for at most a year.", field="expires_at")
        now = self._clock.now()
        secret = TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        token = Token(
            id=uuid_utils.uuid7().hex, department=department, title=title.strip(),
            scopes=tuple(sorted(set(scopes))), created_by=by.who, created_at=now,
            expires_at=now + lifetime, revoked_at=None, seen_at=None,
        )  # fmt: skip

        def work(connection: Connection) -> None:
            store.add_token(connection, token, digest_of(secret))
            about = f"{token.id} {' '.join(token.scopes)}"
            self.audit.note(connection, by.event("token.add", department, about))

        await self._write(work)
        return token, secret

    async def token_of(self, secret: str) -> Token:
        """The token that a bearer shows.

        Raises:
            Unauthenticated: It is not known, revoked or expired.
        """
        now = self._clock.now()
        token = await self._read(lambda connection: store.find_token(connection, digest_of(secret)))
        if token is None or token.revoked_at is not None or now >= token.expires_at:
            raise Unauthenticated("The token is not known, or no longer good.")
        if token.seen_at is None or now - token.seen_at >= SEEN_EVERY:
            await self._write(lambda connection: store.seen_token(connection, token.id, now))
        return token

    async def all_of(self, department: str) -> list[Token]:
        """A department's tokens."""
        return await self._read(lambda connection: store.list_tokens(connection, department))

    async def revoke(self, department: str, token_id: str, by: By = OPERATOR) -> None:
        """Revoke a token.

        Raises:
            NotFound: The department has no such token that was good.
        """
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            revoked = store.revoke_token(connection, department, token_id, now)
            if revoked:
                self.audit.note(connection, by.event("token.revoke", department, token_id))
            return revoked

        if not await self._write(work):
            raise NotFound("There is no such token.", field="token")
