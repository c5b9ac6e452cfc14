"""Random walks: at each step somebody does something, permitted or not, and everybody must agree on what it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common import edge
from services.common.errors import InvalidField
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
_ROUNDS: Final = 20


def fill(message: Message) -> None:
    """Give a message the least that its rules ask for."""
    for _ in range(_ROUNDS):
        try:
            edge.validate(message)
        except InvalidField as error:
            for each in error.violations:
                _mend(message, each.field, each.rule)
        else:
            return
    raise AssertionError(f"{message.DESCRIPTOR.full_name} is not easily filled")


def _mend(message: Any, path: str, rule: str) -> None:
    *outer, name = path.split(".")
    for each in outer:
        word, _, rest = each.partition("[")
        message = getattr(message, word)
        if rest:
            message = message[int(rest.rstrip("]"))]
    if rule == "string.min_len":
        setattr(message, name, getattr(message, name) + "字")
    elif rule == "enum.not_in":
        setattr(message, name, getattr(message, name) + 1)
    elif rule == "repeated.min_items":
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.message_type is not None:
            getattr(message, name).add()
        else:
            getattr(message, name).append("字" if field.enum_type is None else 1)
    elif rule == "required":
        getattr(message, name).SetInParent()
    else:
        raise AssertionError(f"{path}: nobody knows how to keep {rule}")


def drafted(
    case_id: str, act: Act, procedure: str, parties: Mapping[str, str], **fields: Any
) -> cases_pb.ActDraft:
    """An act, with the least that its body may say."""
    draft = cases_pb.ActDraft(
        case_id=case_id,
        procedure=procedure,
        act=act.name,
        parties=[pb.Party(department=name, role=role) for name, role in parties.items()],
        **fields,
    )
    body = getattr(draft, _BODIES[act.body])
    body.SetInParent()
    fill(body)
    return draft


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
    """One case of one procedure, and the dice that decide what is tried in it.

    Args:
        procedure: Whose case it is.
        names: Departments that take its roles, in order.
        random: The dice.
        office: Who holds the office.
        stranger: Who has no part in the case, until somebody names it.
    """

    def __init__(
        self,
        procedure: Procedure,
        names: Sequence[str],
        random: Random,
        office: str = JUSTICE,
        stranger: str = STRANGER,
    ) -> None:
        self.procedure = procedure
        self.random = random
        self.office = office
        self.stranger = stranger
        self.case_id = new_id()
        roles = seats_of(procedure)
        if len(roles) < len(procedure.roles) - (OFFICE in procedure.roles) or len(roles) > len(names):
            raise ValueError(
                f"{len(names)} departments for {len(roles)} seats of {len(procedure.roles)} roles"
            )
        self.parties = dict(zip(names, roles, strict=False))

    def steps(self, state: CaseState | None, law: Law, now: datetime) -> list[Step]:
        """What is tried next, as the case stands; two steps are tried at once, in ignorance of each other."""
        random = self.random
        if state is None:
            openings = [act for act in self.procedure.acts.values() if self.procedure.opens(act)]
            act = random.choice(openings)
            urgency = random.choice(sorted(act.only)) if act.only else random.choice(list(Urgency))
            author = next((name for name, role in self.parties.items() if role in act.by), self.office)
            return [self._step(author, act, None, now, urgency)]
        if state.state in self.procedure.final:
            return []
        everyone = [*self.parties, self.office, self.stranger]
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
            newcomers = [self.stranger, *(name for name in self.parties if name != author)]
            parties = {random.choice(newcomers): role}
        fields["materials"] = [self._material(act, kind, author) for kind in act.needs]
        draft = drafted(self.case_id, act, self.procedure.name, parties, **fields)
        if urgency is not None:
            draft.urgency = _URGENCY[urgency]
        return Step(author, act, draft)

    def _material(self, act: Act, kind: str, author: str) -> pb.Material:
        if act.evidence_may_follow and self.random.random() < _ANNOUNCED:
            return pb.Material(kind=kind)
        return pb.Material(kind=kind, manifest_root=root_of(kind, author), digest=bytes(32), size=1)
