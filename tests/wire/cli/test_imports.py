"""Standing stock from the command line, over real TLS: registry and node."""

import json
import time

import openpyxl
import pytest
from stdnum.cn import uscc

from tests.wire.cli.conftest import HEALTH, World

pytestmark = pytest.mark.xdist_group("cli")

FOODS = "91330109MA2E5T0P3" + uscc.calc_check_digit("91330109MA2E5T0P3")
OPERATOR = {"LIANDONG_FEDERATION": "", "LIANDONG_AS": ""}
SYSTEM = {"LIANDONG_AS": f"{HEALTH}:system"}


def fill(world: World, kind: str, *rows: list[str], of: tuple[str, ...] = ()) -> str:
    """The template of a kind, filled."""
    name = f"{kind}.xlsx"
    world.run("import", "template", kind, name, *of)
    book = openpyxl.load_workbook(world.folder / name)
    assert book.sheetnames[1] == "填写说明"
    for row in rows:
        book.worksheets[0].append(row)
    book.save(world.folder / name)
    return name


def as_operator(world: World, *arguments: str, code: int = 0) -> str:
    run = world.run.process if code else world.run
    return run(
        "import", *arguments, "--data-dir", "registry", "--registry", world.addresses["registry"],
        code=code, settings=OPERATOR,
    )  # fmt: skip


def test_contacts_are_published_whole_or_not_at_all(world: World) -> None:
    """A row that names nobody's department keeps the whole file out; then all of it is in, once."""
    good, bad = [HEALTH, "p-901", "赵敏", "联络员"], ["nobody.qinghe", "p-902", "钱一", ""]
    said = as_operator(world, "apply", "contacts", fill(world, "contacts", good, bad), "--yes", code=1)
    assert "人员与联络员!A3" in said
    assert "nothing was written" in said
    name = fill(world, "contacts", good, [HEALTH, "p-902", "钱一", "承办人"])
    assert "2 added" in as_operator(world, "preview", "contacts", name)
    assert "2 added" in as_operator(world, "apply", "contacts", name, "--yes")
    assert "2 unchanged" in as_operator(world, "apply", "contacts", name, "--yes")
    until = time.monotonic() + 30
    while "赵敏" not in world.run("directory", "show", HEALTH):
        assert time.monotonic() < until
        time.sleep(0.2)


def test_subjects_and_cases_go_to_the_node(world: World) -> None:
    """A wrong check digit is told at its cell; what is imported is found, and imported once."""
    wrong = FOODS[:-1] + ("2" if FOODS[-1] == "1" else "1")
    name = fill(world, "subjects", ["1", "单位", "青禾酱油厂", wrong])
    said = world.run("import", "apply", "subjects", name, "--yes", code=1, settings=SYSTEM)
    assert "监管对象!D2" in said
    assert "IDENTIFIER_INVALID" in said
    name = fill(world, "subjects", ["1", "单位", "青禾酱油厂", FOODS])
    assert "1 added" in world.run("import", "apply", "subjects", name, "--yes", settings=SYSTEM)
    row = [
        "旧〔2025〕7号", "2025-12-01", "", "", "", "",
        "酱油抽检不合格", "抽检不合格", "监督检查", "", "青禾酱油厂", "单位", FOODS,
    ]  # fmt: skip
    name = fill(world, "cases", row)
    assert "1 added" in world.run("import", "preview", "cases", name, settings=SYSTEM)
    assert "1 added" in world.run("import", "apply", "cases", name, "--yes", settings=SYSTEM)
    assert "1 unchanged" in world.run("import", "apply", "cases", name, "--yes", settings=SYSTEM)
    found = world.run.json("case", "subject", FOODS, "--purpose", "核查")
    assert [each["case"]["title"] for each in found["cases"]] == ["酱油抽检不合格"]
    assert [each["key"] for each in found["registered"]] == ["1"]
    case_id = found["cases"][0]["case"]["case_id"]
    until = time.monotonic() + 30
    while "OVERDUE" not in json.dumps(world.run.json("case", "show", case_id)):
        assert time.monotonic() < until
        time.sleep(0.2)


def test_supervised_cases_wait_for_their_leader_and_are_sent(world: World) -> None:
    """What a person has to approve is imported as a draft with its material, once; approved, it opens its case."""
    of = ("--procedure", "supervised-case")
    (world.folder / "brief.txt").write_text("案情简介", encoding="utf-8")
    row = ["督〔2025〕3号", "2025-12-01", "", "", "", "gov.qinghe", "", "非法倾倒案", "倾倒废液", "危害严重"]
    blank = [""] * 20
    name = fill(world, "cases", row, of=of)
    said = world.run("import", "preview", "cases", name, *of, code=1, settings=SYSTEM)
    assert "案情" in said or "材料" in said
    book = openpyxl.load_workbook(world.folder / name)
    sheet = book.worksheets[0]
    headings = [each.value for each in sheet[1]]
    material = next(index for index, each in enumerate(headings) if str(each).startswith("材料："))
    sheet.delete_rows(2)
    sheet.append([*(row + blank)[:material], "brief.txt"])
    book.save(world.folder / name)
    assert "approval" in world.run("import", "preview", "cases", name, *of, settings=SYSTEM)
    assert "1 added" in world.run("import", "apply", "cases", name, *of, "--yes", settings=SYSTEM)
    assert "1 unchanged" in world.run("import", "apply", "cases", name, *of, "--yes", settings=SYSTEM)
    (draft,) = [
        each
        for each in world.run.json("case", "drafts", "--awaiting", "leader-in-charge")["drafts"]
        if "非法倾倒案" in json.dumps(each, ensure_ascii=False)
    ]
    letter = draft["letter_id"]
    world.run("case", "approve", letter, "--yes", "--as", f"{HEALTH}:leader-in-charge")
    sent = world.run.json("case", "send", letter, "--yes", "--wait", "20")
    assert sent["disposition"] == "DISPOSITION_ADMITTED"
    shown = json.dumps(world.run.json("case", "show", sent["case_id"]), ensure_ascii=False)
    assert "proposed" in shown
