"""Emergencies (M17): who is told, when, who leads, who is sent, and who alone publishes."""

from datetime import datetime

import pytest

from services.procedures.deadlines import due_time
from services.procedures.facts import Urgency
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, LAW, MARKET, POLICE, TOWN, Play, approvals
from tests.unit.procedures.deadline_samples import NATIONAL, at

GOV, BUREAU, FIRE = "gov.qinghe", "emergency.qinghe", "fire.qinghe"
HOUSING, PUBLICITY, WATER = "housing.qinghe", "publicity.qinghe", "water.qinghe"
HERE = LAW
for _name in (GOV, BUREAU, FIRE, HOUSING, PUBLICITY, WATER):
    HERE = HERE.with_department(_name)

REPORTERS = {TOWN: "reporter", HOUSING: "reporter"}
TOLD = {GOV: "command", BUREAU: "emergency", POLICE: "police", FIRE: "fire"}
COPIED = (HOUSING, TOWN, GOV, BUREAU, POLICE, FIRE)
GROUPS = {HEALTH: "health", MARKET: "support", PUBLICITY: "publicity"}


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def owed_by(play: Play, rule: str) -> list[str]:
    return sorted(each.owed_by for each in play.case.open_obligations if each.rule == rule)


def learned(act: str = "learn", urgency: Urgency = Urgency.ORDINARY) -> Play:
    """Word comes to the town an hour before the holiday of 1 May; the sector department hears of it too."""
    play = Play("emergency", law=HERE, now=at("2026-04-30 23:30"))
    play.do(act, TOWN, parties=REPORTERS, urgency=urgency)
    return play


def reported(urgency: Urgency = Urgency.ORDINARY) -> Play:
    """Both have reported, and the emergency bureau has it."""
    play = learned(urgency=urgency)
    play.do("report", TOWN, "2026-05-01 00:10", parties=TOLD, copies=COPIED, reason_code="02")
    play.receive(BUREAU, "2026-05-01 00:15")
    play.do("report", HOUSING, "2026-05-01 00:20", copies=COPIED, reason_code="02")
    return play


def led() -> Play:
    """The sector department leads."""
    play = reported()
    play.do("name-lead", BUREAU, "2026-05-01 01:00", parties={HOUSING: "lead"}, copies=(HOUSING, GOV, TOWN))
    return play


def responding() -> Play:
    """The government has started the response as the bureau asked."""
    play = led()
    play.do("prompt", BUREAU, "2026-05-01 01:10", copies=(GOV, TOWN), outcome_code="4")
    play.do("start-response", GOV, "2026-05-01 01:30", copies=(HOUSING, BUREAU), outcome_code="4")
    play.receive(HOUSING, "2026-05-01 01:40")
    return play


def test_each_reporter_reports_at_once() -> None:
    """Within the hour of the word, on the eve of a holiday and through midnight; each answers for itself."""
    play = learned()
    assert owed_by(play, "report") == [HOUSING, TOWN]
    assert {due_time(each, NATIONAL) for each in play.case.open_obligations} == {at("2026-05-01 00:30")}
    play.do("report", TOWN, "2026-05-01 00:29", parties=TOLD, copies=COPIED)
    assert play.met("report").outcome is Outcome.ON_TIME
    assert owed_by(play, "report") == [HOUSING]
    play.do("report", HOUSING, "2026-05-01 00:30", copies=COPIED)
    assert play.met("report").outcome is Outcome.LATE


@pytest.mark.parametrize("left_out", [GOV, BUREAU, POLICE, FIRE, HOUSING])
def test_nobody_who_must_be_told_is_left_out(left_out: str) -> None:
    """Both duty offices, the bureau, police and fire: named, and told with the first report."""
    play = learned()
    copies = tuple(each for each in COPIED if each != left_out)
    assert play.reason("report", TOWN, parties=TOLD, copies=copies) == "COPY_MISSING"
    if left_out != HOUSING:
        some = {name: role for name, role in TOLD.items() if name != left_out}
        assert play.reason("report", TOWN, parties=some, copies=copies) == "PARTY_INVALID"


