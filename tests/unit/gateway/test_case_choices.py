"""What a case's page offers first, and what is masked on it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from types import SimpleNamespace
from typing import cast

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import reason_pb2

from services.gateway.web import masking
from services.gateway.web.bodies import parts
from services.gateway.web.case import choices, fitting
from services.gateway.web.page import Page
from services.gateway.web.procedures import Procedure, read
from services.gateway.web.texts import text

MARKET, HEALTH = "market.qinghe", "health.qinghe"


@pytest.fixture(scope="module")
def transfer() -> Procedure:
    """The procedure of case transfers."""
    source = resources.files("services.procedures").joinpath("case-transfer.yaml").read_text(encoding="utf-8")
    return read(source)


def case(permitted: Sequence[str], owed: Sequence[tuple[str, str, str, int]] = ()) -> pb.CaseView:
    view = pb.CaseView(case_id="1", procedure="case-transfer")
    for name in (
        "register",
        "transfer",
        "sign-for",
        "accept",
        "dispute",
        "request-material",
        "progress",
        "outcome",
        "close",
    ):
        view.acts.add(act=name, permitted=name in permitted)
    for rule, who, state, due in owed:
        view.obligations.add(rule=rule, owed_by=who, state=state).due_at.FromSeconds(due)
    return view


def test_what_is_owed_comes_first_by_when_it_is_due(transfer: Procedure) -> None:
    """The outcome before the report, if it is due before; then what else may be done."""
    view = case(
        ("progress", "outcome", "close"),
        [("outcome", MARKET, "OPEN", 100), ("progress", MARKET, "OPEN", 200)],
    )
    assert fitting(view, transfer, MARKET) == ["outcome", "progress", "close"]
    view = case(
        ("progress", "outcome"), [("outcome", MARKET, "OPEN", 300), ("progress", MARKET, "OPEN", 200)]
    )
    assert fitting(view, transfer, MARKET) == ["progress", "outcome"]


def test_what_others_owe_or_what_is_over_does_not_count(transfer: Procedure) -> None:
    """The procedure's own order stays."""
    view = case(
        ("request-material", "accept", "dispute"),
        [("reply", HEALTH, "OPEN", 100), ("reply", MARKET, "LATE", 50)],
    )
    assert fitting(view, transfer, MARKET) == ["request-material", "accept", "dispute"]
    view = case(("request-material", "accept", "dispute"), [("reply", MARKET, "OVERDUE", 100)])
    assert fitting(view, transfer, MARKET) == ["accept", "dispute", "request-material"]


def test_what_may_not_be_done_is_never_offered(transfer: Procedure) -> None:
    """Also if it is owed."""
    assert fitting(case(("close",), [("send", HEALTH, "OPEN", 1)]), transfer, HEALTH) == ["close"]


class FakePage:
    """What the choices need of a page."""

    language = "zh"
    say = staticmethod(lambda title: title.zh)
    title = staticmethod(lambda thing: thing.act)
    t = staticmethod(lambda name, **values: text(name, "zh", **values))
    why_not = staticmethod(lambda reason: f"reason {reason}")
    caller = SimpleNamespace(department=MARKET)


def test_what_cannot_be_done_says_why_or_whose_it_is(transfer: Procedure) -> None:
    """Three acts are buttons, others stand behind them, the forbidden ones last."""
    view = case(("accept", "dispute", "request-material", "progress"))
    view.acts[0].reason = reason_pb2.REASON_NOT_PERMITTED_FOR_ROLE
    view.acts[-1].reason = reason_pb2.REASON_NOT_PERMITTED_IN_STATE
    found = choices(view, transfer, cast("Page", FakePage()))
    assert [each.act for each in found.first] == ["request-material", "accept", "dispute"]
    assert [each.act for each in found.more] == ["progress"]
    why = {each.act: each.why_not for each in found.forbidden}
    assert why["register"] == "应由移送单位办理。"
    assert why["close"] == f"reason {reason_pb2.REASON_NOT_PERMITTED_IN_STATE}"


