"""Building the demo's district: registry, invitations, joins, nodes, gateway, and the file that describes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.directory.v1 import common_entry_pb2
from liandong.enrolment.v1 import enrolment_service_pb2, enrolment_service_pb2_grpc

from services.cli.demo import furnishing
from services.cli.demo.accounts import DemoAccount, add_accounts
from services.cli.demo.party import Party, people_of
from services.cli.demo.processes import Process, ports
from services.common.channel import open_channel, remote_errors
from services.common.clock import Clock, ManualClock
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.enrolment_client import EnrolmentClient
from services.exchange.keys import KeyRole
from services.registry.bootstrap import init
from services.registry.credentials import Credentials
from services.registry.region import Region, load_region
from services.registry.settings import RegistrySettings

REGION_FILE: Final = Path(__file__).with_name("qinghe.yaml")
_HOST: Final = "127.0.0.1"
_PUBLISHING: Final = 2
"""So many departments show at the gateway what they have published."""
Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class District:
    """A running district.

    Attributes:
        folder: Everything it keeps.
        registry_addresses: Of every registry process; `registry_address` is the first.
        parties: Departments by name.
        accounts: Of their people, at the gateway.
        processes: What runs.
    """

    folder: Path
    registry_address: str = ""
    registry_addresses: list[str] = field(default_factory=list)
    enrolment_address: str = ""
    gateway_url: str = ""
    operator: TlsFiles | None = None
    parties: dict[str, Party] = field(default_factory=dict)
    accounts: list[DemoAccount] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)

    @property
    def description(self) -> Path:
        """The file that describes it to clients; see `write_federation`."""
        return self.folder / "federation.json"

    async def stop(self) -> None:
        """End everything, nodes before their registry."""
        for party in self.parties.values():
            await party.close()
        *registry, rest = [self.processes[:1], self.processes[1:]]
        await asyncio.gather(*(each.stop() for each in rest))
        for group in registry:
            await asyncio.gather(*(each.stop() for each in group))

    def check(self) -> None:
        """See that every process runs; see `Process.check`."""
        for each in self.processes:
            each.check()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build.

    Attributes:
        folder: Where.
        departments: How many of the region's departments get a node, in the region's order.
        base_port: First port, 0 for free ones.
        database_url: PostgreSQL URL with `{name}` for the database of each part, or empty for SQLite files.
        first: Departments that come first whatever the order.
        own_process: Departments that get a node process of their own; the rest share one.
        replicas: Registry processes.
        gateway: Whether a gateway is started.
        furnished: Whether it has code tables and subject keys, and on SQLite, where the registry's own clock dates
            the ledger, a few months behind it.
    """

    folder: Path
    departments: int
    base_port: int
    database_url: str
    first: tuple[str, ...] = ()
    own_process: tuple[str, ...] = ()
    replicas: int = 1
    gateway: bool = False
    furnished: bool = False


async def build(plan: Plan, progress: Progress) -> District:
    """Initialise a registry, start it, let departments join, start their nodes."""
    district = District(plan.folder)
    try:
        await _build(plan, progress, district)
    except BaseException:
        await district.stop()
        raise
    return district


async def _build(plan: Plan, progress: Progress, district: District) -> None:
    taking = ports(plan.base_port)
    region = await asyncio.to_thread(load_region, REGION_FILE)
    (plan.folder / "logs").mkdir(parents=True, exist_ok=True)
    names = _chosen(region.entries, plan)
    progress("registry", 0, 1)
    operator = await start_registries(plan, district, taking)
    district.operator = operator
    progress("registry", 1, 1)
    titles, people = _listed(region)
    for index, name in enumerate(names):
        progress("join", index, len(names))
        await join(plan, district, operator, name, titles[name], next(taking), people[name])
    progress("join", len(names), len(names))
    if plan.furnished:
        await asyncio.to_thread(furnishing.subject_keys, plan.folder, [plan.folder / name for name in names])
    await start_nodes(plan, district, names, progress)
    if plan.gateway:
        district.gateway_url = await _start_gateway(plan, district, next(taking))
    write_federation(district)


def _listed(
    region: Region,
) -> tuple[dict[str, tuple[str, str]], dict[str, list[common_entry_pb2.Person]]]:
    """Titles and people of the region's departments."""
    titles: dict[str, tuple[str, str]] = {}
    people: dict[str, list[common_entry_pb2.Person]] = {}
    for each in region.entries:
        if each.WhichOneof("entry") == "department":
            titles[each.department.name] = (each.department.title.zh, each.department.title.en)
            people[each.department.name] = []
        elif each.WhichOneof("entry") == "person":
            people[each.person.department].append(each.person)
    return titles, people


