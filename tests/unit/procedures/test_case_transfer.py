"""Case transfer from discovery to closing, as the plans describe it (M03)."""

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome, Unit
from tests.unit.procedures.case_samples import (
    HEALTH,
    JUSTICE,
    LAW,
    MARKET,
    TOWN,
    Play,
    accepted,
    materials,
    transferred,
)
from tests.unit.procedures.deadline_samples import NATIONAL, at


def test_the_ordinary_way_runs_from_discovery_to_closing() -> None:
    """Register, transfer, sign for, accept, report, feed back, close: every clock is met."""
    play = Play()
    play.do("register", TOWN, "2026-03-02 09:00")
    assert play.open_rules == ["send"]
    play.do("transfer", TOWN, "2026-03-03 09:00", recipients=(HEALTH,))
    assert play.met("send").outcome is Outcome.ON_TIME
    assert play.open_rules == ["reply", "sign"]
    play.receive(HEALTH, "2026-03-03 09:01")
    play.do("sign-for", HEALTH, "2026-03-03 10:00")
    play.do("accept", HEALTH, "2026-03-05 10:00")
    assert play.met("reply").outcome is Outcome.ON_TIME
    play.do("progress", HEALTH, "2026-04-01 10:00")
    assert play.met("progress").outcome is Outcome.ON_TIME
    assert play.owed("progress").ordinal == 2
    play.do("outcome", HEALTH, "2026-04-20 10:00")
    assert play.open_rules == []
    play.do("close", TOWN, "2026-04-21 10:00")
    assert play.case.state == "closed"


def test_discovery_starts_the_clock_of_sending() -> None:
    """Discovered Friday 13 February 2026, 3 wd: due on the 26th at 00:00, whenever it was registered."""
    play = Play()
    play.do("register", TOWN, "2026-02-14 10:00", occurred_at=at("2026-02-13 16:00"))
    assert due_time(play.owed("send"), NATIONAL) == at("2026-02-26")


@pytest.mark.parametrize(
    ("urgency", "value", "unit"),
    [
        (Urgency.ORDINARY, 3, Unit.WORKING_DAYS),
        (Urgency.URGENT, 24, Unit.HOURS),
        (Urgency.MAJOR, 1, Unit.AT_ONCE),
    ],
)
def test_urgency_decides_how_long_sending_may_take(urgency: Urgency, value: int, unit: Unit) -> None:
    """3 working days, urgent 24 hours, major at once."""
    play = Play()
    play.do("register", TOWN, urgency=urgency)
    assert (play.owed("send").limit.value, play.owed("send").limit.unit) == (value, unit)


def test_an_immediate_notice_opens_a_case_and_its_clock() -> None:
    """An offence going on is made known at once, with stop order and preserved evidence on record."""
    play = Play()
    assert play.reason("immediate-notice", TOWN, materials=materials("stop-order")) == "MATERIAL_MISSING"
    play.do("immediate-notice", TOWN, urgency=Urgency.MAJOR)
    assert play.case.state == "registered"
    assert play.open_rules == ["send"]


def test_an_immediate_notice_after_registering_starts_no_second_ordinary_clock() -> None:
    """The clock that the registration started is the one that counts."""
    play = Play()
    play.do("register", TOWN, "2026-03-02 09:00")
    play.do("immediate-notice", TOWN, "2026-03-03 09:00")
    assert play.owed("send").opened_act == "register"


def test_raising_the_urgency_gains_no_time() -> None:
    """The stricter clock runs beside the ordinary one; the transfer is judged by both."""
    play = Play()
    play.do("register", TOWN, "2026-03-02 09:00")
    play.do("immediate-notice", TOWN, "2026-03-05 20:00", urgency=Urgency.URGENT)
    assert play.open_rules == ["send", "send"]
    play.do("transfer", TOWN, "2026-03-06 10:00")
    assert [(each.limit.unit, each.outcome) for each in play.changed if each.rule == "send"] == [
        (Unit.WORKING_DAYS, Outcome.LATE),
        (Unit.HOURS, Outcome.ON_TIME),
    ]


