"""A small mechanism and rows of it, for the tests of what the registry sees of obligations."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2
from liandong.exchange.v1 import envelope_pb2

from services.common import engines
from services.common.bulk import Bulk
from services.common.clock import microseconds
from services.common.db import Database
from services.common.title import Title
from services.exchange.directory import Directory
from services.procedures.calendar import Calendar
from services.procedures.case import CaseState, dumps
from services.procedures.facts import Urgency
from services.procedures.law import Law
from services.procedures.model import Act, Mark, ObligationRule, Procedure
from services.procedures.obligation import Limit, Obligation, Outcome, Unit
from services.registry import tables, tallies
from services.registry.obligation_index import index_row
from tests.unit.procedures.deadline_samples import NATIONAL, at, limit

OFFICE = "justice.qinghe"
SENDER = "health.qinghe"
RECEIVER = "market.qinghe"
STRANGER = "water.qinghe"
REGISTRY = "registry.qinghe"

_TITLE = Title("期限", "Limit")


def rule(name: str, marks: Mapping[str, tuple[str, ...]], within: Limit | None = None) -> ObligationRule:
    """A rule with these marks; 3 wd if nothing else is said."""
    return ObligationRule(
        name=name,
        title=_TITLE,
        owed_by="receiver",
        opens_on=("send",),
        discharged_by=("answer",),
        within=dict.fromkeys(Urgency, within or Limit(3, Unit.WORKING_DAYS)),
        marks=tuple(Mark(key, actions) for key, actions in marks.items()),
    )


def act(name: str, by: str, *, becomes: str | None = None, opening: bool = False) -> Act:
    """An act that moves a case on."""
    return Act(
        name,
        _TITLE,
        _TITLE,
        "liandong.cases.v1.Clue",
        (by,),
        frozenset({"new" if opening else "sent"}),
        becomes,
    )


RULES = (
    rule("reply", {"50%": ("remind",), "80%": ("remind", "tell-office"), "due": ("tell-office",)}),
    rule("report", {"2 d before": ("remind",), "due": ("tell-office",)}),
    rule("silent", {}),
)
PROCEDURE = Procedure(
    name="relay",
    version=1,
    title=_TITLE,
    source=("M03",),
    roles=dict.fromkeys(("sender", "receiver", "office"), _TITLE),
    states=dict.fromkeys(("new", "sent", "answered"), _TITLE),
    initial="new",
    final=frozenset({"answered"}),
    acts={
        "send": act("send", "sender", becomes="sent", opening=True),
        "note": act("note", "receiver"),
        "answer": act("answer", "receiver", becomes="answered"),
    },
    obligations={each.name: each for each in RULES},
)
OTHER = replace(PROCEDURE, name="inspection")


def directory(calendar: Calendar = NATIONAL, /, **offices: str) -> Directory:
    """A directory with both mechanisms; the office of `relay` is held by justice if nothing else is said."""
    held = offices or {"relay": OFFICE}
    law = Law(registry=REGISTRY).with_procedures([PROCEDURE, OTHER]).with_calendar(calendar)
    departments = {}
    for name in (SENDER, RECEIVER, OFFICE, STRANGER):
        law = law.with_department(name)
        departments[name] = common_entry_pb2.Department(
            name=name, title=common_entry_pb2.Title(zh="部门", en=name.partition(".")[0].title())
        )
    for procedure, department in held.items():
        law = law.with_office(procedure, department)
    return Directory("qinghe", law=law, offices=held, departments=departments)


def duty(number: int, admitted: str | datetime, within: str = "3 wd", **facts: Any) -> Obligation:
    """An obligation of the receiver in case `number`, opened by a letter admitted then."""
    opened = at(admitted) if isinstance(admitted, str) else admitted
    facts.setdefault("occurred_at", opened)
    facts.setdefault("rule", "reply")
    facts.setdefault("owed_by", RECEIVER)
    facts.setdefault("opened_position", number)
    return Obligation(
        case_id=case_id(number),
        ordinal=1,
        owed_by_role="receiver",
        opened_act="send",
        limit=limit(within),
        admitted_at=opened,
        **facts,
    )


def ended(number: int, outcome: Outcome, owed_by: str = RECEIVER) -> Obligation:
    """An obligation that was discharged two days after it was opened."""
    opened = duty(number, "2026-03-02 10:00", owed_by=owed_by)
    return replace(opened, discharged_at=at("2026-03-04"), outcome=outcome, due_frozen=at("2026-03-06"))


def case_id(number: int) -> str:
    """A UUIDv7-shaped case id."""
    return f"01900000-0000-7000-8000-{number:012x}"


@contextmanager
def registry_database(url: str) -> Iterator[Database]:
    """The registry's tables in a fresh database."""
    engine = engines.migrator(engines.parse_url(url))
    tables.metadata.create_all(engine)
    engine.dispose()
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def put(
    database: Database, table: sa.Table, rows: Iterable[tuple[Any, ...]], columns: Iterable[str] = ()
) -> None:
    """Insert rows; all columns of the table if none are named."""
    database.write(lambda connection: Bulk(table, columns).insert(connection, list(rows)))


