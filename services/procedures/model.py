"""A procedure as frozen data: what the YAML declares, with the lookups that folding needs.

Nothing here decides anything; `admit` and `fold` do, over these values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from services.common.title import Title
from services.procedures.facts import Urgency
from services.procedures.obligation import Limit

AMENDED_AUTHOR: Final = "amended-author"
"""Pseudo role in `by`: the author of the letter that the act amends."""

OFFICE: Final = "office"
"""The role whose holder is data of the region (common entry `office`), not of the case."""

OFFICER: Final = "officer"
"""The role of persons who approve under a certificate of their own."""

RECEIVER: Final = "receiver"
"""The role per whose holder `at_most` counts."""

AUTHOR: Final = "author"
"""Pseudo role in `owed_by` of the evidence obligation: whoever announced the material."""

EVIDENCE: Final = "evidence"
"""Name of the obligation to complete material that was announced and may follow."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of an obligation's clock at which somebody is told.

    `name` says when and is its key within the obligation: `50%` of the budget, `due`, `30 d before`.
    """

    name: str
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Act:
    """One act of a procedure: who may do it, when, what it needs, what it makes of the case.

    `by` lists roles, or is the pseudo role `amended-author`. `becomes` None leaves the state. `only`
    empty means every urgency. `names` are the roles whose holders the act may set; the opening act
    may set all. `body` is the full name of the protobuf message that the letter carries. As many
    roles in `approved_by` take as many persons. `copies` are roles whose holders must be copied in;
    while an obligation of `not_while` is open the act may not be done.
    """

    name: str
    title: Title
    occurred_at: Title
    body: str
    by: tuple[str, ...]
    in_states: frozenset[str]
    becomes: str | None = None
    only: frozenset[Urgency] = frozenset()
    approved_by: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    at_most: int | None = None
    names: tuple[str, ...] = ()
    reopens: tuple[str, ...] = ()
    opens_case: str | None = None
    evidence_may_follow: bool = False
    must_see_latest: bool = False
    numbered: bool = True
    copies: tuple[str, ...] = ()
    not_while: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObligationRule:
    """A duty that acts open and discharge.

    `within` has a limit for every urgency. With `requested_limit` the due time is the date and hour
    named in the opening act. `default` marks a figure that the office still has to confirm.
    `extended_by` maps acts to what they add to the budget.
    """

    name: str
    title: Title
    owed_by: str
    opens_on: tuple[str, ...]
    discharged_by: tuple[str, ...]
    within: Mapping[Urgency, Limit]
    lapses_on: tuple[str, ...] = ()
    from_occurred: bool = False
    starts_on_receipt: bool = False
    requested_limit: bool = False
    suspended_by: str | None = None
    marks: tuple[Mark, ...] = ()
    default: bool = False
    extended_by: Mapping[str, Limit] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Effects:
    """What one act does to obligations, precomputed: discharges, lapses, opens, reopens, extends."""

    discharges: frozenset[str]
    lapses: frozenset[str]
    opens: tuple[ObligationRule, ...]
    reopens: tuple[str, ...]
    extends: Mapping[str, Limit]
    touches: frozenset[str]
    ends_case: bool


@dataclass(frozen=True, slots=True)
class Procedure:
    """The rules of one mechanism. A (name, version) never changes once a case ran under it.

    `many` are the roles that several departments hold at once; in any other role a new holder takes
    the place of the old one. Letters of a `confidential` procedure go to those who hold a role, or held one,
    and to nobody else; nor is anybody else told that there is a case about a subject. `source` cites the rows
    and plans the rules come from.
    """

    name: str
    version: int
    title: Title
    source: tuple[str, ...]
    roles: Mapping[str, Title]
    states: Mapping[str, Title]
    initial: str
    final: frozenset[str]
    acts: Mapping[str, Act]
    obligations: Mapping[str, ObligationRule]
    many: frozenset[str] = frozenset()
    confidential: bool = False

    effects: Mapping[str, Effects] = field(init=False, repr=False, compare=False)
    suspends: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)
    reopenable: frozenset[str] = field(init=False, repr=False, compare=False)
    depends_on_urgency: bool = field(init=False, repr=False, compare=False)
    received_acts: frozenset[str] = field(init=False, repr=False, compare=False)
    counted_on: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rules = self.obligations.values()
        suspends: dict[str, tuple[str, ...]] = {}
        for rule in rules:
            if rule.suspended_by:
                suspends[rule.suspended_by] = (*suspends.get(rule.suspended_by, ()), rule.name)
        put = object.__setattr__
        put(self, "effects", {name: self._effects_of(act) for name, act in self.acts.items()})
        put(self, "suspends", suspends)
        received = (rule.opens_on for rule in rules if rule.starts_on_receipt)
        put(self, "received_acts", frozenset(name for opens_on in received for name in opens_on))
        # roles without whose holder something can no longer be done: who held one may not be seated elsewhere
        copied = frozenset(role for act in self.acts.values() for role in act.copies)
        put(self, "counted_on", copied | {rule.owed_by for rule in rules})
        put(self, "reopenable", frozenset(name for act in self.acts.values() for name in act.reopens))
        put(
            self,
            "depends_on_urgency",
            any(act.only for act in self.acts.values())
            or any(len(set(rule.within.values())) > 1 for rule in rules),
        )

    def _effects_of(self, act: Act) -> Effects:
        rules = self.obligations.values()
        discharges = frozenset(rule.name for rule in rules if act.name in rule.discharged_by)
        lapses = frozenset(rule.name for rule in rules if act.name in rule.lapses_on)
        extends = {rule.name: rule.extended_by[act.name] for rule in rules if act.name in rule.extended_by}
        return Effects(
            discharges=discharges,
            lapses=lapses,
            opens=tuple(rule for rule in rules if act.name in rule.opens_on and rule.name != EVIDENCE),
            reopens=act.reopens,
            extends=extends,
            touches=discharges | lapses | frozenset(extends),
            ends_case=act.becomes in self.final,
        )

    def opens(self, act: Act) -> bool:
        """Whether the act can be the first of a case."""
        return self.initial in act.in_states
