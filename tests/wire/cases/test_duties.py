"""What a department owes by the calendar, asked of its own node over TLS; nothing is asked of a registry."""

from datetime import timedelta

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import duty_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2

from services.cases.entry import Recorded
from services.common.channel import remote_errors
from services.common.errors import InvalidField, LiandongError, NotFound
from services.exchange.letters import timestamp
from tests.builders.departments import HEALTH, MARKET
from tests.builders.ledger import Node
from tests.wire.cases.conftest import Port


def entry(name: str = "report", **changes: object) -> directory_pb.CommonEntry:
    """A report by every member on the 10th of each month at 17:00."""
    said: dict[str, object] = {
        "id": name,
        "title": directory_pb.Title(zh="工作报告", en="Report"),
        "source": "M09",
        "mechanism": "case-transfer",
        "owner": directory_pb.DUTY_OWNER_EVERY_MEMBER,
        "cycle": directory_pb.DUTY_CYCLE_MONTHS,
        "every": 1,
        "starting": "2026-01-10",
        "minute": 17 * 60,
        "shift": directory_pb.DUTY_SHIFT_PREVIOUS,
        "lead_days": 14,
        "discharged_by": [directory_pb.DutyDischarge(procedure="case-transfer", acts=["register"])],
    }
    return directory_pb.CommonEntry(standing_duty=directory_pb.StandingDuty(**{**said, **changes}))  # type: ignore[arg-type]


def report(node: Node, period: str) -> Recorded:
    """Record an act that serves an occurrence."""
    draft = cases_pb.ActDraft(
        procedure="case-transfer",
        act="register",
        discovery=bodies_pb2.Discovery(title="报告", facts="已完成。"),
        serves=[envelope_pb2.ServedDuty(duty="report", period=period)],
    )
    return node.record(draft)


async def test_a_node_shows_what_its_department_owes(port: Port) -> None:
    """By due time: what is over, what is open, what is ahead; in pages; and how a due time comes about."""
    port.ledger.common(entry())
    port.ledger.common(entry("others", owner=directory_pb.DUTY_OWNER_LISTED, departments=[HEALTH]))
    port.node.take()
    async with port.calling_duties() as stub:
        asked = pb.ListDutiesRequest(until=timestamp(port.ledger.clock.now() + timedelta(days=45)))
        found = await stub.ListDuties(asked, metadata=port.as_("clerk"))
        # published on 2 March: February is not asked for; the 10th of April is a Friday
        assert [(each.duty, each.period, each.state) for each in found.duties] == [
            ("report", "2026-03", pb.DUTY_STATE_OPEN),
            ("report", "2026-04", pb.DUTY_STATE_AHEAD),
        ]
        assert found.duties[0].due_at.ToJsonString() == "2026-03-10T09:00:00Z"
        assert list(found.duties[0].discharged_by) == ["case-transfer/register"]
        first = await stub.ListDuties(pb.ListDutiesRequest(page_size=1), metadata=port.as_("clerk"))
        rest = await stub.ListDuties(
            pb.ListDutiesRequest(page_token=first.next_page_token), metadata=port.as_("clerk")
        )
        assert [each.period for each in (*first.duties, *rest.duties)][:3] == [
            "2026-03",
            "2026-04",
            "2026-05",
        ]
        port.ledger.clock.advance(timedelta(days=9))
        only = pb.ListDutiesRequest(state=pb.DUTY_STATE_OVERDUE)
        assert [each.period for each in (await stub.ListDuties(only, metadata=port.as_("clerk"))).duties] == [
            "2026-03"
        ]
        explained = await stub.ExplainDuty(
            pb.ExplainDutyRequest(duty="report", period="2026-05"), metadata=port.as_("clerk")
        )
        assert "2026-05-10 Sun not counted (weekend)" in explained.lines_en
        assert "2026-05-08 Fri the last day moves here" in explained.lines_en
        assert len(explained.lines_zh) == len(explained.lines_en)


async def test_an_own_letter_that_was_admitted_discharges_a_duty(port: Port) -> None:
    """Not when it is recorded, but at its receipt; and another department's letter does not."""
    port.ledger.common(entry())
    port.node.take()
    recorded = report(port.node, "2026-03")
    async with port.calling_duties() as stub:
        asked = pb.ExplainDutyRequest(duty="report", period="2026-03")
        before = await stub.ExplainDuty(asked, metadata=port.as_("clerk"))
        assert before.duty.state == pb.DUTY_STATE_OPEN
        port.node.exchange()
        after = await stub.ExplainDuty(asked, metadata=port.as_("clerk"))
        assert after.duty.state == pb.DUTY_STATE_ON_TIME
        assert after.duty.letter_id == recorded.letter_id
    with pytest.raises(LiandongError) as caught:
        report(port.node, "2026-02")
    assert (caught.value.reason, caught.value.field) == ("DUTY_NOT_OWED", "draft.serves[0]")


async def test_who_is_no_caller_is_told_so(port: Port) -> None:
    """Another department's gateway, nobody in particular, a duty that is not owed, a range without end."""
    port.ledger.common(entry())
    port.node.take()
    async with port.calling_duties(HEALTH) as stub:
        with pytest.raises(LiandongError) as caught, remote_errors():
            await stub.ListDuties(pb.ListDutiesRequest(), metadata=port.as_("clerk"))
        assert caught.value.code == "PERMISSION_DENIED"
    async with port.calling_duties(MARKET) as stub:
        with pytest.raises(LiandongError) as caught, remote_errors():
            await stub.ListDuties(pb.ListDutiesRequest())
        assert caught.value.reason == "ACTOR_MISSING"
        with pytest.raises(NotFound), remote_errors():
            await stub.ExplainDuty(
                pb.ExplainDutyRequest(duty="report", period="2026-02"), metadata=port.as_("clerk")
            )
        far = pb.ListDutiesRequest(until=timestamp(port.ledger.clock.now() + timedelta(days=2000)))
        with pytest.raises(InvalidField), remote_errors():
            await stub.ListDuties(far, metadata=port.as_("clerk"))
