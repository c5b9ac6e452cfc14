"""Everything common that the rules read, as one immutable value.

A law is what the common entries of one registry's ledger add up to below some position: `version` is
the number of the last of them. Whoever applies a common entry makes the next law with a `with_` method
and keeps the old one for as long as letters are judged by it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from services.procedures.calendar import Calendar
from services.procedures.facts import ActFacts, Urgency
from services.procedures.model import ObligationRule, Procedure
from services.procedures.obligation import Limit, Unit

ACTIVE: Final = "active"
LISTED: Final = "listed"
SUSPENDED: Final = "suspended"
LEFT: Final = "left"

_FAMILY: Final = {Unit.AT_ONCE: Unit.HOURS, Unit.YEARS: Unit.MONTHS}
_TAKES_SHARES: Final = frozenset({Unit.WORKING_DAYS, Unit.DAYS, Unit.HOURS})

Outages = tuple[tuple[datetime, datetime | None], ...]


class LimitDoesNotFit(ValueError):
    """The regional limit has a unit that the obligation's marks or extensions cannot be counted in."""


@dataclass(frozen=True, slots=True)
class RegionalLimit:
    """A limit of the region in place of the procedure's own, for cases opened in its validity.

    `urgency` None holds for every urgency that has no limit of its own. `valid_until` is exclusive.
    """

    procedure: str
    obligation: str
    within: Limit
    valid_from: datetime
    valid_until: datetime | None = None
    urgency: Urgency | None = None
    clause: str = ""


def limit_key(rule: str, urgency: Urgency | None) -> str:
    """The key under which a case pins a regional limit."""
    return rule if urgency is None else f"{rule}/{urgency}"


def takes_shares(limit: Limit) -> bool:
    """Whether percent marks can be counted in the limit's unit (docs/time.md, marks)."""
    return _FAMILY.get(limit.unit, limit.unit) in _TAKES_SHARES


def adds_up(limit: Limit, extension: Limit) -> bool:
    """Whether an extension can be added: both count days of one kind, hours, or months; or it moves a fixed date."""
    if limit.unit is Unit.FIXED:
        return extension.unit is not Unit.FIXED
    return _FAMILY.get(limit.unit, limit.unit) is _FAMILY.get(extension.unit, extension.unit)


def limit_fits(rule: ObligationRule, limit: Limit) -> bool:
    """Whether a region may give the rule this limit: the rule's marks and extensions must still count."""
    if rule.requested_limit or limit.unit is Unit.FIXED:
        return False
    if not takes_shares(limit) and any(mark.name.endswith("%") for mark in rule.marks):
        return False
    return all(adds_up(limit, each) for each in rule.extended_by.values())


def region_of(name: str) -> str:
    """The region of a department or registry: `health.qinghe` and `registry.qinghe` are of `qinghe`."""
    return name.partition(".")[2] or name


@dataclass(frozen=True, slots=True)
class Officer:
    """The certificate of an enforcement officer.

    `scope` are beginnings of item codes; empty holds for every matter. `valid_until` is exclusive.
    """

    number: str
    department: str
    subject: str
    valid_from: datetime
    valid_until: datetime
    scope: tuple[str, ...] = ()
    suspended: bool = False

    def problem(self, subject: str, item_code: str, at: datetime) -> str:
        """Why it does not carry a person's act at a time; empty if it does."""
        if self.subject != subject:
            return f"{self.number} is another officer's certificate."
        if not self.valid_from <= at < self.valid_until:
            return f"{self.number} was not valid then."
        if self.suspended:
            return f"{self.number} is suspended."
        if self.scope and item_code and not item_code.startswith(self.scope):
            return f"{self.number} is not for {item_code}."
        return ""