def test_later_letters_do_not_lower_the_urgency() -> None:
    """An urgent case stays urgent when a later header says ordinary."""
    play = Play()
    play.do("register", TOWN, urgency=Urgency.URGENT)
    play.do("transfer", TOWN, urgency=Urgency.ORDINARY)
    assert play.case.urgency is Urgency.URGENT


def test_announced_material_is_owed_within_a_day() -> None:
    """Evidence that may follow opens 24 hours to complete it; the transfer that carries it discharges it."""
    play = Play()
    announced = materials("stop-order", announced=["preserved-evidence"])
    play.do("immediate-notice", TOWN, materials=announced, urgency=Urgency.URGENT)
    evidence = play.owed("evidence")
    assert (evidence.owed_by, evidence.limit.value, evidence.limit.unit) == (TOWN, 24, Unit.HOURS)
    assert play.case.awaited == {1: ("preserved-evidence",)}
    play.do(
        "transfer",
        TOWN,
        "2026-03-03 08:00",
        materials=materials(
            "transfer-letter", "source-material", "preliminary-evidence", "preserved-evidence"
        ),
    )
    assert play.met("evidence").outcome is Outcome.ON_TIME
    assert play.case.awaited == {}


def test_announced_material_can_come_in_parts() -> None:
    """Each kind is struck as it comes; the duty ends with the last."""
    play = Play()
    play.do("immediate-notice", TOWN, materials=materials(announced=["stop-order", "preserved-evidence"]))
    play.do("immediate-notice", TOWN, materials=materials("stop-order", announced=["preserved-evidence"]))
    assert play.case.awaited == {1: ("preserved-evidence",)}
    assert play.owed("evidence").ordinal == 1
    play.do("immediate-notice", TOWN)
    assert "evidence" not in play.open_rules


def test_oral_transfer_is_for_urgent_cases_and_owes_the_letter_within_a_day() -> None:
    """Told when extremely urgent, on record, approved; the written letter follows within 24 hours."""
    play = Play()
    play.do("register", TOWN)
    assert play.reason("oral-transfer", TOWN) == "URGENCY_NOT_PERMITTED"
    play.do("oral-transfer", TOWN, "2026-03-02 10:00", urgency=Urgency.URGENT)
    assert play.met("send").outcome is Outcome.ON_TIME
    assert due_time(play.owed("letter"), NATIONAL) == at("2026-03-03 10:00")
    play.do("transfer", TOWN, "2026-03-03 10:00")
    assert play.met("letter").outcome is Outcome.LATE
    assert play.case.state == "sent"


def test_recall_reopens_sending_with_its_original_start() -> None:
    """What the receiver owed lapses unjudged; the sender's clock runs on as if never stopped."""
    play = Play()
    play.do("register", TOWN, "2026-03-02 09:00")
    due = due_time(play.owed("send"), NATIONAL)
    play.do("transfer", TOWN, "2026-03-03 09:00")
    play.do("recall", TOWN, "2026-03-03 11:00")
    assert play.open_rules == ["send"]
    assert due_time(play.owed("send"), NATIONAL) == due
    assert play.owed("send").ordinal == 2
    assert [each.outcome for each in play.changed if each.lapsed_at] == [None, None]
    play.do("transfer", TOWN, "2026-03-06 09:00")
    assert play.met("send").outcome is Outcome.LATE


def test_recall_is_too_late_once_it_was_signed_for() -> None:
    """Of recall and signing the first is admitted, the second refused."""
    play = transferred()
    seen = play.case.last_position
    play.do("sign-for", HEALTH)
    assert play.reason("recall", TOWN, based_on=seen) == "CASE_MOVED_ON"
    assert play.reason("recall", TOWN) == "NOT_PERMITTED_IN_STATE"