def _chosen(entries: Any, plan: Plan) -> list[str]:
    listed = [each.department.name for each in entries if each.WhichOneof("entry") == "department"]
    wanted = [name for name in plan.first if name in listed]
    return list(dict.fromkeys([*wanted, *listed]))[: plan.departments]


def database(plan: Plan, name: str, folder: Path) -> str:
    """The database of one part."""
    if plan.database_url:
        return plan.database_url.replace("{name}", name.replace(".", "_").replace("-", "_"))
    return f"sqlite:///{folder / (name + '.sqlite3')}"


async def start_registries(plan: Plan, district: District, taking: Iterator[int]) -> TlsFiles:
    """Make the region's registry and start its processes; returns its operator's identity."""
    folder = plan.folder / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    url = database(plan, "registry", folder)
    operator: TlsFiles | None = None
    started: list[tuple[Process, RegistrySettings]] = []
    for index in range(plan.replicas):
        main, enrolment = next(taking), next(taking)
        settings = RegistrySettings(
            region="qinghe",
            database_url=url,
            data_dir=folder,
            listen=f"{_HOST}:{main}",
            enrolment_listen=f"{_HOST}:{enrolment}",
            address=f"{_HOST}:{main}",
            enrolment_address=f"{_HOST}:{enrolment}",
            hosts=(_HOST, "localhost"),
            replica=f"replica-{index + 1}",
        )
        if operator is None:
            credentials = await asyncio.to_thread(_init, settings, plan)
            operator = credentials.operator("demo", datetime.now(UTC))
            district.registry_address = settings.address
            district.enrolment_address = settings.enrolment_address
        district.registry_addresses.append(settings.address)
        process = Process(
            f"registry-{index + 1}",
            "services.registry",
            {
                "LIANDONG_REGION": settings.region,
                "LIANDONG_DATABASE_URL": url,
                "LIANDONG_DATA_DIR": str(folder),
                "LIANDONG_LISTEN": settings.listen,
                "LIANDONG_ENROLMENT_LISTEN": settings.enrolment_listen,
                "LIANDONG_ADDRESS": settings.address,
                "LIANDONG_ENROLMENT_ADDRESS": settings.enrolment_address,
                "LIANDONG_HOSTS": json.dumps(list(settings.hosts)),
                "LIANDONG_REPLICA": settings.replica,
            },
            plan.folder / "logs" / f"registry-{index + 1}.log",
        )
        await process.start()
        district.processes.append(process)
        started.append((process, settings))
    for process, settings in started:
        await process.listening(settings.address)
        await process.listening(settings.enrolment_address)
    assert operator is not None
    return operator


def _init(settings: RegistrySettings, plan: Plan) -> Credentials:
    entries = list(load_region(REGION_FILE).entries)
    clock: Clock | None = None
    if plan.furnished:
        entries += furnishing.code_tables()
        clock = ManualClock(furnishing.beginning(datetime.now(UTC)))
    return init(settings, entries, clock)


async def join(
    plan: Plan,
    district: District,
    operator: TlsFiles,
    name: str,
    title: tuple[str, str],
    port: int,
    listed: Iterable[common_entry_pb2.Person] = (),
) -> None:
    """Let a department join, with an issuer and a system of its own."""
    folder = plan.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    issuer_path = folder / "issuer.key"
    client = EnrolmentClient(folder)
    issuer = f"demo-issuer.{name}"
    if issuer_path.exists():
        issuer_key = keys.load_sign_key(issuer_path)
    else:
        issuer_key = _new_issuer(issuer_path)
    if not (folder / "node.json").exists():
        async with open_channel(district.registry_address, operator) as channel:
            with remote_errors():
                answer = await enrolment_service_pb2_grpc.InvitationServiceStub(channel).CreateInvitation(
                    enrolment_service_pb2.CreateInvitationRequest(department=name), timeout=30
                )
        await client.join(
            answer.invitation,
            hosts=(_HOST, "localhost"),
            issuers=[common_entry_pb2.Issuer(issuer=issuer, public_key=keys.public_key_bytes(issuer_key))],
        )
    system = folder / "system"
    if not (system / "tls.crt").exists():
        await client.client_certificate("system/demo", system)
    tls = TlsFiles(system / "ca.crt", system / "tls.crt", system / "tls.key")
    people = people_of(name, title[0], listed)
    district.parties[name] = Party(name, title, f"{_HOST}:{port}", tls, issuer, issuer_key, people, folder)


