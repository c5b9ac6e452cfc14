"""Lists of cases: filters, order, pages, and the indexes that carry them."""

import itertools
import re

import pytest
import sqlalchemy as sa
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.bodies_pb2 import SignFor

from services.cases import queries, store, tables
from services.cases.handlers.reading import ReadingHandlers
from services.cases.queries import Place, Wanted
from services.common.bulk import Record
from services.common.clock import microseconds
from services.common.page_tokens import PageTokenInvalid, encode
from services.procedures.calendar import NEVER
from tests.builders.departments import HEALTH, MARKET, new_id
from tests.builders.ledger import MONDAY, Ledger, Node, days

NOW = microseconds(MONDAY)
DAY = 86_400_000_000


def row(name: str, *, due: int | None = None, changed: int = 0, **given: object) -> Record:
    values = {
        "case_id": name, "procedure": "case-transfer", "title": name, "state": "sent", "closed": False,
        "changed_at_us": NOW + changed, "next_due_at_us": due, "next_rule": "" if due is None else "reply",
        "last_position": 1, "folded": b"", **given,
    }  # fmt: skip
    return tuple(values[name] for name in store.CASES.columns)


def write(market: Node, *rows: Record) -> None:
    market.database.write(lambda connection: store.write_cases(connection, rows))


async def listed(reading: ReadingHandlers, **asked: object) -> list[str]:
    request = pb.ListCasesRequest(**asked)  # type: ignore[arg-type]
    return [each.case_id for each in (await reading.ListCases(request, None)).cases]


@pytest.fixture
def cases(market: Node) -> Node:
    """Cases due, not due, over, of another procedure, and stopped for good."""
    write(
        market,
        row("soon", due=NOW + DAY),
        row("late", due=NOW - DAY),
        row("now", due=NOW),
        row("tie-2", due=NOW + 2 * DAY, changed=5),
        row("tie-1", due=NOW + 2 * DAY, changed=4),
        row("idle-1", changed=1),
        row("idle-2", changed=2),
        row("over", state="closed", closed=True, changed=9),
        row("dispute", procedure="jurisdiction-dispute", state="filed", changed=3),
        row("stopped", due=microseconds(NEVER)),
    )
    market.database.write(
        lambda connection: store.write_parties(
            connection,
            [("soon", HEALTH, "sender"), ("idle-1", HEALTH, "sender"), ("soon", MARKET, "receiver")],
        )
    )
    market.act_as("clerk")
    return market


async def test_what_is_due_next_comes_first_then_the_newest(cases: Node, reading: ReadingHandlers) -> None:
    """Cases that are over only when asked for."""
    cases.act_as("clerk")
    expected = [
        "late", "now", "soon", "tie-2", "tie-1", "stopped", "idle-2", "idle-1", "dispute"
    ]  # fmt: skip
    assert await listed(reading) == expected
    assert await listed(reading, include_closed=True) == [*expected[:6], "over", *expected[6:]]


async def test_filters(cases: Node, reading: ReadingHandlers) -> None:
    """Procedure, state, party, due time, overdue; the due time is exclusive."""
    cases.act_as("clerk")
    assert await listed(reading, procedure="jurisdiction-dispute") == ["dispute"]
    assert await listed(reading, state="closed") == ["over"]
    assert await listed(reading, procedure="case-transfer", state="closed") == ["over"]
    assert await listed(reading, state="no-such-state") == []
    assert await listed(reading, department=HEALTH) == ["soon", "idle-1"]
    assert await listed(reading, overdue=True) == ["late", "now"]
    before = Timestamp()
    before.FromDatetime(MONDAY + days(1.5))
    assert await listed(reading, due_before=before) == ["late", "now", "soon"]
    at = Timestamp()
    at.FromDatetime(MONDAY)
    assert await listed(reading, due_from=at, due_before=before) == ["now", "soon"]


async def test_cases_in_which_an_act_may_be_done(cases: Node, reading: ReadingHandlers) -> None:
    """By the state of the case and the department's role in it, whatever the procedure."""
    cases.act_as("clerk")
    write(
        cases,
        row("signed", state="signed"),
        row("referral", procedure="criminal-referral", state="referred"),
    )
    cases.database.write(
        lambda connection: store.write_parties(
            connection,
            [("signed", MARKET, "receiver"), ("tie-1", MARKET, "sender"), ("referral", MARKET, "police")],
        )
    )
    assert await listed(reading, act="sign-for") == ["soon", "referral"]
    assert await listed(reading, act="sign-for", procedure="case-transfer") == ["soon"]
    assert await listed(reading, act="recall") == ["tie-1"]
    assert await listed(reading, act="no-such-act") == []


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_pages_join_to_the_list(cases: Node, reading: ReadingHandlers, size: int) -> None:
    """Nothing twice, nothing left out, whatever the size of a page."""
    cases.act_as("clerk")
    found, token = [], ""
    for _ in range(20):
        request = pb.ListCasesRequest(page_size=size, page_token=token, include_closed=True)
        page = await reading.ListCases(request, None)
        found += [each.case_id for each in page.cases]
        token = page.next_page_token
        if not token:
            break
    assert found == await listed(reading, include_closed=True)


