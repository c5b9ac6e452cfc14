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


def test_a_subject_key_is_made_for_its_members(world: World) -> None:
    """Each call adds a version."""
    path = world.folder / "subject.keys"
    for version in (1, 2):
        world.run("case", "subject-key", str(path))
        assert SubjectKeys.load(path).version == version
