"""A whole gateway with accounts, before the real ports of two departments."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher

from services.common.clock import Clock, ManualClock
from services.exchange import keys
from services.gateway.accounts.model import Account
from services.gateway.accounts.parts import Parts
from services.gateway.accounts.passwords import Passwords
from services.gateway.audit import Event
from services.gateway.bootstrap import Gateway
from services.gateway.settings import DepartmentSettings, GatewaySettings
from tests.builders.departments import HEALTH, MARKET
from tests.builders.ledger import MONDAY, Ledger
from tests.wire.cases.conftest import Port, open_port
from tests.wire.exchange.evidence_world import Identities

PASSWORD = "four words in a row"
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Front:
    """What runs.

    Attributes:
        gateway: Before both departments.
        ports: The departments' nodes.
        parts: The gateway's accounts.
        folder: For files.
    """

    gateway: Gateway
    ports: dict[str, Port]
    parts: Parts
    folder: Path

    @property
    def url(self) -> str:
        """Of the gateway."""
        return f"http://127.0.0.1:{self.gateway.port}"

    def browser(self, **more: Any) -> httpx.AsyncClient:
        """A browser that knows nothing yet."""
        headers = {"Accept": "text/html", **more.pop("headers", {})}
        return httpx.AsyncClient(**{"base_url": self.url, "timeout": 20, "headers": headers, **more})

    async def person(self, username: str, *roles: str, department: str = HEALTH, **changes: Any) -> Account:
        """Somebody with an account."""
        values: dict[str, Any] = {
            "id": "", "username": username, "department": department, "subject": f"{username}-1",
            "name": f"人员{username}", "roles": roles or ("clerk",), "certificate": "", "must_change": False,
            "totp": False, "locked_until": None, "disabled": False, "language": "en", **changes,
        }  # fmt: skip
        return await self.parts.accounts.create(Account(**values), PASSWORD)

    @asynccontextmanager
    async def entered(self, username: str) -> AsyncIterator[httpx.AsyncClient]:
        """A browser in which somebody is logged in."""
        async with self.browser() as browser:
            answer = await browser.post("/login", data={"username": username, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            yield browser

    async def refused(self, **like: str) -> list[Event]:
        """What the audit has of refusals like this."""
        rows = [each.event for each in await self.parts.audit.read(refused=True)]
        return [each for each in rows if all(getattr(each, name) == value for name, value in like.items())]


async def word(browser: httpx.AsyncClient, path: str = "/account") -> str:
    """The word of a session, as its pages show it."""
    page = await browser.get(path)
    found = _CSRF.search(page.text)
    assert found is not None, page.text
    return found.group(1)


async def send(browser: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Send a form of a page."""
    return await browser.post(path, data={"csrf": await word(browser), **fields})


@asynccontextmanager
async def front(folder: Path, *, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Front]:
    """A gateway before two departments.

    Args:
        folder: For files.
        clock: The gateway's; the departments' is the same where it is set by hand.
        settings: More of the gateway's.
    """
    ledger = Ledger(clock if isinstance(clock, ManualClock) else ManualClock(MONDAY))
    identities = Identities(folder)
    async with AsyncExitStack() as stack:
        ports, departments = {}, []
        for name in (HEALTH, MARKET):
            port = await stack.enter_async_context(open_port(folder, ledger, identities, name))
            ports[name] = port
            departments.append(before(folder, port, name))
        url = f"sqlite:///{folder / 'gateway.sqlite'}"
        values = {"departments": departments, "listen": "127.0.0.1:0", "database_url": url, **settings}
        gateway = Gateway(GatewaySettings(**values), clock or ledger.clock)
        await gateway.start()
        parts = gateway.parts
        assert parts is not None
        # hashing is quick here, everything else as it is
        quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        parts.accounts._passwords = Passwords(quick)
        yield Front(gateway, ports, parts, folder)
        await gateway.stop()


def before(
    folder: Path, port: Port, name: str, *, holder: str = "", issuer: str = "", key: Any = None
) -> DepartmentSettings:
    """What a gateway has of a department.

    Args:
        folder: For files.
        port: The department's node.
        name: The department.
        holder: Of the gateway's certificate, if it is another's.
        issuer: The issuer it says it is, if not the department's.
        key: The issuer's key, likewise.
    """
    signer = port.node.signer
    own = folder / f"gateway-{len(list(folder.glob('gateway-*')))}"
    own.mkdir()
    tls = port._identities.files(holder or name, f"gateway/{own.name}")
    for file, called in ((tls.ca, "ca.crt"), (tls.cert, "tls.crt"), (tls.key, "tls.key")):
        (own / called).write_bytes(file.read_bytes())
    keys.save_private_key(own / "issuer.key", key or signer.issuer_key)
    return DepartmentSettings(
        name=name, address=f"127.0.0.1:{port._server.port}", folder=own, issuer=issuer or signer.issuer,
        issuer_key=own / "issuer.key",
    )  # fmt: skip
