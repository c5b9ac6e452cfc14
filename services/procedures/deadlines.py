"""The arithmetic of deadlines: from an obligation and a calendar to the instant it is due (docs/time.md).

Everything here is a pure function of an `Obligation` and a `Calendar`, so that sender, receiver and
registry compute the same instant from the same ledger. The calendar carries its own history. Two rules
need it: whether a request still suspended anything is judged by the calendar of its own moment, so that
no later notice undoes a pause people relied on; and a notice that came while an obligation was open
moves it earlier only down to a floor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache, partial
from typing import Final, NamedTuple

from services.procedures.calendar import NEVER, ZONE, Calendar
from services.procedures.counting import NO_PAUSES, Pauses, counted_day, elapsed, last_day, list_days, union
from services.procedures.explanation import Explanation, Pause, StartedBy
from services.procedures.obligation import Obligation, Outcome, Suspension, Unit

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_MARK_HOUR = time(9, tzinfo=ZONE)
_MONTHS_OF = {Unit.MONTHS: 1, Unit.YEARS: 12}
_ELAPSED = (Unit.HOURS, Unit.AT_ONCE)
_COUNTED = (Unit.WORKING_DAYS, Unit.DAYS)
_SAME_UNIT = {Unit.AT_ONCE: Unit.HOURS, Unit.YEARS: Unit.MONTHS}


class ExtensionUnitError(ValueError):
    """An extension is not given in the unit of the limit that it adds to."""


class MarkError(ValueError):
    """The mark cannot be read, or is a percentage of a limit that takes only absolute leads."""


_BY_DATE: Final = frozenset({Unit.WORKING_DAYS, Unit.DAYS, Unit.MONTHS, Unit.YEARS})


class _Start(NamedTuple):
    date: date
    instant: datetime
    by: StartedBy


def due_time(obligation: Obligation, calendar: Calendar) -> datetime:
    """The instant at which the obligation is due, exclusive: an act admitted at it is late.

    A discharged obligation keeps the due time frozen at its discharge. NEVER, if a pause has no end in
    sight.

    Raises:
        ExtensionUnitError: an extension is given in another unit than the limit.
        ValueError: a fixed limit without its date and hour.
    """
    if obligation.due_frozen is not None:
        return obligation.due_frozen
    if _is_plain(obligation) and obligation.admitted_at >= calendar.last_notice_at:
        started = obligation.occurred_at if obligation.from_occurred else obligation.admitted_at
        key = (obligation.limit, started.astimezone(ZONE).date())
        due = calendar.dues.get(key)
        if due is None:
            due = calendar.dues[key] = _due(obligation, NO_PAUSES, calendar)
        return due
    return _due(obligation, _pauses(obligation, calendar), calendar)


def _is_plain(obligation: Obligation) -> bool:
    """Counted in whole days from one date: the same for all that start on that date."""
    return (
        obligation.limit.unit in _BY_DATE
        and not obligation.suspensions
        and not obligation.extensions
        and not obligation.starts_on_receipt
    )


def recompute(obligation: Obligation, old: Calendar, new: Calendar, notice_at: datetime) -> datetime:
    """The due time after a notice turned the old calendar into the new (docs/time.md, Calendars).

    Open due times move in both directions, but one that moves earlier is never before the end of the
    next working day after the notice. Equals `due_time(obligation, new)` when `new` is `old` with the
    entry that was published at `notice_at`, after the obligation was opened.
    """
    if obligation.due_frozen is not None:
        return obligation.due_frozen
    pauses = _pauses(obligation, new)
    before = _due(obligation, pauses, old)
    return _moved(before, _computed(obligation, pauses, new), pauses, new, notice_at)


def extension_allowed(obligation: Obligation, at: datetime, calendar: Calendar) -> bool:
    """Whether an extension admitted at this instant is in time (docs/time.md, Suspension, extension).

    It must be admitted before the due time; a clock that is suspended is not yet due.
    """
    return obligation.open and at < due_time(obligation, calendar)


def judge(
    due: datetime,
    signed_at: datetime,
    admitted_at: datetime,
    outages: Sequence[tuple[datetime, datetime | None]] = (),
) -> Outcome:
    """How a discharging act met the due time (docs/time.md, Four times of a letter).

    `outages` are the ledgered link outages of the author's department; one that lasts has no end.
    """
    if admitted_at < due:
        return Outcome.ON_TIME
    if signed_at >= due:
        return Outcome.LATE
    # The due time is exclusive: an outage up to it took the last moment, one from it on took none.
    covered = any(begin < due and (end is None or due <= end) for begin, end in outages)
    return Outcome.EXCUSED if covered else Outcome.TRANSMITTED_LATE


def mark_time(obligation: Obligation, mark: str, calendar: Calendar) -> datetime:
    """When a mark fires: `due`, a percentage such as `80%`, or a lead such as `30 d before`, `2 h before`.

    A percentage p of n days is 09:00 of counted day ceil(p n), of hours that part of the budget; months,
    years and fixed times take leads (docs/time.md, Suspension, extension, marks).

    Raises:
        MarkError: the mark cannot be read or is a percentage of a limit that takes only leads.
        ExtensionUnitError, ValueError: as for `due_time`.
    """
    percent, lead = parse_mark(mark)
    unit = obligation.limit.unit
    if not percent:
        due = due_time(obligation, calendar)
        return due if due >= NEVER else due - lead
    if unit not in _ELAPSED and unit not in _COUNTED:
        raise MarkError(f"a limit of unit {unit} takes marks such as '30 d before', not {mark!r}")
    start = _start(obligation, calendar)
    pauses = _pauses(obligation, calendar)
    amount = _amount(obligation)
    if unit in _ELAPSED:
        return elapsed(start.instant, timedelta(hours=amount) * percent / 100, pauses)
    # Integers: in floating point 70% of 10 days would be a hair over 7 and fire on day 8.
    ordinal = -(-percent * amount // 100)
    day = counted_day(unit, ordinal, start.date, pauses, calendar)
    return NEVER if day == date.max else datetime.combine(day, _MARK_HOUR)


@lru_cache(maxsize=256)
def parse_mark(mark: str) -> tuple[int, timedelta]:
    """A mark as percentage and lead; one of them, or for `due` both, is zero.

    Raises:
        MarkError: the mark cannot be read.
    """
    if mark == "due":
        return 0, timedelta(0)
    if (percent := re.fullmatch(r"([1-9]\d?|100)%", mark, re.ASCII)) is not None:
        return int(percent[1]), timedelta(0)
    if (lead := re.fullmatch(r"(\d{1,4}) ([dh]) before", mark, re.ASCII)) is not None:
        return 0, int(lead[1]) * (_DAY if lead[2] == "d" else timedelta(hours=1))
    raise MarkError(f"{mark!r} is no mark such as 'due', '80%' or '30 d before'")


def explain(obligation: Obligation, calendar: Calendar) -> Explanation:
    """The due time with everything it was computed from, for people to print.

    Raises:
        ExtensionUnitError, ValueError: as for `due_time`.
    """
    if obligation.calendar_version is not None:
        calendar = calendar.at_version(obligation.calendar_version)
    unit = obligation.limit.unit
    pauses = _pauses(obligation, calendar)
    start = _start(obligation, calendar)
    dated = unit in _COUNTED or unit in _MONTHS_OF
    days = tuple(list_days(unit, _amount(obligation), start.date, pauses, calendar)) if dated else ()
    read = {start.date.year} if start.by is StartedBy.SILENCE else set[int]()
    if unit in _COUNTED:
        read.update(day.date.year for day in days)
    in_effect = {pause.since for pause in _effective(obligation, calendar)}
    return Explanation(
        limit=obligation.limit,
        started_by=start.by,
        start=start.instant,
        start_date=start.date,
        days=days,
        pauses=pauses.instants,
        ineffective=tuple(s.since for s in obligation.suspensions if s.since not in in_effect),
        extensions=obligation.extensions,
        computed=_computed(obligation, pauses, calendar),
        due=due_time(obligation, calendar),
        versions=tuple((year, calendar.version_of(year)) for year in sorted(read)),
        frozen=obligation.due_frozen is not None,
    )


def through_notices(
    compute: Callable[[Calendar], datetime],
    opened_at: datetime,
    calendar: Calendar,
    pauses: Pauses = NO_PAUSES,
) -> datetime:
    """A due time through all notices that came while it was open: none moves it earlier than its floor.

    Args:
        compute: Gives the due time by one calendar alone.
        opened_at: When what is due was opened; what was published before moves nothing.
        calendar: The newest, with what it superseded.
        pauses: Dates that count for nobody.
    """
    published = {
        each.version: each.published_at for each in calendar.entries if each.published_at > opened_at
    }
    if not published:
        return compute(calendar)
    due = compute(calendar.at_version(min(published) - 1))
    for version, published_at in sorted(published.items()):
        new = calendar.at_version(version)
        due = _moved(due, compute(new), pauses, new, published_at)
    return due


def _due(obligation: Obligation, pauses: Pauses, calendar: Calendar) -> datetime:
    """The due time, given the pauses, through all notices that came while the obligation existed."""
    due = _computed(obligation, pauses, calendar)
    opened_at = obligation.admitted_at
    if opened_at >= calendar.last_notice_at:
        return due
    # A count reads no date after its last: notices for later years alone cannot have moved it.
    if all(entry.year > due.year for entry in calendar.entries if entry.published_at > opened_at):
        return due
    return through_notices(partial(_computed, obligation, pauses), opened_at, calendar, pauses)


def _moved(before: datetime, after: datetime, pauses: Pauses, new: Calendar, notice_at: datetime) -> datetime:
    if after >= before:
        return after
    notice_date = notice_at.astimezone(ZONE).date()
    floor = new.end_of(counted_day(Unit.WORKING_DAYS, 1, notice_date, pauses, new))
    # The floor keeps what people could rely on; it never gives more than they had before the notice.
    return max(after, min(before, floor))


def _computed(obligation: Obligation, pauses: Pauses, calendar: Calendar) -> datetime:
    """The due time by one calendar alone."""
    unit = obligation.limit.unit
    if unit is Unit.FIXED:
        return _fixed(obligation, calendar)
    start = _start(obligation, calendar)
    amount = _amount(obligation)
    if unit in _ELAPSED:
        return elapsed(start.instant, timedelta(hours=amount), pauses)
    return calendar.end_of(last_day(unit, amount, start.date, pauses, calendar))


def _fixed(obligation: Obligation, calendar: Calendar) -> datetime:
    """A date and hour is no budget: no pause moves it, and an extension runs on from it at the same hour."""
    if obligation.fixed_due is None:
        raise ValueError("a fixed limit needs its date and hour")
    due = obligation.fixed_due.astimezone(ZONE)
    for extension in obligation.extensions:
        unit, value = extension.limit.unit, extension.limit.value
        if unit is Unit.FIXED:
            raise ExtensionUnitError("a fixed limit is extended by a number of days, hours, months or years")
        if unit in _ELAPSED:
            due += timedelta(hours=value)
        else:
            day = last_day(unit, value * _MONTHS_OF.get(unit, 1), due.date(), NO_PAUSES, calendar)
            due = datetime.combine(day, due.timetz())
    return due


def _start(obligation: Obligation, calendar: Calendar) -> _Start:
    """When the clock starts (docs/time.md, Four times of a letter)."""
    if obligation.limit.unit is Unit.FIXED and obligation.fixed_due is not None:
        instant = obligation.fixed_due.astimezone(ZONE)
        return _Start(instant.date(), instant, StartedBy.FIXED)
    if obligation.from_occurred:
        instant = obligation.occurred_at.astimezone(ZONE)
        return _Start(instant.date(), instant, StartedBy.OCCURRED)
    instant = obligation.admitted_at.astimezone(ZONE)
    if not obligation.starts_on_receipt:
        return _Start(instant.date(), instant, StartedBy.ADMITTED)
    silence = calendar.add_working_days(instant.date(), 1)
    end_of_silence = calendar.end_of(silence)
    if obligation.received_at is not None:
        received = obligation.received_at.astimezone(ZONE)
        if received.date() <= silence:
            return _Start(received.date(), min(received, end_of_silence), StartedBy.RECEIVED)
    return _Start(silence, end_of_silence, StartedBy.SILENCE)


def _amount(obligation: Obligation) -> int:
    """The budget with its extensions: working days, days, hours, or months (a year is twelve)."""
    unit = obligation.limit.unit
    amount = obligation.limit.value * _MONTHS_OF.get(unit, 1)
    for extension in obligation.extensions:
        added = extension.limit.unit
        if _SAME_UNIT.get(added, added) is not _SAME_UNIT.get(unit, unit):
            raise ExtensionUnitError(f"a limit of unit {unit} is not extended in unit {added}")
        amount += extension.limit.value * _MONTHS_OF.get(added, 1)
    return amount


def _pauses(obligation: Obligation, calendar: Calendar) -> Pauses:
    return union(_effective(obligation, calendar)) if obligation.suspensions else NO_PAUSES


def _effective(obligation: Obligation, calendar: Calendar) -> list[Pause]:
    """The pauses that took effect: a request admitted at or after the due time suspends nothing."""
    effective: list[Pause] = []
    for suspension in sorted(obligation.suspensions, key=lambda suspension: suspension.since):
        since = suspension.since
        standing = obligation
        if obligation.extensions:
            extensions = tuple(e for e in obligation.extensions if e.admitted_at <= since)
            standing = replace(obligation, extensions=extensions)
        pause = _pause(suspension)
        if pause is not None and since < _due(standing, union(effective), calendar.as_of(since)):
            effective.append(pause)
    return effective


def _pause(suspension: Suspension) -> Pause | None:
    """The pause of one request; None where its own due time left no time to answer."""
    since, answered, latest = suspension.since, suspension.until, suspension.latest_end
    if answered is not None and (latest is None or answered < latest):
        return Pause(since, answered, answered.astimezone(ZONE).date()) if answered >= since else None
    if latest is None:
        return Pause(since, NEVER, date.max)
    if latest <= since:
        return None
    # A due time is exclusive: one of midnight ends the day before, and a whole day more for silence
    # would be the reward that the rule denies it.
    return Pause(since, latest, (latest - _TICK).astimezone(ZONE).date())
