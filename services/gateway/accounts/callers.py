"""The caller of a request: by the token that it shows, or by the session that its cookie belongs to.

A cookie is sent by the browser whoever made the page, so what changes something must also show the
session's own word, which only our pages know (CSRF).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final

from starlette.requests import Request

from services.common.errors import LiandongError, Unauthenticated
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.model import TOKEN_ACR, Session
from services.gateway.callers import Caller
from services.gateway.rest.scopes import SCOPES

COOKIE: Final = "liandong"
SECURE_COOKIE: Final = "__Host-liandong"
CSRF_HEADER: Final = "x-csrf-token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ALL: Final = frozenset(SCOPES)


class Forged(LiandongError):
    """The request does not come from a page of this gateway."""

    reason = "CALLER_NOT_PERMITTED"
    code = "PERMISSION_DENIED"


class PasswordGiven(LiandongError):
    """The password was given by somebody else; change it first."""

    reason = "PASSWORD_TO_BE_CHANGED"
    code = "PERMISSION_DENIED"


class AccountCallers:
    """Callers by accounts and tokens.

    Args:
        accounts: The gateway's.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def caller_of(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            Unauthenticated: Neither a token nor a session that is good.
            Forged: A session without its word, where something is changed.
            PasswordGiven: A session that has to change its password first.
        """
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and secret:
            token = await self._accounts.token_of(secret.strip())
            return Caller(
                department=token.department, subject=f"token-{token.id}", name=token.title, roles=("system",),
                acr=TOKEN_ACR, service=True, scopes=frozenset(token.scopes), key=f"token/{token.id}",
            )  # fmt: skip
        session = await self.session_of(request)
        if session.account.must_change:
            raise PasswordGiven
        return caller_of(session)

    async def session_of(self, request: Request) -> Session:
        """The session of a browser, its word checked where something is changed.

        Raises:
            Unauthenticated: None that is good.
            Forged: Without its word.
        """
        secret = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
        if not secret:
            raise Unauthenticated("Show a token, or log in.")
        session = await self._accounts.session_of(secret)
        if request.method not in _SAFE:
            shown = request.headers.get(CSRF_HEADER, "")
            if not hmac.compare_digest(shown.encode(), csrf_of(secret).encode()):
                raise Forged
        return session


def caller_of(session: Session) -> Caller:
    """The person of a session, who may do what the roles permit; a display calls nothing by itself."""
    account = session.account
    return Caller(
        department=account.department, subject=account.subject, name=account.name, roles=account.roles,
        acr=session.acr, certificate=account.certificate, scopes=frozenset() if account.is_display else _ALL,
        key=f"account/{account.id}",
    )  # fmt: skip


def csrf_of(secret: str) -> str:
    """The word of a session, from what its cookie holds."""
    return base64.urlsafe_b64encode(
        hmac.new(secret.encode(), b"liandong csrf", hashlib.sha256).digest()
    ).decode()
