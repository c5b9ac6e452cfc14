"""The directory is a pure, total sum of common entries."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange import keys
from services.exchange.directory import Directory
from services.exchange.keys import KeyRole
from services.procedures.facts import ActFacts

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
HEALTH = "health.qinghe"


def stamp(moment: datetime) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def title(text: str = "x") -> pb.Title:
    return pb.Title(zh=text, en=text)


def sign_key(number: int, department: str = HEALTH, **times: Timestamp) -> pb.PublicKey:
    public = bytes([number]) * 32
    name = keys.key_id(department, KeyRole.SIGN, public)
    return pb.PublicKey(key_id=name, role=pb.KEY_ROLE_SIGN, public_key=public, **times)


def department(*listed: pb.PublicKey, name: str = HEALTH, active: bool = True) -> pb.CommonEntry:
    status = pb.DEPARTMENT_STATUS_ACTIVE if active else pb.DEPARTMENT_STATUS_LISTED
    return pb.CommonEntry(
        department=pb.Department(name=name, title=title(), status=status, keys=listed, number_word="清卫")
    )


def after(*entries: pb.CommonEntry, start: Directory | None = None) -> Directory:
    """The directory after entries that were admitted an hour apart, the first at `T0`."""
    directory = start or Directory.empty("qinghe")
    for entry in entries:
        number = directory.version
        directory = directory.apply(
            entry, version=number + 1, position=number * 10, admitted_at=T0 + timedelta(hours=number)
        )
    return directory


def test_a_version_is_applied_once() -> None:
    """An entry that was applied before changes nothing, whatever it says now."""
    directory = after(department())
    assert directory.apply(department(active=False), version=1, position=9, admitted_at=T0) is directory
    assert (directory.version, directory.position, directory.admitted_at) == (1, 0, T0)


def test_an_entry_of_an_unknown_kind_moves_only_the_version() -> None:
    """A newer registry's kinds of entries do not stop an older node."""
    unknown = pb.CommonEntry()
    unknown.ParseFromString(b"\xfa\x3e\x02hi")
    before = after(department())
    directory = after(unknown, start=before)
    assert directory.version == directory.law.version == 2
    assert directory.departments == before.departments


def test_a_snapshot_does_not_follow_its_entry() -> None:
    """Changing a message after it was applied changes no directory."""
    entry = department()
    directory = after(entry)
    entry.department.status = pb.DEPARTMENT_STATUS_LEFT
    assert directory.active(HEALTH)


def test_departments_are_found_and_judged_by_their_newest_entry() -> None:
    """A later entry with the same name replaces the earlier one; the earlier snapshot stays."""
    first = after(department(active=False))
    second = after(department(), start=first)
    assert not first.active(HEALTH)
    assert second.active(HEALTH)
    assert second.law.departments == {HEALTH: "active"}
    assert second.number_word(HEALTH) == "清卫"
    assert second.number_word("nobody.qinghe") == ""
    assert second.department("nobody.qinghe") is None


def test_a_letter_is_judged_with_the_key_valid_at_its_admission() -> None:
    """A replaced key keeps its past, a new one has none."""
    old, new = sign_key(1), sign_key(2)
    directory = after(department(old), department(new))
    replaced = T0 + timedelta(hours=1)
    assert directory.sign_key(old.key_id, T0) == old.public_key
    assert directory.sign_key(old.key_id, replaced) is None
    assert directory.sign_key(new.key_id, replaced) == new.public_key
    assert directory.sign_key(new.key_id, T0) is None


def test_a_stated_end_of_a_key_holds() -> None:
    """`valid_until` is exclusive."""
    end = T0 + timedelta(minutes=7)
    key = sign_key(1, valid_until=stamp(end))
    directory = after(department(key))
    assert directory.sign_key(key.key_id, end - timedelta(microseconds=1)) == key.public_key
    assert directory.sign_key(key.key_id, end) is None


