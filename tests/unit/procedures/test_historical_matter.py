"""Historical matters (M03): only with a record of prior consultation."""

from datetime import datetime

from services.procedures.deadlines import due_time
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, MARKET, TOWN, Play, materials
from tests.unit.procedures.deadline_samples import NATIONAL, at


def due(play: Play, rule: str) -> datetime:
    return due_time(play.owed(rule), NATIONAL)


def consulting(when: str = "2026-02-13 10:00") -> Play:
    """The health commission wants to hand an old matter to the town."""
    play = Play("historical-matter", now=at(when))
    play.do("consult", HEALTH, parties={HEALTH: "holder", TOWN: "taker"})
    play.receive(TOWN, when)
    return play


def recorded() -> Play:
    """Consulted on Monday 9 March."""
    play = consulting("2026-03-02 09:00")
    play.do("state", TOWN, "2026-03-06 09:00")
    play.do("record", HEALTH, "2026-03-09 09:00")
    play.receive(TOWN, "2026-03-09 09:10")
    return play


def test_consultation_comes_first() -> None:
    """Five working days for the opinion, 14 (make-up), 24 to 27 February; fifteen for the record."""
    play = consulting()
    assert due(play, "state") == at("2026-02-28")
    # then 28 (make-up), 2 to 6 and 9 to 12 March
    assert due(play, "record") == at("2026-03-13")
    assert play.reason("hand-over", HEALTH) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("record", HEALTH, materials=()) == "MATERIAL_MISSING"


def test_nothing_is_handed_over_before_the_taker_confirms() -> None:
    """Nor without the record of consultation in the file."""
    play = recorded()
    assert due(play, "confirm") == at("2026-03-13")
    assert play.reason("hand-over", HEALTH) == "NOT_PERMITTED_IN_STATE"
    play.do("confirm", TOWN, "2026-03-12 09:00")
    play.receive(HEALTH, "2026-03-12 09:10")
    # 13, 16 to 20, 23 to 26
    assert due(play, "hand-over") == at("2026-03-27")
    refusal = play.refusal("hand-over", HEALTH, materials=materials("case-file", "matter-list"))
    assert refusal is not None
    assert (refusal.reason, "consultation-record" in refusal.message) == ("MATERIAL_MISSING", True)
    play.do("hand-over", HEALTH, "2026-04-02 09:00")
    assert play.met("hand-over").outcome is Outcome.LATE
    play.receive(TOWN, "2026-04-02 09:10")
    # 3, and after the holiday 7 and 8 April
    assert due(play, "accept") == at("2026-04-09")
    play.do("accept", TOWN, "2026-04-08 09:00")
    play.do("close", TOWN, "2026-04-08 10:00")
    assert (play.case.state, play.open_rules) == ("closed", [])


def test_an_objection_goes_back_to_consultation() -> None:
    """With a reason; the record's clock runs anew."""
    play = recorded()
    assert play.reason("object", TOWN, reason_code="") == "FIELD_REQUIRED"
    play.do("object", TOWN, "2026-03-10 09:00")
    assert (play.case.state, due(play, "record")) == ("consulting", at("2026-04-01"))


def test_without_agreement_it_stays_or_becomes_a_dispute() -> None:
    """Only the two sides decide on that."""
    play = recorded()
    assert play.reason("dispute", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    assert play.procedure.acts["dispute"].opens_case == "jurisdiction-dispute"
    play.do("dispute", TOWN, "2026-03-10 09:00")
    assert (play.case.state, play.open_rules) == ("kept", [])
    play = consulting()
    play.do("keep", HEALTH)
    assert (play.case.state, play.open_rules) == ("kept", [])
