"""What letters say: the words of acts of their own, and of any act by the titles of its fields."""

import tomllib
from dataclasses import replace
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from liandong.cases.v1 import bodies_pb2, case_service_pb2, emergency_bodies_pb2, joint_bodies_pb2

from services import procedures
from services.common.title import Title
from services.common.titles import field_title
from services.documents import bodies, docx
from services.documents.compose import compose
from services.documents.letter import Letter
from services.documents.letters import letter_document, subject_of, text_of
from services.documents.model import Face, Form, Paragraph, Table
from services.procedures.loader import load
from tests.builders.papers import NOW, SIGNED, at, findings, transfer

BODIES = list(case_service_pb2.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields)


def words(letter: Letter) -> str:
    return "\n".join(_text(each) for each in text_of(letter, "zh"))


def _text(block: object) -> str:
    if isinstance(block, Table):
        return "\n".join(cell.text for row in block.rows for cell in row)
    return getattr(block, "text", "")


def filled(descriptor: Any, depth: int = 0) -> Message:
    """A message with every field set."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        value: Any = None
        if field.full_name == "liandong.cases.v1.ExtensionBody.json":
            value = '{"名称": "甲", "数量": 3}'
        elif field.message_type is not None and field.message_type.full_name == "google.protobuf.Timestamp":
            value = at(SIGNED)
        elif field.message_type is not None:
            value = filled(field.message_type, depth + 1) if depth < 3 else None
        elif field.enum_type is not None:
            value = field.enum_type.values[1].number
        elif field.type == field.TYPE_STRING:
            value = f"甲{field.number}乙"
        elif field.type == field.TYPE_BOOL:
            value = True
        elif field.type == field.TYPE_BYTES:
            value = b"\x01\x02"
        else:
            value = 7
        if value is None:
            continue
        if field.is_repeated:
            getattr(message, field.name).extend([value, value])
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(value)
        else:
            setattr(message, field.name, value)
    return message


@pytest.mark.parametrize("field", BODIES, ids=lambda field: field.name)
def test_every_body_is_printed_with_the_titles_of_all_its_fields(field: Any) -> None:
    """In Chinese, whatever it holds; no name of the contract comes through."""
    body = filled(field.message_type)
    letter = replace(transfer(), procedure="any", act="any", act_title=Title("事项", "Act"), body=body)
    printed = words(letter)
    document = letter_document(letter, Form.OFFICIAL, "zh")
    assert compose(document, lambda text, _, size: size / 2 * len(text))
    assert docx.render(document, NOW).startswith(b"PK")
    if field.message_type.name == "ExtensionBody":
        assert "名称" in printed
        assert "数量" in printed
        return
    for each in field.message_type.fields:
        if each.name != "contact":
            assert field_title(each).zh in printed, each.name
    for name in field.message_type.fields_by_name:
        assert "_" not in name or name not in printed


def test_a_transfer_says_what_a_transfer_says() -> None:
    """Its own opening and closing around the fields; limits as this case has them."""
    printed = words(transfer())
    assert printed.startswith("我单位在履行职责中发现“康宁中医馆涉嫌发布违法医疗广告案”一案。")
    assert "受理答复期限3个工作日，自收到本函之日起计算" in printed
    assert printed.endswith("请及时签收，并按规定将是否受理及处理结果函告我单位。")
    assert subject_of(transfer(), "zh").replace("\u200b", "") == (
        "清河区卫生健康局关于移送康宁中医馆涉嫌发布违法医疗广告案的函"
    )


def test_headings_are_numbered_and_in_their_own_face() -> None:
    """First level in Hei (7.3.3)."""
    headings = [
        each.text
        for each in text_of(transfer(), "zh")
        if isinstance(each, Paragraph) and each.face is Face.HEI
    ]
    assert headings == [
        "一、基本情况",
        "二、涉嫌违反的规定",
        "三、移送理由",
        "四、当事人",
        "五、已采取的措施",
    ]


def test_money_times_and_choices_are_written_for_people() -> None:
    """Fen as yuan, instants in the region's time, choices by their titles."""
    outcome = bodies_pb2.OutcomeLetter(
        result="已处罚", decision_number="清市监罚〔2026〕3号", fine_fen=1234567
    )
    outcome.decided_at.CopyFrom(at(SIGNED))
    found = {part.title: part.value for part in bodies.parts(outcome, "zh")}
    assert found["罚款金额"] == "12,345.67元"
    assert found["决定时间"] == "2026年2月11日09:30"
    discovery = bodies_pb2.Discovery(source=bodies_pb2.DISCOVERY_SOURCE_INSPECTION)
    assert [part.value for part in bodies.parts(discovery, "zh")] == ["监督检查"]


def test_alike_messages_become_a_table() -> None:
    """Of few short fields; long ones become sentences."""
    people = joint_bodies_pb2.ParticipantList()
    for number in range(3):
        people.officers.add(name=f"张{number}", certificate=f"QH-{number}")
    (part, *_) = bodies.parts(people, "zh")
    assert part.table is not None
    assert [cell.text for cell in part.table.rows[0]] == ["序号", "姓名", "证件编号"]
    people.officers[0].scope = "承担职责" * 20
    assert bodies.parts(people, "zh")[0].table is None


def test_a_sealed_or_unknown_body_says_that_it_is_not_printed() -> None:
    """And nothing else of it."""
    assert "已加密" in words(replace(transfer(), body=None, sealed=True))
    assert "不能识别" in words(replace(transfer(), body=None))


def test_copies_number_urgency_and_contact_stand_where_they_belong() -> None:
    """Copies in the imprint, the contact after the date, the number in the head."""
    document = letter_document(transfer(), Form.LETTER, "zh")
    assert document.number == "清卫〔2026〕12号"
    assert document.urgency == "加急"
    assert document.imprint is not None
    assert document.imprint.copies == "清河区司法局、清河区公安分局。"
    assert isinstance(document.blocks[-1], Paragraph)
    assert document.blocks[-1].text == "（联系人：陈晓，0000-6100012）"
    assert "联系人：" not in words(transfer())


def test_every_text_of_an_act_is_of_an_act() -> None:
    """In both languages, with no place that is not filled."""
    written = tomllib.loads(
        resources.files("services.documents").joinpath("texts.toml").read_text(encoding="utf-8")
    )
    for procedure, acts in written.items():
        known = load(Path(procedures.__path__[0]) / f"{procedure}.yaml")
        for act, texts in acts.items():
            assert act in known.acts
            assert set(texts) == {"subject", "opening", "closing"}
            for language in ("zh", "en"):
                letter = replace(findings(), procedure=procedure, act=act, act_title=known.acts[act].title)
                for block in text_of(letter, language):
                    assert "{" not in getattr(block, "text", "")
                assert "{" not in subject_of(letter, language)


def test_every_act_of_case_transfer_has_words_of_its_own() -> None:
    """The mechanism that is used most."""
    written = tomllib.loads(
        resources.files("services.documents").joinpath("texts.toml").read_text(encoding="utf-8")
    )
    assert set(written["case-transfer"]) == set(
        load(Path(procedures.__path__[0]) / "case-transfer.yaml").acts
    )


def test_an_emergency_report_keeps_its_figures() -> None:
    """Numbers stand as short pairs or headed, none is lost."""
    report = emergency_bodies_pb2.EmergencyReport(title="某厂中毒事件", facts="经过" * 40, dead=1, hurt=12)
    printed = words(replace(transfer(), procedure="emergency", act="report", body=report))
    assert "死亡人数" in printed
    assert "12" in printed
    assert list(islice(bodies.parts(report, "en"), 1))
