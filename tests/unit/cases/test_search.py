"""Cases are found by any word, and the answer says where it stood."""

import re

import pytest
import sqlalchemy as sa
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.complaint_bodies_pb2 import ComplaintRecord

from services.cases import bodies, store, tables
from services.cases.handlers.reading import ReadingHandlers
from services.cases.search import search as find
from services.common.db import Database
from tests.builders.departments import new_id
from tests.builders.ledger import Ledger, Node

CODE = "91350100M000100Y43"


@pytest.fixture
def found(market: Node, reading: ReadingHandlers, ledger: Ledger) -> Node:
    """Three cases: a clinic, a bakery with a subject, one that only mentions the bakery's name."""
    market.register("无证行医 Clinic Road 9")
    subject = bodies_pb2.Subject(kind=bodies_pb2.SUBJECT_KIND_UNIT, name="清河面包房", identifier=CODE)
    market.register("食品过期", subjects=[subject])
    market.register("噪声扰民", place="x", prior_consultation="y")
    return market


async def search(reading: ReadingHandlers, query: str, size: int = 0) -> list[tuple[str, str]]:
    request = pb.SearchCasesRequest(query=query, page_size=size)
    return [(each.title, each.matched) for each in (await reading.SearchCases(request, None)).cases]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("行医", [("无证行医 Clinic Road 9", "title")]),
        ("clinic road", [("无证行医 Clinic Road 9", "title")]),
        ("CLINIC 行医", [("无证行医 Clinic Road 9", "title")]),
        ("面包房", [("食品过期", "subject")]),
        (CODE.lower(), [("食品过期", "identifier")]),
        (f" {CODE[:8]} {CODE[8:]} ", [("食品过期", "identifier")]),
        ("不存在", []),
        ("行医面包", []),
        ("！？", []),
        ("\x00", []),
    ],
)
async def test_words_names_and_identifiers(
    found: Node, reading: ReadingHandlers, query: str, expected: list[tuple[str, str]]
) -> None:
    """Every pair of the query must stand in the case; case and blanks do not matter."""
    found.act_as("clerk")
    assert await search(reading, query) == expected


@pytest.fixture
def people(market: Node) -> Node:
    """A pharmacy with its representative and telephone, and a citizen."""
    pharmacy = bodies_pb2.Subject(
        kind=bodies_pb2.SUBJECT_KIND_UNIT,
        name="清河重安大药房有限公司",
        identifier=CODE,
        telephone="0591-6100123",
        representative="欧阳若兰",
    )
    market.register("销售过期药品", subjects=[pharmacy])
    citizen = bodies_pb2.Subject(
        kind=bodies_pb2.SUBJECT_KIND_CITIZEN, name="单小伟", telephone="+86 138 1234 5678"
    )
    market.register("占道经营", subjects=[citizen])
    return market


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("13812345678", ("占道经营", "telephone", "单小伟 +86 [138 1234 5678]")),
        ("138 1234 5678", ("占道经营", "telephone", "单小伟 +86 [138 1234 5678]")),
        ("1381234", ("占道经营", "telephone", "单小伟 +86 [138 1234] 5678")),
        ("0591-6100123", ("销售过期药品", "telephone", "清河重安大药房有限公司 [0591-6100123]")),
        ("6100123", ("销售过期药品", "telephone", "清河重安大药房有限公司 0591-[6100123]")),
        ("若兰", ("销售过期药品", "person", "欧阳[若兰]")),
        ("zadyf", ("销售过期药品", "pinyin", "清河[重安大药房]有限公司")),
        ("CADYF", ("销售过期药品", "pinyin", "清河[重安大药房]有限公司")),
        ("sxw", ("占道经营", "pinyin", "[单小伟]")),
        ("dx", ("占道经营", "pinyin", "[单小]伟")),
        (
            CODE[:10].lower(),
            ("销售过期药品", "identifier", f"清河重安大药房有限公司 [{CODE[:10]}]{CODE[10:]}"),
        ),
        ("过期", ("销售过期药品", "title", "销售[过期]药品")),
        ("大 药房", ("销售过期药品", "subject", "清河重安[大药房]有限公司")),
    ],
)
async def test_the_answer_shows_what_matched(
    people: Node, reading: ReadingHandlers, query: str, expected: tuple[str, str, str]
) -> None:
    """Telephones in whatever form, people, initials in each reading, the beginning of a number; with the text around."""
    people.act_as("clerk")
    (case,) = (await reading.SearchCases(pb.SearchCasesRequest(query=query), None)).cases
    text, begin, end = case.match.text, case.match.begin, case.match.begin + case.match.length
    assert (case.title, case.matched, f"{text[:begin]}[{text[begin:end]}]{text[end:]}") == expected