def test_a_revoked_key_is_refused_from_its_revocation_on() -> None:
    """What was signed and admitted before stays provable."""
    key = sign_key(1)
    directory = after(
        department(key), pb.CommonEntry(revocation=pb.Revocation(department=HEALTH, key_ids=[key.key_id]))
    )
    assert directory.revoked(key.key_id)
    assert directory.sign_key(key.key_id, T0) == key.public_key
    assert directory.sign_key(key.key_id, T0 + timedelta(hours=1)) is None


def test_revoking_a_department_spares_what_it_gets_afterwards() -> None:
    """A revocation without serials and key ids is of all keys and certificates of that moment."""
    old, new = sign_key(1), sign_key(2)
    directory = after(
        department(old),
        pb.CommonEntry(revocation=pb.Revocation(department=HEALTH)),
        department(old, new),
    )
    revoked_at, later = T0 + timedelta(hours=1), T0 + timedelta(hours=2)
    assert directory.sign_key(old.key_id, later) is None
    assert directory.sign_key(new.key_id, later) == new.public_key
    assert directory.certificate_revoked(HEALTH, "ab", revoked_at + timedelta(days=30))
    assert not directory.certificate_revoked(HEALTH, "ab", later + timedelta(days=30))
    assert not directory.certificate_revoked("police.qinghe", "ab", revoked_at)


@pytest.mark.parametrize("written", ["0abc", "AB:C", "ABC"])
def test_a_serial_is_found_however_it_was_written(written: str) -> None:
    """Tools print serials in capitals, with colons and leading zeros."""
    revocation = pb.Revocation(department=HEALTH, serials=[written])
    directory = after(pb.CommonEntry(revocation=revocation))
    assert directory.certificate_revoked(HEALTH, "abc", T0)
    assert directory.revoked("abc")
    assert not directory.revoked("abcd")


def test_no_entry_puts_a_key_in_a_foreign_departments_place() -> None:
    """The key id names the holder; a department that lists another's id lists nothing."""
    key = sign_key(1)
    forged = pb.PublicKey(key_id=key.key_id, role=pb.KEY_ROLE_SIGN, public_key=b"f" * 32)
    directory = after(department(key), department(forged, name="police.qinghe"))
    assert directory.sign_key(key.key_id, T0 + timedelta(hours=2)) == key.public_key


def test_a_key_id_never_comes_to_mean_other_bytes() -> None:
    """Two keys with one id would make old letters unprovable."""
    key = sign_key(1)
    other = pb.PublicKey(key_id=key.key_id, role=pb.KEY_ROLE_SIGN, public_key=b"f" * 32)
    directory = after(department(key), department(other))
    assert directory.sign_key(key.key_id, T0) == key.public_key


def test_a_seal_key_signs_nothing() -> None:
    """A key serves one role only."""
    public = b"s" * 32
    name = keys.key_id(HEALTH, KeyRole.SEAL, public)
    directory = after(department(pb.PublicKey(key_id=name, role=pb.KEY_ROLE_SEAL, public_key=public)))
    assert directory.sign_key(name, T0) is None


def test_issuers_are_those_of_the_department() -> None:
    """A gateway's issuer counts only where it is listed."""
    entry = department()
    entry.department.issuers.add(issuer="https://login", public_key=b"i" * 32)
    directory = after(entry)
    assert directory.issuers(HEALTH) == {"https://login": b"i" * 32}
    assert directory.issuers("police.qinghe") == {}


def test_the_registry_is_known_by_its_own_entry() -> None:
    """Its `sign` key verifies the common entries it authors, the first one included."""
    key = sign_key(9, "registry.qinghe")
    identity = pb.RegistryIdentity(name="registry.qinghe", log_id="liandong.qinghe", epoch=1, key=key)
    directory = after(pb.CommonEntry(registry=identity))
    assert directory.registry() == identity
    assert directory.sign_key(key.key_id, T0) == key.public_key
    assert directory.law.registry == "registry.qinghe"


