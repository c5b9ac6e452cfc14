"""A subject's file: everything about one unit or person, and nothing about another of that name."""

from datetime import UTC, datetime, timedelta

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import subject_service_pb2 as pb
from stdnum.cn import uscc

from services.cases import subject_file
from services.cases.bodies import IdentifierInvalid
from services.cases.handlers.subjects import SubjectHandlers
from services.common.errors import InvalidField, NotFound
from services.exchange import tables as exchange_tables
from services.exchange.letters import timestamp
from tests.builders.departments import HEALTH, MARKET, new_id
from tests.builders.ledger import MONDAY, TRANSFER_MATERIALS, Ledger, Node
from tests.builders.registry import bring_evidence

FOODS, OTHER = (each + uscc.calc_check_digit(each) for each in ("91330109MA2B1Q7L0", "91330109MA2C3R8M1"))
UNIT, CITIZEN, UNKNOWN = (
    bodies_pb2.SUBJECT_KIND_UNIT, bodies_pb2.SUBJECT_KIND_CITIZEN, bodies_pb2.SUBJECT_KIND_UNKNOWN,
)  # fmt: skip


def unit(name: str, identifier: str = "") -> bodies_pb2.Subject:
    return bodies_pb2.Subject(kind=UNIT if identifier else UNKNOWN, name=name, identifier=identifier)


def opened(market: Node, *subjects: bodies_pb2.Subject, item: str = "", at: datetime = MONDAY) -> str:
    """A case about subjects."""
    draft = cases_pb.ActDraft(
        procedure="case-transfer", act="register", item_code=item, occurred_at=timestamp(at),
        discovery=bodies_pb2.Discovery(title="抽检不合格", facts="乙", subjects=subjects),
    )  # fmt: skip
    return market.record(draft).case_id


async def file(market: Node, **asked: object) -> pb.GetSubjectFileResponse:
    market.act_as("clerk")
    asked.setdefault("purpose", "核查重复违法")
    return await SubjectHandlers(market.department).GetSubjectFile(pb.GetSubjectFileRequest(**asked), None)  # type: ignore[arg-type]


async def test_cases_are_found_by_code_under_every_name(market: Node) -> None:
    """Former names are told; a case that only gives a name is marked; another unit's is left out."""
    first = opened(market, unit("青禾食品厂", FOODS), item="W1")
    second = opened(market, unit("青禾食品有限公司", FOODS.lower()))
    named = opened(market, unit("青禾酒业"), unit("张三"))
    opened(market, unit("青禾饮料厂", OTHER))
    found = await file(market, identifier=FOODS)
    assert [(each.case.case_id, each.by_name_only) for each in found.cases] == [
        (second, False),
        (first, False),
    ]
    found = await file(market, name="青禾食品 有限责任公司")
    assert found.subject.identifier == FOODS
    assert {each.name for each in found.names} == {"青禾食品厂", "青禾食品有限公司"}
    unclear = opened(market, unit("青禾食品（有限责任公司）"))
    found = await file(market, identifier=FOODS)
    assert [(each.case.case_id, each.by_name_only) for each in found.cases] == [
        (unclear, True), (second, False), (first, False),
    ]  # fmt: skip
    assert found.cases[2].item_codes == ["W1"]
    assert named not in {each.case.case_id for each in found.cases}
    alone = await file(market, name="张三")
    assert [(each.case.case_id, each.by_name_only) for each in alone.cases] == [(named, True)]


async def test_a_name_of_several_asks_who_is_meant(market: Node) -> None:
    """With how many cases each has; nothing else is told."""
    opened(market, unit("青禾食品厂", FOODS))
    opened(market, unit("青禾食品厂", FOODS))
    opened(market, unit("青禾食品厂", OTHER))
    opened(market, unit("青禾食品厂"))
    found = await file(market, name="青禾食品厂")
    assert [(each.identifier, each.cases) for each in found.candidates] == [(FOODS, 2), ("", 1), (OTHER, 1)]
    assert not found.cases
    assert not found.HasField("subject")