def _new_issuer(path: Path) -> Ed25519PrivateKey:
    key = keys.generate(KeyRole.SIGN)
    assert isinstance(key, Ed25519PrivateKey)
    keys.save_private_key(path, key)
    return key


async def start_nodes(plan: Plan, district: District, names: list[str], progress: Progress) -> None:
    """Start the nodes of departments that joined, and wait until their links are up."""
    groups = [[name] for name in names if name in plan.own_process]
    shared = [name for name in names if name not in plan.own_process]
    if shared:
        groups.append(shared)
    started: list[tuple[Process, list[str]]] = []
    for group in groups:
        hosted = [
            {
                "name": name,
                "folder": str(plan.folder / name),
                "listen": district.parties[name].address,
                "database_url": database(plan, name, plan.folder / name),
            }
            for name in group
        ]
        label = group[0] if len(group) == 1 else "node-shared"
        process = Process(
            label,
            "services.node",
            {
                "LIANDONG_DEPARTMENTS": json.dumps(hosted),
                "LIANDONG_REGISTRIES": json.dumps(district.registry_addresses),
            },
            plan.folder / "logs" / f"{label}.log",
        )
        await process.start()
        district.processes.append(process)
        started.append((process, group))
    for index, (process, group) in enumerate(started):
        progress("nodes", index, len(groups))
        for name in group:
            await process.listening(district.parties[name].address)
    for party in district.parties.values():
        await party.ready()
    progress("nodes", len(groups), len(groups))


async def _start_gateway(plan: Plan, district: District, port: int) -> str:
    """One gateway in front of all departments, with an identity of its own for each."""
    departments = []
    for name, party in district.parties.items():
        folder = plan.folder / name / "gateway"
        if not (folder / "tls.crt").exists():
            await EnrolmentClient(plan.folder / name).client_certificate("gateway", folder)
        departments.append(
            {
                "name": name,
                "address": party.address,
                "folder": str(folder),
                "registry": district.registry_address,
                "issuer": party.issuer,
                "issuer_key": str(party.folder / "issuer.key"),
            }
        )
    listen = f"{_HOST}:{port}"
    folder = plan.folder / "gateway"
    folder.mkdir(parents=True, exist_ok=True)
    url = database(plan, "gateway", folder)
    district.accounts = await asyncio.to_thread(add_accounts, url, folder, district.parties.values())
    process = Process(
        "gateway",
        "services.gateway",
        {
            "LIANDONG_DEPARTMENTS": json.dumps(departments),
            "LIANDONG_LISTEN": listen,
            "LIANDONG_DATABASE_URL": url,
            "LIANDONG_PUBLIC_DEPARTMENTS": json.dumps(list(district.parties)[:_PUBLISHING]),
        },
        plan.folder / "logs" / "gateway.log",
    )
    await process.start()
    district.processes.append(process)
    await process.listening(listen)
    return f"http://{listen}"


def write_federation(district: District) -> None:
    """Write `federation.json`: everything a foreign client needs to join in; paths relative to its folder."""
    folder = district.folder

    def relative(path: Path) -> str:
        return str(path.relative_to(folder))

    departments = [
        {
            "name": party.name,
            "title": {"zh": party.title[0], "en": party.title[1]},
            "address": party.address,
            "certificate": relative(party.tls.cert),
            "key": relative(party.tls.key),
            "actors": [
                {
                    "role": person.role,
                    "name": person.name,
                    "subject": person.subject,
                    "service": person.service,
                    "issuer": party.issuer,
                    "key": relative(party.folder / "issuer.key"),
                }
                for person in party.people.values()
            ],
        }
        for party in district.parties.values()
    ]
    first = next(iter(district.parties.values()))
    content = {
        "ca": relative(first.tls.ca),
        "registry": {
            "address": district.registry_address,
            "enrolment_address": district.enrolment_address,
            "operator": {
                "certificate": relative(district.operator.cert),
                "key": relative(district.operator.key),
            }
            if district.operator
            else None,
        },
        "departments": departments,
        "gateway": {
            "url": district.gateway_url,
            "accounts": [
                {
                    "department": each.department,
                    "role": each.role,
                    "name": each.name,
                    "username": each.username,
                    "password": each.password,
                }
                for each in district.accounts
            ],
        },
    }
    district.description.write_text(
        json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
    )