def test_material_is_asked_for_once_with_a_date_and_stops_the_clock() -> None:
    """Received Thursday 12 February, 3 wd, asked Saturday 14, answered Tuesday 24: due 27 February 00:00."""
    play = Play(now=at("2026-02-12 09:00"))
    play.do("register", TOWN)
    play.do("transfer", TOWN)
    play.receive(HEALTH, "2026-02-12 09:05")
    play.do("sign-for", HEALTH, "2026-02-12 10:00")
    assert play.reason("request-material", HEALTH, requested_limit=None) == "FIELD_REQUIRED"
    play.do("request-material", HEALTH, "2026-02-14 09:00", requested_limit=at("2026-03-10"))
    assert due_time(play.owed("material"), NATIONAL) == at("2026-03-10")
    play.do("supply-material", TOWN, "2026-02-24 09:00")
    assert due_time(play.owed("reply"), NATIONAL) == at("2026-02-27")
    assert play.reason("request-material", HEALTH) == "TOO_OFTEN"


def test_the_receiver_may_accept_without_the_material() -> None:
    """Accepting ends the request unjudged and discharges the reply."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("request-material", HEALTH)
    play.do("accept", HEALTH)
    assert play.met("material").outcome is None
    assert play.met("material").lapsed_at == play.now
    assert play.met("reply").outcome is Outcome.ON_TIME
    assert all(each.until for each in play.met("reply").suspensions)


def test_another_receiver_may_ask_for_material_again() -> None:
    """At most once is counted per receiver, also when the case came back and went elsewhere."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("request-material", HEALTH)
    play.do("supply-material", TOWN)
    play.do("dispute", HEALTH)
    play.do("take-back", JUSTICE)
    play.do("transfer", TOWN, parties={MARKET: "receiver"})
    assert play.case.parties["receiver"] == (MARKET,)
    assert play.case.former == (HEALTH,)
    play.do("sign-for", MARKET)
    play.do("request-material", MARKET)
    assert play.case.counts["request-material@market.qinghe"] == 1


@pytest.mark.parametrize(
    ("act", "author", "after", "reply_runs"),
    [
        ("confirm", JUSTICE, "signed", True),
        ("take-back", TOWN, "registered", False),
        ("take-back", JUSTICE, "registered", False),
        ("accept", HEALTH, "accepted", False),
    ],
)
def test_a_dispute_ends_in_one_of_three_ways(act: str, author: str, after: str, reply_runs: bool) -> None:
    """The office confirms the receiver, or the case goes back, or the receiver accepts after all."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("dispute", HEALTH)
    assert play.owed("settle").owed_by == JUSTICE
    assert play.met("reply").outcome is Outcome.ON_TIME
    play.do(act, author)
    assert play.case.state == after
    assert play.met("settle").outcome is Outcome.ON_TIME
    assert ("reply" in play.open_rules) is reply_runs


def test_a_case_sent_back_starts_the_sender_again() -> None:
    """Take-back opens a new clock of sending, from the time of the settlement."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("dispute", HEALTH)
    play.do("take-back", TOWN, "2026-03-10 09:00")
    assert due_time(play.owed("send"), NATIONAL) == at("2026-03-14")


