"""From what the calendar opens to a person's list: over a registry and nodes that really run, and die."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.exchange.letters import timestamp
from services.notices import feed, tables
from services.procedures.calendar import ZONE
from services.registry import tables as registry_tables
from tests.federation.district import HEALTH, MARKET, until
from tests.federation.house import House

pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("federation")]


def duty() -> directory_pb.StandingDuty:
    """A report that both owe tomorrow; its first mark has come."""
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).astimezone(ZONE).date()
    return directory_pb.StandingDuty(
        id="urgent-report",
        title=directory_pb.Title(zh="专题报告", en="Special report"),
        source="M09",
        mechanism="joint-meeting",
        owner=directory_pb.DUTY_OWNER_LISTED,
        departments=[HEALTH, MARKET],
        cycle=directory_pb.DUTY_CYCLE_ONCE,
        every=1,
        starting=tomorrow.isoformat(),
        shift=directory_pb.DUTY_SHIFT_STAYS,
        lead_days=5,
        discharged_by=[directory_pb.DutyDischarge(procedure="duty-report", acts=["report"])],
        marks=[directory_pb.DutyMark(name="3 d before", actions=["remind", "warn-leader"])],
    )


def certificate() -> directory_pb.OfficerCertificate:
    """One that ends in twenty days."""
    now = datetime.now(UTC)
    return directory_pb.OfficerCertificate(
        number="LD-20",
        department=HEALTH,
        subject="zhou-ning",
        name="周宁",
        valid_from=timestamp(now - timedelta(days=100)),
        valid_until=timestamp(now + timedelta(days=20)),
    )


def told(house: House, name: str) -> list[tuple[Any, ...]]:
    columns = tables.messages.c
    query = sa.select(columns.person, columns.kind, columns.duty).order_by(columns.person, columns.kind)
    return [tuple(row) for row in house.hosted[name].database.read(lambda each: each.execute(query).all())]


def alerts(house: House) -> int:
    """How many alerts of these kinds the registry holds."""
    columns = registry_tables.alerts.c
    query = sa.select(sa.func.count()).where(columns.kind.in_(["REMIND", "WARN_LEADER", "CERTIFICATE"]))
    return int(house.registry.database.read(lambda each: each.execute(query).scalar_one()))


async def test_people_hear_once_though_node_and_registry_die(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A duty and a certificate become alerts, the alerts messages to those in charge; restarts repeat nothing."""
    monkeypatch.setattr(feed, "OVERLAP", timedelta(days=1))
    for entry in (
        directory_pb.CommonEntry(standing_duty=duty()),
        directory_pb.CommonEntry(officer=certificate()),
    ):
        await house.registry.publisher.publish(entry)

    async def fired() -> str:
        # two departments are reminded and their leaders warned; department and office hear of the certificate
        return "" if alerts(house) == 6 else f"{alerts(house)} alerts"

    await until(fired, 40)

    async def heard() -> str:
        return "" if len(told(house, HEALTH)) >= 4 else str(told(house, HEALTH))

    # a node that starts asks at once
    await house.lose_node(HEALTH)
    await house.start_node(HEALTH)
    await until(heard, 20)
    first = told(house, HEALTH)
    assert {kind for _, kind, _ in first} == {"REMIND", "WARN_LEADER", "CERTIFICATE"}
    tomorrow = duty().starting
    assert {name for _, kind, name in first if kind != "CERTIFICATE"} == {f"urgent-report/{tomorrow}"}
    assert ("chen-hui", "WARN_LEADER", f"urgent-report/{tomorrow}") in first
    assert {person for person, kind, _ in first if kind == "CERTIFICATE"} == {"wu-tao", "zhou-ning"}
    await house.lose_registry()
    await house.lose_node(HEALTH)
    await house.start_registry()
    await house.start_node(HEALTH)
    await until(heard, 20)
    assert told(house, HEALTH) == first
    assert alerts(house) == 6
