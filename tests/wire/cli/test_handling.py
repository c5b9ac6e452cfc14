"""`liandong handling`, over real TLS against a node of its own process."""

import json

import pytest

from tests.builders.scans import seal
from tests.wire.cli.conftest import HEALTH, World

pytestmark = pytest.mark.xdist_group("cli")

LEADER = ("--as", f"{HEALTH}:leader-in-charge")
CHAIN = """chain: short
direction: outbound
title: [短, Short]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter]}
  sign: {title: [签发, Sign], kind: sign, may: [return]}
  number: {title: [编号, Number], kind: number}
  send: {title: [发出, Send], kind: send, by: [drafter]}
"""


def test_a_letter_is_signed_numbered_and_sent(world: World) -> None:
    """A chain is checked and stated; the leader finds the letter, returns it, signs the next; it goes out numbered."""
    run = world.run
    (world.folder / "broken.yaml").write_text(CHAIN.replace("kind: sign,", "kind: stamp,"), encoding="utf-8")
    assert "broken.yaml:6: The word is none" in run.process("handling", "check-chain", "broken.yaml", code=1)
    (world.folder / "chain.yaml").write_text(CHAIN, encoding="utf-8")
    assert "4 steps" in run("handling", "check-chain", "chain.yaml")
    run("handling", "set-chain", "chain.yaml", "--procedure", "joint-enforcement", *LEADER)
    assert "short" in run("handling", "chains")
    run("handling", "set-series", "清卫法监", "--procedure", "joint-enforcement", *LEADER)
    body = json.dumps({"title": "夜市联合执法", "facts": "群众反映强烈"})
    prepare = ("case", "prepare", "initiate", "--procedure", "joint-enforcement", "--body", body)
    first = run.json(*prepare)["letter_id"]
    assert first in run("handling", "list", "to-approve", *LEADER)
    assert run.json("handling", "count", *LEADER)["to_approve"] == 1
    run("handling", "return", first, "事实不清", *LEADER)
    second = run.json(*prepare, "--replaces", first)["letter_id"]
    refused = run("case", "send", second, "--yes", code=1)
    assert "STEP_OPEN" in refused
    assert "sign" in refused
    assert "清卫法监〔" in run("handling", "do", second, "--yes", *LEADER)
    sent = run.json("case", "send", second, "--wait", "20")
    assert sent["number"].startswith("清卫法监〔")
    assert sent["disposition"] == "DISPOSITION_ADMITTED"
    shown = run("--lang", "zh", "handling", "show", second)
    assert "事实不清" in shown
    assert "发出" in shown
    year = sent["number"].partition("〔")[2][:4]
    assert "a letter's" in run("handling", "numbers", "清卫法监", year)


def test_a_register_is_exported(world: World) -> None:
    """As a workbook, in the language of the command."""
    said = world.run("handling", "register", "joint-enforcement", "--out", "register.xlsx")
    assert "register.xlsx" in said
    assert (world.folder / "register.xlsx").read_bytes()[:2] == b"PK"
    assert "Lead" in world.run("handling", "registers", "joint-enforcement")


def test_the_seal_is_set(world: World) -> None:
    """From a file, in its size; what is no seal is refused with the reason."""
    (world.folder / "seal.png").write_bytes(seal())
    (world.folder / "opaque.png").write_bytes(seal(mode="RGB"))
    assert "45 mm" in world.run("handling", "set-seal", "seal.png", "--size-mm", "45", *LEADER)
    assert "500 × 500" in world.run("handling", "seals")
    assert "transparency" in world.run("handling", "set-seal", "opaque.png", *LEADER, code=1)
    assert "45 mm" in world.run("handling", "withdraw-seal", "1", *LEADER)
