"""Cases are found by any word, and the answer says where it stood."""

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb

from services.cases import store
from services.cases.handlers.reading import ReadingHandlers
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
