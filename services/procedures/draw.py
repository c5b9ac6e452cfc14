"""Random draws that anyone can repeat (双随机, M22): lists, what is committed to, and the draw itself.

Exact to the bit, so that another program computes the same from the same lists and seed: whole numbers only,
text in UTF-8, order by bytes. docs/draws.md is the specification; a test implements it a second time.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

METHOD: Final = "liandong-draw/1"
LARGEST_WEIGHT: Final = 1_000_000
_SPACE: Final = 1 << 256
_PER_MILLE: Final = 1000
_OFFICERS_AT_MOST: Final = 10
_MARGIN_AT_MOST: Final = 100_000


class DrawError(ValueError):
    """A list or plan cannot be drawn from; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An object of the library (检查对象): its id, name, class, and risk grade."""

    id: str
    name: str
    kind: str
    risk: str


@dataclass(frozen=True, slots=True)
class Inspector:
    """An officer of the library (执法检查人员): certificate, name, department."""

    certificate: str
    name: str
    department: str


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A conflict of interest: this officer does not inspect this object; an empty object excludes from all."""

    certificate: str
    object: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is drawn.

    Attributes:
        name: What the draw is called.
        quotas: Class to how many of it.
        shares: Class to which part of it, in tenths of a per cent, rounded up; a class has one of both.
        weights: Risk grade to weight; empty: all alike.
        officers_each: Officers for one object.
        margin: Leaves of the ledger after the announcement that go into the seed.
    """

    name: str
    quotas: Mapping[str, int] = field(default_factory=dict)
    shares: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    officers_each: int = 2
    margin: int = 16


@dataclass(frozen=True, slots=True)
class Lists:
    """The lists of a draw, in the order of their bytes."""

    subjects: tuple[Subject, ...]
    inspectors: tuple[Inspector, ...]
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A drawn object and its officers' certificates; none where too few may inspect it."""

    object: str
    officers: tuple[str, ...]


# -- lists ----------------------------------------------------------------------------------------


def read_lists(subjects: str, inspectors: str, exclusions: str = "") -> Lists:
    """The lists from CSV texts.

    Headers: `id,name,class,risk`; `certificate,name,department`; `certificate,object,reason`.

    Raises:
        DrawError: A line cannot be read, an id stands twice, or an exclusion names nobody.
    """
    objects = [Subject(*row) for row in _rows(subjects, "objects", ["id", "name", "class", "risk"])]
    officers = [
        Inspector(*row) for row in _rows(inspectors, "officers", ["certificate", "name", "department"])
    ]
    left_out = [
        Exclusion(*row)
        for row in (
            _rows(exclusions, "exclusions", ["certificate", "object", "reason"]) if exclusions else ()
        )
    ]
    _once([each.id for each in objects], "objects")
    _once([each.certificate for each in officers], "officers")
    _once([f"{each.certificate}\0{each.object}" for each in left_out], "exclusions")
    certificates, ids = {each.certificate for each in officers}, {each.id for each in objects}
    for each in left_out:
        if each.certificate not in certificates or (each.object and each.object not in ids):
            raise DrawError(f"exclusions: {each.certificate}, {each.object} is in no list")
    return Lists(
        tuple(sorted(objects, key=lambda each: each.id.encode())),
        tuple(sorted(officers, key=lambda each: each.certificate.encode())),
        tuple(sorted(left_out, key=lambda each: (each.certificate.encode(), each.object.encode()))),
    )


def _rows(text: str, name: str, header: list[str]) -> list[list[str]]:
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    found: list[list[str]] = []
    try:
        for row in lines:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not found and cells != header:
                raise DrawError(f"{name}: the first line must be {','.join(header)}")
            if len(cells) != len(header) or not cells[0]:
                raise DrawError(f"{name}: line {lines.line_num} has other columns than {','.join(header)}")
            found.append(cells)
    except csv.Error as error:
        raise DrawError(f"{name}: line {lines.line_num}: {error}") from error
    if not found:
        raise DrawError(f"{name}: the first line must be {','.join(header)}")
    return found[1:]


