"""What everybody is going to read is masked before anybody approves it."""

import pytest
from liandong.cases.v1 import bodies_pb2, case_service_pb2, publicity_bodies_pb2

from services.cases import publicity
from services.cases.bodies import IdentifierInvalid
from services.common.errors import InvalidField

CITIZEN, UNIT = bodies_pb2.SUBJECT_KIND_CITIZEN, bodies_pb2.SUBJECT_KIND_UNIT
FACTS = "张三丰（身份证号11010519491231002X，电话13812345678）在学府路18号行医。张三丰未取得执照。"


def draft(**more: object) -> case_service_pb2.ActDraft:
    body = publicity_bodies_pb2.PublicisedPenalty(number="清卫罚〔2026〕7号", **more)  # type: ignore[arg-type]
    return case_service_pb2.ActDraft(act="publicise-penalty", publicised_penalty=body)


def test_a_natural_person_is_masked_wherever_the_name_stands() -> None:
    """In name and texts; ids and telephones too; the draft keeps nothing of it, and masking again changes nothing."""
    asked = draft(party_kind=CITIZEN, party="张三丰", facts=FACTS, content="对张三丰罚款五千元")
    publicity.conceal(asked)
    body = asked.publicised_penalty
    assert (body.party, body.content) == ("张某某", "对张某某罚款五千元")
    assert "三丰" not in body.facts
    assert "11010519491231002X" not in body.facts
    assert "13812345678" not in body.facts
    assert body.number == "清卫罚〔2026〕7号"
    again = case_service_pb2.ActDraft.FromString(asked.SerializeToString())
    publicity.conceal(again)
    assert again == asked


def test_a_real_name_needs_its_provision() -> None:
    """Practice without a licence is shown by name; ids and telephones are masked all the same."""
    with pytest.raises(InvalidField) as error:
        publicity.conceal(draft(party_kind=CITIZEN, party="张三丰", real_name=True, real_name_basis=" "))
    assert error.value.field == "draft.publicised_penalty.real_name_basis"
    asked = draft(party_kind=CITIZEN, party="张三丰", real_name=True, real_name_basis="第五条", facts=FACTS)
    publicity.conceal(asked)
    assert asked.publicised_penalty.party == "张三丰"
    assert "13812345678" not in asked.publicised_penalty.facts


def test_a_natural_person_has_no_number_and_a_unit_a_right_one() -> None:
    """Neither gets into a letter."""
    with pytest.raises(InvalidField):
        publicity.conceal(draft(party_kind=CITIZEN, party="张三丰", party_code="11010519491231002X"))
    with pytest.raises(IdentifierInvalid) as error:
        publicity.conceal(draft(party_kind=UNIT, party="甲公司", party_code="91350211M000100Y44"))
    assert error.value.field == "draft.publicised_penalty.party_code"


def test_a_unit_keeps_its_name_and_its_representative_is_masked() -> None:
    """Though the unit is called after the representative."""
    asked = draft(
        party_kind=UNIT, party="清河王小明口腔诊所", party_code="91350211m000100y46", representative="王小明",
        facts="清河王小明口腔诊所负责人王小明未按规定消毒。",
    )  # fmt: skip
    publicity.conceal(asked)
    body = asked.publicised_penalty
    assert (body.party, body.party_code, body.representative) == (
        "清河王小明口腔诊所",
        "91350211M000100Y46",
        "王某某",
    )
    assert body.facts == "清河王小明口腔诊所负责人王某某未按规定消毒。"


def test_reasons_of_a_withdrawal_are_masked() -> None:
    """Other bodies are left alone."""
    withdrawal = publicity_bodies_pb2.PublicityWithdrawal(grounds="联系13812345678")
    asked = case_service_pb2.ActDraft(act="withdraw", publicity_withdrawal=withdrawal)
    publicity.conceal(asked)
    assert asked.publicity_withdrawal.grounds == "联系138****5678"
    other = case_service_pb2.ActDraft(discovery=bodies_pb2.Discovery(title="甲", facts=FACTS))
    publicity.conceal(other)
    assert other.discovery.facts == FACTS
