"""The command, over real TLS, from an empty folder to a verified ledger."""

import base64
import json
import time
from datetime import datetime

import pytest

from services.procedures.calendar import ZONE
from tests.wire.cli.conftest import HEALTH, World

pytestmark = pytest.mark.xdist_group("cli")

DISCOVERY = json.dumps({"title": "餐饮具消毒不合格", "facts": "抽检不合格"})
MATERIALS = ("transfer-letter", "source-material", "preliminary-evidence")


@pytest.fixture(scope="session")
def case(world: World) -> str:
    """A case that was registered."""
    parties = ("--party", f"sender={HEALTH}", "--party", "office=justice.qinghe")
    sent = world.run.json(
        "case",
        "act",
        "register",
        "--procedure",
        "case-transfer",
        *parties,
        "--body",
        DISCOVERY,
        "--wait",
        "20",
    )
    assert sent["disposition"] == "DISPOSITION_ADMITTED"
    case_id: str = sent["case_id"]
    return case_id


def test_a_case_is_transferred(world: World, case: str) -> None:
    """Prepared with its evidence, refused without approval, approved, sent, admitted under a number."""
    (world.folder / "letter.txt").write_text("移送函", encoding="utf-8")
    attached = [part for kind in MATERIALS for part in ("--material", f"{kind}=letter.txt")]
    body = json.dumps({"title": "移送", "facts": "事实清楚"})
    draft = world.run.json(
        "case",
        "prepare",
        "transfer",
        "--case",
        case,
        "--party",
        "receiver=market.qinghe",
        "--body",
        body,
        *attached,
    )
    assert draft["missing_approvals"] == ["leader-in-charge"]
    letter = draft["letter_id"]
    shown = world.run("--lang", "zh", "case", "drafts", "--case", case)
    assert "基本情况：" in shown or "事实清楚" in shown
    world.run("case", "document", letter, "--format", "docx", "--output", "draft.docx")
    assert (world.folder / "draft.docx").read_bytes().startswith(b"PK")
    refused = world.run.process("case", "send", letter, "--yes", code=1)
    assert "APPROVAL_MISSING" in refused
    assert "Request id:" in refused
    digest = base64.b64decode(draft["content_digest"]).hex()
    approved = world.run(
        "case", "approve", letter, "--digest", digest, "--yes", "--as", f"{HEALTH}:leader-in-charge"
    )
    assert "陈慧" in approved
    sent = world.run.json("case", "send", letter, "--wait", "20")
    assert sent["disposition"] == "DISPOSITION_ADMITTED"
    assert sent["number"].startswith("清卫〔")
    assert "移送案件" in world.run("--lang", "zh", "case", "timeline", case)
    named = world.run("--lang", "zh", "case", "document", letter, "--sheet", "approval", "--format", "docx")
    assert "清河区卫生健康局发文审批单.docx" in named
    assert (world.folder / "清河区卫生健康局发文审批单.docx").exists()


def test_due_times_are_said_in_words(world: World, case: str) -> None:
    """By the region's calendar; the explanation counts day by day."""
    shown = world.run("case", "show", case)
    assert "Send the case" in shown
    listed = world.run("--lang", "zh", "oversight", "obligations")
    assert "个工作日" in listed
    assert "3 个工作日" in world.run("--lang", "zh", "case", "explain", case, "send")


def test_a_case_is_found_and_audited(world: World, case: str) -> None:
    """By a word of its title; the search stands in the audit, which a clerk may not read."""
    assert case in world.run("case", "search", "消毒")
    assert "SearchCases" in world.run("case", "audit", "--as", f"{HEALTH}:auditor")
    assert "ROLE_NOT_PERMITTED" in world.run("case", "audit", code=1)


def test_a_code_follows_a_case(world: World, case: str) -> None:
    """It is shown with its number, once for each time it is asked for."""
    first = world.run.json("case", "status-code", case)
    assert len(first["code"]) == 12
    assert world.run.json("case", "status-code", case)["number"] != first["number"]
    # nobody wrote this one on the public site
    assert "NOT_FOUND" in world.run("case", "writer", case, code=1)