def _once(keys: Sequence[str], name: str) -> None:
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            raise DrawError(f"{name}: {key.replace(chr(0), ', ')} stands twice")
        seen.add(key)


def check(plan: Plan, lists: Lists) -> None:
    """Refuses a plan that does not fit its lists.

    Raises:
        DrawError: A class is unknown, named twice or smaller than its quota, or a grade has no weight.
    """
    sizes: dict[str, int] = {}
    for each in lists.subjects:
        sizes[each.kind] = sizes.get(each.kind, 0) + 1
        if plan.weights and each.risk not in plan.weights:
            raise DrawError(f"weights: grade {each.risk} of {each.id} has none")
    if not plan.quotas and not plan.shares:
        raise DrawError("quotas: nothing is to be drawn")
    for kind in {*plan.quotas, *plan.shares}:
        if kind not in sizes:
            raise DrawError(f"quotas: no object is of class {kind}")
        if kind in plan.quotas and kind in plan.shares:
            raise DrawError(f"quotas: class {kind} has a quota and a share")
    for kind, quota in plan.quotas.items():
        if not 0 < quota <= sizes[kind]:
            raise DrawError(f"quotas: class {kind} has {sizes[kind]} objects")
    if any(not 0 < share <= _PER_MILLE for share in plan.shares.values()):
        raise DrawError("shares: from 1 to 1000 tenths of a per cent")
    if any(not 0 < weight <= LARGEST_WEIGHT for weight in plan.weights.values()):
        raise DrawError(f"weights: from 1 to {LARGEST_WEIGHT}")
    if not 1 <= plan.officers_each <= _OFFICERS_AT_MOST:
        raise DrawError(f"officers_each: from 1 to {_OFFICERS_AT_MOST}")
    if not 1 <= plan.margin <= _MARGIN_AT_MOST:
        raise DrawError(f"margin: from 1 to {_MARGIN_AT_MOST}")


# -- commitment and seed --------------------------------------------------------------------------


def commitment(plan: Plan, lists: Lists) -> bytes:
    """What is announced before the seed is known: a digest of the plan and of every line of every list."""
    parts = (
        _digest("objects", [(s.id, s.name, s.kind, s.risk) for s in lists.subjects]),
        _digest("officers", [(o.certificate, o.name, o.department) for o in lists.inspectors]),
        _digest("exclusions", [(e.certificate, e.object, e.reason) for e in lists.exclusions]),
        _digest("plan", _plan_rows(plan)),
    )
    return sha256(b"liandong/draw-commitment/v1\0" + b"".join(parts)).digest()


def digests(lists: Lists) -> tuple[str, str]:
    """The digests of the libraries of objects and of officers, in hexadecimal."""
    objects = _digest("objects", [(s.id, s.name, s.kind, s.risk) for s in lists.subjects])
    officers = _digest("officers", [(o.certificate, o.name, o.department) for o in lists.inspectors])
    return objects.hex(), officers.hex()


def seed_of(committed: bytes, size: int, root: bytes) -> bytes:
    """The seed: what was announced, and the ledger's root over `size` leaves."""
    return sha256(b"liandong/draw-seed/v1\0" + committed + size.to_bytes(8, "big") + root).digest()


def _plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("method", METHOD),
        ("name", plan.name),
        ("officers_each", str(plan.officers_each)),
        ("margin", str(plan.margin)),
    ]
    for name, numbers in (("quota", plan.quotas), ("share", plan.shares), ("weight", plan.weights)):
        rows += [(name, key, str(value)) for key, value in _in_order(numbers)]
    return rows


def _digest(name: str, rows: Iterable[tuple[str, ...]]) -> bytes:
    content = bytearray()
    count = 0
    for row in rows:
        count += 1
        for text in row:
            encoded = text.encode()
            content += len(encoded).to_bytes(4, "big") + encoded
    return sha256(f"liandong/draw-{name}/v1\0".encode() + count.to_bytes(4, "big") + content).digest()


