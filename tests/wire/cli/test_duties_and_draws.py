"""Standing duties, messages, officers and draws by the command, over a registry and a node that really run."""

import base64
import json

import pytest

from tests.wire.cli.conftest import HEALTH, World

pytestmark = pytest.mark.xdist_group("cli")

OBJECTS = "id,name,class,risk\n" + "".join(f"s{index},第{index}小学,school,A\n" for index in range(9))
PLAN = "name: 学校卫生抽查\nquotas: {school: 3}\nofficers_each: 2\nmargin: 3\n"


def send(world: World, *arguments: str, approved_by: tuple[str, ...] = ()) -> str:
    """Prepare an act, have it approved, send it and wait until it is admitted; returns the letter."""
    draft = world.run.json("case", "prepare", *arguments)
    letter: str = draft["letter_id"]
    digest = base64.b64decode(draft["content_digest"]).hex()
    for role in approved_by:
        world.run("case", "approve", letter, "--digest", digest, "--yes", "--as", f"{HEALTH}:{role}")
    assert world.run.json("case", "send", letter, "--wait", "20")["disposition"] == "DISPOSITION_ADMITTED"
    return letter


def test_a_duty_is_listed_and_discharged_by_a_letter_that_names_it(world: World) -> None:
    """Computed on the node; discharged once the letter is admitted; a duty that is not owed refuses it."""
    listed = world.run.json("duties", "list")["duties"]
    roster = next(each for each in listed if each["duty"] == "duty-roster")
    name = f"duty-roster/{roster['period']}"
    assert "duty-report/report" in roster["discharged_by"]
    assert "Due: " in world.run.process("duties", "explain", name)
    report = (
        "report", "--procedure", "duty-report", "--party", f"reporter={HEALTH}", "--party", "recipient=gov.qinghe",
        "--body", json.dumps({"text": "值班表已编定。"}),
    )  # fmt: skip
    wrong = world.run("case", "prepare", *report, "--serves", "officer-training/2020-11")
    assert "DUTY_NOT_OWED" in wrong
    send(world, *report, "--serves", name, approved_by=("section-head",))
    explained = world.run.json("duties", "explain", name)
    assert explained["duty"]["state"] == "DUTY_STATE_ON_TIME"
    assert name in world.run.process(
        "--lang", "zh", "oversight", "obligations", "--owed-by", HEALTH, "--state", "on-time"
    )
    assert "duty-roster" in world.run("duties", "list", "--state", "on-time")


def test_officers_and_messages_are_listed(world: World) -> None:
    """Certificates with how they stand; messages and how one wants to be told."""
    assert "suspended" in world.run.process("officers", "list")
    listed = world.run.json("officers", "list", "--department", HEALTH)["officers"]
    assert [each["state"] for each in listed].count("OFFICER_STATE_SUSPENDED") == 1
    assert "not read" in world.run("messages", "list")
    world.run("messages", "preferences", "--digest-at", "09:15", "--language", "en")
    assert "Digest at 09:15" in world.run("messages", "preferences")
    assert "INVALID_FIELD" in world.run.process(
        "messages", "preferences", "--channel", "mail=a@b.example", code=1
    )
    assert "0 marked" in world.run("messages", "read")
    world.run("messages", "deliveries", "--as", f"{HEALTH}:registry-clerk")


def test_a_draw_is_announced_drawn_and_repeated_offline(world: World) -> None:
    """By the ledger's root after the announcement; another list, another result or another key is found."""
    folder = world.folder
    (folder / "objects.csv").write_text(OBJECTS, encoding="utf-8")
    (folder / "plan.yaml").write_text(PLAN, encoding="utf-8")
    (folder / "officers.csv").write_text(
        world.run("draw", "officers", "--department", HEALTH), encoding="utf-8"
    )
    lists = ("--objects", "objects.csv", "--officers", "officers.csv")
    (folder / "notice.json").write_text(
        world.run("draw", "announce", "plan.yaml", *lists, "--json"), encoding="utf-8"
    )
    draft = world.run.json(
        "case", "prepare", "plan", "--procedure", "random-inspection", "--party", f"initiator={HEALTH}",
        "--party", "office=market.qinghe", "--limit", "2099-12-01", "--material", "inspection-plan=plan.yaml",
        "--body", json.dumps({"title": "抽查", "facts": "学校", "list_edition": "2026"}),
    )  # fmt: skip
    digest = base64.b64decode(draft["content_digest"]).hex()
    world.run(
        "case",
        "approve",
        draft["letter_id"],
        "--digest",
        digest,
        "--yes",
        "--as",
        f"{HEALTH}:leader-in-charge",
    )
    case = world.run.json("case", "send", draft["letter_id"], "--wait", "20")["case_id"]
    letter = send(
        world, "announce-draw", "--case", case, "--limit", "2099-12-01", "--body", "@notice.json",
        "--material", "object-library=objects.csv", "--material", "officer-library=officers.csv",
    )  # fmt: skip
    run = ("draw", "run", "plan.yaml", "--letter", letter, *lists)
    body = json.dumps({"title": "另案", "facts": "另案事实"})
    for number in range(4):
        world.run.json(
            "case", "act", "register", "--procedure", "case-transfer", "--party", f"sender={HEALTH}", "--body", body,
            "--idempotency-key", f"grow-{number}", "--wait", "20", "--as", f"{HEALTH}:system",
        )  # fmt: skip
    result = world.run.json(*run)
    assert len(result["pairs"]) == 3
    first = (folder / "draw-proof.json").read_text(encoding="utf-8")
    world.run(*run)
    assert (
        json.loads(first)["result"]
        == json.loads((folder / "draw-proof.json").read_text(encoding="utf-8"))["result"]
    )
    verify = ("draw", "verify", "draw-proof.json", *lists)
    assert "the draw holds" in world.run(*verify, "--folder", "health")
    assert "does not hold" in world.run.process(*verify, "--registry-key", "00" * 32, code=1)
    (folder / "other.csv").write_text(OBJECTS.replace("第3小学", "第三小学"), encoding="utf-8")
    changed = ("draw", "verify", "draw-proof.json", "--objects", "other.csv", "--officers", "officers.csv")
    assert "not those that were announced" in world.run(*changed, "--folder", "health", code=1)
