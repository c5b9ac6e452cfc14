"""A real registry, the port of a department's node, and a gateway before both, all on loopback with mutual TLS."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest_asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from liandong.directory.v1 import common_entry_pb2 as directory

from services.common.server import Server
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.keys import KeyRole
from services.gateway.bootstrap import Gateway
from services.gateway.settings import DepartmentSettings, GatewaySettings
from services.registry.bootstrap import Registry, init
from services.registry.credentials import Credentials
from services.registry.settings import RegistrySettings

NAME = "health.qinghe"


def identity(credentials: Credentials, folder: Path, uri: str, hosts: tuple[str, ...] = ()) -> TlsFiles:
    """A key and a certificate from the registry's authority, in a folder; an existing one is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    key = keys.generate(KeyRole.TLS)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    files = TlsFiles(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    files.ca.write_bytes(credentials.authority.pem)
    files.cert.write_bytes(credentials.authority.issue(key.public_key(), uri, dt.datetime.now(dt.UTC), hosts))
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


@dataclass
class House:
    """What runs.

    Attributes:
        node: The node's port, with nothing on it but health.
        gateway: Before it.
        browser: A browser before the gateway.
    """

    folder: Path
    registry: Registry
    credentials: Credentials
    node: Server
    gateway: Gateway
    browser: httpx.AsyncClient

    async def department(self) -> dict[str, str]:
        """What `/readyz` says of the department."""
        answer = await self.browser.get("/readyz")
        (found,) = answer.json()["departments"]
        return {**found, "status": str(answer.status_code)}


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A registry that lists one department, its node, and its gateway."""
    settings = RegistrySettings(
        region="qinghe",
        database_url=f"sqlite:///{tmp_path / 'registry.sqlite'}",
        data_dir=tmp_path / "registry",
        listen="127.0.0.1:0",
        enrolment_listen="127.0.0.1:0",
        replica="a",
    )
    listed = directory.Department(
        name=NAME,
        title=directory.Title(zh="清河区卫生健康局", en="Qinghe District Health Commission"),
        level=directory.LEVEL_DISTRICT,
        number_word="清卫",
        status=directory.DEPARTMENT_STATUS_LISTED,
    )
    credentials = init(settings, [directory.CommonEntry(department=listed)])
    async with Registry(settings) as registry:
        node = Server(
            "127.0.0.1:0",
            identity(credentials, tmp_path / "node", f"liandong://{NAME}/node", ("127.0.0.1",)),
            department=NAME,
            rules={},
        )
        await node.start()
        identity(credentials, tmp_path / "gateway", f"liandong://{NAME}/gateway")
        gateway = Gateway(
            GatewaySettings(
                departments=[
                    DepartmentSettings(
                        name=NAME,
                        address=f"127.0.0.1:{node.port}",
                        folder=tmp_path / "gateway",
                        registry=registry.address,
                    )
                ],
                listen="127.0.0.1:0",
                timeout_s=10,
            )
        )
        await gateway.start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}", timeout=30) as browser:
            yield House(tmp_path, registry, credentials, node, gateway, browser)
        await gateway.stop()
        await node.stop(0.2)
