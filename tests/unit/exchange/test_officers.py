"""How officers' certificates stand."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.errors import InvalidField
from services.exchange.directory import Directory
from services.exchange.directory_handlers import DirectoryHandlers, LedgeredEntry
from services.exchange.letters import timestamp
from services.exchange.officers import newest_mark, officer_view
from tests.unit.procedures.deadline_samples import at

CONTEXT: Any = None


def certificate(**changes: object) -> entries.OfficerCertificate:
    said: dict[str, object] = {
        "number": "A",
        "department": "market.qinghe",
        "valid_from": timestamp(at("2024-01-01")),
        "valid_until": timestamp(at("2026-09-01")),
    }
    return entries.OfficerCertificate(**{**said, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("now", "state", "left"),
    [
        ("2023-12-31", pb.OFFICER_STATE_AHEAD, 975),
        ("2026-07-02", pb.OFFICER_STATE_VALID, 61),
        ("2026-07-03", pb.OFFICER_STATE_ENDING, 60),
        ("2026-08-31 12:00", pb.OFFICER_STATE_ENDING, 1),
        ("2026-09-01", pb.OFFICER_STATE_EXPIRED, 0),
    ],
)
def test_a_certificate_has_its_time(now: str, state: pb.OfficerState.ValueType, left: int) -> None:
    """Its end is exclusive; a begun day counts as left."""
    view = officer_view(certificate(), at(now))
    assert (view.state, view.days_left) == (state, left)


def test_suspension_stands_before_everything() -> None:
    """Whatever its time is; and a certificate whose time cannot be read carries nothing."""
    assert officer_view(certificate(suspended=True), at("2026-01-01")).state == pb.OFFICER_STATE_SUSPENDED
    broken = entries.OfficerCertificate(number="B")
    assert officer_view(broken, at("2026-01-01")).state == pb.OFFICER_STATE_EXPIRED


@pytest.mark.parametrize(
    ("now", "mark"),
    [
        ("2026-07-02", None),
        ("2026-07-03", 60),
        ("2026-08-02", 30),
        ("2026-08-25", 7),
        ("2026-09-30", 7),
        ("2026-10-01", None),
    ],
)
def test_the_last_mark_that_has_come(now: str, mark: int | None) -> None:
    """For a month after the end too, for a registry that was down meanwhile."""
    until: datetime = at("2026-09-01")
    assert newest_mark(until, at(now)) == mark


async def test_officers_are_listed_in_pages_with_how_they_stand() -> None:
    """By department and number, all or of one department or state."""
    listed = [
        certificate(number=f"{department[:1]}-{number}", department=department, suspended=number == 2)
        for department in ("water.qinghe", "health.qinghe")
        for number in (3, 1, 2)
    ]
    directory = Directory("qinghe", officers={each.number: each for each in listed})

    async def nothing(from_version: int) -> AsyncIterator[LedgeredEntry]:
        return
        yield

    handlers = DirectoryHandlers(lambda: directory, nothing, ManualClock(at("2026-08-30")))
    asked = pb.ListOfficersRequest(page_size=4)
    first = await handlers.ListOfficers(asked, CONTEXT)
    asked.page_token = first.next_page_token
    second = await handlers.ListOfficers(asked, CONTEXT)
    numbers = [each.certificate.number for each in (*first.officers, *second.officers)]
    assert numbers == ["h-1", "h-2", "h-3", "w-1", "w-2", "w-3"]
    assert second.next_page_token == ""
    suspended = pb.ListOfficersRequest(department="water.qinghe", state=pb.OFFICER_STATE_SUSPENDED)
    (one,) = (await handlers.ListOfficers(suspended, CONTEXT)).officers
    assert one.certificate.number == "w-2"
    assert first.officers[0].state == pb.OFFICER_STATE_ENDING
    with pytest.raises(InvalidField):
        await handlers.ListOfficers(pb.ListOfficersRequest(page_token="x"), CONTEXT)
