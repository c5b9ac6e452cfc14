"""Numbers have no gap: whoever signs at once, whatever fails, and whenever the node is killed."""

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cases.drafts import Drafts
from services.cases.handling import numbering
from services.cases.handling.numbering import Number
from services.common.clock import ManualClock
from services.common.db import Database
from services.exchange.session import DepartmentSession
from tests.builders import signings
from tests.builders.ledger import MONDAY, Ledger, Node, node

ROOT = Path(__file__).resolve().parents[3]
WORD = "清m"


@pytest.fixture
def office(database_url: str) -> Iterator[Node]:
    """A node whose people sign."""
    with node(database_url, Ledger(ManualClock(MONDAY))) as made:
        yield made


def series(database: Database) -> list[Number]:
    """Every number of the series, as it is listed."""
    return database.read(lambda connection: numbering.numbers_of(connection, WORD, 2026, 0, 1000))


def assert_gapless(numbers: list[Number], answered: list[str]) -> None:
    """Each number once, from 1 on, each something's; none that was answered is missing."""
    assert [each.running for each in numbers] == list(range(1, len(numbers) + 1))
    assert {each.state for each in numbers} <= {numbering.RESERVED, numbering.LETTER, numbering.VOID}
    assert len({each.owner for each in numbers}) == len(numbers)
    assert all(each.reason for each in numbers if each.state == numbering.VOID)
    assert set(answered) <= {each.number for each in numbers}
    assert len(set(answered)) == len(answered)


def test_many_sign_at_once_while_commits_fail(office: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed took no number; discarded afterwards, a number is void with its reason and stays."""
    letters = signings.prepare(office, 60)
    chance = random.Random(7)
    flush = DepartmentSession.flush

    def failing(self: DepartmentSession) -> None:
        flush(self)
        if chance.random() < 0.25:
            raise RuntimeError("killed before the commit")

    monkeypatch.setattr(DepartmentSession, "flush", failing)
    results = list(signings.sign_all(office, letters))
    monkeypatch.undo()
    answered = [each.result() for each in results if each.exception() is None]
    assert 0 < len(answered) < len(letters)
    numbers = series(office.database)
    assert len(numbers) == len(answered)
    assert_gapless(numbers, answered)
    clerk = signings.actor(office, "clerk")
    for number in numbers[::7]:

        def discard(session: DepartmentSession, letter_id: str = number.owner) -> None:
            Drafts(session, signings.desk_of(session)).discard(letter_id, clerk)

        office.run(discard)
    after = series(office.database)
    assert_gapless(after, answered)
    assert [each.state for each in after[::7]] == [numbering.VOID] * len(numbers[::7])


@pytest.mark.parametrize("after", [1, 9, 23])
def test_a_node_that_is_killed_while_signing_leaves_no_gap(sqlite_url: str, after: int) -> None:
    """SIGKILL in the middle: what was answered is there, and nothing else took a number."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.builders.signings", sqlite_url, "40"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'protos' / 'gen'}", "PYTHONUTF8": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if len(lines) > after:
            process.kill()
            break
    lines += [each.strip() for each in process.stdout]
    process.wait(20)
    process.stdout.close()
    answered = [each for each in lines if each.startswith(WORD)]
    assert lines[0] == "ready"
    assert after <= len(answered)
    database = Database(sqlite_url)
    try:
        assert_gapless(series(database), answered)
    finally:
        database.close()