async def test_a_match_in_a_text_shows_the_words_around_it(market: Node, reading: ReadingHandlers) -> None:
    """Not the whole text, and of a number the whole number."""
    recorded = market.register("污水", place="某处", prior_consultation="x")
    market.database.write(
        lambda connection: store.write_terms(connection, [("清市监〔2026〕7号", recorded.case_id, "number")])
    )
    market.act_as("clerk")
    (case,) = (await reading.SearchCases(pb.SearchCasesRequest(query="现场检查"), None)).cases
    assert (case.match.text, case.match.begin, case.match.length) == ("污水 现场检查。", 3, 4)
    assert await search(reading, "清市监(2026)7号") == [("污水", "number")]
    assert await search(reading, "清市监〔2026〕") == [("污水", "number")]


@pytest.mark.parametrize("secret", [False, True])
def test_a_complainant_who_is_kept_secret_is_not_found(secret: bool) -> None:
    """Neither by name nor by telephone."""
    record = ComplaintRecord(complainant="诸葛先生", complainant_contact="13900000001", confidential=secret)
    assert bodies.people_of(record) == ([] if secret else ["诸葛先生", "13900000001"])


@pytest.mark.parametrize("query", ["清市监〔2026〕7号", CODE[:8], "13812345678", "zsf", "无证行医", "a"])
def test_no_search_reads_all_terms(sqlite_url: str, query: str) -> None:
    """Whatever is asked, each statement goes by a key."""
    database = Database(sqlite_url)
    database.write(tables.metadata.create_all)
    plans: list[str] = []

    def work(connection: sa.Connection) -> None:
        def explain(
            conn: sa.Connection, _cursor: object, statement: str, parameters: object, *_: object
        ) -> None:
            if "search" in statement:
                raw = conn.connection.driver_connection
                assert raw is not None
                plans.extend(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters))

        sa.event.listen(connection, "before_cursor_execute", explain)
        find(connection, query, 20)

    database.read(work)
    database.close()
    assert plans
    assert not [plan for plan in plans if re.match(r"SCAN search", plan)]
    assert [plan for plan in plans if re.match(r"SEARCH search USING", plan)]


async def test_all_that_match_newest_first(found: Node, reading: ReadingHandlers) -> None:
    """A word of the body finds all three."""
    found.act_as("clerk")
    every = await search(reading, "现场检查")
    assert {matched for _, matched in every} == {"body"}
    assert len(every) == 3
    assert await search(reading, "现场检查", 2) == every[:2]


async def test_a_case_id_and_a_letter_number(market: Node, reading: ReadingHandlers, ledger: Ledger) -> None:
    """A whole number finds its case, in whatever brackets it was typed."""
    case_id = new_id()
    ledger.registered(case_id)
    market.act_as("clerk")
    letter = ledger.health.act(case_id, "progress")
    market.database.write(
        lambda connection: store.write_terms(connection, [("清卫〔2026〕12号", case_id, "number")])
    )
    transferred, _ = ledger.transferred()
    market.take()
    assert letter is not None
    assert await search(reading, transferred.upper()) == [("无证行医案", "case-id")]
    market.database.write(
        lambda connection: store.write_terms(connection, [("清卫〔2026〕13号", transferred, "number")])
    )
    for typed in ("清卫〔2026〕13号", "清卫[2026]13号", "清卫【2026】13号"):
        assert await search(reading, typed) == [("无证行医案", "number")]


async def test_a_phrase_matches_where_its_weakest_pair_stands(
    market: Node, reading: ReadingHandlers, ledger: Ledger
) -> None:
    """Half in the title and half in the text is a match of the text."""
    market.record(
        pb.ActDraft(
            procedure="case-transfer",
            act="register",
            discovery=bodies_pb2.Discovery(title="河道排污", facts="污水直排"),
        )
    )
    market.act_as("clerk")
    assert await search(reading, "河道") == [("河道排污", "title")]
    assert await search(reading, "河道 污水") == [("河道排污", "body")]


async def test_the_search_is_audited_with_its_words(market: Node, reading: ReadingHandlers) -> None:
    """Who looked for whom is on record."""
    market.act_as("clerk")
    await search(reading, "张三")
    (line,) = (await reading.ListAudit(pb.ListAuditRequest(), None)).lines
    assert (line.method, line.object_id, line.subject) == ("SearchCases", "张三", "clerk-1")