def test_a_system_acts_in_one_step(world: World, case: str) -> None:
    """Repeating it with the same key answers the same."""
    parties = ("--procedure", "case-transfer", "--party", f"sender={HEALTH}")
    act = ("case", "act", "register", *parties, "--body", DISCOVERY, "--idempotency-key", "one")
    first = world.run.json(*act, "--as", f"{HEALTH}:system")
    second = world.run.json(*act, "--as", f"{HEALTH}:system")
    assert first["letter_id"] == second["letter_id"]
    assert first["case_id"] != case


def test_an_assertion_is_printed(world: World) -> None:
    """A compact JWS and nothing else."""
    header, claims, _ = world.run.process("assert", "--minutes", "2").strip().split(".")
    assert json.loads(base64.urlsafe_b64decode(header + "=="))["alg"] == "EdDSA"
    payload = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert (payload["aud"], payload["exp"] - payload["iat"]) == (HEALTH, 120)


def test_evidence_goes_up_and_comes_down(world: World) -> None:
    """The same bytes, verified."""
    content = bytes(range(256)) * 40_000
    (world.folder / "video.bin").write_bytes(content)
    manifest = world.run.json("evidence", "upload", "video.bin", "--collected-by", "王芳")
    root = base64.b64decode(manifest["root"]).hex()
    assert "all are there" in world.run("evidence", "show", root)
    world.run("evidence", "download", root, "--out", "back.bin")
    assert (world.folder / "back.bin").read_bytes() == content
    assert "NOT_FOUND" in world.run.process("evidence", "show", "00" * 32, code=1)


def test_information_is_shared(world: World) -> None:
    """Published, listed, read."""
    item = world.run.json("share", "publish", "bulletin.news", "--title", "动态", "--text", "正文内容")[
        "item_id"
    ]
    assert item in world.run("share", "list")
    assert "正文内容" in world.run("share", "read", item)
    assert "UNKNOWN_CATEGORY" in world.run.process(
        "share", "publish", "bulletin.none", "--title", "x", "--text", "y", code=1
    )


def test_a_notice_is_published_by_an_operator_only(world: World) -> None:
    """And then counts for everyone."""
    (world.folder / "2031.csv").write_text("date,kind\n2031-01-01,holiday\n", encoding="utf-8")
    publish = ("calendar", "publish", "2031.csv", "--notice", "试行通知")
    assert "CALLER_NOT_PERMITTED" in world.run.process(*publish, code=1)
    world.run(*publish, "--as", "operator")
    assert "2031-01-01" in world.run("calendar", "show", "2031", "--registry", world.addresses["registry"])


def test_the_ledger_verifies(world: World, case: str) -> None:
    """As the registry shows it and as its database holds it, and it continues the head of before."""
    assert case
    world.run("ledger", "verify", "--folder", "health", "--save", "head.txt")
    parties = ("--procedure", "case-transfer", "--party", f"sender={HEALTH}")
    world.run("case", "act", "register", *parties, "--body", DISCOVERY, "--wait", "20")
    assert "Continues heads of" in world.run(
        "ledger", "verify", "--folder", "health", "--earlier", "head.txt"
    )
    url = world.registry["LIANDONG_DATABASE_URL"]
    stored = ("ledger", "verify", "--database", url, "--earlier", "head.txt", "--folder", "health")
    assert "the database holds" in world.run(*stored)
    note = (world.folder / "head.txt").read_text(encoding="utf-8")
    size = note.splitlines()[1]
    (world.folder / "forged.txt").write_text(
        note.replace(f"\n{size}\n", f"\n{int(size) - 1}\n"), encoding="utf-8"
    )
    forged = world.run.process("ledger", "verify", "--folder", "health", "--earlier", "forged.txt", code=1)
    assert "BAD_SIGNATURE" in forged


