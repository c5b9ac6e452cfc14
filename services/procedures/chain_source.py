"""From YAML to a `Chain`, with every defect named by file, line and reason."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import yaml

from services.procedures import defects
from services.procedures.chain import (
    AGREEING,
    ASSIGNED,
    CONFIRM_WITHIN,
    DRAFTER,
    INBOUND,
    OUTBOUND,
    OWN_SECTION,
    Chain,
    Direction,
    Kind,
    Power,
    Step,
    Who,
)
from services.procedures.checker import PERSON_ROLES
from services.procedures.obligation import Limit, Unit
from services.procedures.source import AT_ONCE_HOURS, At, Fields, Text, root_of

T = TypeVar("T", Direction, Kind)

_TOP: Final = frozenset(("chain", "direction", "title", "steps"))
_STEP: Final = frozenset(("title", "kind", "by", "each", "within", "confirm_within", "may", "acts"))
_UNITS: Final = frozenset((Unit.WORKING_DAYS, Unit.DAYS, Unit.HOURS))
_REMEMBERED: Final = 256
_WITHOUT_PEOPLE: Final = frozenset((Kind.NUMBER,))
"""Steps that the node does by itself; people are named for when it has to be done again."""


@lru_cache(maxsize=_REMEMBERED)
def load_chain(source: str, file: str = "chain.yaml") -> Chain:
    """Reads and checks a chain.

    Raises:
        DefectiveProcedure: with every defect, each with file and line.
    """
    root = root_of(source, file)
    if not isinstance(root, yaml.MappingNode):
        raise defects.DefectiveProcedure([defects.WrongType(file, 1, "a chain is a mapping")])
    text = Text(file)
    top = text.mapping(root, (), _TOP)
    direction = _choice(text, top, "direction", (), Direction) or Direction.OUTBOUND
    if "steps" not in top:
        text.complain(defects.MissingKey, (), "steps")
    steps = tuple(
        _step(text, name, text.mapping(node, ("steps", name), _STEP))
        for name, node in (text.mapping(top["steps"], ("steps",)) if "steps" in top else {}).items()
    )
    chain = Chain(text.text(top, "chain", ()), direction, text.title(top.get("title"), ("title",)), steps)
    if not text.found:
        _check(chain, text)
    if text.found:
        raise defects.DefectiveProcedure(text.found)
    return chain


def shipped() -> tuple[tuple[str, str], ...]:
    """The chains that come with the product, for a department to adopt: file name and text of each."""
    folder = Path(__file__).parent / "chains"
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml")))


def _choice(text: Text, fields: Fields, key: str, at: At, kind: type[T]) -> T | None:
    word = text.text(fields, key, at)
    if word and word not in [each.value for each in kind]:
        text.complain(defects.UnknownWord, (*at, key), f"{key}: {word}; one of {', '.join(kind)}")
        return None
    return kind(word) if word else None


def _step(text: Text, name: str, fields: Fields) -> Step:
    at = ("steps", name)
    kind = _choice(text, fields, "kind", at, Kind)
    powers = []
    for word in text.words(fields, "may", at):
        if word in [each.value for each in Power]:
            powers.append(Power(word))
        else:
            text.complain(defects.UnknownWord, (*at, "may", word), f"may: {word}; one of {', '.join(Power)}")
    return Step(
        name=name,
        kind=kind or Kind.DRAFT,
        title=text.title(fields.get("title"), (*at, "title")),
        by=_people(text, fields, "by", at),
        each=_people(text, fields, "each", at),
        within=_limit(text, fields, "within", at),
        confirm_within=_limit(text, fields, "confirm_within", at) or CONFIRM_WITHIN,
        powers=frozenset(powers),
        acts=frozenset(text.words(fields, "acts", at)),
    )


def _people(text: Text, fields: Fields, key: str, at: At) -> tuple[Who, ...]:
    people = []
    for word in text.words(fields, key, at):
        role, _, section = word.partition("@")
        if role not in PERSON_ROLES and word not in (DRAFTER, ASSIGNED):
            text.complain(defects.UnknownPersonRole, (*at, key, word), word)
        people.append(Who(role, section))
    return tuple(people)


def _limit(text: Text, fields: Fields, key: str, at: At) -> Limit | None:
    if key not in fields:
        return None
    limit = text.limit(text.text(fields, key, at), (*at, key), AT_ONCE_HOURS)
    if limit.unit not in _UNITS:
        text.complain(defects.UnknownUnit, (*at, key), f"{key}: a step is limited in wd, d or h")
    return limit


# -- meaning ---------------------------------------------------------------------------------------


def _check(chain: Chain, text: Text) -> None:
    if not chain.name:
        text.complain(defects.MissingKey, ("chain",), "chain: a name")
    order = OUTBOUND if chain.direction is Direction.OUTBOUND else INBOUND
    for step in chain.steps:
        if step.kind not in order:
            text.complain(
                defects.Contradiction, ("steps", step.name), f"{step.kind} is no step of {chain.direction}"
            )
    if text.found or not chain.steps:
        if not chain.steps:
            text.complain(defects.MissingKey, ("steps",), "steps: at least one")
        return
    for step, kind, place in ((chain.steps[0], order[0], "first"), (chain.steps[-1], order[-1], "last")):
        if step.kind is not kind:
            text.complain(defects.Contradiction, ("steps", step.name), f"the {place} step must be {kind}")
    for kind in (order[0], order[-1], Kind.SIGN, Kind.NUMBER, Kind.DISPATCH):
        for again in [each for each in chain.steps if each.kind is kind][1:]:
            text.complain(defects.Contradiction, ("steps", again.name), f"{kind} stands twice")
    _check_order(chain, text)
    for step in chain.steps:
        _check_step(chain, step, text)


def _check_order(chain: Chain, text: Text) -> None:
    """What is signed was agreed before; a number is issued at signing; what is handled was dispatched."""
    at = {step.kind: index for index, step in enumerate(chain.steps)}
    if chain.direction is Direction.OUTBOUND and Kind.SIGN not in at:
        text.complain(defects.Contradiction, ("steps",), "an outgoing letter is signed")
        return
    for index, step in enumerate(chain.steps):
        before_sign = step.kind in AGREEING and step.kind is not Kind.SIGN
        if before_sign and index > at[Kind.SIGN]:
            text.complain(defects.Contradiction, ("steps", step.name), f"{step.kind} comes before sign")
        if step.kind is Kind.NUMBER and index != at[Kind.SIGN] + 1:
            text.complain(defects.Contradiction, ("steps", step.name), "number follows sign")
        if step.kind is Kind.SEAL and index < at[Kind.SIGN]:
            text.complain(defects.Contradiction, ("steps", step.name), "seal comes after sign")
        if Who(ASSIGNED) in (*step.by, *step.each) and not 0 <= at.get(Kind.DISPATCH, index) < index:
            text.complain(defects.Contradiction, ("steps", step.name), "assigned is known after dispatch")


def _check_step(chain: Chain, step: Step, text: Text) -> None:
    at = ("steps", step.name)
    people = (*step.by, *step.each)
    if step.by and step.each:
        text.complain(defects.Contradiction, at, "by names any one, each names all: not both")
    if not people and step.kind is not Kind.SIGN and step.kind not in _WITHOUT_PEOPLE:
        text.complain(defects.MissingKey, at, f"{step.name}: by or each")
    if step.each and step.kind not in {*AGREEING, Kind.INSTRUCT, Kind.HANDLE}:
        text.complain(defects.Contradiction, (*at, "each"), f"{step.kind} is done by one")
    if chain.direction is Direction.INBOUND:
        for who in people:
            if who.role == DRAFTER or who.section == OWN_SECTION:
                text.complain(defects.Contradiction, at, "what arrived has no drafter here")
    if Power.RETURN in step.powers and step == chain.steps[0]:
        text.complain(defects.Contradiction, (*at, "may"), "there is no step before the first")
    for power in (Power.ADD_SIGNER, Power.PHONE):
        if power in step.powers and step.kind not in {*AGREEING, Kind.INSTRUCT}:
            text.complain(defects.Contradiction, (*at, "may"), f"nobody agrees in {step.kind}")
    if step.acts and chain.direction is Direction.OUTBOUND:
        text.complain(defects.Contradiction, (*at, "acts"), "acts answer what arrived")
    if step.acts and step.kind is Kind.DISPATCH:
        text.complain(defects.Contradiction, (*at, "acts"), "a dispatch names somebody, which no act does")
