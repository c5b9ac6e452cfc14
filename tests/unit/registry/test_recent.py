"""The newest part of the mailboxes in memory: all of it from a position on, or nothing."""

import pytest

from services.exchange.digests import Leaf
from services.registry import recent
from services.registry.recent import BatchProof, Entry, Place, Recent

PROOF = BatchProof(1, "health.qinghe/sign/00000000", 1, bytes(32), bytes(64))
BEGINNING = Place(-1, -1)


def entry(position: int, size: int = 10) -> Entry:
    leaf = Leaf(position, position, 1, bytes(32))
    return Entry(
        leaf, leaf.hash(), f"letter-{position}", "act", "a", b"h", bytes(size), b"", "", PROOF, 0, []
    )


def places(found: "list[tuple[Place, Entry]] | None") -> list[tuple[int, int]] | None:
    return None if found is None else [(place.at, place.position) for place, _ in found]


def test_deliveries_come_in_order_with_common_entries_between() -> None:
    """A department gets its own letters and every common entry, each once."""
    memory = Recent(0)
    memory.extend([entry(each) for each in range(5)], [("a", 0, 0), ("b", 2, 2), ("a", 4, 4)], [1, 3])
    assert places(memory.read("a", BEGINNING, 10, 5)) == [(0, 0), (1, 1), (3, 3), (4, 4)]
    assert places(memory.read("b", Place(1, 1), 10, 5)) == [(2, 2), (3, 3)]
    assert places(memory.read("c", Place(3, 3), 10, 5)) == []


def test_the_limit_cuts_the_later_ones() -> None:
    """What is left out comes with the next reading."""
    memory = Recent(0)
    memory.extend([entry(each) for each in range(6)], [("a", each, each) for each in (0, 2, 4)], [1, 3, 5])
    first = memory.read("a", BEGINNING, 4, 6)
    assert places(first) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert places(memory.read("a", Place(3, 3), 4, 6)) == [(4, 4), (5, 5)]


def test_nothing_at_or_beyond_the_end_is_returned() -> None:
    """A reader holds a head and gets only what it proves, though more is remembered by then."""
    memory = Recent(0)
    memory.extend([entry(each) for each in range(4)], [("a", each, each) for each in range(4)], [])
    assert places(memory.read("a", BEGINNING, 10, 2)) == [(0, 0), (1, 1)]


def test_a_place_before_the_beginning_is_not_answered() -> None:
    """Whoever is further behind reads the tables."""
    memory = Recent(10)
    memory.extend([entry(10)], [("a", 10, 10)], [])
    assert memory.read("a", Place(8, 8), 10, 11) is None
    assert memory.read("a", Place(9, 3), 10, 11) is None
    assert places(memory.read("a", Place(9, 9), 10, 11)) == [(10, 10)]


def test_a_head_beyond_what_is_remembered_is_not_answered() -> None:
    """What another replica appended is missing here, so nothing is said at all."""
    memory = Recent(0)
    memory.extend([entry(0)], [("a", 0, 0)], [])
    assert memory.read("a", BEGINNING, 10, 2) is None


def test_a_gap_empties_the_memory() -> None:
    """Entries that do not continue it begin it anew."""
    memory = Recent(0)
    memory.extend([entry(0)], [("a", 0, 0)], [])
    memory.extend([entry(5)], [("a", 5, 5)], [])
    assert (memory.start, memory.end) == (5, 6)
    assert memory.entry(0) is None
    assert memory.read("a", BEGINNING, 10, 6) is None
    assert places(memory.read("a", Place(4, 4), 10, 6)) == [(5, 5)]


def test_the_past_of_a_case_is_read_from_the_tables_if_it_is_forgotten() -> None:
    """A place whose letter is older than the memory is not skipped."""
    memory = Recent(7)
    memory.extend([entry(7)], [("a", 7, 7), ("a", 7, 2)], [])
    assert memory.read("a", Place(6, 6), 10, 8) is None


def test_the_past_of_a_case_comes_before_the_act_that_brings_it() -> None:
    """Whatever the order in which it was noted."""
    memory = Recent(0)
    memory.extend([entry(each) for each in range(3)], [("a", 2, 2), ("a", 2, 0), ("a", 2, 1)], [])
    assert places(memory.read("a", BEGINNING, 10, 3)) == [(2, 0), (2, 1), (2, 2)]


def test_the_oldest_are_forgotten_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by bytes; what is left is still all from the beginning on."""
    monkeypatch.setattr(recent, "_KEPT", 3)
    memory = Recent(0)
    for position in range(10):
        memory.extend([entry(position)], [("a", position, position)], [])
    assert (memory.start, memory.end) == (7, 10)
    assert places(memory.read("a", Place(6, 6), 10, 10)) == [(7, 7), (8, 8), (9, 9)]
    monkeypatch.setattr(recent, "_KEPT_BYTES", 4000)
    memory.extend([entry(10, 3000)], [("a", 10, 10)], [])
    assert (memory.start, memory.end) == (10, 11)


def test_memory_knows_what_went_to_whom_when_it_was_admitted() -> None:
    """Gaps in between or not; the past of a case, which came later, is not among it."""
    memory = Recent(0)
    to_a = [("a", each, each) for each in (0, 1, 2, 5, 7)]
    memory.extend([entry(each) for each in range(8)], [*to_a, ("a", 7, 3), ("b", 6, 6)], [4])
    assert memory.delivered("a", [0, 1, 2]) == {0, 1, 2}
    assert memory.delivered("a", [0, 2, 3, 4, 5, 6, 7, 8]) == {0, 2, 5, 7}
    assert memory.delivered("b", [5, 6, 7]) == {6}
    assert memory.delivered("c", [0]) == set()
    memory.clear(8)
    assert memory.delivered("a", [0, 7]) == set()
