"""The directory's service answers from one snapshot, alike at the registry and at a node."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb

import services.procedures
from services.common.clock import ManualClock
from services.common.errors import Conflict, InvalidField, NotFound, PermissionDenied
from services.common.permissions import missing_rows, rows_without_method
from services.exchange.directory import Directory
from services.exchange.directory_handlers import NODE_RULES, REGISTRY_RULES, DirectoryHandlers, LedgeredEntry
from services.exchange.entry_check import check_entry

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HEALTH = "health.qinghe"
SOURCE = (Path(services.procedures.__path__[0]) / "case-transfer.yaml").read_text(encoding="utf-8")
TRANSFER = entries.Procedure(name="case-transfer", version=1, source=SOURCE)
TITLE = entries.Title(zh="甲", en="A")
ROW = entries.Authority(
    item_code="W1", title=TITLE, department=HEALTH, mode=entries.AUTHORITY_MODE_GRANTED, basis="第一条"
)
CONTEXT: Any = None


def stamp(moment: datetime) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def ended(item: str, **change: Any) -> entries.CommonEntry:
    row = entries.Authority(**change)
    row.MergeFrom(ROW)
    row.item_code = item
    return entries.CommonEntry(authority=row)


PUBLISHED = [
    entries.CommonEntry(department=entries.Department(name=HEALTH, title=TITLE)),
    entries.CommonEntry(person=entries.Person(id="p", department=HEALTH, name="王")),
    entries.CommonEntry(procedure=TRANSFER),
    entries.CommonEntry(procedure=entries.Procedure(name="broken", version=1, source="[")),
    entries.CommonEntry(office=entries.Office(procedure="case-transfer", department=HEALTH)),
    entries.CommonEntry(calendar=entries.CalendarYear(region="qinghe", year=2026, holidays=["01-01"])),
    entries.CommonEntry(authority=ROW),
    ended("W2", withdrawn=True),
    ended("W3", valid_until=stamp(NOW)),
    entries.CommonEntry(duty=entries.Duty(subject="d", title=TITLE, lead=HEALTH)),
    entries.CommonEntry(category=entries.Category(name="bulletin.news", title=TITLE)),
]


def snapshot() -> Directory:
    directory = Directory.empty("qinghe")
    for number, entry in enumerate(PUBLISHED):
        directory = directory.apply(entry, version=number + 1, position=number, admitted_at=NOW)
    return directory


async def watch(from_version: int) -> AsyncIterator[LedgeredEntry]:
    for number, entry in enumerate(PUBLISHED, start=1):
        if number >= from_version:
            yield LedgeredEntry(number, number - 1, entry)


@pytest.fixture
def node() -> DirectoryHandlers:
    directory = snapshot()
    return DirectoryHandlers(lambda: directory, watch, ManualClock(NOW))


async def test_departments_come_with_people_and_version(node: DirectoryHandlers) -> None:
    """The version says what the answer is of."""
    found = await node.GetDepartment(pb.GetDepartmentRequest(name=HEALTH), CONTEXT)
    assert [person.name for person in found.people] == ["王"]
    assert found.common_version == len(PUBLISHED)
    with pytest.raises(NotFound):
        await node.GetDepartment(pb.GetDepartmentRequest(name="x.qinghe"), CONTEXT)


async def test_rules_leave_out_what_is_over(node: DirectoryHandlers) -> None:
    """Withdrawn and ended rows are history."""
    found = await node.GetRules(pb.GetRulesRequest(), CONTEXT)
    assert [row.item_code for row in found.authorities] == ["W1"]
    assert (len(found.duties), len(found.offices), len(found.categories)) == (1, 1, 1)


async def test_a_year_without_notice_is_provisional(node: DirectoryHandlers) -> None:
    """The registry's own region is meant where none is named."""
    known = await node.GetCalendar(pb.GetCalendarRequest(year=2026), CONTEXT)
    assert (known.provisional, known.common_version, list(known.calendar.holidays)) == (False, 6, ["01-01"])
    unknown = await node.GetCalendar(pb.GetCalendarRequest(year=2027), CONTEXT)
    assert (unknown.provisional, unknown.calendar.year, unknown.calendar.region) == (True, 2027, "qinghe")


async def test_procedures_in_force_are_listed_and_served(node: DirectoryHandlers) -> None:
    """An unusable one is not in force."""
    listed = await node.ListProcedures(pb.ListProceduresRequest(), CONTEXT)
    assert [(each.name, each.version, each.office) for each in listed.procedures] == [
        ("case-transfer", 1, HEALTH)
    ]
    for version in (0, 1):
        found = await node.GetProcedure(
            pb.GetProcedureRequest(name="case-transfer", version=version), CONTEXT
        )
        assert found.procedure == TRANSFER
    for name, version in (("broken", 1), ("none", 0), ("case-transfer", 2)):
        with pytest.raises(NotFound):
            await node.GetProcedure(pb.GetProcedureRequest(name=name, version=version), CONTEXT)


async def test_a_route_is_proposed_with_its_reason(node: DirectoryHandlers) -> None:
    """Now, where no time is named."""
    found = await node.ProposeRoute(pb.ProposeRouteRequest(item_code="W3"), CONTEXT)
    assert list(found.proposals) == []
    before = pb.ProposeRouteRequest(item_code="W3", at=stamp(datetime(2026, 1, 1, tzinfo=UTC)))
    (proposal,) = (await node.ProposeRoute(before, CONTEXT)).proposals
    assert (proposal.department, proposal.basis) == (HEALTH, "第一条")
    assert proposal.reason.zh
    assert proposal.reason.en
    impossible = pb.ProposeRouteRequest(item_code="W3", at=Timestamp(seconds=1 << 60))
    with pytest.raises(InvalidField):
        await node.ProposeRoute(impossible, CONTEXT)


