"""A server's life: start, renewal, measurements, a calm end."""

import asyncio
import os
import signal
import ssl
from typing import Any, cast

import pytest
from cryptography import x509
from google.protobuf.wrappers_pb2 import StringValue
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY

from services.common.channel import open_channel, remote_errors
from services.common.errors import LiandongError, Unavailable
from services.common.interceptors import check_order, stack
from services.common.server import Server
from services.common.tls import TlsFiles

from .conftest import Authority, Wire
from .echo import DESCRIPTOR, RULES, SERVICE, Client, Echo

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def shown_serial(port: int, tls: TlsFiles) -> int:
    """The serial number of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(tls.ca))
    context.load_cert_chain(tls.cert, tls.key)
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(True)
    writer.close()
    return x509.load_der_x509_certificate(shown).serial_number


async def test_the_standard_services_answer(wire: Wire) -> None:
    """Health, reflection and channelz, through the same interceptors."""
    channel: Any = wire.client.channel
    health: Any = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
    reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="*")
    async for answer in reflection.ServerReflectionInfo(iter([asked])):
        assert SERVICE in {each.name for each in answer.list_services_response.service}
    own = wire.authority.issue("operator", "liandong://health.qinghe/operator")
    async with open_channel(f"127.0.0.1:{wire.server.port}", own) as ours:
        channelz: Any = channelz_pb2_grpc.ChannelzStub(cast("Any", ours))
        assert (await channelz.GetServers(channelz_pb2.GetServersRequest())).server
        assert (await channelz.GetTopChannels(channelz_pb2.GetTopChannelsRequest())) is not None


async def test_a_renewed_certificate_is_shown_to_new_connections(wire: Wire) -> None:
    """Without a restart, and open connections live on."""
    await wire.client.call("One", "x")
    before = wire.authority.issue("server", "liandong://health.qinghe/node").cert.read_bytes()
    serial = x509.load_pem_x509_certificate(before).serial_number
    tls = wire.authority.issue("other", "liandong://police.qinghe/node")
    async with open_channel(f"127.0.0.1:{wire.server.port}", tls) as channel:
        assert await Client(channel).call("One", "x") == ["x"]
    assert await shown_serial(wire.server.port, tls) == serial
    assert await wire.client.call("One", "x") == ["x"]


async def test_a_key_without_its_certificate_is_not_used(wire: Wire) -> None:
    """Between the two files of a renewal, and after a mistake, the old pair is used on."""
    files = wire.authority.issue("new", "liandong://health.qinghe/node")
    (files.key.parent / "server.key").write_bytes(files.key.read_bytes())
    tls = wire.authority.issue("other", "liandong://police.qinghe/node")
    async with open_channel(f"127.0.0.1:{wire.server.port}", tls) as channel:
        assert await Client(channel).call("One", "x") == ["x"]


async def test_stopping_lets_open_calls_end(wire: Wire) -> None:
    """Health says NOT_SERVING, new calls are refused, the open one gets its answer."""
    open_call = asyncio.ensure_future(wire.client.call("One", "wait"))
    await wire.echo.entered.wait()
    health: Any = health_pb2_grpc.HealthStub(wire.client.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    stopping = asyncio.create_task(wire.server.stop(5))
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()
    await asyncio.sleep(0.05)
    with pytest.raises(Unavailable), remote_errors():
        await wire.client.one(StringValue(value="late"), timeout=2)
    wire.echo.gate.set()
    assert await open_call == ["wait"]
    await stopping


async def test_a_signal_ends_the_server(authority: Authority) -> None:
    """SIGTERM, and `run` returns."""
    server = Server(
        "127.0.0.1:0", authority.issue("server"), department="health.qinghe", rules=RULES, traces=True
    )
    server.add(Echo(), DESCRIPTOR)
    await server.start()
    running = asyncio.create_task(server.run(0.2))
    tls = authority.issue("client", "liandong://police.qinghe/node")
    async with open_channel(f"127.0.0.1:{server.port}", tls) as channel:
        assert await Client(channel).call("Many", "x") == ["x"] * 3
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, 5)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)


async def test_a_taken_port_is_said(wire: Wire, authority: Authority) -> None:
    """Two processes never share a port."""
    tls = authority.issue("second")
    second = Server(f"127.0.0.1:{wire.server.port}", tls, department="a.b", rules=RULES)
    with pytest.raises(OSError, match="Cannot listen"):
        await second.start()


def measured(code: str) -> float:
    labels = {"method": f"/{SERVICE}/One", "code": code}
    return REGISTRY.get_sample_value("liandong_grpc_duration_seconds_count", labels) or 0


async def test_every_call_is_measured(wire: Wire) -> None:
    """By method and code, also those that the caller gave up."""
    before = {code: measured(code) for code in ("OK", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED")}
    await wire.client.call("One", "x")

    def refuse(_text: str) -> None:
        raise LiandongError(reason="STALE")

    wire.echo.on_call = refuse
    with pytest.raises(LiandongError), remote_errors():
        await wire.client.call("One", "x")
    call = wire.client.one(StringValue(value="wait"))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(Unavailable), remote_errors():
        await wire.client.one(StringValue(value="wait"), timeout=0.1)
    await asyncio.sleep(0.1)
    after = {code: measured(code) - before[code] for code in before}
    assert after["OK"] == 1
    assert after["CANCELLED"] + after["DEADLINE_EXCEEDED"] == 2
    labels = {"method": f"/{SERVICE}/One"}
    assert REGISTRY.get_sample_value("liandong_grpc_open_calls", labels) == 0


def test_the_order_of_interceptors_is_asserted() -> None:
    """A server with them in another order, or with one missing, does not start."""
    right = stack(RULES, department="a.b")
    check_order([right[0], object(), *right[1:]])
    for wrong in (right[::-1], right[:-1], [*right, right[0]]):
        with pytest.raises(ValueError, match="ORDER"):
            check_order(wrong)
