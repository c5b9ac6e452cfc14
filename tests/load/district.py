"""A district with a past: built by its own processes, stopped, filled in bulk, and started again over what it holds.

Keys, certificates, directory and databases are those of a real region. What is put in between is signed by the
departments' own keys and continues their ledger, so that nothing that runs afterwards can tell the difference: the
nodes go on from their cursors, and the registry from its head. The entries of the region are dated back to before
the first case; they were all that the ledger held.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb

from services import procedures
from services.cases import tables as case_tables
from services.cases.handling import store as documents
from services.cases.handling import tables as handling_tables
from services.cases.handling.documents import NODE
from services.cases.handling.store import Event, Kept
from services.cli.demo import district as demo
from services.cli.demo.district import District, Plan
from services.cli.demo.story import evidence_material
from services.common.clock import from_microseconds
from services.common.db import Database
from services.exchange import keys
from services.exchange import tables as exchange_tables
from services.exchange.checkpoint import Checkpoint, sign_checkpoint
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.enrolment_client import Membership
from services.exchange.merkle import RightEdge
from services.procedures import handling
from services.procedures.chain import Chain, Direction, Kind, Who
from services.procedures.chain_source import load_chain
from services.procedures.document import Actor, Clocked, Document, Person
from services.registry import ledger, tables
from services.registry.replica import catch_up
from tests.load import stock
from tests.load.ledger import NODE_TABLES, REGISTRY_TABLES, Books
from tests.load.letters import Author
from tests.load.sink import Sink

MARKET: Final = "market.qinghe"
JUSTICE: Final = "justice.qinghe"
REGION: Final = "qinghe"
DEPARTMENTS: Final = {
    MARKET: 26, "health.qinghe": 24, "ecology.qinghe": 14, "housing.qinghe": 12, "emergency.qinghe": 8,
    "police.qinghe": 8, JUSTICE: 2, "hotline.qinghe": 2,
}  # fmt: skip
"""Departments with a node, and how often of 96 each is a party."""
OFFICES: Final = {
    "case-transfer": JUSTICE, "assistance": JUSTICE, "hazard-notice": "emergency.qinghe",
    "complaint": "hotline.qinghe",
}  # fmt: skip
DAYS: Final = 400
_DONE: Final = "stock.json"
_SAID: Final = 100_000
_CHAIN: Final = Path(procedures.__path__[0]) / "chains" / "inbound.yaml"
_CHAIN_ID: Final = 1
_ROLES: Final = {
    Kind.SIGN_FOR: "registry-clerk", Kind.REGISTER: "registry-clerk", Kind.PROPOSE: "section-head",
    Kind.INSTRUCT: "leader-in-charge", Kind.DISPATCH: "section-head", Kind.HANDLE: "clerk", Kind.DONE: "registry-clerk",
}  # fmt: skip

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is loaded.

    Attributes:
        cases: Cases in all.
        letters: Acts in all; Arrivals come on top.
        documents: Letters that arrived at the market bureau and are on their way through it.
        seed: Of all that is drawn.
    """

    cases: int
    letters: int
    documents: int
    seed: int = 7


SHORT: Final = Size(cases=1_000, letters=10_000, documents=100)
FULL: Final = Size(cases=100_000, letters=1_000_000, documents=4_000)


def plan_of(folder: Path, database_url: str = "", *, gateway: bool = False, base_port: int = 0) -> Plan:
    """The district: the market bureau in a process of its own, the others together."""
    return Plan(
        folder=folder,
        departments=len(DEPARTMENTS),
        base_port=base_port,
        database_url=database_url,
        first=tuple(DEPARTMENTS),
        own_process=(MARKET,),
        gateway=gateway,
    )


async def start(plan: Plan, size: Size, tell: Tell) -> District:
    """Start a district that holds so much; it is made if the folder does not hold it yet."""
    if not (plan.folder / _DONE).exists():
        began = time.monotonic()
        district = await demo.build(plan, lambda *_: None)
        try:
            materials = {
                name: await evidence_material(party, "source-material", f"{party.title[0]}的材料")
                for name, party in district.parties.items()
            }
        finally:
            await district.stop()
        tell(f"a district of {len(district.parties)} in {time.monotonic() - began:.0f} s")
        figures = await asyncio.to_thread(_fill, plan, district, materials, size, tell)
        (plan.folder / _DONE).write_text(json.dumps(figures))
    return await demo.build(plan, lambda *_: None)


