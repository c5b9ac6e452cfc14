"""What an operator's common entry must keep beyond its contract, before it goes into the ledger for good.

Applying an entry never fails; an entry that says nonsense would only stand there unused. So whoever
publishes checks first, and tells the operator instead of everyone.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services.common.errors import Conflict, InvalidField, LiandongError
from services.exchange.directory import Directory
from services.exchange.duty_entries import check_duty
from services.exchange.extensions import check_schema
from services.exchange.law_entries import law_after_calendar, read_limit, read_procedure
from services.exchange.trust import moment
from services.procedures.law import Law, LimitDoesNotFit

_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_STAYS: Final = frozenset({pb.DEPARTMENT_STATUS_ACTIVE, pb.DEPARTMENT_STATUS_SUSPENDED})


def completed(entry: pb.CommonEntry, directory: Directory) -> pb.CommonEntry:
    """The entry with what an operator's department entry leaves to joining.

    An entry replaces the one before it, keys and all. One that lists no keys or issuers keeps those that
    the department has, and one that calls a member `LISTED` leaves its status: so the operator's file of
    departments can be published again after they joined. Keys are taken away by a revocation.
    """
    known = directory.department(entry.department.name) if entry.HasField("department") else None
    if known is None:
        return entry
    result = pb.CommonEntry()
    result.CopyFrom(entry)
    department = result.department
    if not department.keys:
        department.keys.extend(known.keys)
    if not department.issuers:
        department.issuers.extend(known.issuers)
    if department.status == pb.DEPARTMENT_STATUS_LISTED and known.status in _STAYS:
        department.status = known.status
    return result


def check_entry(entry: pb.CommonEntry, directory: Directory) -> None:
    """Refuses an entry that would say nothing usable where it is applied next.

    Args:
        entry: Keeps the rules of its proto.
        directory: All entries before it.

    Raises:
        InvalidField: It names what the directory does not know, or cannot be read; `field` says where.
        Conflict: It gives another content to a version of a procedure or schema that is in force.
    """
    match entry.WhichOneof("entry"):
        case "department":
            _check_department(entry.department, directory)
        case "person":
            _known(directory, entry.person.department, "person.department")
        case "authority":
            _check_authority(entry.authority, directory)
        case "duty":
            _known(directory, entry.duty.lead, "duty.lead")
            for index, name in enumerate(entry.duty.co_acting):
                _known(directory, name, f"duty.co_acting[{index}]")
        case "office":
            _known(directory, entry.office.department, "office.department")
            _procedure(directory, entry.office.procedure, "office.procedure")
        case "calendar":
            if law_after_calendar(Law(), entry.calendar, 1, _ANY_TIME) == Law():
                raise InvalidField("The year names a day that does not exist.", field="calendar.holidays")
        case "procedure":
            _check_procedure(entry.procedure, directory)
        case "limit":
            _check_limit(entry.limit, directory)
        case "officer":
            _check_officer(entry.officer, directory)
        case "standing_duty":
            for index, name in enumerate(entry.standing_duty.departments):
                _known(directory, name, f"standing_duty.departments[{index}]")
            check_duty(entry.standing_duty, directory.law)
        case "extension_schema":
            _check_extension_schema(entry.extension_schema, directory)
        case "code_table":
            _check_code_table(entry.code_table, directory)
        case "outage":
            if entry.outage.until.ToNanoseconds() < entry.outage.since.ToNanoseconds():
                raise InvalidField("The outage ends before it begins.", field="outage.until")
            if entry.outage.department:
                _known(directory, entry.outage.department, "outage.department")
        case _:
            pass


def check_entries(entries: Iterable[pb.CommonEntry], directory: Directory, now: datetime) -> None:
    """Refuses entries that are published together, each over those before it; see `check_entry`.

    Raises:
        LiandongError: As `check_entry`; the field begins with the entry's place, such as `entries[3].`.
    """
    for index, entry in enumerate(entries):
        try:
            check_entry(entry, directory)
        except LiandongError as error:
            error.field = f"entries[{index}].{error.field}"
            raise
        directory = directory.apply(
            entry, version=directory.version + 1, position=directory.position + 1, admitted_at=now
        )


def _check_department(department: pb.Department, directory: Directory) -> None:
    if department.parent:
        _known(directory, department.parent, "department.parent")
    for index, key in enumerate(department.keys):
        if not key.key_id.startswith(f"{department.name}/"):
            raise InvalidField(
                f"The key id names another holder than {department.name}.",
                field=f"department.keys[{index}].key_id",
            )


def _check_authority(row: pb.Authority, directory: Directory) -> None:
    _known(directory, row.department, "authority.department")
    if row.mode == pb.AUTHORITY_MODE_DELEGATED:
        # delegation needs a department, a letter and an end (M02)
        _known(directory, row.delegated_by.partition(" ")[0], "authority.delegated_by")
        if not row.delegated_by.partition(" ")[2].strip():
            raise InvalidField(
                "A delegation names the department and, after a space, its letter.",
                field="authority.delegated_by",
            )
        if moment(row, "valid_until") is None:
            raise InvalidField("A delegation has an end.", field="authority.valid_until")


def _check_procedure(entry: pb.Procedure, directory: Directory) -> None:
    published = read_procedure(entry)
    if published.procedure is None:
        raise InvalidField(published.error, field="procedure.source")
    known = directory.procedures.get((entry.name, entry.version))
    if known is not None and known.procedure is not None and known.entry != entry:
        raise Conflict(
            f"{entry.name} version {entry.version} is in force: cases run under it. Use version"
            f" {entry.version + 1}.",
            field="procedure.version",
        )


def _check_officer(entry: pb.OfficerCertificate, directory: Directory) -> None:
    _known(directory, entry.department, "officer.department")
    since, until = moment(entry, "valid_from"), moment(entry, "valid_until")
    if since is None or until is None or until <= since:
        raise InvalidField("The certificate ends before it begins.", field="officer.valid_until")
    known = directory.officers.get(entry.number)
    if known is not None and (known.department, known.subject) != (entry.department, entry.subject):
        raise Conflict(f"{entry.number} is the certificate of {known.name}.", field="officer.number")


def _check_extension_schema(schema: pb.ExtensionSchema, directory: Directory) -> None:
    check_schema(schema, "extension_schema")
    known = directory.schemas.get((schema.name, schema.version))
    if known is not None and known.schema != schema.schema:
        raise Conflict(
            f"{schema.name} version {schema.version} is in force: letters were written by it. Use version"
            f" {schema.version + 1}.",
            field="extension_schema.version",
        )


def _check_code_table(part: pb.CodeTable, directory: Directory) -> None:
    fault = directory.codes.fault(part)
    if fault is not None:
        raise Conflict(fault[1], field=fault[0])
    seen: set[str] = set()
    for index, row in enumerate(part.rows):
        here = f"code_table.rows[{index}]"
        if row.code in seen:
            raise InvalidField(f"{row.code} stands twice.", field=f"{here}.code")
        seen.add(row.code)
        for name in ("valid_from", "valid_until"):
            day = getattr(row, name)
            try:
                date.fromisoformat(day or "2000-01-01")
            except ValueError:
                raise InvalidField(f"{day} is no day.", field=f"{here}.{name}") from None
        if row.valid_until and row.valid_until <= row.valid_from:
            raise InvalidField(f"{row.code} ends before it begins.", field=f"{here}.valid_until")
        if row.code in (row.parent, *row.replaced_by):
            raise InvalidField(f"{row.code} stands above itself or replaces itself.", field=f"{here}.parent")


def _check_limit(entry: pb.RegionalLimit, directory: Directory) -> None:
    versions = _procedure(directory, entry.procedure, "limit.procedure")
    if not any(entry.obligation in directory.law.procedures[key].obligations for key in versions):
        raise InvalidField(
            f"{entry.procedure} has no obligation {entry.obligation}.", field="limit.obligation"
        )
    try:
        limit = read_limit(entry, _ANY_TIME)
        if limit is not None:
            directory.law.with_limit(limit)
            return
    except LimitDoesNotFit as error:
        raise InvalidField(f"The limit does not fit: {error}.", field="limit.within") from error
    except ValueError as error:
        raise InvalidField(f"{entry.urgency!r} is no urgency.", field="limit.urgency") from error
    raise InvalidField(f"{entry.within!r} is no limit.", field="limit.within")


def _known(directory: Directory, name: str, field: str) -> None:
    if directory.department(name) is None:
        raise InvalidField(f"No department is called {name!r}.", field=field)


def _procedure(directory: Directory, name: str, field: str) -> list[tuple[str, int]]:
    versions = [key for key in directory.law.procedures if key[0] == name]
    if not versions:
        raise InvalidField(f"No procedure is called {name!r}.", field=field)
    return versions