async def test_open_obligations_letters_and_penalties_are_shown(market: Node, ledger: Ledger) -> None:
    """Of cases that others opened too; a penalty counts with its number and fine."""
    case_id = new_id()
    discovery = bodies_pb2.Discovery(title="甲", facts="乙", subjects=[unit("青禾食品厂", FOODS)])
    letter = ledger.health.act(
        case_id, "register", parties={HEALTH: "sender"}, payload=discovery.SerializeToString()
    )
    (at,) = ledger.admit(ledger.health, letter)
    letter = ledger.health.act(
        case_id, "transfer", parties={MARKET: "receiver"}, recipients=[MARKET], materials=TRANSFER_MATERIALS,
        approved_by=["leader-in-charge"], based_on=at, payload=discovery.SerializeToString(),
        body_type="liandong.cases.v1.Discovery",
    )  # fmt: skip
    ledger.admit(ledger.health, letter)
    market.take()
    found = await file(market, identifier=FOODS)
    (case,) = found.cases
    assert {each.rule for each in case.obligations} == {"sign", "reply"}
    assert [each.act for each in case.letters] == ["transfer", "register"]
    assert case.letter_count == 2
    assert not found.penalties
    outcome = bodies_pb2.OutcomeLetter(
        result="已处罚", decision_number="清市监罚〔2026〕3号", fine_fen=500_000
    )
    for act, body in (("sign-for", None), ("accept", None), ("outcome", outcome)):
        draft = cases_pb.ActDraft(case_id=case_id, act=act)
        match act:
            case "sign-for":
                draft.sign_for.signed_by = "李四"
            case "accept":
                draft.acceptance_notice.officer = "李四"
            case _:
                draft.outcome_letter.CopyFrom(body or outcome)
        needs = market.department.directory.law.newest("case-transfer").acts[act].needs  # type: ignore[union-attr]
        draft.materials.extend(market.signer.material(kind) for kind in needs)
        _bring(market, *needs)
        market.record(draft)
    (penalty,) = (await file(market, identifier=FOODS)).penalties
    assert (penalty.decision_number, penalty.fine_fen, penalty.author) == (
        "清市监罚〔2026〕3号",
        500_000,
        MARKET,
    )
    letters = exchange_tables.letters
    market.database.write(
        lambda connection: connection.execute(
            letters.update().where(letters.c.letter_id == penalty.letter_id).values(disposition="REFUSED")
        )
    )
    assert not (await file(market, identifier=FOODS)).penalties


def _bring(market: Node, *kinds: str) -> None:
    if kinds:
        market.database.write(lambda connection: bring_evidence(connection, MARKET, kinds))


async def test_recurrence_counts_the_last_twelve_months(market: Node) -> None:
    """By procedure and matter, most often first; what is older is a case and no recurrence."""
    for item in ("W1", "W1", "W2", ""):
        opened(market, unit("青禾食品厂", FOODS), item=item)
    opened(market, unit("青禾食品厂", FOODS), item="W1", at=MONDAY - timedelta(days=366))
    found = await file(market, identifier=FOODS)
    assert [(each.procedure, each.item_code, each.cases) for each in found.recurrences] == [
        ("case-transfer", "W1", 2), ("case-transfer", "", 1), ("case-transfer", "W2", 1),
    ]  # fmt: skip
    assert len(found.cases) == 5
    assert subject_file.a_year_before(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2027, 2, 28, tzinfo=UTC)


async def test_cases_come_in_pages(market: Node) -> None:
    """Each once; what is about all of them only on the first."""
    ids = [opened(market, unit("青禾食品厂", FOODS)) for _ in range(5)]
    seen: list[str] = []
    token, pages = "", 0
    while True:
        found = await file(market, identifier=FOODS, page_size=2, page_token=token)
        seen += [each.case.case_id for each in found.cases]
        assert bool(found.recurrences) == (pages == 0)
        token, pages = found.next_page_token, pages + 1
        if not token:
            break
    assert seen == sorted(ids, reverse=True)
    assert pages == 3


async def test_whoever_is_not_known_or_not_named_well_is_refused_and_noted(market: Node) -> None:
    """The audit holds who asked, for whom, what for, and what came of it."""
    with pytest.raises(NotFound):
        await file(market, identifier=FOODS)
    with pytest.raises(NotFound):
        await file(market, name="无名")
    for bad in ({}, {"identifier": FOODS, "name": "甲"}):
        with pytest.raises(InvalidField):
            await file(market, **bad)
    with pytest.raises(IdentifierInvalid):
        await file(market, identifier=FOODS[:-1] + ("1" if FOODS[-1] != "1" else "2"))
    opened(market, unit("青禾食品厂", FOODS))
    await file(market, identifier=FOODS)
    audit = exchange_tables.audit.c
    rows = market.database.read(
        lambda connection: connection.execute(
            exchange_tables.audit.select().where(audit.method == "GetSubjectFile").order_by(audit.id)
        ).all()
    )
    assert [row.result for row in rows] == [
        "NOT_FOUND", "NOT_FOUND", "INVALID_FIELD", "INVALID_FIELD", "IDENTIFIER_INVALID", "ok",
    ]  # fmt: skip
    assert rows[-1].object_id == f"{FOODS} | 核查重复违法"
    assert rows[-1].subject == "clerk-1"
