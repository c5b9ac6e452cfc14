"""From a recipient's Arrival to the clocks that wait for it: an event of clocks, never a change of the case."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from services.procedures.case import CaseState
from services.procedures.fold import Folded
from services.procedures.obligation import Obligation


def arrive(state: CaseState, positions: Collection[int], department: str, received_at: datetime) -> Folded:
    """Notes a recipient's Arrival: the clocks that start on receipt of these letters start.

    A clock event, never a change of the case; a second arrival of the same letter changes nothing.
    """

    def received(each: Obligation) -> Obligation:
        if (
            each.starts_on_receipt
            and each.received_at is None
            and each.owed_by == department
            and each.opened_position in positions
        ):
            return replace(each, received_at=received_at)
        return each

    after = tuple([received(each) for each in state.open_obligations])
    changed = tuple([new for new, old in zip(after, state.open_obligations, strict=True) if new is not old])
    kept = {rule: tuple([received(each) for each in closed]) for rule, closed in state.reopenable.items()}
    if not changed and kept == state.reopenable:
        return Folded(state)
    return Folded(replace(state, open_obligations=after, reopenable=kept), changed)
