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
from services.gateway.accounts.tokens import Tokens
from services.gateway.callers import Caller
from services.gateway.proxies import Forged, check_origin
from services.gateway.rest.scopes import SCOPES

COOKIE: Final = "liandong"
SECURE_COOKIE: Final = "__Host-liandong"
CSRF_HEADER: Final = "x-csrf-token"
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ALL: Final = frozenset(SCOPES)


class PasswordGiven(LiandongError):
    """The password was given by somebody else; change it first."""

    reason = "PASSWORD_TO_BE_CHANGED"
    code = "PERMISSION_DENIED"


class AccountCallers:
    """Callers by accounts and tokens.

    Args:
        accounts: The gateway's.
        tokens: Likewise.
        public_url: Where browsers reach this gateway; what they ask for if it is empty.
    """

    def __init__(self, accounts: Accounts, tokens: Tokens, public_url: str = "") -> None:
        self._public_url = public_url
        self._accounts = accounts
        self._tokens = tokens

    async def caller_of(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            Unauthenticated: Neither a token nor a session that is good.
            Forged: A session without its word, where something is changed.
            PasswordGiven: A session that has to change its password first.
        """
        kind, _, secret = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and secret:
            token = await self._tokens.token_of(secret.strip())
            return Caller(
                department=token.department, subject=f"token-{token.id}", name=token.title, roles=("system",),
                acr=TOKEN_ACR, service=True, scopes=frozenset(token.scopes), key=f"token/{token.id}",
                who=token.id,
            )  # fmt: skip
        session = await self.session_of(request)
        if session.must_change:
            raise PasswordGiven
        return caller_of(session)

    async def session_of(self, request: Request) -> Session:
        """The session of a browser, its word checked where something is changed.

        Raises:
            Unauthenticated: None that is good.
            Forged: Without its word.
        """
        secret = secret_of(request)
        if not secret:
            raise Unauthenticated("Show a token, or log in.")
        session = await self._accounts.session_of(secret)
        if request.method not in _SAFE:
            request.state.caller = caller_of(session)
            check_origin(request, self._public_url)
            check_csrf(secret, request.headers.get(CSRF_HEADER, ""))
        return session


def secret_of(request: Request) -> str:
    """What the cookie of a session holds; empty for none.

    Over TLS only the name counts that no other host of the domain and no page without TLS can set.
    """
    return request.cookies.get(SECURE_COOKIE if request.url.scheme == "https" else COOKIE, "")


def caller_of(session: Session) -> Caller:
    """The person of a session, who may do what the roles permit; a display calls nothing by itself."""
    account = session.account
    return Caller(
        department=account.department, subject=account.subject, name=account.name, roles=account.roles,
        acr=session.acr, certificate=account.certificate, scopes=frozenset() if account.is_display else _ALL,
        key=f"account/{account.id}",
        who=account.username,
    )  # fmt: skip


def csrf_of(secret: str) -> str:
    """The word of a session, from what its cookie holds."""
    return base64.urlsafe_b64encode(
        hmac.new(secret.encode(), b"liandong csrf", hashlib.sha256).digest()
    ).decode()


def check_csrf(secret: str, shown: str) -> None:
    """Check that what is sent is of a page of the session.

    Args:
        secret: What the session's cookie holds.
        shown: The word that came in a field or in the header.

    Raises:
        Forged: It is not the session's.
    """
    if not hmac.compare_digest(shown.encode(), csrf_of(secret).encode()):
        raise Forged
