"""Posts to targets that systems name: only where they may go, to the address that was looked at, once.

A name is resolved, every address of it is judged, and the connection goes to one of those that were
judged: a name that changes its mind in between leads nowhere else. Redirects are not followed, no proxy is
asked, and of the answer nothing is read but its status.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from services.common.errors import InvalidField
from services.gateway.webhooks.model import Network, check_address, check_url

TIMEOUT_S: Final = 15.0
"""For all of a post: name, connection, answer."""
RESOLVED_S: Final = 5.0
"""For a name, while somebody waits."""
_AT_MOST: Final = 4
_LONGEST_LINE: Final = 8192
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NotPosted(Exception):
    """The post did not get through; the text says why."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, as this machine knows them."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class TargetUnknown(InvalidField):
    """The name of the target cannot be resolved."""


class Targets:
    """Where posts may go, and the way there.

    Args:
        networks: Inner networks that the operator names; with any, `http` may be used within them.
        ca_file: Further authorities of targets' certificates.
        resolver: Gives the addresses of a name.
        timeout_s: For all of a post.
    """

    def __init__(
        self,
        networks: Sequence[Network] = (),
        ca_file: Path | None = None,
        resolver: Resolve = resolve,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._networks = tuple(networks)
        self._resolve = resolver
        self._timeout_s = timeout_s
        self._context = ssl.create_default_context()
        if ca_file is not None:
            self._context.load_verify_locations(ca_file)

    async def check(self, url: str) -> None:
        """Judge a target before anybody relies on it.

        Raises:
            InvalidField: It is no URL of ours.
            TargetForbidden: An address of it lies inside.
            TargetUnknown: The name has no address now.
        """
        check_url(url, plain=bool(self._networks))
        try:
            async with asyncio.timeout(RESOLVED_S):
                await self._addresses(urlsplit(url))
        except (OSError, TimeoutError, UnicodeError):
            raise TargetUnknown(field="url") from None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Post once; the status of the answer.

        Raises:
            NotPosted: Nobody was reached, or no answer came in time.
            InvalidField: It is no URL of ours any more.
            TargetForbidden: The name leads inside now.
        """
        check_url(url, plain=bool(self._networks))
        parts = urlsplit(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._post(parts, headers, body)
        except TimeoutError:
            raise NotPosted(f"No answer in {self._timeout_s:.0f} s.") from None
        except (OSError, ValueError, asyncio.IncompleteReadError) as error:
            raise NotPosted(f"{type(error).__name__}: {error}"[:200]) from None

    async def _addresses(self, parts: SplitResult) -> list[str]:
        found = await self._resolve(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])
        for each in found:
            check_address(each, self._networks, plain=parts.scheme == "http")
        if not found:
            raise OSError("the name has no address")
        return list(found[:_AT_MOST])

    async def _post(self, parts: SplitResult, headers: Mapping[str, str], body: bytes) -> int:
        reader, writer = await self._connect(parts)
        try:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            own = {
                "Host": parts.netloc,
                "User-Agent": "liandong-webhooks",
                "Content-Length": str(len(body)),
                "Connection": "close",
                **headers,
            }
            lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in own.items()), "", ""]
            writer.write("\r\n".join(lines).encode("ascii") + body)
            await writer.drain()
            line = (await reader.readline()).decode("latin-1").split(None, 2)
            if len(line) < 2 or not line[0].startswith("HTTP/1.") or not line[1].isdigit():  # noqa: PLR2004 - version, status
                raise ValueError("the answer is no HTTP")
            return int(line[1])
        finally:
            writer.transport.abort()

    async def _connect(self, parts: SplitResult) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        secure = parts.scheme == "https"
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        failed: OSError | None = None
        for address in await self._addresses(parts):
            try:
                return await asyncio.open_connection(
                    address,
                    port,
                    limit=_LONGEST_LINE,
                    ssl=self._context if secure else None,
                    server_hostname=parts.hostname if secure else None,
                )
            except OSError as error:
                failed = error
        assert failed is not None
        raise failed
