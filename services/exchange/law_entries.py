"""From common entries to the law: what of an entry the rules of procedures read.

Total and deterministic: an entry that cannot be used leaves the law as it was, everywhere alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.authority_lists import AuthorityLists
from services.exchange.trust import instant, moment
from services.procedures.calendar import Calendar, CalendarYear
from services.procedures.facts import ActFacts, Urgency
from services.procedures.law import ACTIVE, LEFT, LISTED, SUSPENDED, Law, Officer, RegionalLimit
from services.procedures.loader import load_text
from services.procedures.model import Procedure
from services.procedures.source import parse_limit

MISSING_AUTHORITY: Final = "MISSING_AUTHORITY"

_STATUS: Final[Mapping[int, str]] = {
    pb.DEPARTMENT_STATUS_LISTED: LISTED,
    pb.DEPARTMENT_STATUS_ACTIVE: ACTIVE,
    pb.DEPARTMENT_STATUS_SUSPENDED: SUSPENDED,
    pb.DEPARTMENT_STATUS_LEFT: LEFT,
}


@dataclass(frozen=True, slots=True)
class AuthorityFlags:
    """Judges an act by the authority lists, at the time it was signed."""

    lists: AuthorityLists

    def __call__(self, facts: ActFacts) -> tuple[str, ...]:
        """`MISSING_AUTHORITY` where no row gives the matter to the author, nor to a department that gets a role.

        Who passes a matter on to the department that is competent does what the lists ask for; who acts, and only tells
        that department, does not.
        """
        concerned = {facts.author, *facts.parties}
        missing = all(
            self.lists.missing(each, facts.item_code, facts.area_code, facts.signed_at) for each in concerned
        )
        return (MISSING_AUTHORITY,) if missing else ()


@dataclass(frozen=True, slots=True)
class PublishedProcedure:
    """A procedure as it was published; `procedure` is None and `error` set where it cannot be used."""

    entry: pb.Procedure
    procedure: Procedure | None
    error: str = ""


def read_procedure(entry: pb.Procedure) -> PublishedProcedure:
    """Loads a published procedure; a malformed one is kept with what is wrong with it."""
    try:
        procedure = load_text(entry.source, f"{entry.name}.yaml")
    except Exception as error:  # noqa: BLE001 - whatever a text does to the reader, the ledger goes on
        return PublishedProcedure(entry, None, str(error) or type(error).__name__)
    if (procedure.name, procedure.version) != (entry.name, entry.version):
        return PublishedProcedure(
            entry, None, f"The source is of {procedure.name} version {procedure.version}."
        )
    return PublishedProcedure(entry, procedure)


def law_after_department(law: Law, entry: pb.Department) -> Law:
    """The law after a department's entry."""
    return law.with_department(entry.name, _STATUS.get(entry.status, LISTED), tuple(entry.sub_units))


def law_after_calendar(law: Law, entry: pb.CalendarYear, version: int, admitted_at: datetime) -> Law:
    """The law after a calendar year."""
    minutes = entry.close_of_business
    try:
        year = CalendarYear(
            year=entry.year,
            holidays=frozenset(_days(entry.year, entry.holidays)),
            makeup=frozenset(_days(entry.year, entry.make_up_days)),
            published_at=admitted_at,
            version=version,
            close_of_business=time(minutes // 60, minutes % 60) if minutes else None,
            d_rolls=entry.natural_days_roll,
        )
        calendar = law.calendars.get(entry.region, Calendar(entry.region)).with_year(year)
    except (ValueError, OverflowError):
        return law
    return law.with_calendar(calendar)


def read_limit(entry: pb.RegionalLimit, admitted_at: datetime) -> RegionalLimit | None:
    """A regional limit, None if its time cannot be read; without a beginning it holds from its admission.

    Raises:
        ValueError: The urgency is none.
    """
    within = parse_limit(entry.within)
    if within is None:
        return None
    return RegionalLimit(
        procedure=entry.procedure,
        obligation=entry.obligation,
        within=within,
        valid_from=moment(entry, "valid_from") or admitted_at,
        valid_until=moment(entry, "valid_until"),
        urgency=Urgency(entry.urgency) if entry.urgency else None,
        clause=entry.clause,
    )


def law_after_limit(law: Law, entry: pb.RegionalLimit, admitted_at: datetime) -> Law:
    """The law after a regional limit."""
    try:
        limit = read_limit(entry, admitted_at)
        return law if limit is None else law.with_limit(limit)
    except ValueError:
        return law


def law_after_officer(law: Law, entry: pb.OfficerCertificate) -> Law:
    """The law after an officer's certificate."""
    since, until = moment(entry, "valid_from"), moment(entry, "valid_until")
    if since is None or until is None:
        return law
    return law.with_officer(
        Officer(
            entry.number, entry.department, entry.subject, since, until, tuple(entry.scope), entry.suspended
        )
    )


def law_after_outage(law: Law, entry: pb.Outage) -> Law:
    """The law after an outage."""
    since, until = instant(entry.since), instant(entry.until)
    return law if since is None or until is None else law.with_outage(entry.department, since, until)


def _days(year: int, days: Iterable[str]) -> list[date]:
    return [date.fromisoformat(f"{year:04d}-{day}") for day in days]