def test_a_report_says_by_which_criterion() -> None:
    """The code of one of the ten, or of the ordinary level."""
    play = learned()
    given = {"parties": TOLD, "copies": COPIED}
    assert play.reason("report", TOWN, reason_code="", **given) == "FIELD_REQUIRED"
    assert play.reason("report", TOWN, reason_code="03", **given) == ""


def test_health_is_told_of_serious_injury_and_poisoning() -> None:
    """It is named with that report, and not without its copy."""
    play = learned()
    parties = {**TOLD, HEALTH: "health"}
    assert play.reason("report-casualties", TOWN, parties=TOLD, copies=COPIED) == "PARTY_INVALID"
    assert play.reason("report-casualties", TOWN, parties=parties, copies=COPIED) == "COPY_MISSING"
    play.do("report-casualties", TOWN, parties=parties, copies=(*COPIED, HEALTH), reason_code="03")
    assert play.case.parties["health"] == (HEALTH,)


def test_a_health_emergency_has_two_hours_per_level() -> None:
    """Two for the reporter, and two from receipt for the health department."""
    play = learned("learn-health")
    assert play.reason("report", TOWN, parties=TOLD, copies=COPIED) == "NOT_PERMITTED_IN_STATE"
    first = next(each for each in play.case.open_obligations if each.owed_by == TOWN)
    assert due_time(first, NATIONAL) == at("2026-05-01 01:30")
    parties = {**TOLD, HEALTH: "health"}
    play.do("report-health", TOWN, "2026-05-01 01:00", parties=parties, copies=(*COPIED, HEALTH))
    play.receive(HEALTH, "2026-05-01 01:05")
    assert due(play, "pass-up") == at("2026-05-01 03:05")
    play.do("pass-up", HEALTH, "2026-05-01 03:04")
    assert play.met("pass-up").outcome is Outcome.ON_TIME


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [
        (Urgency.ORDINARY, "2026-05-02 00:10"),
        (Urgency.URGENT, "2026-05-01 04:10"),
        (Urgency.MAJOR, "2026-05-01 02:10"),
    ],
)
def test_follow_ups_come_at_set_intervals(urgency: Urgency, expected: str) -> None:
    """A day, four hours, two: through the holiday; the next runs from the last."""
    play = reported(urgency)
    town = next(
        each for each in play.case.open_obligations if (each.rule, each.owed_by) == ("follow-up", TOWN)
    )
    assert due_time(town, NATIONAL) == at(expected)
    play.do("follow-up", TOWN, "2026-05-01 02:00")
    assert play.met("follow-up").owed_by == TOWN
    assert owed_by(play, "follow-up") == [HOUSING, TOWN]


def test_the_bureau_names_the_lead_at_once() -> None:
    """Nobody else does, and one reporter keeps its seat."""
    play = reported()
    assert due(play, "lead") == at("2026-05-01 01:15")
    assert play.reason("name-lead", GOV, parties={HOUSING: "lead"}) == "NOT_PERMITTED_FOR_ROLE"
    play = led()
    assert play.case.parties["lead"] == (HOUSING,)
    assert play.reason("name-lead", BUREAU, parties={TOWN: "lead"}, copies=(TOWN, GOV)) == "PARTY_INVALID"


def test_the_lead_follows_up_once_more() -> None:
    """What it owed when it was named; from then on it informs as the lead, and the others follow up."""
    play = led()
    assert owed_by(play, "follow-up") == [HOUSING, TOWN]
    play.do("follow-up", HOUSING, "2026-05-01 02:00")
    assert (play.met("follow-up").owed_by, owed_by(play, "follow-up")) == (HOUSING, [TOWN])
    assert play.reason("follow-up", HOUSING) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("inform", HOUSING, copies=(BUREAU,)) == ""


