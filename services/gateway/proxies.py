"""Proxies before the gateway: which are believed, and what they say.

TLS for browsers ends at a proxy, so the browser's address, its scheme and its certificate come as headers, which
anybody can send. They are believed only from the addresses that the operator names, and who the peer of the
connection is stays known beside what it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.common.errors import LiandongError

Network = IPv4Network | IPv6Network

_PEER: Final = "liandong.peer"


class Forged(LiandongError):
    """The request does not come from a page of this gateway."""

    reason = "CALLER_NOT_PERMITTED"
    code = "PERMISSION_DENIED"


class Proxies:
    """Notes who the peer is, then lets a believed one speak for the browser (X-Forwarded-For, X-Forwarded-Proto).

    Args:
        app: What answers.
        networks: Whose word is taken.
        public_url: Where browsers reach the gateway; then its scheme is theirs, whatever a proxy says.
    """

    def __init__(self, app: ASGIApp, networks: Sequence[Network], public_url: str = "") -> None:
        self._app = app
        self._networks = tuple(networks)
        self._scheme = urlsplit(public_url).scheme
        # uvicorn has types of its own for the same protocol
        self._believing: Any = ProxyHeadersMiddleware(self._known, [str(each) for each in networks])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in {"http", "websocket"}:
            client = scope.get("client")
            scope[_PEER] = client is not None and is_within(client[0], self._networks)
        await self._believing(scope, receive, send)

    async def _known(self, scope: Any, receive: Any, send: Any) -> None:
        if self._scheme and scope["type"] == "http":
            scope["scheme"] = self._scheme
        await self._app(scope, receive, send)


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is of one of the networks."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found.version == each.version and found in each for each in networks)


def through_proxy(request: Request) -> bool:
    """Whether the connection came from a proxy that is believed."""
    return bool(request.scope.get(_PEER, False))


def check_origin(request: Request, public_url: str) -> None:
    """Check that a request that changes something comes from a page of this gateway, as far as the browser says.

    Args:
        request: The request; a browser says of such where it comes from (Fetch Standard, 3.2; Fetch Metadata).
        public_url: Where browsers reach this gateway; what they ask for if it is empty.

    Raises:
        Forged: It comes from elsewhere.
    """
    said = request.headers.get("origin")
    own = public_url or f"{request.url.scheme}://{request.headers.get('host', '')}"
    elsewhere = request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}
    if elsewhere or (said is not None and said.lower() != own.lower()):
        raise Forged


def origin_of(request: Request) -> str:
    """The browser's address, as far as it is known."""
    return request.client.host if request.client is not None else ""
