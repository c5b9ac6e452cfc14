"""A case as the desk holds it, and what is laid over it: pure values and folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.exchange.session import RECORDED
from services.procedures.admit import admit
from services.procedures.case import CaseState
from services.procedures.deadlines import due_time
from services.procedures.facts import ActFacts, Admission
from services.procedures.fold import PENDING_POSITION, fold
from services.procedures.law import Law

Dues = Mapping[tuple[str, int], datetime]
"""Due times of open obligations, by rule and ordinal."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A case as the desk holds it.

    Attributes:
        admitted: Fold of admitted letters, None while there is none.
        pending: Own letters recorded and not yet answered, in order.
        view: `admitted` with the first `laid` of `pending` on top; the rest is folded when somebody looks.
        laid: How many of `pending` the view holds.
        dues: Due times of open obligations by rule and ordinal, by the newest calendar.
        title: From the newest body that names one.
    """

    admitted: CaseState | None = None
    pending: tuple[ActFacts, ...] = ()
    view: CaseState | None = None
    laid: int = 0
    title: str = ""
    dues: Dues = field(default_factory=dict)

    def folded(self, now: datetime, law: Law) -> Entry:
        """The entry with all that is pending in its view."""
        count = len(self.pending)
        if self.laid == count:
            return self
        rest = self.pending[self.laid :] if self.laid else self.pending
        return replace(self, view=overlay(self.view, rest, now, law), laid=count)

    @property
    def is_new(self) -> bool:
        """Nothing of the case is here yet."""
        return self.admitted is None and not self.pending


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a request to send."""

    letter_id: str
    case_id: str
    number: str = ""
    disposition: str = RECORDED
    position: int | None = None
    reason: str = ""
    message: str = ""


def stored(
    admitted: CaseState | None, pending: Sequence[ActFacts], title: str, now: datetime, law: Law
) -> Entry:
    """A case as it was stored, with the department's own letters that are on their way."""
    dues = dues_of(admitted, law) if admitted else {}
    return Entry(admitted, tuple(pending), admitted, title=title, dues=dues).folded(now, law)


def overlay(
    state: CaseState | None, pending: Sequence[ActFacts], now: datetime, law: Law
) -> CaseState | None:
    """Fold what of the pending letters still fits; the registry will judge the rest."""
    for facts in pending:
        if admit(state, facts, now, law) is None:
            state = fold_pending(state, facts, now, law)
    return state


def fold_pending(state: CaseState | None, facts: ActFacts, now: datetime, law: Law) -> CaseState:
    """Fold a letter as if it were admitted now."""
    return fold(state, facts, Admission(PENDING_POSITION, now, law.version), law).state


def dues_of(state: CaseState, law: Law) -> dict[tuple[str, int], datetime]:
    """Due times of a case's open obligations by the newest calendar."""
    calendar = law.calendar(state.home_registry)
    return {(each.rule, each.ordinal): due_time(each, calendar) for each in state.open_obligations}