def _fill(
    plan: Plan, district: District, materials: Mapping[str, pb.Material], size: Size, tell: Tell
) -> dict[str, int]:
    urls = {name: demo.database(plan, name, plan.folder / name) for name in ("registry", *DEPARTMENTS)}
    now_us = time.time_ns() // 1000
    order = stock.Order(size.seed, size.cases, size.letters, now_us, DAYS, DEPARTMENTS, OFFICES)
    databases = {name: Database(url, pool_size=1) for name, url in urls.items()}
    moved = databases["registry"].write(lambda connection: _date_back(connection, order.since_us))
    for name in DEPARTMENTS:
        databases[name].write(lambda connection: _dated_back(connection, moved))
    edge, directory, log_id = databases["registry"].read(_head)
    for each in databases.values():
        each.close()

    authors = {name: _author(plan, district, name, directory, materials[name]) for name in DEPARTMENTS}
    membership = Membership.load(plan.folder / MARKET)
    began = time.monotonic()
    book = Sink(urls["registry"], REGISTRY_TABLES)
    nodes = {name: Sink(urls[name], NODE_TABLES, [NODE_TABLES[-1]]) for name in DEPARTMENTS}
    books = Books(directory, log_id, membership.registry_name, edge, order.since_us, authors, book, nodes)
    cases = stock.cases(order)
    tell(f"{len(cases)} cases drawn in {time.monotonic() - began:.0f} s")
    said = 0
    for done in books.take(cases):
        if done - said >= _SAID:
            said = done
            tell(f"{done} letters after {time.monotonic() - began:.0f} s")
    books.close()
    tell(f"signed and folded after {time.monotonic() - began:.0f} s")
    for sink in (book, *nodes.values()):
        sink.close()
    tell(f"stored and indexed after {time.monotonic() - began:.0f} s")

    databases = {name: Database(url, pool_size=1) for name, url in urls.items()}
    databases["registry"].write(lambda connection: _ended(connection, books))
    sign_key = keys.load_sign_key(plan.folder / "registry" / "sign.key")
    head = sign_checkpoint(Checkpoint(log_id, 1, books.edge.size, books.edge.root), sign_key)
    for name in DEPARTMENTS:
        place = books.cursors.get(name, (-1, -1))
        databases[name].write(partial(_node_ended, place=place, head=head))
    begun = databases[MARKET].write(
        lambda connection: _documents(connection, district, directory, size, order.now_us)
    )
    for each in databases.values():
        each.close()
    tell(f"done after {time.monotonic() - began:.0f} s")
    return {"leaves": books.edge.size, "letters": books.letters, "cases": len(cases), "documents": begun}


# -- before -----------------------------------------------------------------------------------------


def _date_back(connection: sa.Connection, since_us: int) -> dict[int, int]:
    """Date the region's entries to before the first case; returns the new times by position."""
    column = tables.ledger.c
    rows = connection.execute(
        sa.select(column.position, column.kind, column.common_version, column.letter_digest).order_by(
            column.position
        )
    ).all()
    moved, edge, completed = {}, RightEdge(), []
    for row in rows:
        assert row.kind == "common", "the ledger holds more than the region"
        at_us = since_us - stock.DAY_US + row.position * 1_000_000
        leaf_hash = Leaf(row.position, at_us, row.common_version, row.letter_digest).hash()
        moved[row.position] = at_us
        edge, more = edge.append([leaf_hash])
        completed += more
        connection.execute(
            tables.ledger.update()
            .where(column.position == row.position)
            .values(admitted_at_us=at_us, leaf_hash=leaf_hash)
        )
    connection.execute(tables.ledger_nodes.delete())
    for level, index, value in ledger.stored(completed):
        connection.execute(tables.ledger_nodes.insert().values(level=level, node_index=index, hash=value))
    _write_head(connection, edge, max(moved.values()))
    # what the calendar opened meanwhile stands at places that are dated otherwise now
    connection.execute(tables.obligations.delete())
    connection.execute(tables.alerts.delete())
    return moved


def _write_head(connection: sa.Connection, edge: RightEdge, at_us: int) -> None:
    connection.execute(
        tables.ledger_head.update().values(
            size=edge.size, root=edge.root, edge=edge.encode(), admitted_at_us=at_us
        )
    )