def test_a_malformed_procedure_is_kept_with_its_error() -> None:
    """It is in the ledger, so everyone has it; nobody can open a case under it."""
    entry = pb.CommonEntry(procedure=pb.Procedure(name="broken", version=1, source="acts: ["))
    directory = after(entry)
    published = directory.procedures["broken", 1]
    assert published.procedure is None
    assert published.error
    assert directory.law.newest("broken") is None


def test_a_procedure_under_another_name_is_unusable() -> None:
    """The entry's key and its source must agree."""
    entry = pb.CommonEntry(procedure=pb.Procedure(name="a", version=1, source="[" * 100_000))
    assert after(entry).procedures["a", 1].error


def test_a_calendar_year_reaches_the_law_with_its_version() -> None:
    """Working days are counted by what was published."""
    year = pb.CalendarYear(
        region="qinghe", year=2026, holidays=["02-16"], make_up_days=["02-14"], natural_days_roll=True,
        close_of_business=17 * 60 + 30,
    )  # fmt: skip
    directory = after(department(), pb.CommonEntry(calendar=year))
    calendar = directory.law.calendar(HEALTH)
    assert not calendar.is_working(datetime(2026, 2, 16, tzinfo=UTC).date())
    assert calendar.is_working(datetime(2026, 2, 14, tzinfo=UTC).date())
    assert calendar.version_of(2026) == directory.years["qinghe", 2026].version == 2
    assert calendar.entries[0].d_rolls
    assert (
        calendar.end_of(datetime(2026, 2, 13, tzinfo=UTC).date()).isoformat() == "2026-02-13T17:30:00+08:00"
    )


def test_a_calendar_with_an_impossible_date_is_left_out_of_the_law() -> None:
    """`02-31` passes the contract's pattern and is no date."""
    year = pb.CalendarYear(region="qinghe", year=2026, holidays=["02-31"])
    assert after(pb.CommonEntry(calendar=year)).law.calendars == {}


def test_offices_categories_and_duties_are_found_by_name() -> None:
    """Each newest entry counts."""
    directory = after(
        pb.CommonEntry(office=pb.Office(procedure="case-transfer", department=HEALTH)),
        pb.CommonEntry(office=pb.Office(procedure="case-transfer", department="justice.qinghe")),
        pb.CommonEntry(category=pb.Category(name="bulletin.news", title=title(), by_hand=True)),
        pb.CommonEntry(duty=pb.Duty(subject="school-hygiene", title=title(), lead=HEALTH)),
        pb.CommonEntry(person=pb.Person(id="p1", department=HEALTH, name="王")),
        pb.CommonEntry(extension_schema=pb.ExtensionSchema(name="s", version=1, schema="{}")),
    )
    assert directory.office("case-transfer") == "justice.qinghe"
    assert directory.law.offices == directory.offices
    assert directory.office("other") is None
    category = directory.category("bulletin.news")
    assert category is not None
    assert category.by_hand
    assert directory.category("x") is None
    assert directory.duties["school-hygiene"].lead == HEALTH
    assert [person.name for person in directory.people_of(HEALTH)] == ["王"]
    assert directory.schemas["s", 1].schema == "{}"


def test_limits_and_outages_reach_the_law() -> None:
    """A limit that cannot be read is kept as published and left out of the law."""
    directory = after(
        pb.CommonEntry(limit=pb.RegionalLimit(procedure="p", obligation="o", within="5 wd")),
        pb.CommonEntry(limit=pb.RegionalLimit(procedure="p", obligation="o2", within="soon")),
        pb.CommonEntry(limit=pb.RegionalLimit(procedure="p", obligation="o3", within="1 d", urgency="no")),
        pb.CommonEntry(outage=pb.Outage(department=HEALTH, since=stamp(T0), until=stamp(T0))),
    )
    assert [limit.obligation for limit in directory.law.limits] == ["o"]
    assert directory.law.limits[0].valid_from == T0
    assert len(directory.limits) == 3
    assert directory.law.outages_of(HEALTH) == ((T0, T0),)


