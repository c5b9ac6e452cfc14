"""A department that shares items, on a real database, and letters of others that are delivered to it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb

from services.common.clock import ManualClock, microseconds
from services.common.db import Database
from services.common.migrations import migrate
from services.exchange import evidence_tables
from services.exchange import tables as exchange_tables
from services.exchange.checkpoint import Checkpoint
from services.exchange.delivered import Delivered, Place, Receipt
from services.exchange.department import Department
from services.exchange.digests import Leaf, sha256
from services.exchange.directory import Directory
from services.exchange.keys import public_key_bytes
from services.exchange.letters import open_letter, timestamp
from services.exchange.session import DepartmentSession, new_id
from services.sharing import sharing, store, tables
from services.sharing.feature import KIND, SharingFeature, Shelf, sharing_of
from services.sharing.sharing import BULLETIN, Request, Sharing
from services.sharing.store import Answered

T = TypeVar("T")

HEALTH = "health.qinghe"
POLICE = "police.qinghe"
JUSTICE = "justice.qinghe"
NEWS = "bulletin.news"
PRACTICE = "bulletin.good-practice"
BY_HAND = "bulletin.classified"
RECORDS = "records.penalties"

PUBLISH, CORRECT, WITHDRAW = pb.ITEM_ACT_PUBLISH, pb.ITEM_ACT_CORRECT, pb.ITEM_ACT_WITHDRAW

MONDAY = datetime(2026, 8, 10, 2, 0, tzinfo=UTC)  # 10:00 in the region
DAY = timedelta(days=1)
ISSUER = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
ACTOR = pb.Actor(name="王芳", subject="u-17", role="clerk")


def directory() -> Directory:
    """A region of three departments where 2026-08-11 is a holiday."""
    title = directory_pb.Title(zh="类别", en="Category")
    entries = [
        *(
            directory_pb.CommonEntry(
                department=directory_pb.Department(
                    name=name,
                    title=title,
                    status=directory_pb.DEPARTMENT_STATUS_ACTIVE,
                    issuers=[
                        directory_pb.Issuer(issuer=f"gateway.{name}", public_key=public_key_bytes(ISSUER))
                    ],
                )
            )
            for name in (HEALTH, POLICE, JUSTICE)
        ),
        *(
            directory_pb.CommonEntry(category=each)
            for each in (
                directory_pb.Category(name=NEWS, title=title, body_type=BULLETIN),
                directory_pb.Category(name=PRACTICE, title=title),
                directory_pb.Category(
                    name=BY_HAND, title=directory_pb.Title(zh="专报", en="By hand"), by_hand=True
                ),
                directory_pb.Category(name=RECORDS, title=title, body_type="liandong.sharing.v1.RecordBatch"),
            )
        ),
        directory_pb.CommonEntry(
            calendar=directory_pb.CalendarYear(region="qinghe", year=2026, holidays=["08-11"])
        ),
    ]
    made = Directory.empty("qinghe")
    for number, entry in enumerate(entries, start=1):
        made = made.apply(entry, version=number, position=number, admitted_at=MONDAY - 30 * DAY)
    return made


def bulletin(
    title: str = "学校传染病处置", text: str = "三所学校已完成消毒。", **fields: Any
) -> sharing_pb.Bulletin:
    return sharing_pb.Bulletin(title=title, text=text, **fields)


class World:
    """One department with its writer running.

    Args:
        url: Its database, made here.
        name: The department.
    """

    def __init__(self, url: str, name: str = HEALTH) -> None:
        migrate(url, tables.MIGRATIONS, version_table=tables.VERSION_TABLE)
        self.clock = ManualClock(MONDAY)
        self.database = Database(url)
        self.database.write(exchange_tables.metadata.create_all)
        self.database.write(evidence_tables.metadata.create_all)
        self.shelf = Shelf()
        self.department = Department(
            name=name,
            registry="registry.qinghe",
            log_id="liandong.qinghe",
            database=self.database,
            clock=self.clock,
            sign_key=Ed25519PrivateKey.from_private_bytes(b"\2" * 32),
            sign_key_id=f"{name}/sign/1",
            registry_key=b"\3" * 32,
            registry_key_id="registry.qinghe/sign/1",
            directory=directory(),
            features={KIND: self.shelf.feature},
        )
        self.department.start()
        self.position = 100

    def close(self) -> None:
        self.department.committer.close(10)
        self.database.close()

    def run(self, command: Callable[[DepartmentSession], T]) -> T:
        """A command in a commit group of its own."""
        result: T = self.department.committer.submit_blocking(command, 30)
        return result

    def say(self, work: Callable[[SharingFeature, DepartmentSession], T]) -> T:
        return self.run(lambda session: work(sharing_of(session), session))

    # -- own letters --

    def publish(
        self, body: sharing_pb.Bulletin | None = None, *, request: Request | None = None, category: str = NEWS
    ) -> Answered:
        """Publish what was formed an hour ago."""

        def work(feature: SharingFeature, session: DepartmentSession) -> Answered:
            own = sharing.publication(
                new_id(), category, body or bulletin(), session.now - timedelta(hours=1), (),
                restricted=False, author=self.department.name, directory=session.directory, now=session.now,
            )  # fmt: skip
            return feature.record(own, request or asked())

        return self.say(work)

    def correct(self, item_id: str, body: sharing_pb.Bulletin) -> Answered:
        def own(feature: SharingFeature, session: DepartmentSession) -> Sharing:
            return sharing.correction(
                feature.item(item_id), body, author=self.department.name, directory=session.directory
            )

        return self.say(lambda feature, session: feature.record(own(feature, session), asked()))

    def withdraw(self, item_id: str, reason: str = "内容有误") -> Answered:
        return self.say(
            lambda feature, _: feature.record(
                sharing.withdrawal(feature.item(item_id), reason, author=self.department.name), asked()
            )
        )

    def subscribe(self, category: str, *, subscribed: bool = True) -> Answered:
        return self.say(
            lambda feature, session: feature.subscribe(
                sharing.subscription(category, subscribed=subscribed, directory=session.directory), asked()
            )
        )

    # -- what the link brings --

    def deliver(self, *deliveries: Delivered) -> None:
        head = Checkpoint("liandong.qinghe", 1, self.position + 1, bytes(32))
        self.run(lambda session: session.inbox.deliver(deliveries, "checkpoint", head))

    def receipt(self, letter_id: str, admitted_at: datetime | None = None) -> Delivered:
        """The registry's word that an own letter was admitted, at the next position."""
        recorded = self.department.recorded.get(letter_id)
        place, leaf = self._place(recorded.digest if recorded else self._digest(letter_id), admitted_at)
        return Delivered(place, leaf, None, Receipt(letter_id, leaf, ()), (), b"", b"")

    def _digest(self, letter_id: str) -> bytes:
        letters = exchange_tables.letters.c
        stored = self.database.read(
            lambda connection: connection.execute(
                sa.select(letters.letter_digest).where(letters.letter_id == letter_id)
            ).scalar()
        )
        return bytes(stored) if stored else sha256(letter_id.encode())

    def refuse(
        self, letter_id: str, reason: str = "STALE", not_submitted: frozenset[str] = frozenset()
    ) -> None:
        self.run(lambda session: session.refused(letter_id, reason, "Not so.", not_submitted))

    def foreign(
        self,
        act: pb.ItemAct.ValueType,
        item_id: str,
        revision: int,
        body: sharing_pb.Bulletin | bytes,
        *,
        author: str = POLICE,
        category: str = NEWS,
        formed_at: datetime = MONDAY - timedelta(hours=2),
        payload_type: str = BULLETIN,
        admitted_at: datetime | None = None,
    ) -> Delivered:
        """A letter of another department, admitted at the next position."""
        payload = body if isinstance(body, bytes) else body.SerializeToString()
        header = pb.Header(
            letter_id=new_id(),
            author=author,
            suite=pb.SUITE_ED25519_SHA256_AES256GCM,
            payload_type=payload_type,
            payload_digest=sha256(payload),
            actor=pb.Actor(name="李强", subject="p-1", role="liaison"),
            signed_at=timestamp(self.clock.now()),
            item=pb.ItemHeader(
                act=act, item_id=item_id, revision=revision, category=category, formed_at=timestamp(formed_at)
            ),
        )
        letter = open_letter(pb.Envelope(header=header.SerializeToString(), payload=payload))
        place, leaf = self._place(letter.digest, admitted_at)
        return Delivered(place, leaf, letter, None, (), b"", b"")

    def _place(self, digest: bytes, admitted_at: datetime | None) -> tuple[Place, Leaf]:
        self.position += 1
        at_us = microseconds(admitted_at or self.clock.now())
        version = self.department.directory.version
        return Place(self.position, self.position), Leaf(self.position, at_us, version, digest)

    # -- what is there --

    def known(self, item_id: str) -> sharing.Item | None:
        found = self.database.read(lambda each: store.item(each, "u-17", item_id))
        return found[0] if found else None

    def item(self, item_id: str) -> sharing.Item:
        """An item that must be here."""
        found = self.known(item_id)
        assert found is not None
        return found

    def rows(self, table: sa.FromClause) -> Sequence[sa.Row[Any]]:
        return self.database.read(lambda each: each.execute(sa.select(table)).all())

    def page(self, wanted: store.Wanted, size: int = 50) -> list[sharing.Item]:
        return [item for item, _ in self.database.read(lambda each: store.page(each, "u-17", wanted, size))]

    def found(
        self, *, category: str = "", author: str = "", terms: frozenset[str] = frozenset()
    ) -> list[str]:
        """Ids of listed items."""
        return [item.item_id for item in self.page(store.Wanted(category, author, terms))]

    def read_revision(self, item_id: str, subject: str) -> int:
        found = self.database.read(lambda each: store.item(each, subject, item_id))
        return found[1] if found else 0


def asked(key: str | None = None, digest: bytes = b"digest") -> Request:
    return Request(ACTOR, (b"token",), key, digest if key else None)