@pytest.mark.parametrize("others", [(TOWN,), (TOWN, MARKET)])
@pytest.mark.parametrize(("word", "told"), [("learn", "report"), ("learn-health", "report-health")])
def test_who_is_named_lead_before_it_reported_still_owes_the_report(
    word: str, told: str, others: tuple[str, ...]
) -> None:
    """It falls to no other reporter, the name of lead does not settle it, and made late it counts as late."""
    play = Play("emergency", law=HERE, now=at("2026-04-30 22:00"))
    reporters = dict.fromkeys((*others, HOUSING), "reporter")
    play.do(word, TOWN, parties=reporters)
    parties = {**TOLD, HEALTH: "health"} if told == "report-health" else TOLD
    play.do(told, TOWN, "2026-04-30 22:10", parties=parties, copies=(*reporters, *parties))
    play.do(
        "name-lead", BUREAU, "2026-04-30 22:30", parties={HOUSING: "lead"}, copies=(*others, HOUSING, GOV)
    )
    assert owed_by(play, told) == sorted({*others, HOUSING} - {TOWN})
    play.do("inform", POLICE, "2026-04-30 22:40", copies=(BUREAU,))
    play.do("follow-up", TOWN, "2026-04-30 22:50")
    play.do("follow-up", HOUSING, "2026-05-01 08:00")
    report = next(each for each in play.changed if each.rule == told)
    assert (report.owed_by, report.outcome) == (HOUSING, Outcome.LATE)
    assert owed_by(play, told) == sorted({*others} - {TOWN})


def test_an_instruction_is_relayed_and_tracked() -> None:
    """With a date of its own; the case does not end before it is answered."""
    play = led()
    assert play.reason("relay-instruction", BUREAU) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("relay-instruction", GOV, requested_limit=None) == "FIELD_REQUIRED"
    limit = at("2026-05-01 08:00")
    play.do("relay-instruction", GOV, "2026-05-01 01:05", requested_limit=limit, copies=(BUREAU,))
    assert (play.owed("instruction").owed_by, due(play, "instruction")) == (BUREAU, limit)
    play.do("settle", BUREAU, "2026-05-01 05:00", reason_code="01")
    refused = play.reason("final-report", TOWN, copies=(GOV, BUREAU))
    assert refused == "OBLIGATION_OPEN"
    play.do("report-instruction", BUREAU, "2026-05-01 07:59", copies=(GOV,))
    assert play.met("instruction").outcome is Outcome.ON_TIME


def test_the_prompt_is_copied_to_the_local_government() -> None:
    """The government then decides at once, by its principal as commander."""
    play = led()
    assert play.reason("prompt", BUREAU, copies=(GOV,), outcome_code="4") == "COPY_MISSING"
    play.do("prompt", BUREAU, "2026-05-01 01:10", copies=(GOV, TOWN), outcome_code="4")
    play.receive(GOV, "2026-05-01 01:12")
    assert due(play, "decide") == at("2026-05-01 02:12")
    given = {"copies": (HOUSING, BUREAU), "outcome_code": "4"}
    assert play.reason("start-response", BUREAU, **given) == "NOT_PERMITTED_FOR_ROLE"
    refused = play.reason("start-response", GOV, approvals=approvals("leader-in-charge"), **given)
    assert refused == "APPROVAL_MISSING"
    play.do("start-response", GOV, "2026-05-01 02:11", **given)
    assert play.met("decide").outcome is Outcome.ON_TIME


def test_only_the_publicity_group_publishes() -> None:
    """Not the lead, not the headquarters; and there is no group before it is set up."""
    play = responding()
    assert due(play, "groups") == at("2026-05-01 02:40")
    assert play.reason("publish", PUBLICITY) == "NOT_PERMITTED_FOR_ROLE"
    some = {HEALTH: "health", PUBLICITY: "publicity"}
    assert play.reason("set-up-groups", HOUSING, parties=some, copies=tuple(some)) == "PARTY_INVALID"
    play.do("set-up-groups", HOUSING, "2026-05-01 02:00", parties=GROUPS, copies=tuple(GROUPS))
    for other in (HOUSING, GOV, BUREAU, HEALTH, MARKET, TOWN):
        assert play.reason("publish", other) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("publish", PUBLICITY, materials=()) == "MATERIAL_MISSING"
    assert play.reason("publish", PUBLICITY) == ""


