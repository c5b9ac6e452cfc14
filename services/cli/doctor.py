"""`liandong doctor`: what is wrong with a registry, a node or a gateway, and what to do about it."""

from __future__ import annotations

import asyncio
import enum
import os
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape

from services.cli.doctor_files import (
    check_certificate,
    check_membership,
    check_registry_folder,
    check_writable,
)
from services.cli.doctor_network import check_enrolment, check_main_port, check_own_port, reachable
from services.cli.doctor_storage import check_node_database, check_registry_database
from services.cli.failures import Failed
from services.cli.findings import Finding, Findings, Level
from services.cli.output import Output, table
from services.cli.texts import say
from services.common.clock import Clock, SystemClock
from services.common.config import FILE_VARIABLE, ConfigurationError, load
from services.common.tls import TlsFiles
from services.exchange.enrolment_client import Membership
from services.gateway.settings import GatewaySettings
from services.node.settings import HostedSettings, NodeSettings
from services.procedures.calendar import ZONE
from services.registry.settings import RegistrySettings

app = typer.Typer(add_completion=False)

_SYMBOLS: Final = {Level.GREEN: "[green]✓[/]", Level.YELLOW: "[yellow]![/]", Level.RED: "[bold red]✗[/]"}


class Role(enum.StrEnum):
    """What is looked at."""

    REGISTRY = "registry"
    NODE = "node"
    GATEWAY = "gateway"


@app.command()
def doctor(
    *,
    config: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    process: Annotated[Role | None, typer.Option()] = None,
    folder: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    problems: Annotated[bool, typer.Option("--problems")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Look for what is wrong."""
    found = asyncio.run(examine(config, process, folder, SystemClock()))
    shown = [each for each in found if each.level is not Level.GREEN or not problems]
    output = Output(as_json=as_json)
    if as_json:
        for each in shown:
            output.line(asdict(each))
    else:
        rows = table("mark", "about", "check", "found", "remedy")
        for each in shown:
            symbol = _SYMBOLS[each.level]
            words = say(f"checks.{each.check}")
            rows.add_row(symbol, each.about, words, escape(each.found), escape(each.remedy))
        if rows.rows:
            output.console.print(rows)
        count = Counter(each.level for each in found)
        output.say("doctor.summary", **{level.value: count[level] for level in Level})
    if any(each.level is Level.RED for each in found):
        raise Failed


async def examine(config: Path | None, role: Role | None, folder: Path | None, clock: Clock) -> list[Finding]:
    """All findings about the process that the settings describe, or about the node of a folder."""
    if folder is not None:
        hosted = HostedSettings(name=_name_of(folder), folder=folder)
        return await _hosted(hosted, clock, "", (), ports=False)
    findings = Findings("")
    kind = role or guess(config)
    findings.about = kind.value
    try:
        match kind:
            case Role.REGISTRY:
                settings = load(RegistrySettings, config)
                findings.green("configuration", str(config or os.environ.get(FILE_VARIABLE, "")))
                return [*findings.found, *await _registry(settings, clock)]
            case Role.GATEWAY:
                gateway = load(GatewaySettings, config)
                findings.green("configuration", str(config or os.environ.get(FILE_VARIABLE, "")))
                return [*findings.found, *await _gateway(gateway, clock)]
            case Role.NODE:
                node = load(NodeSettings, config)
                findings.green("configuration", str(config or os.environ.get(FILE_VARIABLE, "")))
                checks = (
                    _hosted(each, clock, node.registry_server_name, node.registries)
                    for each in node.departments
                )
                return [*findings.found, *(one for each in await asyncio.gather(*checks) for one in each)]
    except ConfigurationError as error:
        for mistake in error.mistakes:
            findings.red("configuration", mistake, "configuration")
        return findings.found


def guess(config: Path | None) -> Role:
    """What the settings are of: a registry has a region, departments of a gateway have an address."""
    file = config or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        content = {}
    if "region" in content or "LIANDONG_REGION" in os.environ:
        return Role.REGISTRY
    departments = content.get("departments", os.environ.get("LIANDONG_DEPARTMENTS", ""))
    return Role.GATEWAY if "address" in str(departments) else Role.NODE


async def _hosted(
    settings: HostedSettings, clock: Clock, server_name: str, registries: Sequence[str], *, ports: bool = True
) -> list[Finding]:
    findings = Findings(settings.name)
    now = clock.now()
    membership = check_membership(findings, settings.folder, settings.name, now)
    tls = TlsFiles(settings.folder / "ca.crt", settings.folder / "tls.crt", settings.folder / "tls.key")
    if membership is not None:
        await check_enrolment(findings, membership.enrolment, tls, clock, server_name)
        for replica in registries or membership.registry.split(","):
            await check_main_port(
                findings,
                replica,
                tls,
                log_id=membership.log_id,
                key=bytes.fromhex(membership.registry_key),
                server_name=server_name,
            )
        if ports:
            await check_own_port(findings, reachable(settings.listen), tls)
    today = now.astimezone(ZONE).date()
    if ports or not settings.database.startswith("sqlite") or (settings.folder / "node.sqlite3").exists():
        await asyncio.to_thread(check_node_database, findings, settings.database, today)
    if settings.folder.is_dir():
        check_writable(findings, settings.folder / "evidence")
    return findings.found


async def _registry(settings: RegistrySettings, clock: Clock) -> list[Finding]:
    findings = Findings(settings.name)
    now = clock.now()
    folder = settings.data_dir
    usable = check_registry_folder(findings, folder, settings.name, settings.replica, now)
    today = now.astimezone(ZONE).date()
    await asyncio.to_thread(check_registry_database, findings, settings.database_url, today)
    if folder.is_dir():
        check_writable(findings, folder / "evidence")
    server = folder / f"server-{settings.replica}"
    if usable and server.with_suffix(".crt").exists():
        tls = TlsFiles(folder / "ca.crt", server.with_suffix(".crt"), server.with_suffix(".key"))
        await check_enrolment(findings, reachable(settings.enrolment_listen), tls, clock)
        await check_main_port(findings, reachable(settings.listen), tls)
    return findings.found


async def _gateway(settings: GatewaySettings, clock: Clock) -> list[Finding]:
    found: list[Finding] = []
    for each in settings.departments:
        findings = Findings(each.name)
        check_certificate(findings, "certificate", each.tls, clock.now(), "client", folder=each.folder)
        await check_own_port(findings, each.address, each.tls, server_name=each.server_name)
        if each.registry:
            await check_main_port(findings, each.registry, each.tls, server_name=each.registry_server_name)
        found += findings.found
    return found


def _name_of(folder: Path) -> str:
    return Membership.load(folder).department if (folder / "node.json").exists() else folder.name