def put_duties(
    database: Database,
    duties: Iterable[Obligation],
    calendar: Calendar = NATIONAL,
    procedure: Procedure = PROCEDURE,
) -> None:
    """Index obligations as admission would."""
    rows = [index_row(each, procedure, calendar) for each in duties]
    put(database, tables.obligations, rows)
    database.write(lambda connection: tallies.ENDED.add(connection, tallies.ended(rows)))


def put_mixed(database: Database) -> None:
    """Open, overdue, ended; two mechanisms; owed by two departments."""
    put_duties(
        database,
        [
            duty(1, "2026-02-26 10:00"),
            duty(2, "2026-03-03 10:00"),
            duty(3, "2026-03-04 10:00", owed_by=STRANGER),
            ended(4, Outcome.ON_TIME),
            ended(5, Outcome.LATE, STRANGER),
        ],
    )
    put_duties(database, [duty(6, "2026-03-04 10:00")], procedure=OTHER)


def rows_of(database: Database, statement: sa.Select[Any]) -> list[tuple[Any, ...]]:
    """What a query finds, as tuples."""
    return database.read(lambda connection: [tuple(row) for row in connection.execute(statement)])


def put_head(database: Database, size: int) -> None:
    """A ledger of this size."""

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.delete(tables.ledger_head))
        Bulk(tables.ledger_head).insert(connection, [(1, "qinghe", 1, size, b"", b"", 0, 0, None)])

    database.write(work)


def put_act(database: Database, position: int, number: int, name: str, author: str, moment: datetime) -> None:
    """An act of case `number` at the end of the ledger."""
    content = envelope_pb2.ActContent(
        case_id=case_id(number),
        home_registry=REGISTRY,
        procedure=PROCEDURE.name,
        procedure_version=PROCEDURE.version,
        act=name,
    )
    content.occurred_at.FromDatetime(moment)
    header = envelope_pb2.Header(letter_id=f"letter-{position}", author=author)
    header.signed_at.FromDatetime(moment)
    header.act.content = content.SerializeToString()
    row = (
        position, header.letter_id, "act", author, case_id(number), b"", b"", microseconds(moment), 0,
        position, 0, header.SerializeToString(), b"", b"", "",
    )  # fmt: skip
    put(database, tables.ledger, [row])
    put_head(database, position + 1)


def put_case(database: Database, number: int, last_position: int = 0, state: str = "sent") -> CaseState:
    """Case `number` between sender, receiver and office, as folded up to a position."""
    parties = {"sender": (SENDER,), "receiver": (RECEIVER,), "office": (OFFICE,)}
    folded = CaseState(
        case_id=case_id(number),
        home_registry=REGISTRY,
        procedure=PROCEDURE.name,
        version=PROCEDURE.version,
        state=state,
        urgency=Urgency.ORDINARY,
        parties=parties,
        opened_at=at("2026-03-02 10:00"),
        opened_position=0,
        last_position=last_position,
        last_author=SENDER,
        office_called=True,
    )
    put(
        database,
        tables.cases,
        [
            (
                folded.case_id,
                folded.procedure,
                state,
                False,
                microseconds(folded.opened_at),
                last_position,
                dumps(folded),
            )
        ],
    )
    put(
        database,
        tables.case_parties,
        [(folded.case_id, held[0], role) for role, held in parties.items()],
    )
    return folded