def _in_order(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda item: item[0].encode())


# -- the draw -------------------------------------------------------------------------------------


def draw(seed: bytes, plan: Plan, lists: Lists) -> list[Pair]:
    """Draws: objects class by class, then officers for each in the order in which they were drawn.

    Args:
        seed: What `seed_of` gives.
        plan: It was checked against the lists.
        lists: The lists.
    """
    drawn: list[Subject] = []
    for kind, quota in _in_order({**plan.quotas, **_from_shares(plan, lists)}):
        pool = [each for each in lists.subjects if each.kind == kind]
        weights = [plan.weights[each.risk] if plan.weights else 1 for each in pool]
        drawn += [pool[index] for index in _sample(seed, f"objects/{kind}", weights, quota)]
    return _assign(seed, plan, lists, drawn)


def _from_shares(plan: Plan, lists: Lists) -> dict[str, int]:
    sizes = {kind: sum(each.kind == kind for each in lists.subjects) for kind in plan.shares}
    return {kind: -(-sizes[kind] * share // _PER_MILLE) for kind, share in plan.shares.items()}


def _sample(seed: bytes, label: str, weights: Sequence[int], count: int) -> list[int]:
    """Indexes drawn one by one without replacement, each in proportion to its weight among those left."""
    tree = _Sums(weights)
    chosen: list[int] = []
    for step in range(count):
        index = tree.find(number(seed, label, step, tree.total))
        chosen.append(index)
        tree.remove(index)
    return chosen


def _assign(seed: bytes, plan: Plan, lists: Lists, drawn: Sequence[Subject]) -> list[Pair]:
    excluded = {(each.certificate, each.object) for each in lists.exclusions}
    load = {each.certificate: 0 for each in lists.inspectors}
    pairs: list[Pair] = []
    step = 0
    for subject in drawn:
        left = [each for each in load if (each, subject.id) not in excluded and (each, "") not in excluded]
        chosen: list[str] = []
        if len(left) >= plan.officers_each:
            for _ in range(plan.officers_each):
                least = min(load[each] for each in left)
                # of those who have the fewest so far
                free = [each for each in left if load[each] == least]
                chosen.append(free[number(seed, "officers", step, len(free))])
                left.remove(chosen[-1])
                step += 1
            for each in chosen:
                load[each] += 1
        pairs.append(Pair(subject.id, tuple(chosen)))
    return pairs


def number(seed: bytes, label: str, step: int, below: int) -> int:
    """A whole number from 0 to below `below`, each alike: what would favour the small ones is thrown again."""
    encoded = label.encode()
    head = (
        b"liandong/draw-number/v1\0"
        + seed
        + len(encoded).to_bytes(4, "big")
        + encoded
        + step.to_bytes(8, "big")
    )
    fair = _SPACE - _SPACE % below
    attempt = 0
    while True:
        value = int.from_bytes(sha256(head + attempt.to_bytes(4, "big")).digest(), "big")
        if value < fair:
            return value % below
        attempt += 1


class _Sums:
    """Running sums of weights from which single ones are taken: a Fenwick tree."""

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = list(weights)
        self._sums = [0] * (len(weights) + 1)
        self.total = 0
        for index, weight in enumerate(weights):
            self._add(index, weight)

    def _add(self, index: int, change: int) -> None:
        self.total += change
        at = index + 1
        while at < len(self._sums):
            self._sums[at] += change
            at += at & -at

    def find(self, value: int) -> int:
        """The first index whose running sum is above the value."""
        at, step = 0, 1 << len(self._weights).bit_length()
        while step:
            following = at + step
            if following < len(self._sums) and self._sums[following] <= value:
                at = following
                value -= self._sums[following]
            step >>= 1
        return at

    def remove(self, index: int) -> None:
        """Take one out."""
        self._add(index, -self._weights[index])
        self._weights[index] = 0