def test_a_dossier_verifies_offline(world: World, case: str) -> None:
    """And one whose bytes changed does not."""
    world.run("case", "dossier", case, "--out", "case.zip")
    assert "the dossier holds" in world.run("dossier", "verify", "case.zip", "--folder", "health")
    content = bytearray((world.folder / "case.zip").read_bytes())
    content[len(content) // 3] ^= 1
    (world.folder / "changed.zip").write_bytes(content)
    world.run.process("dossier", "verify", "changed.zip", "--folder", "health", code=1)


def test_the_doctor_finds_them_well(world: World) -> None:
    """Node and registry; nothing red."""
    node = world.run.process("doctor", "--config", "node.toml")
    assert "0 to mend" in node
    assert "Certificate accepted" in node
    assert "0 to mend" in world.run("doctor", settings=world.registry)


def test_an_unreachable_node_has_its_own_exit_code(world: World) -> None:
    """So that a script can try again."""
    assert "UNAVAILABLE" in world.run.process("case", "list", "--address", "127.0.0.1:1", code=3)


def test_a_certificate_is_diagnosed(world: World) -> None:
    """The registry says what it thinks of one that is not its own."""
    assert "accepted" in world.run.process("diagnose", "--folder", "health")
    refused = world.run("diagnose", "health/system/tls.key", "--folder", "health", code=1)
    assert "UNKNOWN_CERTIFICATE" in refused


def test_every_view_opens(world: World) -> None:
    """Lists without a test of their own."""
    world.run.process("directory", "list")
    for each in (
        ("case", "drafts"),
        ("case", "parked"),
        ("directory", "show", HEALTH),
        ("directory", "route", "--item", "WJ-0301"),
        ("share", "catalogue"),
        ("oversight", "departments"),
        ("oversight", "matrix", "--soon-before", "2026-01-01"),
        ("oversight", "remind", "--text", "请抓紧办理。", "--person", "何青"),
        ("oversight", "indicators", "--since", "2026-01-01"),
        ("oversight", "flows"),
        ("oversight", "alerts"),
        ("indicators", "freeze", "status"),
    ):
        world.run(*each)


def test_figures_are_shown_listed_and_exported(world: World, case: str) -> None:
    """A department sees its own; a bulletin is for offices, a file is whole or not there."""
    assert case
    today = datetime.now(ZONE).date().isoformat()
    days = ("--first", today, "--last", today)
    # it holds offices: without its name it would ask for their mechanisms
    own = (*days, "--department", HEALTH)
    assert "Timeliness" in world.run("indicators", "list")
    assert "object-coverage" in world.run("--lang", "zh", "indicators", "list")
    deadline = time.monotonic() + 20
    while "register" not in (letters := world.run("indicators", "items", "letters", *own, "--json")):
        assert time.monotonic() < deadline, letters
        time.sleep(0.2)
    shown = world.run("indicators", "show", "letters", "timeliness", *own, "--compare", "previous-year")
    assert "no data" in shown
    assert "not over" in shown
    assert (
        HEALTH
        in world.run.json("indicators", "show", "letters", *own, "--by", "department")["figures"][0].values()
    )
    assert "More" not in world.run("indicators", "items", "received", *own)
    world.run("indicators", "show", *days, "--out", "figures.xlsx")
    assert (world.folder / "figures.xlsx").read_bytes().startswith(b"PK")
    assert "CALLER_NOT_PERMITTED" in world.run(
        "indicators", "show", *days, "--procedure", "case-transfer", "--department", "market.qinghe", code=1
    )
    bulletin = ("indicators", "bulletin", "2026-02", "--output", "bulletin.docx")
    refused = world.run(*bulletin, "--procedure", "case-transfer", code=1)
    assert "CALLER_NOT_PERMITTED" in refused
    assert not list(world.folder.glob("*bulletin.docx*"))
    world.run.process("indicators", "bulletin", "2026-02", "--output", "bulletin.pdf", code=2)
    missing = world.run(*bulletin, "--as", "operator", code=1)
    assert "NOT_FOUND" in missing
    assert "NOT_FOUND" in world.run("indicators", "freeze", "show", "2026-02", code=1)