@pytest.mark.parametrize(
    "token", ["x", "W10=", encode(["a", 1, "b"]), encode([None, 1 << 70, "b"]), encode([1, 2, "\x00"]), "🙂"]
)
async def test_a_token_of_another_kind_is_refused(cases: Node, reading: ReadingHandlers, token: str) -> None:
    """Typed, and nothing of it reaches the database."""
    cases.act_as("clerk")
    with pytest.raises(PageTokenInvalid):
        await reading.ListCases(pb.ListCasesRequest(page_token=token), None)


async def test_a_summary_shows_due_rule_parties_and_pending(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """As the case stands, own pending letters included."""
    case_id, _ = ledger.transferred()
    market.take()
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    market.act_as("clerk")
    (case,) = (await reading.ListCases(pb.ListCasesRequest(), None)).cases
    assert (case.title, case.state, case.state_title_en) == ("无证行医案", "signed", "Signed for")
    assert (case.next_rule, case.next_title_en, case.pending) == ("sign", "Sign for the letter", 1)
    assert case.next_due_at.ToDatetime().isoformat() == "2026-03-03T16:00:00"
    assert {each.department for each in case.parties} >= {HEALTH, MARKET}
    lines = (await reading.ListAudit(pb.ListAuditRequest(), None)).lines
    assert [each.method for each in lines] == ["ListCases"]


async def test_the_audit_is_paged_and_filtered(market: Node, reading: ReadingHandlers) -> None:
    """Newest first, by person."""
    for role, query in itertools.product(("clerk", "liaison"), ("甲乙", "丙丁")):
        market.act_as(role)
        await reading.SearchCases(pb.SearchCasesRequest(query=query), None)
    found, token = [], ""
    while True:
        request = pb.ListAuditRequest(subject="clerk-1", page_size=1, page_token=token)
        page = await reading.ListAudit(request, None)
        found += [each.object_id for each in page.lines]
        token = page.next_page_token
        if not token:
            break
    assert found == ["丙丁", "甲乙"]


@pytest.mark.parametrize(
    ("since", "before", "limit", "expected"),
    [
        (None, NOW + 1, 9, 2),
        (NOW + 1, NOW + 3 * DAY, 9, 3),
        (NOW + 1, NOW + 3 * DAY, 2, 2),
        (None, NOW - 2 * DAY, 9, 0),
    ],
)
def test_what_is_due_is_counted(
    cases: Node, since: int | None, before: int, limit: int, expected: int
) -> None:
    """Of open cases alone, from one time to before another, and never beyond what is asked for."""
    found = cases.database.read(lambda connection: queries.count_due(connection, since, before, limit))
    assert found == expected


WANTED = {
    "all": Wanted(),
    "closed too": Wanted(include_closed=True),
    "procedure": Wanted(procedures=("case-transfer",)),
    "state": Wanted(procedures=("case-transfer",), state="sent"),
    "party": Wanted(department=HEALTH),
    "due": Wanted(due_before_us=NOW),
}


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED.keys())
def test_every_list_walks_an_index(sqlite_url: str, wanted: Wanted) -> None:
    """No query reads all cases, on the first page or a later one."""
    from services.common.db import Database  # noqa: PLC0415 - without a node

    database = Database(sqlite_url)
    database.write(tables.metadata.create_all)
    database.write(
        lambda connection: store.write_cases(
            connection, [row(new_id(), due=NOW + each if each % 3 else None) for each in range(300)]
        )
    )
    plans: list[str] = []

    def work(connection: sa.Connection) -> None:
        def explain(
            conn: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object
        ) -> None:
            if statement.startswith("SELECT"):
                raw = conn.connection.driver_connection
                assert raw is not None
                plans.extend(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        sa.event.listen(connection, "before_cursor_execute", explain)
        for after in (None, Place(NOW + 10, "x"), Place(None, "x")):
            queries.list_cases(connection, wanted, after, 20)
        queries.count_due(connection, NOW, NOW + 10, 20)

    database.read(work)
    database.close()
    assert plans
    assert not [plan for plan in plans if re.match(r"SCAN (?!anon_)", plan)]
