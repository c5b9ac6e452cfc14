"""An obligation: who owes which act by when, as facts. The due time is computed from them, never stored as truth."""

from __future__ import annotations

import enum
from datetime import datetime

from services.common.records import record


class Unit(enum.StrEnum):
    """Units of a limit (docs/time.md)."""

    WORKING_DAYS = "wd"
    DAYS = "d"
    HOURS = "h"
    MONTHS = "month"
    YEARS = "year"
    AT_ONCE = "at once"
    FIXED = "fixed"  # a date and hour named in the letter or by the procedure


@record(frozen=True, slots=True)
class Limit:
    """A budget of time: `value` units. For AT_ONCE the value is the grace in hours; for FIXED it is unused."""

    value: int
    unit: Unit


class Outcome(enum.StrEnum):
    """How a discharged obligation was met (docs/time.md)."""

    ON_TIME = "ON_TIME"
    TRANSMITTED_LATE = "TRANSMITTED_LATE"
    EXCUSED = "EXCUSED"  # TRANSMITTED_LATE, and ledgered outages cover the due time
    LATE = "LATE"


@record(frozen=True, slots=True)
class Suspension:
    """A pause of the clock: from the request's admitted-at to the answer's.

    `until` is None while no answer came; the pause then ends at `latest_end`, the due time of the
    request's own obligation, so that silence extends nothing.
    """

    since: datetime
    latest_end: datetime | None
    until: datetime | None = None


@record(frozen=True, slots=True)
class Extension:
    """Time added to the original budget by an act admitted before the due time."""

    limit: Limit
    admitted_at: datetime
    reason_code: str


@record(frozen=True, slots=True)
class Obligation:
    """One duty in a case.

    `rule` names the procedure's obligation, `ordinal` counts its openings in the case from 1;
    both with the case id are its key. `starts_on_receipt`: the clock starts at `received_at`, or one
    working day after `admitted_at` where silence lasts longer. `from_occurred`: at `occurred_at`.
    `fixed_due` is set where the limit is a date and hour. `outcome` and `due_frozen` are set when it
    is discharged, by the calendar of that moment; `lapsed_at` when it ended unjudged.
    """

    case_id: str
    rule: str
    ordinal: int
    owed_by: str
    owed_by_role: str
    opened_position: int
    opened_act: str
    limit: Limit
    occurred_at: datetime
    admitted_at: datetime
    received_at: datetime | None = None
    from_occurred: bool = False
    starts_on_receipt: bool = False
    fixed_due: datetime | None = None
    suspensions: tuple[Suspension, ...] = ()
    extensions: tuple[Extension, ...] = ()
    discharged_position: int | None = None
    discharged_at: datetime | None = None
    discharged_signed_at: datetime | None = None
    outcome: Outcome | None = None
    due_frozen: datetime | None = None
    calendar_version: int | None = None
    lapsed_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Neither discharged nor lapsed."""
        return self.discharged_at is None and self.lapsed_at is None
