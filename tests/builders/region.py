"""A registry and the nodes of a region in one process: real databases, everything signed and verified, no wire.

Time is a clock set by hand, and nothing runs by itself: `exchange` is one turn in which every node sends what
it has recorded and takes what is for it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cases import tables as case_tables
from services.cases.desk import Desk, DeskSession
from services.cases.entry import Recorded
from services.cases.signing import Signing
from services.common.clock import ManualClock
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.exchange import digests, evidence_tables, keys, tables
from services.exchange.assertions import Purpose
from services.exchange.checkpoint import parse_checkpoint
from services.exchange.delivered import Place
from services.exchange.department import Department
from services.exchange.directory import Directory
from services.exchange.letters import timestamp
from services.exchange.outbox import Outbox, read_page
from services.exchange.session import DepartmentSession
from services.exchange.verification import Verification
from services.procedures.model import Act
from services.registry import mailboxes
from services.registry.bootstrap import _committer, _replica, init
from services.registry.commands import Admitted, Command, Result
from services.registry.credentials import Credentials
from services.registry.intake import open_batch
from services.registry.marks import MarkScheduler
from services.registry.recent import Place as At
from tests.builders.departments import LOG_ID, REGISTRY, Signer
from tests.builders.registry import bring_evidence, region_entries, registry_settings

_WAIT_S: Final = 60
_PAGE: Final = 256


class Seat:
    """A department's node over its database."""

    def __init__(self, url: str, signer: Signer, credentials: Credentials, clock: ManualClock) -> None:
        self.name = signer.name
        self.signer = signer
        self.database = Database(url)
        self.desk = Desk()
        self.department = Department(
            name=signer.name,
            registry=REGISTRY,
            log_id=LOG_ID,
            database=self.database,
            clock=clock,
            sign_key=signer.sign_key,
            sign_key_id=signer.key_id,
            registry_key=keys.public_key_bytes(credentials.sign_key),
            registry_key_id=credentials.sign_key_id,
            directory=Directory.empty("qinghe"),
            features={"act": self.desk.feature},
        )
        self.outbox = Outbox(self.department)
        self.department.proof_of = self.outbox.proof_of
        self.department.start()

    def close(self) -> None:
        """End the writer; what is durable stays."""
        self.department.committer.close()
        self.database.close()

    def run(self, command: Callable[[DepartmentSession], Any]) -> None:
        """Run a command of the writer."""
        self.department.committer.submit_blocking(command, _WAIT_S)

    async def record(self, draft: cases_pb.ActDraft, act: Act) -> Recorded:
        """Record an own act, approved by whom it needs; those that are recorded at once share a commit.

        Raises:
            LiandongError: The act may not be done here and now.
        """

        def command(session: DepartmentSession) -> Recorded:
            desk = session.features["act"]
            assert isinstance(desk, DeskSession)
            composed = desk.compose(draft)
            return desk.record(composed, self._signing(composed.content, act))

        recorded: Recorded = await self.department.run(command)
        return recorded

    def _signing(self, content: pb.ActContent, act: Act) -> Signing:
        signer, approvals = self.signer, []
        assertions = [signer.assertion("system", service=True)]
        frozen = content.SerializeToString()
        for index, role in enumerate(act.approved_by):
            subject = f"{role}-{index}"
            assertions.append(signer.assertion(role, frozen, Purpose.APPROVE, subject=subject))
            approvals.append(
                pb.Approval(
                    role=role,
                    name="张三",
                    subject=subject,
                    approved_at=timestamp(signer.clock.now().replace(microsecond=0)),
                    assertion_digest=digests.sha256(assertions[-1]),
                )
            )
        actor = pb.Actor(name="张三", subject="system-1", role="system", service=True)
        return Signing(actor, tuple(assertions), tuple(approvals))


