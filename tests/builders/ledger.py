"""A ledger in memory and the nodes that read it: everything signed and proved, nothing over a wire."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as service_pb

from services import procedures
from services.cases import tables as case_tables
from services.cases.desk import Desk, DeskSession
from services.cases.entry import Recorded
from services.cases.signing import Signing
from services.common import caller
from services.common.clock import ManualClock, microseconds
from services.common.db import Database
from services.exchange import code_tables, digests, evidence_tables, keys, tables
from services.exchange.actors import ActorFacts
from services.exchange.checkpoint import Checkpoint, sign_checkpoint
from services.exchange.delivered import Place
from services.exchange.department import Department
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.merkle import BatchTree, multiproof
from services.exchange.outbox import Outbox, read_page
from services.exchange.session import DepartmentSession
from services.exchange.verification import Verification
from tests.builders.departments import HEALTH, JUSTICE, LOG_ID, MARKET, REGISTRY, Sent, Signer, new_id

MONDAY = datetime(2026, 3, 2, 1, tzinfo=UTC)
"""09:00 in the region, on a working day."""
TRANSFER_MATERIALS = ("transfer-letter", "source-material", "preliminary-evidence")


@dataclass(frozen=True, slots=True)
class Entry:
    """A letter of the ledger."""

    leaf: Leaf
    letter_id: str
    author: str
    envelope: pb.Envelope
    batch: pb.AuthorProof
    path: pb.AuthorProof


class Ledger:
    """A registry's ledger with a small region, and who writes to it."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.registry = Signer(REGISTRY, clock)
        self.signers = {name: Signer(name, clock) for name in (HEALTH, MARKET, JUSTICE)}
        self.health, self.market, self.justice = self.signers.values()
        self.entries: list[Entry] = []
        self.version = 0
        for entry in self._region():
            self.common(entry)

    def _region(self) -> Iterator[directory_pb.CommonEntry]:
        key = directory_pb.PublicKey(
            key_id=self.registry.key_id,
            role=directory_pb.KEY_ROLE_SIGN,
            public_key=keys.public_key_bytes(self.registry.sign_key),
        )
        yield directory_pb.CommonEntry(
            registry=directory_pb.RegistryIdentity(name=REGISTRY, log_id=LOG_ID, key=key, region="qinghe")
        )
        for year in (2025, 2026):
            yield directory_pb.CommonEntry(
                calendar=directory_pb.CalendarYear(region="qinghe", year=year, holidays=["01-01", "10-01"])
            )
        for path in sorted(Path(procedures.__path__[0]).glob("*.yaml")):
            yield directory_pb.CommonEntry(
                procedure=directory_pb.Procedure(
                    name=path.stem, version=1, source=path.read_text(encoding="utf-8")
                )
            )
        for signer in self.signers.values():
            yield signer.entry(number_word="清" + signer.name[:1])
        for name in ("case-transfer", "jurisdiction-dispute"):
            yield directory_pb.CommonEntry(office=directory_pb.Office(procedure=name, department=JUSTICE))

    def common(self, entry: directory_pb.CommonEntry) -> int:
        """Enter a common entry."""
        self.version += 1
        payload = entry.SerializeToString()
        header = self.registry._header(payload)
        header.payload_type = "liandong.directory.v1.CommonEntry"
        header.common.version = self.version
        header.common.topic = entry.WhichOneof("entry") or ""
        return self.admit(self.registry, self.registry.seal(header, payload))[0]

    def admit(self, signer: Signer, *letters: Sent) -> list[int]:
        """Admit letters as one batch; returns their positions."""
        return self.take(signer.batch(*letters))

    def take(self, request: service_pb.SubmitRequest) -> list[int]:
        """Admit a batch."""
        tree = BatchTree(
            [digests.batch_leaf(digests.letter_digest(each.header)) for each in request.envelopes]
        )
        positions = []
        for index, envelope in enumerate(request.envelopes):
            header = pb.Header.FromString(envelope.header)
            # a common entry is judged by what stands below it
            version = self.version - (1 if header.HasField("common") else 0)
            leaf = Leaf(
                len(self.entries),
                microseconds(self.clock.now()),
                version,
                digests.letter_digest(envelope.header),
            )
            path = pb.AuthorProof(leaf_index=index, path=tree.path(index))
            self.entries.append(Entry(leaf, header.letter_id, header.author, envelope, request.proof, path))
            positions.append(leaf.position)
        return positions

    def tree(self, size: int = 0) -> BatchTree:
        """The tree of the first leaves, of all if no size is given."""
        return BatchTree([each.leaf.hash() for each in self.entries[: size or len(self.entries)]])

    def checkpoint(self) -> tuple[str, Checkpoint]:
        """The newest signed head."""
        tree = self.tree()
        head = Checkpoint(LOG_ID, 1, tree.size, tree.root)
        return sign_checkpoint(head, self.registry.sign_key), head

    async def prove(self, position: int, size: int) -> tuple[list[bytes], str]:
        """The path of a position, as the registry answers it."""
        return self.tree(size).path(position), self.checkpoint()[0]

    def deliveries(self, department: str, after: int, only: Sequence[int]) -> service_pb.DeliverResponse:
        """What a department is to get after a position, in the form of the wire."""
        tree = self.tree()
        checkpoint, _ = self.checkpoint()
        response = service_pb.DeliverResponse(checkpoint=checkpoint, tree_size=tree.size)
        previous = after
        for entry in self.entries[after + 1 :]:
            header = pb.Header.FromString(entry.envelope.header)
            position = entry.leaf.position
            if not (header.HasField("common") or not only or position in only or entry.author == department):
                continue
            delivery = response.deliveries.add(
                cursor=service_pb.Cursor(at=position, position=position),
                previous=service_pb.Cursor(at=previous, position=previous),
                leaf=service_pb.Leaf(
                    position=position,
                    admitted_at_us=entry.leaf.admitted_at_us,
                    common_version=entry.leaf.common_version,
                    letter_digest=entry.leaf.letter_digest,
                ),
                batch=len(response.batches),
            )
            response.batches.append(entry.batch)
            previous = position
            if entry.author == department:
                delivery.receipt.letter_id = entry.letter_id
            else:
                delivery.envelope.CopyFrom(entry.envelope)
                delivery.envelope.proof.CopyFrom(entry.path)
        positions = [each.leaf.position for each in response.deliveries]
        response.multiproof.extend(
            multiproof(positions, tree.size, lambda level, index: tree._rows[level][index])
        )
        return response

    # -- a case on its way ------------------------------------------------------------------------

    def registered(self, case_id: str, title: str = "无证行医", **body: object) -> int:
        """HEALTH registers a discovery."""
        discovery = bodies_pb2.Discovery(title=title, facts="检查发现。", **body)  # type: ignore[arg-type]
        letter = self.health.act(
            case_id, "register", parties={HEALTH: "sender"}, payload=discovery.SerializeToString()
        )
        return self.admit(self.health, letter)[0]

    def transferred(self, case_id: str = "") -> tuple[str, int]:
        """HEALTH registers and transfers to MARKET; returns the case and the transfer's position."""
        case_id = case_id or new_id()
        based_on = self.registered(case_id)
        letter = self.health.act(
            case_id,
            "transfer",
            parties={MARKET: "receiver"},
            recipients=[MARKET],
            materials=TRANSFER_MATERIALS,
            approved_by=["leader-in-charge"],
            based_on=based_on,
            payload=bodies_pb2.Discovery(title="无证行医案", facts="诊所").SerializeToString(),
        )
        return case_id, self.admit(self.health, letter)[0]


