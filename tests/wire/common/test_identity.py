"""Who may call: certificates, their end, the table and the actor."""

import asyncio
import datetime as dt
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import pytest
from google.protobuf.wrappers_pb2 import StringValue

from services.common.caller import Caller
from services.common.channel import open_channel, remote_errors
from services.common.errors import (
    ActorExpired,
    ActorInvalid,
    ActorMissing,
    CertificateExpired,
    CertificateRevoked,
    ForeignDepartment,
    PermissionDenied,
    RoleNotPermitted,
    Unauthenticated,
    Unavailable,
)
from services.common.permissions import NOBODY, Rule
from services.common.server import Server, server_tls_only

from .conftest import Authority, Wire
from .echo import DESCRIPTOR, RULES, SERVICE, Client, Echo


async def test_the_certificate_says_who_calls(wire: Wire) -> None:
    """Department, kind and name come from the URI and from nowhere else."""
    assert (await wire.client.call("One", "who"))[0].startswith("police.qinghe node one ")


@pytest.mark.parametrize(
    "uris",
    [
        (),
        ("https://police.qinghe/node",),
        ("liandong://police.qinghe/node", "liandong://health.qinghe/node"),
        ("liandong://police.qinghe/node/one/two",),
    ],
)
async def test_a_certificate_that_names_no_department_is_nobody(wire: Wire, uris: tuple[str, ...]) -> None:
    """No URI of ours, or several: UNKNOWN_CERTIFICATE, although the authority issued it."""
    async with open_channel(f"127.0.0.1:{wire.server.port}", wire.authority.issue("odd", *uris)) as channel:
        with pytest.raises(Unauthenticated) as caught, remote_errors():
            await Client(channel).call("One", "who")
    assert caught.value.reason == "UNKNOWN_CERTIFICATE"


async def test_without_a_certificate_nobody_comes_in(wire: Wire) -> None:
    """The handshake itself fails."""
    tls = wire.authority.issue("client2")
    async with open_channel(f"127.0.0.1:{wire.server.port}", tls, present_certificate=False) as channel:
        with pytest.raises(Unavailable), remote_errors():
            await Client(channel).one(StringValue(), timeout=3)


async def test_the_wrong_kind_is_refused(wire: Wire) -> None:
    """A gateway may not call what the table gives to nodes."""
    tls = wire.authority.issue("gateway", "liandong://health.qinghe/gateway")
    async with open_channel(f"127.0.0.1:{wire.server.port}", tls) as channel:
        with pytest.raises(PermissionDenied) as caught, remote_errors():
            await Client(channel).call("One", "who")
    assert caught.value.reason == "CALLER_NOT_PERMITTED"


async def test_a_certificate_that_ends_ends_its_calls(wire: Wire) -> None:
    """On a connection that is already open."""
    await wire.client.call("One", "x")
    wire.clock.advance(dt.timedelta(days=2))
    with pytest.raises(CertificateExpired), remote_errors():
        await wire.client.call("One", "x")


async def test_a_revocation_ends_calls_and_streams(wire: Wire) -> None:
    """The next call is refused; an open stream ends within two seconds, with the reason."""
    talk = wire.client.talk()
    await talk.write(StringValue(value="x"))
    assert (await talk.read()).value == "x"
    wire.revoked.add("police.qinghe")
    started = asyncio.get_running_loop().time()
    with pytest.raises(CertificateRevoked), remote_errors():
        await talk.read()
    assert asyncio.get_running_loop().time() - started < 2
    with pytest.raises(CertificateRevoked), remote_errors():
        await wire.client.call("One", "x")


async def test_the_enrolment_port_asks_for_no_certificate(authority: Authority) -> None:
    """Rows that name nobody are open there, the others are closed."""
    rules = {**RULES, f"/{SERVICE}/Many": Rule(kinds={NOBODY})}
    tls = authority.issue("server", "liandong://health.qinghe/registry")
    server = server_tls_only("127.0.0.1:0", tls, department="health.qinghe", rules=rules)
    server.add(Echo(), DESCRIPTOR)
    await server.start()
    async with open_channel(f"127.0.0.1:{server.port}", tls, present_certificate=False) as channel:
        assert await Client(channel).call("Many", "x") == ["x"] * 3
        with pytest.raises(Unauthenticated), remote_errors():
            await Client(channel).call("One", "x")
    await server.stop(0)


@dataclass
class Person:
    roles: AbstractSet[str]


def verify(assertion: str, caller: Caller | None) -> Person:
    assert caller is not None
    if assertion == "old":
        raise ActorExpired
    return Person(set(assertion.split("+")))


async def test_an_actor_is_verified_and_asked_for_roles(authority: Authority) -> None:
    """Missing, doubled, expired, without the role: each its reason; else the handler sees the actor."""
    rules = {
        **RULES,
        f"/{SERVICE}/One": Rule(kinds={"gateway"}, same_department=True, actor="required", roles={"clerk"}),
    }
    server = Server(
        "127.0.0.1:0",
        authority.issue("server", "liandong://health.qinghe/node"),
        department="health.qinghe",
        rules=rules,
        verify_actor=verify,
    )
    server.add(Echo(), DESCRIPTOR)
    await server.start()
    target = f"127.0.0.1:{server.port}"
    request = StringValue(value="roles")
    async with open_channel(
        target, authority.issue("gateway", "liandong://health.qinghe/gateway")
    ) as channel:
        one = Client(channel).one
        with pytest.raises(ActorMissing), remote_errors():
            await one(request)
        with pytest.raises(ActorExpired), remote_errors():
            await one(request, metadata=(("liandong-actor", "old"),))
        with pytest.raises(ActorInvalid), remote_errors():
            await one(request, metadata=(("liandong-actor", "clerk"), ("liandong-actor", "clerk")))
        with pytest.raises(RoleNotPermitted), remote_errors():
            await one(request, metadata=(("liandong-actor", "guest"),))
        answer = await one(request, metadata=(("liandong-actor", "clerk+leader"),))
        assert answer.value == "clerk,leader"
    async with open_channel(
        target, authority.issue("foreign", "liandong://police.qinghe/gateway")
    ) as channel:
        with pytest.raises(ForeignDepartment), remote_errors():
            await Client(channel).one(request, metadata=(("liandong-actor", "clerk"),))
    await server.stop(0)
