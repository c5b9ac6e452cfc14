"""Codes of acts: where a table is published for a field, only its codes are said."""

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb

from services.cases.code_check import CodeRefused
from tests.builders.codes import entries_of, row
from tests.builders.ledger import Ledger, Node

BODY = bodies_pb2.Discovery(title="甲", facts="乙")


def register(area: str = "", item: str = "", case_id: str = "") -> pb.ActDraft:
    return pb.ActDraft(
        procedure="case-transfer",
        act="register",
        area_code=area,
        item_code=item,
        discovery=BODY,
        case_id=case_id,
    )


def publish(ledger: Ledger, market: Node, *rows: object, **fields: object) -> None:
    for entry in entries_of(*rows, **fields):  # type: ignore[arg-type]
        ledger.common(entry)
    market.take()


def test_without_a_table_every_code_is_taken(market: Node, ledger: Ledger) -> None:
    """Also with one that is published and says nothing of this field."""
    market.record(register(area="anywhere"))
    publish(ledger, market, row("hexi"), uses=("complaint.area_code",))
    market.record(register(area="anywhere", item="anything"))


def test_only_codes_of_the_table_are_said(market: Node, ledger: Ledger) -> None:
    """The refusal names the field, and what takes the place of a retired code."""
    publish(ledger, market, row("hexi"), row("old", retired=True, replaced_by=["hexi"]), uses=("area_code",))
    market.record(register(area="hexi"))
    market.record(register())
    for code, said in (("nowhere", "nowhere"), ("old", "Use hexi")):
        with pytest.raises(CodeRefused) as refused:
            market.record(register(area=code))
        assert refused.value.field == "draft.area_code"
        assert refused.value.reason == "INVALID_FIELD"
        assert said in refused.value.message


def test_a_running_case_may_name_what_was_retired_meanwhile(market: Node, ledger: Ledger) -> None:
    """But nothing that its table never had."""
    publish(ledger, market, row("hexi"), uses=("area_code",))
    case_id = market.record(register(area="hexi")).case_id
    publish(ledger, market, row("hexi", retired=True), version=2, uses=("area_code",))
    close = pb.ActDraft(case_id=case_id, act="register", area_code="hexi", discovery=BODY)
    market.run(lambda session: session.features["act"].compose(close))
    close.area_code = "nowhere"
    with pytest.raises(CodeRefused):
        market.run(lambda session: session.features["act"].compose(close))