class Node:
    """A department's node over a database, fed from the ledger by hand."""

    def __init__(self, url: str, ledger: Ledger, name: str) -> None:
        self.ledger = ledger
        self.signer = ledger.signers[name]
        self.database = Database(url)
        registry = ledger.registry
        self.desk = Desk()
        self.department = Department(
            name=name,
            registry=REGISTRY,
            log_id=LOG_ID,
            database=self.database,
            clock=ledger.clock,
            sign_key=self.signer.sign_key,
            sign_key_id=self.signer.key_id,
            registry_key=keys.public_key_bytes(registry.sign_key),
            registry_key_id=registry.key_id,
            directory=Directory.empty("qinghe"),
            features={"act": self.desk.feature},
        )
        self.outbox = Outbox(self.department)
        self.department.proof_of = self.outbox.proof_of
        self.department.start()

    def close(self) -> None:
        self.department.committer.close()
        self.database.close()

    def take(self, *only: int) -> None:
        """Take everything new, or of other departments' letters only these positions."""
        after = self.department.cursor.position
        response = self.ledger.deliveries(self.department.name, after, only)
        head = self.ledger.checkpoint()[1]
        deliveries = Verification(self.department).verify(response, head)
        self.run(
            lambda session: session.inbox.deliver(deliveries, response.checkpoint, head, Place(after, after))
        )

    def run(self, command: object) -> object:
        """Run a command of the writer."""
        return self.department.committer.submit_blocking(command, 20)  # type: ignore[arg-type]

    def submit(self) -> list[int]:
        """Send what is in the outbox; returns the positions."""
        items = self.database.read(lambda connection: read_page(connection, 0, 1 << 62, 100))
        return self.ledger.take(self.outbox._sign(items).request) if items else []

    def exchange(self) -> None:
        """Send and take until nothing is on its way; the answers of one round are the next one's."""
        self.take()
        self.submit()
        self.take()

    def act_as(self, role: str, *, service: bool = False) -> ActorFacts:
        """Make a person or system of the department the actor of this context."""
        token = self.signer.assertion(role, service=service)
        actor = ActorFacts(self.department.verifier.verify(token, self.ledger.clock.now()), token)
        caller.set_actor(actor)
        return actor

    def record(self, draft: cases_pb.ActDraft) -> Recorded:
        """Record an own act, as a system does."""
        token = self.signer.session
        signing = Signing(pb.Actor(name="系统", subject="system-1", role="system", service=True), (token,))

        def command(session: DepartmentSession) -> Recorded:
            desk = session.features["act"]
            assert isinstance(desk, DeskSession)
            return desk.record(desk.compose(draft), signing)

        recorded = self.run(command)
        assert isinstance(recorded, Recorded)
        return recorded

    def register(self, title: str, **body: object) -> Recorded:
        """Record the opening of a case."""
        discovery = bodies_pb2.Discovery(title=title, facts="现场检查。", **body)  # type: ignore[arg-type]
        return self.record(cases_pb.ActDraft(procedure="case-transfer", act="register", discovery=discovery))


@contextmanager
def node(url: str, ledger: Ledger, name: str = MARKET) -> Iterator[Node]:
    """A node over a fresh database that holds the region's common entries."""
    database = Database(url)
    for metadata in (tables.metadata, evidence_tables.metadata, code_tables.metadata, case_tables.metadata):
        database.write(metadata.create_all)
    database.close()
    made = Node(url, ledger, name)
    made.take()
    try:
        yield made
    finally:
        made.close()


def days(count: float) -> timedelta:
    """So many days."""
    return timedelta(days=count)
