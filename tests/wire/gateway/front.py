"""A real gateway before a real node that has joined a real registry, all over TLS, and who asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from services.cli.demo.party import Party
from services.common.clock import SystemClock
from services.common.db import Database
from services.exchange.enrolment_client import EnrolmentClient
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.callers import CSRF_HEADER, csrf_of
from services.gateway.accounts.model import Account
from services.gateway.accounts.tokens import Tokens
from services.gateway.bootstrap import Gateway
from services.gateway.rest.scopes import SCOPES
from services.gateway.settings import DepartmentSettings, GatewaySettings
from tests.federation.district import HEALTH
from tests.federation.house import House, living

_PASSWORD = "four words in a row"


@dataclass
class Front:
    """What runs.

    Attributes:
        house: Registry and nodes.
        gateway: Before the node of HEALTH.
        base: Its address.
        token: Of a system with all scopes.
        accounts: Of the gateway.
        tokens: Of the gateway.
    """

    house: House
    gateway: Gateway
    base: str
    token: str
    accounts: Accounts
    tokens: Tokens

    @property
    def party(self) -> Party:
        """The department's own clients, past the gateway."""
        return self.house.parties[HEALTH]

    def system(self, token: str = "") -> httpx.AsyncClient:
        """A client with a token, that of the system with all scopes if none is given."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=60)

    async def person(self, *roles: str) -> httpx.AsyncClient:
        """A client with the session of somebody in these roles."""
        name = f"{roles[0]}@{HEALTH}"
        if not any(each.username == name for each in await self.accounts.accounts(HEALTH)):
            made = Account(
                id="", username=name, department=HEALTH, subject=name, name="赵文博", roles=roles,
                certificate="", must_change=False, totp=False, locked_until=None, disabled=False, language="",
            )  # fmt: skip
            await self.accounts.create(made, _PASSWORD)
        _, cookie = await self.accounts.log_in(name, _PASSWORD, origin="", agent="")
        headers = {CSRF_HEADER: csrf_of(cookie)}
        return httpx.AsyncClient(
            base_url=self.base, headers=headers, cookies={"liandong": cookie}, timeout=60
        )

    async def scoped(self, *scopes: str) -> httpx.AsyncClient:
        """A client with a token of its own that has these scopes."""
        _, token = await self.tokens.create(HEALTH, "scoped", scopes, timedelta(days=1))
        return self.system(token)


@asynccontextmanager
async def standing(folder: Path, **settings: Any) -> AsyncIterator[Front]:
    """Start all of it.

    Args:
        folder: For its data.
        settings: Of the gateway, beside those that are needed.
    """
    async with living(folder, (HEALTH,)) as house:
        party = house.parties[HEALTH]
        own = folder / "gateway"
        await EnrolmentClient(party.folder).client_certificate("gateway", own)
        url = f"sqlite:///{folder / 'gateway.sqlite'}"
        department = DepartmentSettings(
            name=HEALTH,
            address=party.address,
            folder=own,
            registry=house.settings.listen,
            issuer=party.issuer,
            issuer_key=party.folder / "issuer.key",
        )
        chosen: Mapping[str, Any] = {
            "departments": [department],
            "database_url": url,
            "listen": "127.0.0.1:0",
            "calls_per_second": 5000,
            "calls_at_once": 5000,
            **settings,
        }
        gateway = Gateway(GatewaySettings(**chosen))
        port = await gateway.start()
        database = Database(url)
        accounts, tokens = Accounts(database, SystemClock()), Tokens(database, SystemClock())
        _, token = await tokens.create(HEALTH, "业务系统", SCOPES, timedelta(days=1))
        try:
            yield Front(house, gateway, f"http://127.0.0.1:{port}", token, accounts, tokens)
        finally:
            database.close()
            await gateway.stop()