def test_missing_authority_is_flagged_by_the_list_in_force() -> None:
    """Withdrawn, expired, other areas and matters on no list give nothing; no lists at all flag nothing."""
    row = pb.Authority(
        item_code="W1", title=title(), department=HEALTH, area_code="liuzhuang",
        mode=pb.AUTHORITY_MODE_GRANTED, valid_from=stamp(T0), valid_until=stamp(T0 + timedelta(days=1)),
    )  # fmt: skip
    assert not after().missing_authority(HEALTH, "W1", "", T0)
    directory = after(pb.CommonEntry(authority=row))
    assert not directory.missing_authority(HEALTH, "W1", "liuzhuang", T0)
    assert directory.missing_authority(HEALTH, "W1", "hexi", T0)
    assert directory.missing_authority(HEALTH, "W1", "liuzhuang", T0 + timedelta(days=1))
    assert directory.missing_authority(HEALTH, "W1", "liuzhuang", T0 - timedelta(seconds=1))
    assert directory.missing_authority(HEALTH, "W2", "liuzhuang", T0)
    assert not directory.missing_authority(HEALTH, "", "liuzhuang", T0)
    facts = ActFacts("l", "c", "p", 1, "a", HEALTH, T0, T0, item_code="W2")
    assert directory.law.authority_flags(facts) == ("MISSING_AUTHORITY",)
    # who passes it on to the department that is competent does what is right
    passed_on = replace(facts, author="market.qinghe", item_code="W1", area_code="liuzhuang")
    assert directory.law.authority_flags(passed_on) == ("MISSING_AUTHORITY",)
    assert directory.law.authority_flags(replace(passed_on, parties={HEALTH: "receiver"})) == ()
    elsewhere = replace(passed_on, parties={"water.qinghe": "receiver"})
    assert directory.law.authority_flags(elsewhere) == ("MISSING_AUTHORITY",)
    # who acts, and only tells that department, has no authority by it
    told = replace(passed_on, recipients=(HEALTH,))
    assert directory.law.authority_flags(told) == ("MISSING_AUTHORITY",)
    row.withdrawn = True
    assert after(pb.CommonEntry(authority=row)).missing_authority(HEALTH, "W1", "liuzhuang", T0)


def test_an_ended_delegation_is_told_from_authority_never_held() -> None:
    """The former refuses the act, the latter only flags it."""
    row = pb.Authority(
        item_code="W1", title=title(), department=HEALTH, mode=pb.AUTHORITY_MODE_DELEGATED,
        valid_until=stamp(T0),
    )  # fmt: skip
    directory = after(pb.CommonEntry(authority=row))
    assert directory.delegation_expired(HEALTH, "W1", "", T0)
    assert not directory.delegation_expired(HEALTH, "W1", "", T0 - timedelta(seconds=1))
    assert not directory.delegation_expired("police.qinghe", "W1", "", T0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_applying_is_total_and_deterministic(payloads: list[bytes]) -> None:
    """Whatever bytes an entry was parsed from, two readers come to the same directory."""
    entries = []
    for payload in payloads:
        entry = pb.CommonEntry()
        try:
            entry.ParseFromString(payload)
        except Exception:  # noqa: BLE001 - only what parses is an entry
            continue
        entries.append(entry)
    assert after(*entries) == after(*entries)


@pytest.mark.parametrize("kind", [f.name for f in pb.CommonEntry.DESCRIPTOR.oneofs_by_name["entry"].fields])
def test_an_empty_entry_of_every_kind_is_survived(kind: str) -> None:
    """No kind of entry relies on a field that may be missing."""
    entry = pb.CommonEntry()
    getattr(entry, kind).SetInParent()
    assert after(entry).version == 1
