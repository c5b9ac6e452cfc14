"""A case that is played act by act, through admission and fold as node and registry do it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from services.procedures import fold as folding
from services.procedures import loader
from services.procedures.admit import Refusal, admit
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.facts import ActFacts, Admission, Approval, Material, Urgency
from services.procedures.fold import Folded
from services.procedures.law import Law
from services.procedures.model import Procedure
from services.procedures.obligation import Obligation
from tests.unit.procedures.deadline_samples import NATIONAL, at

TOWN, HEALTH, MARKET, JUSTICE = "town.qinghe", "health.qinghe", "market.qinghe", "justice.qinghe"
POLICE, PROCURATORATE = "police.qinghe", "procuratorate.qinghe"
ROOT = bytes(range(32))
SHIPPED: Mapping[str, Procedure] = {each.name: each for each in loader.load_all(Path(loader.__file__).parent)}
LAW = (
    Law(registry="registry.qinghe", version=1)
    .with_procedures(tuple(SHIPPED.values()))
    .with_calendar(NATIONAL)
)
for _procedure in SHIPPED:
    LAW = LAW.with_office(_procedure, JUSTICE)
for _department in (TOWN, HEALTH, MARKET, JUSTICE, POLICE, PROCURATORATE):
    LAW = LAW.with_department(_department)
MONDAY = at("2026-03-02 09:00")
PARTIES = {TOWN: "sender", HEALTH: "receiver"}


class Refused(AssertionError):
    """The played act was refused."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def approvals(*roles: str) -> tuple[Approval, ...]:
    """One approval in each role, each by another person."""
    return tuple(Approval(role, f"person-{role}-{index}", MONDAY) for index, role in enumerate(roles))


def materials(*kinds: str, announced: Sequence[str] = ()) -> tuple[Material, ...]:
    """Materials at hand, and such as are only announced."""
    return (*(Material(kind, ROOT, 10) for kind in kinds), *(Material(kind) for kind in announced))


class Play:
    """One case. `at` is the present; each act is signed and admitted at it unless told otherwise."""

    def __init__(self, procedure: str = "case-transfer", law: Law = LAW, now: datetime = MONDAY) -> None:
        self.procedure = law.newest(procedure) or SHIPPED[procedure]
        self.law = law
        self.now = now
        self.state: CaseState | None = None
        self.position = 0
        self.letters: dict[str, str] = {}
        self.history: list[tuple[ActFacts, Admission]] = []
        self.changed: tuple[Obligation, ...] = ()

    @property
    def case(self) -> CaseState:
        """The state of the case, which is open."""
        assert self.state is not None
        return self.state

    def facts(self, act: str, author: str, **given: object) -> ActFacts:
        """The act as its author would send it: with everything it needs, unless given otherwise."""
        spec = self.procedure.acts.get(act)
        opening = self.state is None
        default: dict[str, object] = {
            "occurred_at": self.now,
            "signed_at": self.now,
            "parties": PARTIES if opening else {},
            "urgency": Urgency.ORDINARY if opening else None,
            "materials": materials(*spec.needs) if spec else (),
            "approvals": approvals(*spec.approved_by) if spec else (),
            "based_on": None if self.state is None else self.state.last_position,
        }
        requires = spec.requires if spec else ()
        if "requested_limit" in requires:
            default["requested_limit"] = self.now + timedelta(days=5)
        if "linked_cases" in requires:
            default["linked_cases"] = (("parent-case", "parent"),)
        for code in ("reason_code", "outcome_code", "item_code", "area_code"):
            if code in requires:
                default[code] = "01"
        return ActFacts(
            letter_id=str(uuid.UUID(int=self.position + 1)),
            case_id="case",
            procedure=self.procedure.name,
            procedure_version=self.procedure.version,
            act=act,
            author=author,
            **{**default, **given},  # type: ignore[arg-type]
        )

    def refusal(self, act: str, author: str, **given: object) -> Refusal | None:
        """What admission says to the act."""
        return admit(self.state, self.facts(act, author, **given), self.now, self.law)

    def reason(self, act: str, author: str, **given: object) -> str:
        """The reason for which the act is refused, empty if it is not."""
        refusal = self.refusal(act, author, **given)
        return refusal.reason if refusal else ""

    def do(self, act: str, author: str, when: datetime | str | None = None, **given: object) -> Folded:
        """Plays an act that must be admitted."""
        if when is not None:
            self.now = at(when) if isinstance(when, str) else when
        facts = self.facts(act, author, **given)
        refusal = admit(self.state, facts, self.now, self.law)
        if refusal is not None:
            raise Refused(refusal)
        self.position += 1
        admission = Admission(self.position, self.now, self.law.version)
        folded = folding.fold(self.state, facts, admission, self.law)
        self.history.append((facts, admission))
        self.state, self.changed = folded.state, folded.changed
        self.letters[act] = facts.letter_id
        return folded

    def receive(self, department: str, when: str, *positions: int) -> Folded:
        """The department's node has received these positions, by default all."""
        folded = arrive(self.case, positions or range(self.position + 1), department, at(when))
        self.state, self.changed = folded.state, folded.changed
        return folded

    def owed(self, rule: str) -> Obligation:
        """The one open obligation of a rule."""
        (found,) = [each for each in self.case.open_obligations if each.rule == rule]
        return found

    def met(self, rule: str) -> Obligation:
        """The one obligation of a rule that the last act closed."""
        (found,) = [each for each in self.changed if each.rule == rule and not each.open]
        return found

    @property
    def open_rules(self) -> list[str]:
        """Names of the rules with something open, sorted."""
        return sorted(each.rule for each in self.case.open_obligations)


def transferred(urgency: Urgency = Urgency.ORDINARY) -> Play:
    """A case just transferred, on a Monday."""
    play = Play()
    play.do("register", TOWN, urgency=urgency)
    play.do("transfer", TOWN)
    return play


def accepted() -> Play:
    """A case transferred, signed for and accepted."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("accept", HEALTH)
    return play
