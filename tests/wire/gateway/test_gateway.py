"""The gateway over real connections: to a node's port, to a registry, and from a browser."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from services.common import healthcheck
from services.common.clock import SystemClock
from services.common.config import ConfigurationError
from services.common.db import Database
from services.common.errors import Unauthenticated
from services.exchange import keys
from services.exchange.keys import KeyRole
from services.gateway import probes
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.callers import CSRF_HEADER, csrf_of
from services.gateway.accounts.model import Account, NotKnown
from services.gateway.accounts.parts import Parts
from services.gateway.accounts.tokens import Tokens
from services.gateway.bootstrap import Gateway
from services.gateway.settings import DepartmentSettings, GatewaySettings
from tests.builders.authority import Authority
from tests.wire.cli.conftest import Command

from .conftest import NAME, House, identity


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "KEPT_S", 0.0)


async def test_node_and_link_are_told_apart(house: House) -> None:
    """The node's port serves; its link is down, since nothing here is a whole node; the gateway is ready."""
    assert await house.department() == {
        "name": NAME, "node": "serving", "link": "disconnected", "status": "200",
    }  # fmt: skip
    assert "Qinghe District Health Commission" in (await house.browser.get("/status?lang=en")).text


async def test_a_node_that_ends_makes_the_gateway_not_ready(house: House) -> None:
    """Without its node a department cannot work; the page still answers."""
    await house.node.stop(0)
    assert (await house.department())["node"] == "unreachable"
    assert (await house.department())["status"] == "503"
    assert (await house.browser.get("/status")).status_code == 200


async def test_a_registry_that_ends_leaves_the_gateway_ready(house: House) -> None:
    """Offline is normal."""
    await house.registry.stop(0)
    found = await house.department()
    assert (found["link"], found["status"]) == ("registry-unreachable", "200")


async def test_a_renewed_certificate_is_used_without_a_restart(house: House) -> None:
    """Replaced files are seen at the next question: here a foreign department's, which is told nothing."""
    assert (await house.department())["link"] == "disconnected"
    identity(house.credentials, house.folder / "gateway", "liandong://water.qinghe/gateway")
    assert (await house.department())["link"] == "refused"


async def test_a_gateway_without_certificate_does_not_start(tmp_path: Path) -> None:
    """It says which file is missing."""
    settings = GatewaySettings(
        departments=[DepartmentSettings(name=NAME, address="127.0.0.1:1", folder=tmp_path)]
    )
    with pytest.raises(ConfigurationError, match=r"ca\.crt"):
        Gateway(settings)


async def test_the_health_command_asks_each_kind_of_server(house: House) -> None:
    """Node, registry and gateway answer it with their own certificates; what does not serve is named."""
    node = f"grpcs://127.0.0.1:{house.node.port}?folder={house.folder / 'node'}"
    registry = f"grpcs://{house.registry.address}?folder={house.folder / 'registry'}&pair=server-a"
    gateway = f"http://127.0.0.1:{house.gateway.port}/healthz"
    assert await asyncio.to_thread(healthcheck.main, [node, registry, gateway]) == 0
    assert "404" in await asyncio.to_thread(healthcheck.check, gateway.replace("healthz", "no"))
    await house.node.stop(0)
    assert "UNAVAILABLE" in await asyncio.to_thread(healthcheck.check, node)


