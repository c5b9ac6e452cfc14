"""The state of a case: what the fold of its admitted act headers leaves, and nothing that grows with them.

Every collection here is bounded by the procedure and its parties: counts only of acts with `at_most`,
the last closing only of obligations that an act can reopen, and of each numbered act the standing
letter of each author. A later letter of the same act by the same author supersedes the earlier one, so
only the standing letter can be amended; that is what keeps authorship of letters bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from services.common.records import record
from services.procedures.facts import Urgency
from services.procedures.model import OFFICE
from services.procedures.obligation import Extension, Limit, Obligation, Outcome, Suspension, Unit

_FROM_OCCURRED: Final = 1
_STARTS_ON_RECEIPT: Final = 2
_OPEN_LENGTH: Final = 15

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNITS: Final = {str(unit): unit for unit in Unit}


@record(frozen=True, slots=True)
class CaseState:
    """One case after its last admitted act.

    Attributes:
        parties: Role to its holders; a role nobody holds is absent.
        former: Departments that held a role and hold none now; they keep what they were sent.
        counts: `act@receiver` to how often it was done.
        ordinals: Obligation to how often it was opened.
        open_obligations: In the order of opening.
        reopenable: The obligations of a rule that its last closing act closed, as they were before, for
            `reopens`.
        awaited: Ordinal of an open `evidence` obligation to the kinds of material still announced only.
        letters: `act author` to the standing numbered letter.
        limits: Regional limits in force when the case opened, by `rule` or `rule/urgency`.
        last_author: Author of the act at `last_position`.
        office_called: The office owes something in the case, acted in it or was addressed.
        last_other_position: The last position of an act by anybody but `last_author`, -1 if none.
    """

    case_id: str
    home_registry: str
    procedure: str
    version: int
    state: str
    urgency: Urgency
    parties: Mapping[str, tuple[str, ...]]
    opened_at: datetime
    opened_position: int
    last_position: int
    last_author: str
    last_other_position: int = -1
    former: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    ordinals: Mapping[str, int] = field(default_factory=dict)
    open_obligations: tuple[Obligation, ...] = ()
    reopenable: Mapping[str, tuple[Obligation, ...]] = field(default_factory=dict)
    awaited: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    letters: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    office_called: bool = False

    def roles_of(self, department: str) -> tuple[str, ...]:
        """The roles that a department holds now; empty for a stranger."""
        return tuple(role for role, holders in self.parties.items() if department in holders)

    @property
    def members(self) -> tuple[str, ...]:
        """Every department that holds or held a role, each once; the office only once it was called.

        An office sees headers and obligations of all its cases by oversight. The letters themselves come
        to it, those of the past included, when it owes something in the case, acts in it or is addressed.
        """
        return tuple(
            dict.fromkeys(
                [
                    name
                    for role, held in self.parties.items()
                    if role != OFFICE or self.office_called
                    for name in held
                ]
                + [*self.former]
            )
        )

    def seen_by(self, author: str, based_on: int | None) -> bool:
        """Whether an author who had seen `based_on` knows every act by others."""
        foreign = self.last_other_position if self.last_author == author else self.last_position
        return foreign < 0 or (based_on is not None and based_on >= foreign)

    def amendable(self, letter_id: str) -> str | None:
        """The author of a standing letter, None if no standing letter has that id."""
        for key, standing in self.letters.items():
            if standing == letter_id:
                return key.partition(" ")[2]
        return None


def dumps(state: CaseState) -> bytes:
    """Compact UTF-8 JSON of a state; `loads` gives an equal state back. Times are microseconds of Unix."""
    record: dict[str, Any] = {
        "id": state.case_id,
        "home": state.home_registry,
        "procedure": state.procedure,
        "version": state.version,
        "state": state.state,
        "urgency": state.urgency,
        "parties": state.parties,
        "opened": [_stamp(state.opened_at), state.opened_position],
        "last": [state.last_position, state.last_author, state.last_other_position],
    }
    if state.office_called:
        record["office"] = True
    if state.former:
        record["former"] = state.former
    if state.counts:
        record["counts"] = state.counts
    if state.ordinals:
        record["ordinals"] = state.ordinals
    if state.open_obligations:
        record["open"] = [_flatten(each) for each in state.open_obligations]
    if state.reopenable:
        record["reopenable"] = {k: [_flatten(each) for each in v] for k, v in state.reopenable.items()}
    if state.awaited:
        record["awaited"] = list(state.awaited.items())
    if state.letters:
        record["letters"] = state.letters
    if state.limits:
        record["limits"] = {key: (limit.value, limit.unit) for key, limit in state.limits.items()}
    return orjson.dumps(record)


def loads(data: bytes) -> CaseState:
    """The state that `dumps` wrote."""
    record = orjson.loads(data)
    case_id = record["id"]
    opened_at, opened_position = record["opened"]
    last_position, last_author, last_other_position = record["last"]
    return CaseState(
        case_id=case_id,
        home_registry=record["home"],
        procedure=record["procedure"],
        version=record["version"],
        state=record["state"],
        urgency=Urgency(record["urgency"]),
        parties={role: tuple(held) for role, held in record["parties"].items()},
        opened_at=_time(opened_at),
        opened_position=opened_position,
        last_position=last_position,
        last_author=last_author,
        last_other_position=last_other_position,
        former=tuple(record.get("former", ())),
        counts=record.get("counts", {}),
        ordinals=record.get("ordinals", {}),
        open_obligations=tuple([_restore(case_id, each) for each in record.get("open", ())]),
        reopenable={
            rule: tuple([_restore(case_id, each) for each in closed])
            for rule, closed in record.get("reopenable", {}).items()
        },
        awaited={ordinal: tuple(kinds) for ordinal, kinds in record.get("awaited", ())},
        letters=record.get("letters", {}),
        limits={key: Limit(value, _UNITS[unit]) for key, (value, unit) in record.get("limits", {}).items()},
        office_called=record.get("office", False),
    )


def dumps_obligation(obligation: Obligation) -> bytes:
    """Compact JSON of one obligation, open or closed, for its row; the case's id is not in it."""
    flat = _flatten(obligation)
    if not obligation.open:
        flat.append(
            [
                obligation.discharged_position,
                _optional(obligation.discharged_at),
                _optional(obligation.discharged_signed_at),
                obligation.outcome,
                _optional(obligation.due_frozen),
                obligation.calendar_version,
                _optional(obligation.lapsed_at),
            ]
        )
    return orjson.dumps(flat)


