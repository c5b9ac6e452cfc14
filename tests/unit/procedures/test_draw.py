"""Random draws: exact, fair, bound to what was announced (docs/draws.md)."""

import hashlib
import struct
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.procedures.draw import (
    DrawError,
    Lists,
    Pair,
    Plan,
    check,
    commitment,
    draw,
    number,
    read_lists,
    seed_of,
)

OBJECTS = "id,name,class,risk\n" + "".join(
    f"{kind}-{index:02},第{index}号,{kind},{'ABC'[index % 3]}\n"
    for kind in ("school", "clinic")
    for index in range(12)
)
OFFICERS = "certificate,name,department\n" + "".join(
    f"LD-{index},人员{index},health.qinghe\n" for index in range(6)
)
EXCLUSIONS = "certificate,object,reason\nLD-0,school-01,配偶任职\nLD-5,,回避全部\n"
PLAN = Plan("2026 school hygiene", {"school": 4}, {"clinic": 250}, {"A": 1, "B": 2, "C": 4})
ROOT = bytes(range(32))


@pytest.fixture
def lists() -> Lists:
    return read_lists(OBJECTS, OFFICERS, EXCLUSIONS)


# -- a second implementation, from the text of docs/draws.md alone ---------------------------------


def text(value: str) -> bytes:
    data = value.encode("utf-8")
    return struct.pack(">I", len(data)) + data


def digest(name: str, rows: list[list[str]]) -> bytes:
    body = b"".join(text(cell) for row in rows for cell in row)
    return hashlib.sha256(
        b"liandong/draw-" + name.encode() + b"/v1\0" + struct.pack(">I", len(rows)) + body
    ).digest()


def table(csv_text: str, keys: int) -> list[list[str]]:
    rows = [line.split(",") for line in csv_text.strip().splitlines()[1:]]
    return sorted(rows, key=lambda row: [cell.encode() for cell in row[:keys]])


def throw(seed: bytes, label: str, step: int, below: int) -> int:
    for attempt in range(1000):
        data = b"liandong/draw-number/v1\0" + seed + text(label) + struct.pack(">QI", step, attempt)
        value = int(hashlib.sha256(data).hexdigest(), 16)
        if value < 2**256 // below * below:
            return value % below
    raise AssertionError


def second(objects: str, officers: str, exclusions: str, size: int, root: bytes) -> tuple[bytes, list[Pair]]:
    subjects, people, conflicts = table(objects, 1), table(officers, 1), table(exclusions, 2)
    plan = [
        ["method", "liandong-draw/1"], ["name", "2026 school hygiene"], ["officers_each", "2"], ["margin", "16"],
        ["quota", "school", "4"], ["share", "clinic", "250"],
        ["weight", "A", "1"], ["weight", "B", "2"], ["weight", "C", "4"],
    ]  # fmt: skip
    committed = hashlib.sha256(
        b"liandong/draw-commitment/v1\0"
        + digest("objects", subjects) + digest("officers", people)
        + digest("exclusions", conflicts) + digest("plan", plan)
    ).digest()  # fmt: skip
    seed = hashlib.sha256(b"liandong/draw-seed/v1\0" + committed + struct.pack(">Q", size) + root).digest()
    drawn: list[str] = []
    for kind, quota in (("clinic", 3), ("school", 4)):
        pool = [(row[0], {"A": 1, "B": 2, "C": 4}[row[3]]) for row in subjects if row[2] == kind]
        for step in range(quota):
            point = throw(seed, f"objects/{kind}", step, sum(weight for _, weight in pool))
            for entry in pool:
                point -= entry[1]
                if point < 0:
                    drawn.append(entry[0])
                    pool.remove(entry)
                    break
    load: Counter[str] = Counter()
    pairs, step = [], 0
    for subject in drawn:
        left = [
            row[0]
            for row in people
            if [row[0], subject] not in [c[:2] for c in conflicts]
            and [row[0], ""] not in [c[:2] for c in conflicts]
        ]
        chosen: list[str] = []
        for _ in range(2):
            least = min(load[name] for name in left)
            free = [name for name in left if load[name] == least]
            chosen.append(free[throw(seed, "officers", step, len(free))])
            left.remove(chosen[-1])
            step += 1
        load.update(chosen)
        pairs.append(Pair(subject, tuple(chosen)))
    return committed, pairs


