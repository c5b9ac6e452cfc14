"""A dispute over competence: negotiation first, signed minutes bind, else the government decides (M06)."""

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, JUSTICE, TOWN, Play, materials, transferred
from tests.unit.procedures.deadline_samples import NATIONAL, at


def opened() -> Play:
    """A dispute that the receiver of a transfer has opened, on a Monday."""
    play = Play("jurisdiction-dispute")
    play.do("open", HEALTH, parties={HEALTH: "applicant", TOWN: "respondent"})
    return play


def test_the_parent_goes_on_while_competence_is_disputed() -> None:
    """The dispute act opens a case of its own; the parent's clock of settling runs."""
    parent = transferred()
    parent.do("sign-for", HEALTH)
    parent.do("dispute", HEALTH)
    assert parent.procedure.acts["dispute"].opens_case == opened().procedure.name
    assert parent.owed("settle").suspensions == ()


def test_a_dispute_names_the_case_it_is_about() -> None:
    """The opening act links its parent."""
    play = Play("jurisdiction-dispute")
    parties = {HEALTH: "applicant", TOWN: "respondent"}
    assert play.reason("open", HEALTH, parties=parties, linked_cases=()) == "FIELD_REQUIRED"


def test_signed_minutes_bind() -> None:
    """Offered by one side, signed by the other; then nobody can apply for a decision."""
    play = opened()
    assert play.open_rules == ["answer", "negotiate"]
    play.do("answer", TOWN)
    assert play.met("answer").outcome is Outcome.ON_TIME
    play.do("offer-minutes", HEALTH)
    assert play.open_rules == ["negotiate", "sign-minutes"]
    play.do("sign-minutes", TOWN)
    assert play.open_rules == ["conclude"]
    assert play.reason("submit", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("close", HEALTH)
    assert play.case.state == "closed"


def test_the_other_side_cannot_be_made_to_sign() -> None:
    """Declined minutes lead back to negotiation."""
    play = opened()
    play.do("offer-minutes", HEALTH)
    assert play.reason("sign-minutes", HEALTH) == "NOT_PERMITTED_FOR_ROLE"
    play.do("decline-minutes", TOWN)
    assert play.case.state == "negotiating"
    assert play.open_rules == ["negotiate"]


def test_without_agreement_the_government_decides() -> None:
    """Either applies with the record of the negotiation; 15 working days, once extended by 10."""
    play = opened()
    assert play.reason("submit", TOWN, materials=materials("application")) == "MATERIAL_MISSING"
    play.do("submit", TOWN, "2026-03-02 10:00")
    assert due_time(play.owed("decide"), NATIONAL) == at("2026-03-24")
    play.do("extend-decision", JUSTICE, "2026-03-23 10:00")
    assert due_time(play.owed("decide"), NATIONAL) == at("2026-04-08")
    play.do("decide", JUSTICE, "2026-04-07 23:00")
    assert play.met("decide").outcome is Outcome.ON_TIME
    assert play.owed("conclude").owed_by == HEALTH


def test_limits_over_the_spring_festival() -> None:
    """From Friday 13 February: Saturdays 14 and 28 are worked, 15 to 23 are not."""
    play = Play("jurisdiction-dispute", now=at("2026-02-13 10:00"))
    play.do("open", HEALTH, parties={HEALTH: "applicant", TOWN: "respondent"})
    play.receive(TOWN, "2026-02-13 11:00")
    # 14, 24, 25 February; ten days: on to 26, 27, 28 February, 2 to 5 March
    assert due_time(play.owed("answer"), NATIONAL) == at("2026-02-26")
    assert due_time(play.owed("negotiate"), NATIONAL) == at("2026-03-06")
    play.do("offer-minutes", HEALTH)
    play.receive(TOWN, "2026-02-13 12:00")
    assert due_time(play.owed("sign-minutes"), NATIONAL) == at("2026-02-26")
    play.do("sign-minutes", TOWN)
    # 14, 24 to 27 February
    assert due_time(play.owed("conclude"), NATIONAL) == at("2026-02-28")


def test_a_dispute_can_be_withdrawn() -> None:
    """Everything owed in it ends."""
    play = opened()
    play.do("withdraw", HEALTH)
    assert play.open_rules == []
    assert play.met("negotiate").outcome is Outcome.ON_TIME
    assert play.met("answer").lapsed_at == play.now