async def test_registries_are_listed_wherever_their_keys_stand() -> None:
    """Also a key that came long after the ledger's first entries; one that was revoked is no longer told."""
    directory = Directory.empty("qinghe")
    named = [
        entries.RegistryIdentity(
            name="registry.qinghe", log_id="qinghe/ledger",
            key=entries.PublicKey(
                key_id=f"registry.qinghe/sign/{each}", role=entries.KEY_ROLE_SIGN, public_key=bytes([each]) * 32
            ),
        )
        for each in (1, 2, 3)
    ]  # fmt: skip
    other = [
        entries.CommonEntry(calendar=entries.CalendarYear(region="qinghe", year=2000 + each))
        for each in range(100)
    ]
    published = [
        entries.CommonEntry(registry=named[0]), *other[:70],
        entries.CommonEntry(registry=named[1]), *other[70:],
        entries.CommonEntry(registry=named[2]),
        entries.CommonEntry(
            revocation=entries.Revocation(department="registry.qinghe", key_ids=[named[1].key.key_id])
        ),
    ]  # fmt: skip
    for number, entry in enumerate(published):
        directory = directory.apply(entry, version=number + 1, position=number, admitted_at=NOW)
    handlers = DirectoryHandlers(lambda: directory, watch, ManualClock(NOW))
    found = await handlers.ListRegistries(pb.ListRegistriesRequest(), CONTEXT)
    assert list(found.registries) == [named[0], named[2]]
    assert found.common_version == len(published)


async def test_entries_are_watched_from_a_version_on(node: DirectoryHandlers) -> None:
    """Each with number and position."""
    request = pb.WatchEntriesRequest(from_version=len(PUBLISHED))
    (last,) = [each async for each in node.WatchEntries(request, CONTEXT)]
    assert (last.version, last.position, last.entry) == (len(PUBLISHED), len(PUBLISHED) - 1, PUBLISHED[-1])


async def test_a_node_publishes_nothing(node: DirectoryHandlers) -> None:
    """Entries come from the registry, signed."""
    with pytest.raises(PermissionDenied):
        await node.PublishEntry(pb.PublishEntryRequest(entry=PUBLISHED[0]), CONTEXT)


def test_every_method_has_its_row() -> None:
    """At both, and no row is left over."""
    services_ = [pb.DESCRIPTOR.services_by_name["DirectoryService"]]
    for rules in (REGISTRY_RULES, NODE_RULES):
        assert missing_rows(rules, services_) == []
        assert rows_without_method(rules, services_) == []


def test_a_version_in_force_gets_no_other_rules() -> None:
    """Cases run under it; the same text again is no change."""
    directory = snapshot()
    check_entry(entries.CommonEntry(procedure=TRANSFER), directory)
    other = entries.Procedure(name="case-transfer", version=1, source=SOURCE + "\n# changed\n")
    with pytest.raises(Conflict):
        check_entry(entries.CommonEntry(procedure=other), directory)
    applied = directory.apply(entries.CommonEntry(procedure=other), version=99, position=99, admitted_at=NOW)
    assert applied.procedures["case-transfer", 1].entry == TRANSFER


def test_a_schemas_version_gets_no_other_text() -> None:
    """Letters were written by it; the same text again is no change."""
    first = entries.ExtensionSchema(name="s", version=1, schema="{}")
    other = entries.ExtensionSchema(name="s", version=1, schema="true")
    directory = snapshot().apply(
        entries.CommonEntry(extension_schema=first), version=98, position=98, admitted_at=NOW
    )
    check_entry(entries.CommonEntry(extension_schema=first), directory)
    with pytest.raises(Conflict) as caught:
        check_entry(entries.CommonEntry(extension_schema=other), directory)
    assert caught.value.field == "extension_schema.version"
    applied = directory.apply(
        entries.CommonEntry(extension_schema=other), version=99, position=99, admitted_at=NOW
    )
    assert applied.schemas["s", 1] == first


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"procedure": entries.Procedure(name="p", version=1, source="[")}, "procedure.source"),
        ({"procedure": entries.Procedure(name="p", version=1, source=SOURCE)}, "procedure.source"),
        ({"office": entries.Office(procedure="none", department=HEALTH)}, "office.procedure"),
        ({"calendar": entries.CalendarYear(region="q", year=2026, holidays=["02-30"])}, "calendar.holidays"),
        ({"person": entries.Person(id="p", department="x.qinghe", name="王")}, "person.department"),
        (
            {"duty": entries.Duty(subject="d", title=TITLE, lead=HEALTH, co_acting=["x.q"])},
            "duty.co_acting[0]",
        ),
        (
            {"limit": entries.RegionalLimit(procedure="case-transfer", obligation="reply", within="1 month")},
            "limit.within",
        ),
        (
            {
                "limit": entries.RegionalLimit(
                    procedure="case-transfer", obligation="reply", within="1 wd", urgency="x"
                )
            },
            "limit.urgency",
        ),
        (
            {"extension_schema": entries.ExtensionSchema(name="s", version=1, schema="[")},
            "extension_schema.schema",
        ),
        ({"outage": entries.Outage(since=stamp(NOW), until=Timestamp())}, "outage.until"),
        (
            {
                "department": entries.Department(
                    name=HEALTH, keys=[entries.PublicKey(key_id="police.qinghe/sign/1")]
                )
            },
            "department.keys[0].key_id",
        ),
    ],
)
def test_nonsense_is_refused_before_it_is_in_the_ledger(entry: dict[str, Any], field: str) -> None:
    """With the field at fault."""
    with pytest.raises(InvalidField) as caught:
        check_entry(entries.CommonEntry(**entry), snapshot())
    assert caught.value.field == field