@given(st.integers(1, 2**40), st.binary(min_size=32, max_size=32))
def test_another_program_draws_the_same(size: int, root: bytes) -> None:
    """Commitment, seed, objects and officers, from the specification alone."""
    lists = read_lists(OBJECTS, OFFICERS, EXCLUSIONS)
    committed, pairs = second(OBJECTS, OFFICERS, EXCLUSIONS, size, root)
    assert commitment(PLAN, lists) == committed
    assert draw(seed_of(committed, size, root), PLAN, lists) == pairs


def test_the_vector_stays_what_it_is(lists: Lists) -> None:
    """Published draws can be repeated for ever."""
    committed = commitment(PLAN, lists)
    assert committed.hex() == VECTOR_COMMITMENT
    pairs = draw(seed_of(committed, 1000, ROOT), PLAN, lists)
    assert [(each.object, *each.officers) for each in pairs] == VECTOR


def test_quotas_shares_and_conflicts_hold(lists: Lists) -> None:
    """Four schools, a quarter of the clinics rounded up; nobody twice, nobody who is excluded, loads alike."""
    for size in range(200):
        pairs = draw(seed_of(commitment(PLAN, lists), size, ROOT), PLAN, lists)
        assert Counter(each.object.partition("-")[0] for each in pairs) == {"clinic": 3, "school": 4}
        assert len({each.object for each in pairs}) == 7
        assert all(len(set(each.officers)) == 2 for each in pairs)
        assert not any("LD-5" in each.officers for each in pairs)
        assert not any("LD-0" in each.officers for each in pairs if each.object == "school-01")
        loads = Counter(officer for each in pairs for officer in each.officers)
        assert max(loads.values()) - min(loads.values()) <= 2


def test_an_object_that_too_few_may_inspect_is_drawn_without_officers() -> None:
    """It is in the list, and seen to be nobody's."""
    lists = read_lists("id,name,class,risk\na,a,x,A\n", OFFICERS, "certificate,object,reason\n" + "".join(
        f"LD-{index},a,r\n" for index in range(5)
    ))  # fmt: skip
    plan = Plan("p", {"x": 1})
    assert draw(bytes(32), plan, lists) == [Pair("a", ())]


# -- fairness, over seeds that are fixed, so that chance fails no run -------------------------------


def test_objects_come_alike_often() -> None:
    """Inclusions over 3,000 seeds: chi-square of 19 degrees of freedom below its 99.9999 % point."""
    names = [f"o{index:02}" for index in range(20)]
    lists = read_lists("id,name,class,risk\n" + "".join(f"{name},n,x,A\n" for name in names), OFFICERS)
    plan = Plan("p", {"x": 5}, officers_each=1)
    rounds, share = 3000, 5 / 20
    counts = Counter(
        pair.object for size in range(rounds) for pair in draw(seed_of(bytes(32), size, ROOT), plan, lists)
    )
    deviation = sum((counts[name] - rounds * share) ** 2 for name in names)
    # without replacement, inclusions of one draw are correlated: the statistic is scaled for it
    statistic = deviation / (rounds * share * (1 - share)) * (20 - 1) / 20
    assert 3 < statistic < 62


def test_weights_are_kept() -> None:
    """The first one drawn, over 6,000 seeds, in proportion 1 to 2 to 4 of its grade."""
    lists = read_lists("id,name,class,risk\na,n,x,A\nb,n,x,B\nc,n,x,C\n", OFFICERS)
    plan = Plan("p", {"x": 1}, weights={"A": 1, "B": 2, "C": 4}, officers_each=1)
    rounds = 7000
    counts = Counter(draw(seed_of(bytes(32), size, ROOT), plan, lists)[0].object for size in range(rounds))
    expected = {"a": rounds / 7, "b": rounds * 2 / 7, "c": rounds * 4 / 7}
    assert sum((counts[name] - mean) ** 2 / mean for name, mean in expected.items()) < 28


def test_officers_come_alike_often() -> None:
    """Of the first object, over 3,000 seeds: five degrees of freedom."""
    lists = read_lists("id,name,class,risk\na,n,x,A\n", OFFICERS)
    plan = Plan("p", {"x": 1}, officers_each=1)
    counts = Counter(draw(seed_of(bytes(32), size, ROOT), plan, lists)[0].officers[0] for size in range(3000))
    assert len(counts) == 6
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 37


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**70), st.integers(0, 2**60))
def test_numbers_are_below_their_bound(seed: bytes, below: int, step: int) -> None:
    """From 0 on, and the same each time."""
    assert 0 <= number(seed, "x", step, below) < below
    assert number(seed, "x", step, below) == number(seed, "x", step, below)