def test_who_is_ordered_out_confirms_at_once() -> None:
    """And an order answers a request for support, as does a leader's word; another's act does not."""
    play = responding()
    play.do("request-support", HOUSING, "2026-05-01 02:00", copies=(GOV,))
    play.receive(GOV, "2026-05-01 02:01")
    assert due(play, "support") == at("2026-05-01 03:01")
    assert play.reason("mobilise", HOUSING) == "NOT_PERMITTED_FOR_ROLE"
    play.do("mobilise", GOV, "2026-05-01 02:30", parties={MARKET: "mobilised"}, copies=(MARKET,))
    assert play.met("support").outcome is Outcome.ON_TIME
    play.receive(MARKET, "2026-05-01 02:35")
    assert due(play, "receipt") == at("2026-05-01 03:35")
    play.do("receipt", MARKET, "2026-05-01 02:40")
    assert play.met("receipt").outcome is Outcome.ON_TIME


def test_who_was_ordered_out_and_then_leads_a_group_still_confirms() -> None:
    """The order was for it; nobody else that was ordered out confirms in its stead."""
    play = responding()
    out = dict.fromkeys((MARKET, WATER), "mobilised")
    play.do("mobilise", GOV, "2026-05-01 01:50", parties=out, copies=tuple(out))
    play.do("set-up-groups", HOUSING, "2026-05-01 02:00", parties=GROUPS, copies=tuple(GROUPS))
    assert play.case.parties["support"] == (MARKET,)
    play.do("receipt", WATER, "2026-05-01 02:10")
    assert owed_by(play, "receipt") == [MARKET]
    play.do("receipt", MARKET, "2026-05-01 02:20")
    assert owed_by(play, "receipt") == []


def test_the_commander_ends_it_and_the_lead_reports() -> None:
    """Ten working days, over a make-up Sunday and two holidays: 20 to 24, 28 to 30 September, 8 and 9 October."""
    play = responding()
    given = {"copies": (HOUSING, BUREAU)}
    assert play.reason("end-response", HOUSING) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("end-response", GOV, approvals=(), **given) == "APPROVAL_MISSING"
    play.do("end-response", GOV, "2026-09-18 17:00", **given)
    assert "follow-up" not in play.open_rules
    play.receive(HOUSING, "2026-09-18 17:01")
    assert due(play, "conclude") == at("2026-10-10")
    play.do("final-report", HOUSING, "2026-10-09 16:00", copies=(GOV, BUREAU))
    assert play.met("conclude").outcome is Outcome.ON_TIME
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_a_matter_without_a_response_is_reported_too() -> None:
    """Three working days from Wednesday 6 May: Thursday, Friday and the make-up Saturday."""
    play = reported()
    assert play.reason("settle", BUREAU, reason_code="") == "FIELD_REQUIRED"
    play.do("settle", BUREAU, "2026-05-06 09:00", reason_code="01")
    play.receive(TOWN, "2026-05-06 09:01")
    mine = next(each for each in play.case.open_obligations if (each.rule, each.owed_by) == ("close", TOWN))
    assert due_time(mine, NATIONAL) == at("2026-05-10")


def test_a_report_is_corrected_by_its_author() -> None:
    """Figures are checked and put right; nobody corrects another's report."""
    play = reported()
    letter = play.letters["report"]
    assert play.reason("correct", TOWN, amended_letter=letter) == "AMENDED_LETTER_INVALID"
    play.do("correct", HOUSING, amended_letter=letter)
