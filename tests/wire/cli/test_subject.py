"""A subject's file from the command line, over real TLS."""

import json

import pytest
from stdnum.cn import uscc

from services.exchange.subject_tokens import SubjectKeys
from tests.wire.cli.conftest import HEALTH, World

pytestmark = pytest.mark.xdist_group("cli")

FOODS = "91330109MA2D4X9N2" + uscc.calc_check_digit("91330109MA2D4X9N2")


def test_a_subject_is_looked_up_by_code_and_by_name(world: World) -> None:
    """The case and the bulletin that name it; the reading stands in the audit with its purpose."""
    subject = {"kind": "SUBJECT_KIND_UNIT", "name": "青禾（新河）饮料有限公司", "identifier": FOODS}
    body = json.dumps({"title": "抽检不合格", "facts": "乙", "subjects": [subject]})
    party = f"sender={HEALTH}"
    sent = world.run.json(
        "case",
        "act",
        "register",
        "--procedure",
        "case-transfer",
        "--party",
        party,
        "--body",
        body,
        "--wait",
        "20",
    )
    text = "查处青禾(新河)饮料有限公司"
    world.run("share", "publish", "bulletin.news", "--title", "通报", "--text", text)
    for who in (FOODS, "青禾(新河)饮料有限责任公司"):
        found = world.run.json("case", "subject", who, "--purpose", "核查重复违法")
        assert [each["case"]["case_id"] for each in found["cases"]] == [sent["case_id"]]
        assert found["subject"]["identifier"] == FOODS
        assert [each["title"] for each in found["bulletins"]] == ["通报"]
    assert "青禾（新河）饮料有限公司" in world.run("case", "subject", FOODS, "--purpose", "核查重复违法")
    wrong = FOODS[:-1] + ("2" if FOODS[-1] == "1" else "1")
    assert "IDENTIFIER_INVALID" in world.run.process("case", "subject", wrong, "--purpose", "核查", code=1)
    audit = world.run("case", "audit", "--as", f"{HEALTH}:auditor")
    assert f"{FOODS} | 核查重复违法" in audit


def test_what_is_masked_is_shown_for_a_purpose(world: World) -> None:
    """Identifier, address and telephone, under titles in both languages; not without saying what for; it is audited."""
    subject = {
        "kind": "SUBJECT_KIND_UNIT", "name": "清河[bold]百味食品厂", "identifier": FOODS, "address": "清河区三路9号",
        "telephone": "0571-88880000",
    }  # fmt: skip
    body = json.dumps({"title": "抽检不合格", "facts": "乙", "subjects": [subject]})
    sent = world.run.json(
        "case", "act", "register", "--procedure", "case-transfer", "--party", f"sender={HEALTH}", "--body", body,
        "--wait", "20",
    )  # fmt: skip
    case = sent["case_id"]
    found = world.run.json("case", "reveal", case, "--purpose", "联系当事人送达")
    assert [each["identifier"] for each in found["subjects"]] == [FOODS]
    for language, titles in (("zh", ("证件号码", "地址", "单位")), ("en", ("Identifier", "Address", "Unit"))):
        shown = world.run("--lang", language, "case", "reveal", case, "--purpose", "联系当事人送达")
        assert all(each in shown for each in (*titles, FOODS, "清河区三路9号", "清河[bold]百味食品厂")), shown
    letter = sent["letter_id"]
    world.run("case", "reveal", case, "--letter", letter, "--purpose", "复议核对")
    world.run("case", "reveal", case, code=2)
    assert "INVALID_FIELD" in world.run("case", "reveal", case, "--purpose", "阅", code=1)
    missing = "0195f3a0-0000-7000-8000-000000000001"
    assert "NOT_FOUND" in world.run("case", "reveal", missing, "--purpose", "联系当事人送达", code=1)
    audit = world.run("case", "audit", "--as", f"{HEALTH}:auditor")
    assert f"{letter} | 复议核对" in audit
    assert "RevealSubjects" in audit


def test_whoever_drafts_asks_for_cases_elsewhere(world: World) -> None:
    """Where the region has no subject keys there is nothing to ask with; what is no identifier is refused."""
    for language, words in (
        ("zh", "没有其他部门正在办理的案件。"),
        ("en", "No open case of another department."),
    ):
        assert words in world.run("--lang", language, "case", "elsewhere", FOODS, "--purpose", "拟稿前核对")
    assert world.run.json("case", "elsewhere", FOODS, "--purpose", "拟稿前核对") == {}
    wrong = world.run("case", "elsewhere", "12345678", "--purpose", "拟稿前核对", code=1)
    assert "IDENTIFIER_INVALID" in wrong


def test_a_subject_key_is_made_for_its_members(world: World) -> None:
    """Each call adds a version."""
    path = world.folder / "subject.keys"
    for version in (1, 2):
        world.run("case", "subject-key", str(path))
        assert SubjectKeys.load(path).version == version