@dataclass(frozen=True, slots=True)
class Law:
    """What everyone judges a letter by.

    Attributes:
        registry: Name of the home registry, such as `registry.qinghe`; taken where facts name none.
        offices: Procedure to the department that holds its office now.
        departments: Department to its status (`listed`, `active`, `suspended`, `left`). While it is
            empty no directory is known and no department is questioned.
        sub_units: (department, sub-unit) pairs that may stand as author.
        outages: Department to its ledgered link outages; the key "" holds for all.
        officers: Department to its officers' certificates by number. Of a department that lists none no
            officer is questioned.
        withdrawn: (name, version) of procedures that open no more cases; running ones go on.
        received_acts: Names of acts whose receipt starts a clock, in any procedure.
        authority: Extension point of the directory: flags of missing authority for an act. Flags are
            recorded and refuse nothing.
    """

    registry: str = ""
    version: int = 0
    procedures: Mapping[tuple[str, int], Procedure] = field(default_factory=dict)
    withdrawn: frozenset[tuple[str, int]] = frozenset()
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    limits: tuple[RegionalLimit, ...] = ()
    offices: Mapping[str, str] = field(default_factory=dict)
    departments: Mapping[str, str] = field(default_factory=dict)
    sub_units: frozenset[tuple[str, str]] = frozenset()
    outages: Mapping[str, Outages] = field(default_factory=dict)
    officers: Mapping[str, Mapping[str, Officer]] = field(default_factory=dict)
    received_acts: frozenset[str] = frozenset()
    authority: Callable[[ActFacts], tuple[str, ...]] | None = None

    def procedure(self, name: str, version: int) -> Procedure | None:
        """A procedure, None if this version of it was never in force here."""
        return self.procedures.get((name, version))

    def newest(self, name: str) -> Procedure | None:
        """The newest version that still opens cases, None if there is none."""
        versions = [v for n, v in self.procedures if n == name and (n, v) not in self.withdrawn]
        return self.procedures[name, max(versions)] if versions else None

    def calendar(self, name: str) -> Calendar:
        """The calendar for a registry or department: its region's, else that of the region around it.

        Where none is published the calendar is provisional: Monday to Friday, no holidays.
        """
        region = region_of(name)
        while region not in self.calendars:
            _, dot, region = region.partition(".")
            if not dot:
                return Calendar(region_of(name))
        return self.calendars[region]

    def limits_at(self, procedure: Procedure, opened_at: datetime) -> dict[str, Limit]:
        """The regional limits that a case opened at this time runs under, by `limit_key`.

        Of two that hold at once the one with the later `valid_from` does.
        """
        chosen: dict[str, Limit] = {}
        for each in sorted(self.limits, key=lambda limit: limit.valid_from):
            rule = procedure.obligations.get(each.obligation)
            if (
                each.procedure == procedure.name
                and each.valid_from <= opened_at
                and (each.valid_until is None or opened_at < each.valid_until)
                and rule is not None
                and limit_fits(rule, each.within)
            ):
                chosen[limit_key(each.obligation, each.urgency)] = each.within
        return chosen

    def outages_of(self, department: str) -> Outages:
        """The ledgered outages of a department's link, those of all links included."""
        return self.outages.get(department, ()) + self.outages.get("", ())

    def authority_flags(self, facts: ActFacts) -> tuple[str, ...]:
        """Codes of authority that the author lacks for this act; empty while no directory is attached."""
        return self.authority(facts) if self.authority else ()

    def with_version(self, version: int) -> Law:
        """The same law under another common version."""
        return replace(self, version=version)

    def with_registry(self, name: str) -> Law:
        """Names the home registry."""
        return replace(self, registry=name)

    def with_procedure(self, procedure: Procedure) -> Law:
        """Puts a procedure in force beside its other versions."""
        key = (procedure.name, procedure.version)
        return replace(
            self,
            procedures={**self.procedures, key: procedure},
            withdrawn=self.withdrawn - {key},
            received_acts=self.received_acts | procedure.received_acts,
        )

    def with_procedures(self, procedures: Sequence[Procedure]) -> Law:
        """Puts several procedures in force."""
        law = self
        for procedure in procedures:
            law = law.with_procedure(procedure)
        return law

    def without_procedure(self, name: str, version: int) -> Law:
        """Lets a version open no more cases."""
        return replace(self, withdrawn=self.withdrawn | {(name, version)})

    def with_calendar(self, calendar: Calendar) -> Law:
        """Sets the calendar of its region."""
        return replace(self, calendars={**self.calendars, calendar.region: calendar})

    def with_limit(self, limit: RegionalLimit) -> Law:
        """Adds a regional limit; one of the same obligation, urgency and `valid_from` is replaced.

        Raises:
            LimitDoesNotFit: a known version of the procedure cannot count in the limit's unit.
        """
        for procedure in self.procedures.values():
            rule = procedure.obligations.get(limit.obligation)
            if procedure.name == limit.procedure and rule is not None and not limit_fits(rule, limit.within):
                raise LimitDoesNotFit(f"{limit.procedure}, {limit.obligation}: {limit.within.unit}")
        kept = tuple(each for each in self.limits if _same_key(each) != _same_key(limit))
        return replace(self, limits=(*kept, limit))

    def with_office(self, procedure: str, department: str) -> Law:
        """Gives the office of a procedure to a department, for running cases too."""
        return replace(self, offices={**self.offices, procedure: department})

    def with_department(self, name: str, status: str = ACTIVE, sub_units: Sequence[str] = ()) -> Law:
        """Lists a department with its status and the sub-units that may stand as author."""
        others = frozenset(pair for pair in self.sub_units if pair[0] != name)
        return replace(
            self,
            departments={**self.departments, name: status},
            sub_units=others | {(name, each) for each in sub_units},
        )

    def with_outage(self, department: str, since: datetime, until: datetime | None = None) -> Law:
        """Adds a link outage; one of the same beginning is replaced, so that its end can be entered."""
        kept = tuple(each for each in self.outages.get(department, ()) if each[0] != since)
        return replace(self, outages={**self.outages, department: (*kept, (since, until))})

    def with_officer(self, officer: Officer) -> Law:
        """Lists an officer's certificate, in place of what stood under its number."""
        listed = {**self.officers.get(officer.department, {}), officer.number: officer}
        return replace(self, officers={**self.officers, officer.department: listed})

    def with_authority(self, flags: Callable[[ActFacts], tuple[str, ...]]) -> Law:
        """Attaches the directory's judgement of authority."""
        return replace(self, authority=flags)


def _same_key(limit: RegionalLimit) -> tuple[str, str, Urgency | None, datetime]:
    return (limit.procedure, limit.obligation, limit.urgency, limit.valid_from)
