"""A registry's admission in process: a fresh ledger with a small region, and departments that write to it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as service_pb
from sqlalchemy import Connection

from services import procedures
from services.common.bulk import Bulk
from services.common.clock import Clock, SystemClock
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.exchange import evidence_tables
from services.procedures.loader import load
from services.registry.bootstrap import _committer, _replica, init
from services.registry.commands import Admitted, Command, Result
from services.registry.credentials import Credentials
from services.registry.intake import open_batch
from services.registry.judgement import Answer
from services.registry.publishing import publication
from services.registry.recent import Place
from services.registry.replica import Replica
from services.registry.settings import RegistrySettings
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER, Sent, Signer, new_id, root_of

CATEGORY = "bulletin.good-practice"
MATERIALS = (
    "transfer-letter", "source-material", "preliminary-evidence", "acceptance-notice", "outcome-letter",
    "grounds", "material-list", "supplement",
)  # fmt: skip


def region_entries(
    signers: Iterable[Signer], offices: Iterable[str] = ("case-transfer", "jurisdiction-dispute")
) -> list[directory_pb.CommonEntry]:
    """A calendar, procedures, departments, a category, and JUSTICE as the office of these procedures."""
    entries = [
        directory_pb.CommonEntry(
            calendar=directory_pb.CalendarYear(region="qinghe", year=year, holidays=["01-01", "10-01"])
        )
        for year in range(2025, 2030)
    ]
    for path in sorted(Path(procedures.__path__[0]).glob("*.yaml")):
        procedure = load(path)
        entry = directory_pb.Procedure(
            name=procedure.name, version=procedure.version, source=path.read_text(encoding="utf-8")
        )
        entries.append(directory_pb.CommonEntry(procedure=entry))
    entries += [signer.entry() for signer in signers]
    for name in offices:
        office = directory_pb.Office(procedure=name, department=JUSTICE)
        entries.append(directory_pb.CommonEntry(office=office))
    title = directory_pb.Title(zh="工作简报", en="Good practice")
    entries.append(directory_pb.CommonEntry(category=directory_pb.Category(name=CATEGORY, title=title)))
    return entries


def bring_evidence(connection: Connection, holder: str, kinds: Sequence[str] = MATERIALS) -> None:
    """Note materials of a department as complete, as the evidence service would."""
    rows = [
        (root_of(kind, holder), holder, bytes(32), 1, bytes(32), "", "", "", None, "", True) for kind in kinds
    ]
    Bulk(evidence_tables.manifests).upsert(connection, rows, ["root", "holder"])


def registry_settings(url: str, folder: Path, replica: str = "a") -> RegistrySettings:
    """Settings of a registry on free ports of the loopback."""
    return RegistrySettings(
        region="qinghe",
        database_url=url,
        data_dir=folder / "registry",
        listen="127.0.0.1:0",
        enrolment_listen="127.0.0.1:0",
        replica=replica,
    )


class Bench:
    """One replica's committer over the ledger, without a server.

    Attributes:
        health, market, justice, water: Departments that sign.
    """

    def __init__(self, url: str, folder: Path, clock: Clock, signers: dict[str, Signer], name: str) -> None:
        self.clock = clock
        self.settings = registry_settings(url, folder, name)
        self.database = Database(url)
        credentials = Credentials.load(self.settings.data_dir, self.settings.name)
        self.replica: Replica = _replica(self.settings, credentials, self.database)
        self.committer: GroupCommitter[Command, tuple[Result, ...]] = _committer(
            self.database, self.replica, clock
        )
        self.signers = signers
        self.health, self.market = signers[HEALTH], signers[MARKET]
        self.justice, self.water = signers[JUSTICE], signers[WATER]

    def close(self) -> None:
        self.committer.close()
        self.database.close()

    def submit(self, signer: Signer, *letters: Sent) -> tuple[Result, ...]:
        """Admit letters as one batch."""
        return self.send(signer.name, signer.batch(*letters))

    def send(self, author: str, request: service_pb.SubmitRequest) -> tuple[Result, ...]:
        """Admit a batch."""
        return self.committer.submit_blocking(self.open(author, request), timeout=20)

    def open(self, author: str, request: service_pb.SubmitRequest) -> Command:
        return open_batch(author, request, self.replica.directory, self.clock.now())

    def publish(self, entry: directory_pb.CommonEntry, key: str = "") -> tuple[int, int]:
        """Publish a common entry and return version and position."""
        (result,) = self.committer.submit_blocking(publication(self.replica, entry, key), timeout=20)
        assert isinstance(result, Admitted), result
        return self.replica.version_at(result.position), result.position

    def position(self, signer: Signer, letter: Sent) -> int:
        """Admit one letter, which must succeed, and return its position."""
        (result,) = self.submit(signer, letter)
        assert isinstance(result, Admitted), result
        return result.position

    def reason(self, signer: Signer, letter: Sent) -> str:
        """Submit one letter, which must not be admitted, and return why."""
        (result,) = self.submit(signer, letter)
        assert isinstance(result, Answer), result
        return result.reason

    def observed(self) -> pb.ObservedHead:
        """The newest head as a node would have seen it."""
        head = self.replica.head
        return pb.ObservedHead(log_id=head.log_id, epoch=head.epoch, size=head.size, root=head.edge.root)

    def mailbox(self, department: str, after: Place | None = None) -> list[tuple[Place, str]]:
        """What a department is to get, common entries left out, as (place, letter id)."""
        from services.registry import mailboxes  # noqa: PLC0415 - only here

        head = self.replica.head
        found = self.database.read(
            lambda connection: mailboxes.read(
                connection, (), department, after or Place(-1, -1), 10_000, head.size
            )
        )
        return [(place, entry.letter_id) for place, entry in found]

    # -- a case on its way ------------------------------------------------------------------------

    def registered(self, case_id: str = "") -> tuple[str, int]:
        """A case that HEALTH registered; returns its id and last position."""
        case_id = case_id or new_id()
        letter = self.health.act(case_id, "register", parties={HEALTH: "sender"})
        return case_id, self.position(self.health, letter)

    def sent(self, case_id: str = "") -> tuple[str, int]:
        """A case that HEALTH transferred to MARKET."""
        case_id, at = self.registered(case_id)
        return case_id, self.position(self.health, self.transfer(case_id, at))

    def transfer(self, case_id: str, based_on: int) -> Sent:
        return self.health.act(
            case_id,
            "transfer",
            parties={MARKET: "receiver"},
            recipients=[MARKET],
            materials=["transfer-letter", "source-material", "preliminary-evidence"],
            approved_by=["leader-in-charge"],
            based_on=based_on,
        )

    def accepted(self, case_id: str = "") -> tuple[str, int]:
        """A case that MARKET accepted."""
        case_id, at = self.sent(case_id)
        at = self.position(self.market, self.market.act(case_id, "sign-for", based_on=at))
        accept = self.market.act(case_id, "accept", based_on=at, materials=["acceptance-notice"])
        return case_id, self.position(self.market, accept)


@contextmanager
def bench(url: str, folder: Path, clock: Clock | None = None) -> Iterator[Bench]:
    """A new ledger with a small region, and a bench over it."""
    clock = clock or SystemClock()
    signers = {name: Signer(name, clock) for name in (HEALTH, MARKET, JUSTICE, WATER)}
    init(registry_settings(url, folder), region_entries(signers.values()), clock)
    made = Bench(url, folder, clock, signers, "a")
    for name in (HEALTH, MARKET):
        made.database.write(lambda connection, name=name: bring_evidence(connection, name))  # type: ignore[misc]
    try:
        yield made
    finally:
        made.close()


def altered(signer: Signer, letter: Sent, alter: Callable[[pb.Header], None]) -> Sent:
    """The letter with another header, as its author might have signed it."""
    alter(letter.header)
    return signer.seal(letter.header, letter.envelope.payload, letter.envelope.assertions)


def refused(registry: Bench, letter: Sent) -> Answer:
    """Why the health commission's letter was not admitted."""
    (result,) = registry.submit(registry.health, letter)
    assert isinstance(result, Answer), result
    return result