def loads_obligation(case_id: str, data: bytes) -> Obligation:
    """The obligation that `dumps_obligation` wrote."""
    flat = orjson.loads(data)
    if len(flat) == _OPEN_LENGTH:
        return _restore(case_id, flat)
    position, at, signed, outcome, due, version, lapsed = flat.pop()
    return replace(
        _restore(case_id, flat),
        discharged_position=position,
        discharged_at=_optional_time(at),
        discharged_signed_at=_optional_time(signed),
        outcome=Outcome(outcome) if outcome else None,
        due_frozen=_optional_time(due),
        calendar_version=version,
        lapsed_at=_optional_time(lapsed),
    )


def _flatten(each: Obligation) -> list[Any]:
    # A state holds no closed obligation: what an act can reopen is kept as it was while it ran.
    return [
        each.rule,
        each.ordinal,
        each.owed_by,
        each.owed_by_role,
        each.opened_position,
        each.opened_act,
        each.limit.value,
        each.limit.unit,
        _stamp(each.occurred_at),
        _stamp(each.admitted_at),
        each.from_occurred * _FROM_OCCURRED + each.starts_on_receipt * _STARTS_ON_RECEIPT,
        _optional(each.received_at),
        _optional(each.fixed_due),
        [(_stamp(s.since), _optional(s.latest_end), _optional(s.until)) for s in each.suspensions]
        if each.suspensions
        else 0,
        [(e.limit.value, e.limit.unit, _stamp(e.admitted_at), e.reason_code) for e in each.extensions]
        if each.extensions
        else 0,
    ]


def _restore(case_id: str, flat: list[Any]) -> Obligation:
    (
        rule, ordinal, owed_by, role, position, act, value, unit, occurred, admitted, flags, received, fixed,
        suspensions, extensions,
    ) = flat  # fmt: skip
    return Obligation(
        case_id=case_id,
        rule=rule,
        ordinal=ordinal,
        owed_by=owed_by,
        owed_by_role=role,
        opened_position=position,
        opened_act=act,
        limit=Limit(value, _UNITS[unit]),
        occurred_at=_time(occurred),
        admitted_at=_time(admitted),
        received_at=_optional_time(received),
        from_occurred=bool(flags & _FROM_OCCURRED),
        starts_on_receipt=bool(flags & _STARTS_ON_RECEIPT),
        fixed_due=_optional_time(fixed),
        suspensions=tuple(
            [
                Suspension(_time(since), _optional_time(end), _optional_time(until))
                for since, end, until in suspensions
            ]
        )
        if suspensions
        else (),
        extensions=tuple(
            [Extension(Limit(v, _UNITS[u]), _time(when), reason) for v, u, when, reason in extensions]
        )
        if extensions
        else (),
    )


def _stamp(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(0, 0, microseconds)


def _optional_time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(0, 0, microseconds)
