"""The directory: everything common, as one immutable value that every member computes alike (M01).

A directory is what the common entries of a registry's ledger add up to below some position. It is built
by nothing but applying them in ledger order, so registry and nodes that hold the same entries hold the
same directory. Whoever judges a letter keeps the directory of the letter's common version.

Messages in it are shared between versions: they are read, never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.authority_lists import AuthorityLists
from services.exchange.codes import CodeTables
from services.exchange.duty_entries import read_duty
from services.exchange.law_entries import (
    AuthorityFlags,
    PublishedProcedure,
    law_after_calendar,
    law_after_department,
    law_after_limit,
    law_after_officer,
    law_after_outage,
    read_procedure,
)
from services.exchange.trust import Trust
from services.procedures.law import Law


@dataclass(frozen=True, slots=True)
class PublishedYear:
    """A calendar year as it was published, and the common version of its entry."""

    entry: pb.CalendarYear
    version: int


@dataclass(frozen=True, slots=True)
class Directory:
    """All common entries up to a version.

    Attributes:
        region: The region whose ledger this is of.
        version: Number of the last entry applied, 0 before the first.
        position: Its ledger position, -1 before the first.
        admitted_at: Its admission, None before the first.
        law: What the rules of procedures read of it.
        trust: Keys and revocations.
        departments: By name.
        people: By department and id.
        lists: The authority lists.
        duties: By subject.
        offices: Procedure to department.
        years: By region and year.
        procedures: By name and version, the unusable ones too.
        limits: By procedure, obligation, urgency and beginning in microseconds.
        outages: In ledger order.
        officers: By number of the certificate.
        standing_duties: By id.
        categories: By name.
        schemas: By name and version.
        registries: By key id.
        codes: The code tables, without their rows.
    """

    region: str
    version: int = 0
    position: int = -1
    admitted_at: datetime | None = None
    law: Law = field(default_factory=Law)
    trust: Trust = field(default_factory=Trust)
    departments: Mapping[str, pb.Department] = field(default_factory=dict)
    people: Mapping[tuple[str, str], pb.Person] = field(default_factory=dict)
    lists: AuthorityLists = field(default_factory=AuthorityLists)
    duties: Mapping[str, pb.Duty] = field(default_factory=dict)
    offices: Mapping[str, str] = field(default_factory=dict)
    years: Mapping[tuple[str, int], PublishedYear] = field(default_factory=dict)
    procedures: Mapping[tuple[str, int], PublishedProcedure] = field(default_factory=dict)
    limits: Mapping[tuple[str, str, str, int], pb.RegionalLimit] = field(default_factory=dict)
    outages: tuple[pb.Outage, ...] = ()
    officers: Mapping[str, pb.OfficerCertificate] = field(default_factory=dict)
    standing_duties: Mapping[str, pb.StandingDuty] = field(default_factory=dict)
    categories: Mapping[str, pb.Category] = field(default_factory=dict)
    schemas: Mapping[tuple[str, int], pb.ExtensionSchema] = field(default_factory=dict)
    registries: Mapping[str, pb.RegistryIdentity] = field(default_factory=dict)
    codes: CodeTables = field(default_factory=CodeTables)

    @classmethod
    def empty(cls, region: str) -> Directory:
        """The directory below the first common entry."""
        return cls(region)

    def apply(
        self, entry: pb.CommonEntry, *, version: int, position: int, admitted_at: datetime
    ) -> Directory:
        """The directory after one entry more.

        Never raises for what an entry says: an entry of a kind that this program does not know, or one
        that cannot be used, only moves the version on; one that was applied before changes nothing.

        Args:
            entry: The entry; it may be changed or dropped afterwards.
            version: Its number, counted from 1.
            position: Its ledger position.
            admitted_at: Its admission.
        """
        if version <= self.version:
            return self
        if entry.HasField("code_table"):
            changed = replace(self, codes=self.codes.with_part(entry.code_table))
        else:
            own = pb.CommonEntry()
            own.CopyFrom(entry)
            changed = self._with(own, version, admitted_at)
        return replace(
            changed,
            version=version,
            position=position,
            admitted_at=admitted_at,
            law=changed.law.with_version(version),
        )

    def _with(self, entry: pb.CommonEntry, version: int, at: datetime) -> Directory:
        match entry.WhichOneof("entry"):
            case "department":
                return self._with_department(entry.department, at)
            case "person":
                person = entry.person
                return replace(self, people={**self.people, (person.department, person.id): person})
            case "authority":
                lists = self.lists.with_row(entry.authority)
                return replace(self, lists=lists, law=self.law.with_authority(AuthorityFlags(lists)))
            case "duty":
                return replace(self, duties={**self.duties, entry.duty.subject: entry.duty})
            case "office":
                office = entry.office
                return replace(
                    self,
                    offices={**self.offices, office.procedure: office.department},
                    law=self.law.with_office(office.procedure, office.department).with_standing(
                        self.law.standing.with_office(office.procedure, office.department, at)
                    ),
                )
            case "calendar":
                year = entry.calendar
                return replace(
                    self,
                    years={**self.years, (year.region, year.year): PublishedYear(year, version)},
                    law=law_after_calendar(self.law, year, version, at),
                )
            case "procedure":
                return self._with_procedure(entry.procedure)
            case "limit":
                limit = entry.limit
                since = limit.valid_from.seconds * 1_000_000 + limit.valid_from.nanos // 1000
                key = (limit.procedure, limit.obligation, limit.urgency, since)
                return replace(
                    self, limits={**self.limits, key: limit}, law=law_after_limit(self.law, limit, at)
                )
            case "revocation":
                return replace(self, trust=self.trust.with_revocation(entry.revocation, at))
            case "outage":
                outages = (*self.outages, entry.outage)
                return replace(self, outages=outages, law=law_after_outage(self.law, entry.outage))
            case "category":
                return replace(self, categories={**self.categories, entry.category.name: entry.category})
            case "extension_schema":
                schema = entry.extension_schema
                # letters were written by it: a version never comes to mean another schema
                return replace(self, schemas={(schema.name, schema.version): schema, **self.schemas})
            case "officer":
                officer = entry.officer
                return replace(
                    self,
                    officers={**self.officers, officer.number: officer},
                    law=law_after_officer(self.law, officer),
                )
            case "standing_duty":
                return self._with_standing_duty(entry.standing_duty, at)
            case "registry":
                return self._with_registry(entry.registry, at)
            case _:
                return self

    def _with_department(self, department: pb.Department, at: datetime) -> Directory:
        return replace(
            self,
            departments={**self.departments, department.name: department},
            trust=self.trust.with_keys(department.name, department.keys, at),
            law=law_after_department(self.law, department).with_standing(
                self.law.standing.with_department(
                    department.name, active=department.status == pb.DEPARTMENT_STATUS_ACTIVE, since=at
                )
            ),
        )

    def _with_standing_duty(self, entry: pb.StandingDuty, at: datetime) -> Directory:
        try:
            standing = self.law.standing.with_duty(read_duty(entry), at)
        except ValueError:
            return self
        law = self.law.with_standing(standing)
        return replace(self, standing_duties={**self.standing_duties, entry.id: entry}, law=law)

    def _with_procedure(self, entry: pb.Procedure) -> Directory:
        key = (entry.name, entry.version)
        if key in self.procedures and self.procedures[key].procedure is not None:
            # cases run under it: a version never comes to mean other rules
            return self
        published = read_procedure(entry)
        law = self.law.with_procedure(published.procedure) if published.procedure else self.law
        return replace(self, procedures={**self.procedures, key: published}, law=law)

    def _with_registry(self, identity: pb.RegistryIdentity, at: datetime) -> Directory:
        is_own = identity.region in ("", self.region)
        return replace(
            self,
            registries={**self.registries, identity.key.key_id: identity},
            trust=self.trust.with_keys(identity.name, [identity.key], at),
            law=self.law.with_registry(identity.name) if is_own else self.law,
        )

    def department(self, name: str) -> pb.Department | None:
        """A department, None if it is not in the directory."""
        return self.departments.get(name)

    def active(self, name: str) -> bool:
        """Whether letters of this department are admitted."""
        department = self.departments.get(name)
        return department is not None and department.status == pb.DEPARTMENT_STATUS_ACTIVE

    def people_of(self, department: str) -> tuple[pb.Person, ...]:
        """The people of a department, by id."""
        return tuple(person for key, person in sorted(self.people.items()) if key[0] == department)

    def sign_key(self, key_id: str, at: datetime) -> bytes | None:
        """The Ed25519 public key that a batch under this id, admitted at this time, is judged with.

        None if the directory holds no `sign` key of that id, or it was not valid or was revoked then.
        The id of a key names its holder: `keys.parse_key_id`. Registries' keys are found too.
        """
        return self.trust.key(key_id, pb.KEY_ROLE_SIGN, at)

    def issuers(self, department: str) -> dict[str, bytes]:
        """The issuers whose actor assertions the department's node accepts, with their Ed25519 keys."""
        known = self.departments.get(department)
        return {issuer.issuer: issuer.public_key for issuer in known.issuers} if known else {}

    def revoked(self, name: str) -> bool:
        """Whether a certificate's serial number (hexadecimal) or a key id was ever revoked by name."""
        return self.trust.revoked(name)

    def certificate_revoked(self, department: str, serial: str, not_after: datetime) -> bool:
        """Whether a certificate was revoked; see `Trust.certificate_revoked`."""
        return self.trust.certificate_revoked(department, serial, not_after)

    def office(self, procedure: str) -> str | None:
        """The department that holds a mechanism's office."""
        return self.offices.get(procedure)

    def number_word(self, department: str) -> str:
        """The word for a department in letter numbers (发文机关代字); empty if it has none."""
        known = self.departments.get(department)
        return known.number_word if known else ""

    def missing_authority(self, author: str, item_code: str, area_code: str, at: datetime) -> bool:
        """Whether a department acts in a matter that no list gives it; see `AuthorityLists.missing`."""
        return self.lists.missing(author, item_code, area_code, at)

    def delegation_expired(self, author: str, item_code: str, area_code: str, at: datetime) -> bool:
        """Whether a department acts under a delegation that has ended; such an act is refused."""
        return self.lists.delegation_expired(author, item_code, area_code, at)

    def category(self, name: str) -> pb.Category | None:
        """A category of the sharing catalogue, None if there is none of that name."""
        return self.categories.get(name)

    def registry(self) -> pb.RegistryIdentity | None:
        """The newest identity of the region's own registry."""
        own = [each for each in self.registries.values() if each.region in ("", self.region)]
        return own[-1] if own else None
