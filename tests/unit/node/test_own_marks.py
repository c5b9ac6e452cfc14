"""A node whose registry is out of reach reminds its people by itself, and nobody twice."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.errors import Unavailable
from services.exchange.letters import timestamp
from services.node.own_marks import own_events
from services.notices import store, tables
from services.notices.feed import Feed, event_of
from services.notices.model import Event, Kind
from tests.builders.departments import MARKET
from tests.builders.ledger import MONDAY, Ledger, Node, node
from tests.unit.procedures.deadline_samples import at


@pytest.fixture
def market(database_url: str) -> Iterator[Node]:
    """The receiver's node, with a case that it has to sign for and a report that every member owes on the 6th."""
    ledger = Ledger(ManualClock(MONDAY))
    duty = directory_pb.StandingDuty(
        id="report",
        title=directory_pb.Title(zh="工作报告", en="Report"),
        source="M09",
        mechanism="case-transfer",
        owner=directory_pb.DUTY_OWNER_EVERY_MEMBER,
        cycle=directory_pb.DUTY_CYCLE_ONCE,
        every=1,
        starting="2026-03-06",
        minute=17 * 60,
        lead_days=10,
        discharged_by=[directory_pb.DutyDischarge(procedure="case-transfer", acts=["register"])],
        marks=[
            directory_pb.DutyMark(name="2 d before", actions=["remind"]),
            directory_pb.DutyMark(name="due", actions=["warn-leader", "tell-office"]),
        ],
    )
    contact = directory_pb.Person(id="ma-chao", department=MARKET, name="马超群", roles=["liaison"])
    for entry in (directory_pb.CommonEntry(standing_duty=duty), directory_pb.CommonEntry(person=contact)):
        ledger.common(entry)
    with node(database_url, ledger) as made:
        made.database.write(tables.metadata.create_all)
        ledger.transferred()
        made.take()
        yield made


def events(market: Node, since: str, now: str) -> list[Event]:
    law = market.department.directory.law
    return market.database.read(lambda connection: own_events(connection, MARKET, law, at(since), at(now)))


def test_marks_of_cases_and_duties_come_in_their_time(market: Node) -> None:
    """Each once between two instants; what is for the office is not the owner's."""
    found = events(market, "2026-03-02 09:00", "2026-03-06 17:00")
    assert len({each.key for each in found}) == len(found)
    own = sorted((each.duty or "case", each.kind, each.mark) for each in found if each.duty)
    assert own == [
        ("report/2026-03-06", Kind.REMIND, "2 d before"),
        ("report/2026-03-06", Kind.WARN_LEADER, "due"),
    ]
    reply = [each for each in found if each.case_id and each.kind is Kind.REMIND]
    assert reply
    assert all(each.due_at is not None and not each.urgent for each in reply)
    halves = (
        events(market, "2026-03-02 09:00", "2026-03-04 12:00"),
        events(market, "2026-03-04 12:00", "2026-03-06 17:00"),
    )
    assert sorted(each.key for half in halves for each in half) == sorted(each.key for each in found)


class Registry:
    """A registry that is out of reach until it is not."""

    def __init__(self) -> None:
        self.alerts: list[pb.Alert] = []
        self.reachable = False

    async def ListAlerts(self, _request: pb.ListAlertsRequest, timeout: float) -> Any:  # noqa: N802, ASYNC109
        if not self.reachable:
            raise Unavailable("Nobody is there.")
        return pb.ListAlertsResponse(alerts=reversed(self.alerts))


async def test_people_are_reminded_while_the_registry_is_away_and_not_again_afterwards(market: Node) -> None:
    """After five minutes of silence the node looks by itself; the registry's alerts bring no second message."""
    registry, clock = Registry(), market.ledger.clock
    law = market.department.directory.law
    feed = Feed(
        MARKET,
        market.database,
        lambda: market.department.directory,
        lambda: registry,
        clock,
        lambda: None,
        lambda connection, since, now: own_events(connection, MARKET, law, since, now),
    )
    clock.set(at("2026-03-04 17:00"))
    assert await feed.round() == 0
    clock.advance(timedelta(minutes=6))
    told = await feed.round()
    assert told > 0
    assert await feed.round() == 0
    registry.reachable = True
    for each in events(market, "2026-03-02 09:00", "2026-03-04 17:06"):
        duty, _, period = each.duty.partition("/")
        case_or_duty, rule, ordinal, _ = each.key.split("/", 2)[2].rsplit("/", 3)
        assert case_or_duty == (each.duty or each.case_id)
        view = pb.ObligationView(
            case_id=each.case_id,
            duty=duty,
            period=period,
            rule=rule,
            ordinal=int(ordinal),
            procedure=each.procedure,
        )
        fired = timestamp(each.raised_at)
        registry.alerts.append(
            pb.Alert(
                kind=pb.AlertKind.Value(f"ALERT_KIND_{each.kind.value}"), addressee=MARKET, obligation=view,
                mark=each.mark, subject_department=MARKET, fires_at=fired, fired_at=fired,
            )
        )  # fmt: skip
        again = event_of(registry.alerts[-1], market.department.directory)
        assert again is not None
        assert again.key == each.key
    assert len(registry.alerts) >= told
    assert await feed.round() == 0
    kept = market.database.read(
        lambda connection: store.page(connection, "ma-chao", unread=True, kind="", after=None, limit=100)
    )
    assert len(kept) == told