def test_the_receiver_disputes_only_once() -> None:
    """Confirmed by the office, it can only accept."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("dispute", HEALTH)
    play.do("confirm", JUSTICE)
    assert play.reason("dispute", HEALTH) == "TOO_OFTEN"


def test_the_receiver_neither_bounces_nor_passes_on() -> None:
    """No act lets the receiver name another receiver or send the case back."""
    play = transferred()
    play.do("sign-for", HEALTH)
    assert play.reason("accept", HEALTH, parties={MARKET: "receiver"}) == "PARTY_INVALID"
    assert play.reason("take-back", HEALTH) == "NOT_PERMITTED_FOR_ROLE"


def test_a_letter_is_corrected_by_its_author_only() -> None:
    """The transfer letter may be corrected by the sender, not by the receiver."""
    play = accepted()
    assert play.reason("correct", HEALTH, amended_letter=play.letters["transfer"]) == "AMENDED_LETTER_INVALID"
    before = play.case
    play.do("correct", TOWN, amended_letter=play.letters["transfer"])
    assert play.case.state == before.state
    assert play.case.open_obligations == before.open_obligations


def test_a_late_act_is_admitted_and_marked() -> None:
    """Lateness is judged, never a reason to refuse: signed in time but admitted late is told apart."""
    play = transferred()
    play.do("sign-for", HEALTH, "2026-03-20 09:00")
    assert play.met("sign").outcome is Outcome.LATE
    play.do("accept", HEALTH, "2026-03-20 09:00", signed_at=at("2026-03-05"), occurred_at=at("2026-03-05"))
    assert play.met("reply").outcome is Outcome.TRANSMITTED_LATE


def test_a_ledgered_outage_excuses_late_transmission() -> None:
    """Signed in time, link down at the due time: excused."""
    play = transferred()
    play.law = LAW.with_outage(HEALTH, at("2026-03-05"), at("2026-03-08"))
    play.do("sign-for", HEALTH, "2026-03-08 09:00", signed_at=at("2026-03-03"), occurred_at=at("2026-03-03"))
    assert play.met("sign").outcome is Outcome.TRANSMITTED_LATE
    play.do("accept", HEALTH, "2026-03-08 09:00", signed_at=at("2026-03-05"), occurred_at=at("2026-03-05"))
    assert play.met("reply").outcome is Outcome.EXCUSED


def test_a_registered_matter_can_be_closed_without_transfer() -> None:
    """Closing discharges the duty to send."""
    play = Play()
    play.do("register", TOWN)
    assert play.reason("close", TOWN, approvals=()) == "APPROVAL_MISSING"
    play.do("close", TOWN)
    assert play.met("send").outcome is Outcome.ON_TIME
    assert play.open_rules == []


def test_closing_ends_what_nobody_can_fulfil_any_more() -> None:
    """Evidence still owed when a case closes lapses: no act of a closed case could supply it."""
    play = Play()
    play.do("immediate-notice", TOWN, materials=materials("stop-order", announced=["preserved-evidence"]))
    play.do("close", TOWN)
    assert play.met("evidence").lapsed_at == play.now
    assert play.case.awaited == {}


def test_limits_over_the_spring_festival() -> None:
    """From Friday 13 February: Saturdays 14 and 28 are worked, 15 to 23 are not."""
    play = Play(now=at("2026-02-13 10:00"))
    play.do("register", TOWN)
    play.do("transfer", TOWN)
    assert due_time(play.owed("sign"), NATIONAL) == at("2026-02-15")
    play.do("sign-for", HEALTH)
    play.do("dispute", HEALTH)
    # 14, 24 to 28 February, 2 to 6 and 9 to 12 March
    assert due_time(play.owed("settle"), NATIONAL) == at("2026-03-13")


@pytest.mark.parametrize(
    ("accepted_on", "progress", "outcome"),
    [
        # the 30th day is Sunday 15 March, the 90th Thursday 14 May
        ("2026-02-13 10:00", "2026-03-17", "2026-05-15"),
        # Friday 6 March; the 90th day is 5 May, the last of the holiday
        ("2026-02-04 10:00", "2026-03-07", "2026-05-07"),
    ],
)
def test_what_becomes_of_an_accepted_case_is_reported(accepted_on: str, progress: str, outcome: str) -> None:
    """Every 30 days, and the outcome after 90; a last day that is no working day moves on."""
    play = Play(now=at(accepted_on))
    play.do("register", TOWN)
    play.do("transfer", TOWN)
    play.do("sign-for", HEALTH)
    play.do("accept", HEALTH)
    assert due_time(play.owed("progress"), NATIONAL) == at(progress)
    assert due_time(play.owed("outcome"), NATIONAL) == at(outcome)


def test_announced_material_is_completed_within_a_day() -> None:
    """24 hours, over a make-up Saturday into the holiday: hours know no calendar."""
    play = Play(now=at("2026-02-14 10:00"))
    announced = materials(announced=play.procedure.acts["immediate-notice"].needs)
    play.do("immediate-notice", TOWN, materials=announced)
    assert due_time(play.owed("evidence"), NATIONAL) == at("2026-02-15 10:00")