class Region:
    """The registry, and a node of each department.

    Attributes:
        clock: Of all.
        seats: Nodes by department.
        refused: Reasons of what the registry refused, in order; kept when it is opened again.
    """

    def __init__(
        self,
        urls: Mapping[str, str],
        folder: Path,
        signers: Mapping[str, Signer],
        clock: ManualClock,
        refused: list[str],
    ) -> None:
        self.clock = clock
        self.settings = registry_settings(urls[REGISTRY], folder)
        credentials = Credentials.load(self.settings.data_dir, self.settings.name)
        self.database = Database(urls[REGISTRY])
        self.replica = _replica(self.settings, credentials, self.database)
        self.committer: GroupCommitter[Command, tuple[Result, ...]] = _committer(
            self.database, self.replica, clock
        )
        self.marks = MarkScheduler(self.database, lambda: self.replica.directory, clock)
        self.seats = {name: Seat(urls[name], each, credentials, clock) for name, each in signers.items()}
        self.refused = refused

    def close(self) -> None:
        """End everything; what is durable stays."""
        for seat in self.seats.values():
            seat.close()
        self.committer.close()
        self.database.close()

    def exchange(self, away: Collection[str] = ()) -> int:
        """Every node but those away sends what it has and takes what is for it; returns how many letters moved."""
        here = [seat for name, seat in self.seats.items() if name not in away]
        return sum(self._submit(seat) for seat in here) + sum(self._deliver(seat) for seat in here)

    def settle(self) -> None:
        """Exchange until nothing is on its way; the Arrivals of one turn are the next one's."""
        while self.exchange():
            pass

    def _submit(self, seat: Seat) -> int:
        sent = 0
        while items := seat.database.read(lambda connection: read_page(connection, 0, 1 << 62, _PAGE)):
            batch = seat.outbox._sign(items)
            command = open_batch(seat.name, batch.request, self.replica.directory, self.clock.now())
            results = self.committer.submit_blocking(command, timeout=_WAIT_S)
            refused = [
                (item.letter_id, answer.reason, answer.message)
                for item, answer in zip(batch.items, results, strict=True)
                if not isinstance(answer, Admitted) and not answer.retry_after_ms
            ]
            self.refused += [reason for _, reason, _ in refused]
            put_off = [each for each in results if not isinstance(each, Admitted) and each.retry_after_ms]
            assert not put_off, put_off
            sent += len(items)

            def answered(
                session: DepartmentSession, refused: Sequence[tuple[str, str, str]] = refused
            ) -> None:
                for letter_id, reason, message in refused:
                    session.refused(letter_id, reason, message, frozenset())

            seat.run(answered)
            self._deliver(seat)
        return sent

    def _deliver(self, seat: Seat) -> int:
        replica, came = self.replica, 0
        while True:
            head, note = replica.checkpoint()
            after = seat.department.cursor

            def read(connection: Any, after: Place = after, size: int = head.size) -> Any:
                found = mailboxes.read(
                    connection, replica.common_positions, seat.name, At(*after), _PAGE, size
                )
                return found, replica.hashes.multiproof(connection, mailboxes.positions_of(found), size)

            found, proof = self.database.read(read)
            if not found:
                return came
            response = mailboxes.respond(seat.name, At(*after), found, head, note, proof)
            seen = parse_checkpoint(note).checkpoint
            deliveries = Verification(seat.department).verify(response, seen)

            def take(
                session: DepartmentSession, deliveries: Any = deliveries, note: str = note, seen: Any = seen,
                after: Place = after,
            ) -> None:  # fmt: skip
                session.inbox.deliver(deliveries, note, seen, after)

            seat.run(take)
            came += len(found)


@contextmanager
def region(
    urls: Mapping[str, str], folder: Path, offices: Sequence[str], kinds: Sequence[str], clock: ManualClock
) -> Iterator[Callable[[], Region]]:
    """A new region; gives what opens it, which ends the one that was open, as a restart would.

    Args:
        urls: Of empty databases, by department, and of the registry's under its name.
        folder: For the registry's keys.
        offices: Procedures whose office JUSTICE holds.
        kinds: Materials that every department has at hand.
        clock: Of all.
    """
    signers = {name: Signer(name, clock) for name in urls if name != REGISTRY}
    init(registry_settings(urls[REGISTRY], folder), region_entries(signers.values(), offices), clock)
    for name, url in urls.items():
        database = Database(url)
        if name != REGISTRY:
            for metadata in (tables.metadata, evidence_tables.metadata, case_tables.metadata):
                database.write(metadata.create_all)
        for holder in signers if name == REGISTRY else (name,):
            database.write(lambda connection, holder=holder: bring_evidence(connection, holder, kinds))  # type: ignore[misc]
        database.close()
    opened: list[Region] = []
    refused: list[str] = []

    def reopen() -> Region:
        if opened:
            opened.pop().close()
        opened.append(Region(urls, folder, signers, clock, refused))
        return opened[-1]

    try:
        yield reopen
    finally:
        for each in opened:
            each.close()