def test_an_act_that_was_begun_goes_on_with_its_draft(transfer: Procedure) -> None:
    """Not with a second one."""
    view = case(("accept", "dispute"))
    found = choices(view, transfer, cast("Page", FakePage()), {"accept": "0198"})
    assert [(each.title, each.href) for each in found.first] == [
        ("继续accept（草稿）", "/drafts/0198"),
        ("dispute", "/cases/1/acts/dispute"),
    ]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("身份证330106199003072917，", "身份证3301**********2917，"),
        ("11010519491231002X", "1101**********002X"),
        ("电话13812345678或138-1234-5678", "电话138****5678或138****5678"),
        ("0571-88881234", "0571-****1234"),
        ("91330109MA2B1Q7L0Q", "91330109MA2B1Q7L0Q"),
        ("2026-11-22 16:41 清卫〔2026〕3号 罚款1234567元", "2026-11-22 16:41 清卫〔2026〕3号 罚款1234567元"),
    ],
)
def test_ids_and_telephones_are_masked_wherever_they_stand(said: str, shown: str) -> None:
    """And figures that are neither stay."""
    assert masking.words(said) == shown


def test_of_persons_more_is_masked_than_of_units() -> None:
    """What a unit is registered under is public; the message that was given is not touched."""
    person = bodies_pb2.Subject(
        kind=bodies_pb2.SUBJECT_KIND_CITIZEN, name="王小明", identifier="330106199003072917",
        address="清河区柳庄镇幸福里3幢2单元501室", telephone="13812345678",
    )  # fmt: skip
    unit = bodies_pb2.Subject(
        kind=bodies_pb2.SUBJECT_KIND_UNIT,
        name="青禾",
        identifier="91330109MA2B1Q7L0Q",
        address="清河区新河路18号",
    )
    body = bodies_pb2.TransferLetter(title="甲", facts="联系13812345678", subjects=[person, unit])
    found = masking.masked(body)
    assert found.facts == "联系138****5678"
    assert found.subjects[0].identifier == "3301**********2917"
    assert found.subjects[0].address == "清河区柳庄镇****"
    assert found.subjects[0].telephone == "138****5678"
    assert found.subjects[0].name == "王小明"
    assert found.subjects[1] == unit
    assert body.subjects[0] == person


def test_a_body_is_shown_by_its_titles() -> None:
    """Money in yuan, choices in words, messages within, paragraphs apart."""
    letter = bodies_pb2.OutcomeLetter(result="第一段\n第二段", fine_fen=123450)
    shown = parts(letter, "zh")
    assert [(each.title, each.lines) for each in shown] == [
        ("处理结果", ("第一段", "第二段")), ("罚款金额", ("1,234.50元",)),
    ]  # fmt: skip
    discovery = bodies_pb2.Discovery(
        title="甲", source=bodies_pb2.DISCOVERY_SOURCE_COMPLAINT,
        subjects=[bodies_pb2.Subject(kind=bodies_pb2.SUBJECT_KIND_UNIT, name="乙")],
    )  # fmt: skip
    by_title = {each.title: each for each in parts(discovery, "zh")}
    assert [[one.lines for one in each] for each in by_title["当事人"].parts] == [[("单位",), ("乙",)]]


def test_a_body_of_the_region_s_own_is_shown_as_it_says() -> None:
    """By its own words; what is no mapping stays as it is."""
    body = bodies_pb2.ExtensionBody(schema="x", json='{"数量": 3, "说明": "好"}')
    assert [(each.title, each.lines) for each in parts(body, "zh")] == [("数量", ("3",)), ("说明", ("好",))]
    broken = bodies_pb2.ExtensionBody(schema="x", json="[1")
    assert [(each.title, each.lines) for each in parts(broken, "zh")] == [("x", ("[1",))]
