"""Doctor: the registry's two ports, what it thinks of the certificate, both clocks, the own port."""

from __future__ import annotations

import asyncio
from datetime import UTC, timedelta
from typing import Any, Final

from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2
from liandong.exchange.v1.exchange_service_pb2_grpc import ExchangeServiceStub

from services.cli.diagnose import ask
from services.cli.findings import Findings
from services.cli.texts import known, say
from services.common.channel import open_channel, remote_errors
from services.common.clock import Clock
from services.common.errors import LiandongError
from services.common.tls import TlsFiles
from services.exchange.checkpoint import verify_checkpoint

PATIENCE_S: Final = 5.0
_TOLERATED: Final = timedelta(minutes=5)
_NOTICED: Final = timedelta(seconds=30)


async def check_enrolment(
    findings: Findings, address: str, tls: TlsFiles, clock: Clock, server_name: str = ""
) -> None:
    """The enrolment port: is it reached, does it accept the certificate, do the clocks agree."""
    try:
        certificate = await asyncio.to_thread(tls.cert.read_bytes)
        before = clock.now()
        answer = await ask(address, tls.ca, certificate, server_name)
        after = clock.now()
    except LiandongError as error:
        findings.red("enrolment_port", f"{address}: {error.message}", "enrolment_port", address=address)
        return
    except (OSError, ValueError) as error:
        findings.red("enrolment_port", str(error), "trust_root")
        return
    findings.green("enrolment_port", address)
    if answer.accepted:
        findings.green("accepted", answer.message)
    else:
        reason = reason_pb2.Reason.Name(answer.reason).removeprefix("REASON_")
        remedy = known(f"advice.{reason}")
        findings.red("accepted", f"{reason}: {answer.message}", "as_said", advice=remedy)
    offset = before + (after - before) / 2 - answer.registry_time.ToDatetime(UTC)
    found = say("diagnose.clock", seconds=f"{offset.total_seconds():+.1f}")
    if abs(offset) > _TOLERATED:
        findings.red("clock", found, "clock")
    elif abs(offset) > _NOTICED:
        findings.yellow("clock", found, "clock")
    else:
        findings.green("clock", found)


async def check_main_port(
    findings: Findings,
    address: str,
    tls: TlsFiles,
    *,
    log_id: str = "",
    key: bytes = b"",
    server_name: str = "",
) -> None:
    """The registry's main port: does it take the certificate, is its head signed by the key we know."""
    try:
        with remote_errors():
            async with open_channel(address, tls, server_name=server_name) as channel:
                head = await ExchangeServiceStub(channel).GetHead(
                    exchange.GetHeadRequest(), timeout=PATIENCE_S
                )
        findings.green("main_port", address)
        if key:
            checkpoint = verify_checkpoint(head.checkpoint, log_id, [key])
            findings.green("head", say("found.head", log_id=log_id, size=checkpoint.size))
    except LiandongError as error:
        if error.reason == "UNAVAILABLE":
            findings.red("main_port", f"{address}: {error.message}", "main_port", address=address)
        else:
            findings.red("head", f"{error.reason}: {error.message}", "head")
    except (OSError, ValueError) as error:
        findings.red("main_port", str(error), "certificate_files")


async def check_own_port(findings: Findings, address: str, tls: TlsFiles, *, server_name: str = "") -> None:
    """Whether the process that is looked at runs and serves."""
    try:
        with remote_errors():
            async with open_channel(address, tls, server_name=server_name) as channel:
                health: Any = HealthStub(channel)
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
    except (LiandongError, OSError, ValueError) as error:
        findings.yellow("own_port", f"{address}: {error}", "start")
        return
    if answer.status == health_pb2.HealthCheckResponse.SERVING:
        findings.green("own_port", address)
    else:
        findings.yellow("own_port", say("found.draining", address=address), "draining")


def reachable(listen: str) -> str:
    """The address at which this machine reaches what listens on `host:port`."""
    host, _, number = listen.rpartition(":")
    return f"{'127.0.0.1' if host in ('', '0.0.0.0', '[::]', '::') else host}:{number}"  # noqa: S104
