"""`liandong diagnose`: what the registry thinks of a certificate."""

import asyncio
from datetime import UTC
from pathlib import Path
from typing import Annotated

import typer
from liandong.enrolment.v1 import enrolment_service_pb2 as pb
from liandong.enrolment.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub
from liandong.exchange.v1 import reason_pb2
from rich.table import Table

from services.cli.failures import Failed
from services.cli.output import Output, facts, moment
from services.cli.profile import read_federation
from services.cli.texts import known, say
from services.common.channel import open_channel, remote_errors
from services.common.clock import SystemClock
from services.common.config import ConfigurationError
from services.common.tls import TlsFiles
from services.exchange.enrolment_client import Membership

app = typer.Typer(add_completion=False)


@app.command()
def diagnose(
    certificate: Annotated[Path | None, typer.Argument(metavar="[FILE]")] = None,
    *,
    folder: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    federation: Annotated[Path | None, typer.Option(envvar="LIANDONG_FEDERATION", metavar="FILE")] = None,
    enrolment: Annotated[str, typer.Option(metavar="HOST:PORT")] = "",
    ca: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    server_name: Annotated[str, typer.Option(metavar="NAME")] = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Ask the registry about a certificate."""
    if folder is not None:
        enrolment = enrolment or Membership.load(folder).enrolment
        ca, certificate = ca or folder / "ca.crt", certificate or folder / "tls.crt"
    elif federation is not None:
        content = read_federation(federation)
        enrolment = enrolment or str(content["registry"]["enrolment_address"])
        ca = ca or federation.parent / str(content["ca"])
    if not enrolment or ca is None or certificate is None:
        raise ConfigurationError([say("failures.diagnose")])
    answer = asyncio.run(ask(enrolment, ca, certificate.read_bytes(), server_name))
    Output(as_json=as_json).show(answer, lambda: _rendered(answer))
    if not answer.accepted:
        raise Failed


async def ask(address: str, ca: Path, certificate: bytes, server_name: str = "") -> pb.DiagnoseResponse:
    """Ask on the enrolment port.

    Raises:
        LiandongError: The registry refuses to answer, or is not reachable.
        OSError: The trust root cannot be read.
    """
    trust = TlsFiles(ca, ca, ca)
    with remote_errors():
        async with open_channel(
            address, trust, server_name=server_name, present_certificate=False
        ) as channel:
            answer: pb.DiagnoseResponse = await EnrolmentServiceStub(channel).Diagnose(
                pb.DiagnoseRequest(certificate=certificate), timeout=10
            )
            return answer


def _rendered(answer: pb.DiagnoseResponse) -> Table:
    reason = reason_pb2.Reason.Name(answer.reason).removeprefix("REASON_")
    verdict = (
        f"[green]{say('diagnose.accepted')}[/]"
        if answer.accepted
        else f"[red]{say('diagnose.refused')}[/] {reason}"
    )
    offset = SystemClock().now() - answer.registry_time.ToDatetime(UTC)
    return facts(
        [
            ("verdict", verdict),
            ("what", answer.message),
            ("advice", "" if answer.accepted else known(f"advice.{reason}")),
            ("department", answer.department),
            ("expires", moment(answer.not_after)),
            ("clock", say("diagnose.clock", seconds=f"{offset.total_seconds():+.1f}")),
        ]
    )