# -- bound to what was announced --------------------------------------------------------------------


@given(st.integers(0, 23), st.integers(0, 3), st.sampled_from("abX甲"))
def test_changing_one_cell_changes_the_commitment(row: int, column: int, letter: str) -> None:
    """Any cell of any object."""
    lists = read_lists(OBJECTS, OFFICERS, EXCLUSIONS)
    cells = [line.split(",") for line in OBJECTS.strip().splitlines()]
    cells[row + 1][column] += letter
    changed = "\n".join(",".join(line) for line in cells)
    try:
        other = read_lists(changed, OFFICERS)
    except DrawError:
        return
    assert commitment(PLAN, replace(other, exclusions=lists.exclusions)) != commitment(PLAN, lists)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "another"}, {"quotas": {"school": 5}}, {"shares": {"clinic": 251}}, {"weights": {}},
        {"officers_each": 3}, {"margin": 17},
    ],
)  # fmt: skip
def test_changing_the_plan_changes_the_commitment(lists: Lists, change: dict[str, object]) -> None:
    """Whatever decides the draw is announced before the seed is known."""
    assert commitment(replace(PLAN, **change), lists) != commitment(PLAN, lists)  # type: ignore[arg-type]


def test_lines_cannot_be_moved_into_each_other(lists: Lists) -> None:
    """Cells have their lengths before them: no two lists have one encoding; the order of lines says nothing."""
    one = read_lists("id,name,class,risk\nab,c,x,A\n", OFFICERS)
    other = read_lists("id,name,class,risk\na,bc,x,A\n", OFFICERS)
    plan = Plan("p", {"x": 1})
    assert commitment(plan, one) != commitment(plan, other)
    head, *body = OBJECTS.strip().splitlines()
    turned = "\n".join([head, *reversed(body)])
    assert commitment(PLAN, read_lists(turned, OFFICERS, EXCLUSIONS)) == commitment(PLAN, lists)


@pytest.mark.parametrize(
    ("objects", "officers", "exclusions", "why"),
    [
        ("id,name\n", OFFICERS, "", "first line"),
        ("", OFFICERS, "", "first line"),
        ("id,name,class,risk\na,n,x\n", OFFICERS, "", "line 2"),
        ("id,name,class,risk\na,n,x,A\na,m,x,A\n", OFFICERS, "", "twice"),
        (OBJECTS, OFFICERS + "LD-0,x,y\n", "", "twice"),
        (OBJECTS, OFFICERS, "certificate,object,reason\nLD-9,school-01,r\n", "in no list"),
        (OBJECTS, OFFICERS, "certificate,object,reason\nLD-1,school-99,r\n", "in no list"),
        ('id,name,class,risk\n"a,n,x,A\n', OFFICERS, "", "line"),
    ],
)
def test_lists_that_cannot_be_read_are_refused(
    objects: str, officers: str, exclusions: str, why: str
) -> None:
    """With the list and the line."""
    with pytest.raises(DrawError, match=why):
        read_lists(objects, officers, exclusions)


@pytest.mark.parametrize(
    "change",
    [
        {"quotas": {}, "shares": {}}, {"quotas": {"hotel": 1}}, {"quotas": {"school": 13}}, {"quotas": {"school": 0}},
        {"quotas": {"clinic": 1}}, {"shares": {"clinic": 0}}, {"shares": {"clinic": 1001}}, {"weights": {"A": 1}},
        {"weights": {"A": 1, "B": 0, "C": 1}}, {"officers_each": 0}, {"margin": 0},
    ],
)  # fmt: skip
def test_plans_that_do_not_fit_are_refused(lists: Lists, change: dict[str, object]) -> None:
    """Before anything is announced."""
    check(PLAN, lists)
    with pytest.raises(DrawError):
        check(replace(PLAN, **change), lists)  # type: ignore[arg-type]


VECTOR_COMMITMENT = "1e803e55556c8ada69a6cfeb3d5ca5ed9dd3814a00a6852b2a86f8214a7f2db2"
VECTOR = [
    ("clinic-03", "LD-2", "LD-3"),
    ("clinic-08", "LD-0", "LD-4"),
    ("clinic-11", "LD-1", "LD-0"),
    ("school-08", "LD-1", "LD-3"),
    ("school-11", "LD-4", "LD-2"),
    ("school-06", "LD-2", "LD-0"),
    ("school-09", "LD-1", "LD-4"),
]
