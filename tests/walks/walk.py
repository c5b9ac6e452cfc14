"""Random walks: at each step somebody does something, permitted or not, and everybody must agree on what it made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.exchange.v1 import envelope_pb2 as pb

from services.exchange.letters import timestamp
from services.procedures.admit import permitted
from services.procedures.case import CaseState
from services.procedures.facts import Urgency
from services.procedures.law import Law
from services.procedures.model import OFFICE, Act, Procedure
from tests.builders.departments import JUSTICE, new_id, root_of

STRANGER: Final = "stranger.qinghe"
_URGENCY: Final = {
    Urgency.ORDINARY: pb.URGENCY_ORDINARY, Urgency.URGENT: pb.URGENCY_URGENT, Urgency.MAJOR: pb.URGENCY_MAJOR,
}  # fmt: skip
_BODIES: Final[dict[str, str]] = {
    field.message_type.full_name: field.name
    for field in cases_pb.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
    if field.message_type is not None
}
_END_SELDOM: Final = 0.15
_ASTRAY: Final = 0.2
_AT_ONCE: Final = 0.15
_ANOTHER: Final = 0.3
_ANNOUNCED: Final = 0.3


def seats_of(procedure: Procedure) -> list[str]:
    """The roles of a procedure but the office, whoever opens a case first; twice those that several may hold."""
    opening = {role for act in procedure.acts.values() if procedure.opens(act) for role in act.by}
    roles = sorted(procedure.roles, key=lambda role: (role not in opening, role))
    return [role for role in roles if role != OFFICE for _ in range(2 if role in procedure.many else 1)]


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody tries."""

    author: str
    act: Act
    draft: cases_pb.ActDraft


class Walk:
    """One case of one procedure, and the dice that decide what is tried in it."""

    def __init__(self, procedure: Procedure, names: list[str], random: Random) -> None:
        self.procedure = procedure
        self.random = random
        self.case_id = new_id()
        roles = seats_of(procedure)
        if len(roles) < len(procedure.roles) - (OFFICE in procedure.roles) or len(roles) > len(names):
            raise ValueError("too few departments")
        self.parties = dict(zip(names, roles, strict=False))

    def steps(self, state: CaseState | None, law: Law, now: datetime) -> list[Step]:
        """What is tried next, as the case stands; two steps are tried at once, in ignorance of each other."""
        random = self.random
        if state is None:
            openings = [act for act in self.procedure.acts.values() if self.procedure.opens(act)]
            act = random.choice(openings)
            urgency = random.choice(sorted(act.only)) if act.only else random.choice(list(Urgency))
            author = next((name for name, role in self.parties.items() if role in act.by), JUSTICE)
            return [self._step(author, act, None, now, urgency)]
        if state.state in self.procedure.final:
            return []
        everyone = [*self.parties, JUSTICE, STRANGER]
        if random.random() < _ASTRAY:
            chosen = [(random.choice(everyone), random.choice(list(self.procedure.acts.values())))]
        else:
            may_end = random.random() < _END_SELDOM
            possible = [
                (name, self.procedure.acts[each.act])
                for name in everyone
                for each in permitted(state, name, law)
                if each.allowed
                and (may_end or self.procedure.acts[each.act].becomes not in self.procedure.final)
            ]
            count = 2 if random.random() < _AT_ONCE else 1
            chosen = random.sample(possible, min(count, len(possible)))
            if len({name for name, _ in chosen}) < len(chosen):
                chosen = chosen[:1]
        return [self._step(name, act, state, now, None) for name, act in chosen]

    def _step(
        self, author: str, act: Act, state: CaseState | None, now: datetime, urgency: Urgency | None
    ) -> Step:
        random = self.random
        fields: dict[str, Any] = {}
        if "requested_limit" in act.requires:
            fields["requested_limit"] = timestamp(now + timedelta(days=random.randint(1, 30)))
        if "linked_cases" in act.requires:
            fields["linked_cases"] = [pb.LinkedCase(case_id=new_id(), relation="parent")]
        for code in ("reason_code", "outcome_code", "item_code", "area_code"):
            if code in act.requires:
                fields[code] = "01"
        if state is not None and "amended_letter" in act.requires:
            own = sorted(key for key in state.letters if key.endswith(f" {author}"))
            fields["amended_letter"] = state.letters[random.choice(own)] if own else new_id()
        parties = self.parties if state is None else {}
        if state is not None and act.names and ("parties" in act.requires or random.random() < _ANOTHER):
            role = random.choice(act.names)
            newcomers = [STRANGER, *(name for name in self.parties if name != author)]
            parties = {random.choice(newcomers): role}
        draft = cases_pb.ActDraft(
            case_id=self.case_id,
            procedure=self.procedure.name,
            act=act.name,
            parties=[pb.Party(department=name, role=role) for name, role in parties.items()],
            materials=[self._material(act, kind, author) for kind in act.needs],
            **fields,
        )
        if urgency is not None:
            draft.urgency = _URGENCY[urgency]
        getattr(draft, _BODIES[act.body]).SetInParent()
        return Step(author, act, draft)

    def _material(self, act: Act, kind: str, author: str) -> pb.Material:
        if act.evidence_may_follow and self.random.random() < _ANNOUNCED:
            return pb.Material(kind=kind)
        return pb.Material(kind=kind, manifest_root=root_of(kind, author), digest=bytes(32), size=1)