def test_the_health_command_says_what_it_cannot_ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing to ask, an unknown address and a missing certificate are three different answers."""
    monkeypatch.delenv(healthcheck.VARIABLE, raising=False)
    assert healthcheck.main([]) == 2
    monkeypatch.setenv(healthcheck.VARIABLE, f"ftp://x grpcs://127.0.0.1:1?folder={tmp_path}")
    assert healthcheck.main([]) == 1
    said = capsys.readouterr().err
    assert "neither grpcs://" in said
    assert "ca.crt" in said


async def test_a_gateway_process_drains_on_sigterm(house: House) -> None:
    """`python -m services.gateway` serves, and SIGTERM ends it with 0."""

    def play() -> tuple[int, str]:
        port = house.gateway.port
        environment = {
            "LIANDONG_DEPARTMENTS": f'[{{"name": "{NAME}", "address": "127.0.0.1:{house.node.port}",'
            f' "folder": "{house.folder / "gateway"}"}}]',
            "LIANDONG_LISTEN": "127.0.0.1:0",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "services.gateway"],
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "gateway.started" in line:
                    port = int(line.partition('"port": ')[2].partition(",")[0].rstrip("}\n "))
                    break
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                status = answer.status
            process.send_signal(signal.SIGTERM)
            rest = process.stderr.read()
            assert process.wait(20) == 0, rest
        return status, rest

    status, rest = await asyncio.to_thread(play)
    assert status == 200
    assert "gateway.stopped" in rest


async def test_a_token_opens_the_interface(house: House, tmp_path: Path) -> None:
    """Without one nobody is served; with one the node answers, here that it has no such service."""
    issuer = keys.generate(KeyRole.SIGN)
    keys.save_private_key(tmp_path / "issuer.key", issuer)
    department = house.gateway.settings.departments[0].model_copy(
        update={"issuer": "issuer.health", "issuer_key": tmp_path / "issuer.key"}
    )
    url = f"sqlite:///{tmp_path / 'gateway.sqlite'}"
    settings = GatewaySettings(departments=[department], listen="127.0.0.1:0", database_url=url)
    gateway = Gateway(settings)
    await gateway.start()
    database = Database(url)
    accounts = Accounts(database, SystemClock())
    person = Account(
        id="", username="zhao", department=NAME, subject="zhao", name="赵文博", roles=("clerk",), certificate="",
        must_change=False, totp=False, locked_until=None, disabled=False, language="",
    )  # fmt: skip
    await accounts.create(person, "four words in a row")
    _, cookie = await accounts.log_in("zhao", "four words in a row", origin="", agent="")
    _, token = await Tokens(database, SystemClock()).create(NAME, "OA", ["directory:read"], timedelta(days=1))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as client:
        path = "/api/v1/departments"
        assert (await client.get(path)).status_code == 401
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 501
        answer = await client.get("/api/v1/cases", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403
        client.cookies.set("liandong", cookie)
        assert (await client.get(path)).status_code == 501
        # a page from elsewhere has the cookie, too, but not its word
        assert (await client.post("/api/v1/drafts", json={})).json()["reason"] == "CALLER_NOT_PERMITTED"
        answer = await client.post("/api/v1/drafts", json={}, headers={CSRF_HEADER: csrf_of(cookie)})
        assert answer.status_code == 501
        assert (await client.get("/api/v1/openapi.json")).json()["openapi"] == "3.1.0"
    database.close()
    await gateway.stop()


async def test_the_operator_keeps_accounts_and_tokens(house: House, tmp_path: Path) -> None:
    """By the command line, on the gateway's store: what it prints opens, until it is revoked."""
    url = f"sqlite:///{tmp_path / 'gateway.sqlite'}"
    department = house.gateway.settings.departments[0]
    settings = {
        "LIANDONG_DEPARTMENTS": json.dumps([department.model_dump(mode="json")]),
        "LIANDONG_DATABASE_URL": url,
    }
    command = Command(tmp_path, settings)

    def run(*arguments: str) -> str:
        return command("gateway", *arguments, "--department", NAME)

    person = ("--subject", "zhao", "--name", "赵文博", "--role", "clerk")
    given = await asyncio.to_thread(run, "add-account", "Zhao@health", *person)
    password = next(line.split()[-1] for line in given.splitlines() if line.startswith("First password"))
    made = await asyncio.to_thread(run, "add-token", "OA", "--scope", "directory:read")
    token = next(line.split()[-1] for line in made.splitlines() if line.startswith("Token"))
    database = Database(url)
    accounts = Accounts(database, SystemClock())
    session, _ = await accounts.log_in("zhao@health", password, origin="", agent="")
    assert (session.account.name, session.account.must_change) == ("赵文博", True)
    tokens = Tokens(database, SystemClock())
    found = await tokens.token_of(token)
    assert found.scopes == ("directory:read",)
    assert "OA" in await asyncio.to_thread(run, "tokens")
    assert "zhao@health" in await asyncio.to_thread(run, "accounts")
    certificate, _ = Authority().person("赵文博").write(tmp_path, "zhao")
    await asyncio.to_thread(run, "add-identity", "zhao@health", "--certificate", str(certificate))
    identities = await asyncio.to_thread(run, "identities", "zhao@health")
    assert "赵文博" in identities
    (identity,) = await Parts.over(database, SystemClock()).identities.of(session.account.id)
    await asyncio.to_thread(run, "remove-identity", "zhao@health", identity.subject)
    await asyncio.to_thread(run, "revoke-token", found.id)
    await asyncio.to_thread(run, "disable-account", "zhao@health")
    with pytest.raises(Unauthenticated):
        await tokens.token_of(token)
    with pytest.raises(NotKnown):
        await accounts.log_in("zhao@health", password, origin="", agent="")
    noted = await asyncio.to_thread(run, "audit")
    for action in ("account.add", "log-in", "identity.remove", "token.revoke", "account.disable"):
        assert action in noted
    database.close()