def _dated_back(connection: sa.Connection, moved: Mapping[int, int]) -> None:
    for table in (exchange_tables.common_entries, exchange_tables.letters):
        for position, at_us in moved.items():
            connection.execute(
                table.update().where(table.c.position == position).values(admitted_at_us=at_us)
            )


def _head(connection: sa.Connection) -> tuple[RightEdge, Directory, str]:
    head = ledger.read_head(connection)
    directory, _ = catch_up(connection, Directory.empty(REGION), head)
    return head.edge, directory, head.log_id


def _author(plan: Plan, district: District, name: str, directory: Directory, material: pb.Material) -> Author:
    folder = plan.folder / name
    return Author(
        district.parties[name],
        keys.load_sign_key(folder / "sign.key"),
        Membership.load(folder).sign_key_id,
        directory.number_word(name) or name,
        material,
    )


# -- after ------------------------------------------------------------------------------------------


def _ended(connection: sa.Connection, books: Books) -> None:
    _write_head(connection, books.edge, books.now_us)
    now_us = time.time_ns() // 1000
    for name, (at, position) in books.cursors.items():
        connection.execute(
            tables.cursors.update()
            .where(tables.cursors.c.department == name)
            .values(at=at, position=position, last_seen_us=now_us, disconnected_us=None)
        )
    end = tables.act_index_end
    connection.execute(end.delete())
    connection.execute(end.insert().values(id=1, position=books.edge.size))


def _node_ended(connection: sa.Connection, place: tuple[int, int], head: str) -> None:
    at, position = place
    connection.execute(exchange_tables.link.update().values(at=at, position=position, checkpoint=head))


def _documents(
    connection: sa.Connection, district: District, directory: Directory, size: Size, now_us: int
) -> int:
    """Put the newest letters that came to the market bureau on the usual chain, each at some step of it."""
    source = _CHAIN.read_text(encoding="utf-8")
    since_us = now_us - DAYS * stock.DAY_US
    connection.execute(
        handling_tables.chains.insert().values(
            id=_CHAIN_ID, direction="inbound", procedure="", act="", since_us=since_us, source=source,
            set_by="load", set_name="load", set_at_us=since_us,
        )
    )  # fmt: skip
    letters, cases = exchange_tables.letters.c, case_tables.cases.c
    rows = connection.execute(
        sa.select(
            letters.letter_id,
            letters.case_id,
            letters.act,
            letters.admitted_at_us,
            cases.procedure,
            cases.title,
        )
        .join(case_tables.cases, cases.case_id == letters.case_id)
        .where(letters.author != MARKET, letters.kind == "act")
        .order_by(letters.position.desc())
        .limit(size.documents)
    ).all()
    chain = load_chain(source)
    people = {
        role: Person(each.subject, each.name, each.role)
        for role, each in district.parties[MARKET].people.items()
    }
    chance = random.Random(size.seed)
    calendar = directory.law.calendar(directory.law.registry)
    for row in rows:
        started = from_microseconds(row.admitted_at_us)
        document = handling.start(Document(id=row.letter_id, chain=chain), Clocked(started, calendar))
        kept = Kept(
            document, row.letter_id, row.case_id, Direction.INBOUND, row.procedure, row.act, _CHAIN_ID, started,
            row.title,
        )  # fmt: skip
        events = [Event("started", NODE)]
        kept, done = _moved(kept, chain, people, chance, calendar)
        documents.save(connection, kept, [*events, *done], started)
    return len(rows)


def _moved(
    kept: Kept, chain: Chain, people: Mapping[str, Person], chance: random.Random, calendar: Any
) -> tuple[Kept, list[Event]]:
    events, document = [], kept.document
    for hours in range(chance.randrange(len(chain.steps) + 2)):
        step = document.current
        if step is None:
            break
        (task, *_) = [each for each in document.standing(step.name) if each.is_open]
        actor = Actor(people[_ROLES[step.kind]])
        assigned = [Who(subject=people["clerk"].subject)] if step.kind is Kind.DISPATCH else []
        clock = Clocked(kept.started_at + timedelta(hours=hours + 1), calendar)
        document = handling.complete(document, task.id, actor, clock, assigned=assigned)
        events.append(Event("done", actor, step.name, task.id))
    state = documents.DONE if document.ended_at is not None else documents.OPEN
    return Kept(
        document, kept.letter_id, kept.case_id, kept.direction, kept.procedure, kept.act, kept.chain_id,
        kept.started_at, kept.title, state=state,
    ), events  # fmt: skip
