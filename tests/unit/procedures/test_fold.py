"""What the fold makes of admitted acts, beyond the way of one procedure."""

import json
from datetime import datetime

import pytest

from services.procedures import case as cases
from services.procedures.admit import admit
from services.procedures.arrival import arrive
from services.procedures.deadlines import due_time
from services.procedures.facts import Admission, Urgency
from services.procedures.fold import PENDING_POSITION, NotAdmitted, fold
from services.procedures.law import Law, LimitDoesNotFit, RegionalLimit, limit_key
from services.procedures.loader import load_text
from services.procedures.obligation import Limit, Outcome, Unit
from tests.unit.procedures.case_samples import (
    HEALTH,
    JUSTICE,
    LAW,
    MARKET,
    MONDAY,
    TOWN,
    Play,
    accepted,
    materials,
    transferred,
)
from tests.unit.procedures.deadline_samples import NATIONAL, at

WORDS = "title: [字, Word], occurred_at: [时, When], body: liandong.cases.v1.Closing"
JOINT = f"""
procedure: joint
version: 1
title: [联合, Joint]
source: [M08]
roles: [lead, member]
many: [member]
states: {{new: [新, New], called: [召, Called], done: [完, Done]}}
initial: new
final: [done]
acts:
  call: {{{WORDS}, by: lead, in: [new], becomes: called}}
  invite: {{{WORDS}, by: lead, in: [called], names: [member]}}
  report: {{{WORDS}, by: member, in: [called]}}
  ask: {{{WORDS}, by: member, in: [called]}}
  tell: {{{WORDS}, by: lead, in: [called]}}
  longer: {{{WORDS}, by: lead, in: [called], requires: [reason_code]}}
  end: {{{WORDS}, by: lead, in: [called], becomes: done}}
obligations:
  report: {{title: [报, Report], owed_by: member, opens_on: [call, invite], discharged_by: [report],
    within: 48 h, suspended_by: tell}}
  tell: {{title: [答, Tell], owed_by: lead, opens_on: [ask], discharged_by: [tell], within: 24 h,
    extended_by: {{longer: 12 h}}}}
"""
MEMBERS = {TOWN: "lead", HEALTH: "member", MARKET: "member"}


def joint() -> Play:
    """A procedure in which several departments hold one role."""
    play = Play("joint", LAW.with_procedure(load_text(JOINT)))
    play.do("call", TOWN, parties=MEMBERS)
    return play


def test_each_holder_of_a_role_answers_for_itself() -> None:
    """One obligation per member; a member's report discharges its own."""
    play = joint()
    assert [(each.owed_by, each.ordinal) for each in play.case.open_obligations] == [(HEALTH, 1), (MARKET, 2)]
    play.do("report", MARKET)
    assert [each.owed_by for each in play.case.open_obligations] == [HEALTH]


def test_a_new_holder_joins_a_role_of_many_and_owes_too() -> None:
    """Who owes already is not asked twice."""
    play = joint()
    play.do("invite", TOWN, parties={JUSTICE: "member"})
    assert play.case.parties["member"] == (HEALTH, MARKET, JUSTICE)
    assert [each.owed_by for each in play.case.open_obligations] == [HEALTH, MARKET, JUSTICE]
    assert play.reason("invite", TOWN, parties={HEALTH: "lead"}) == "PARTY_INVALID"


def test_a_question_stops_only_the_clock_of_who_asked() -> None:
    """Suspended from the question to the answer, the asker's alone."""
    play = joint()
    play.do("ask", HEALTH, "2026-03-02 12:00")
    asker, other = play.case.open_obligations[:2]
    assert [each.since for each in asker.suspensions] == [at("2026-03-02 12:00")]
    assert asker.suspensions[0].latest_end == at("2026-03-03 12:00")
    assert other.suspensions == ()
    play.do("tell", TOWN, "2026-03-02 18:00")
    (asker, _) = play.case.open_obligations
    assert asker.suspensions[0].until == at("2026-03-02 18:00")
    assert due_time(asker, NATIONAL) == at("2026-03-04 15:00")


def test_more_time_for_an_answer_is_a_longer_pause() -> None:
    """When the answer's own due time moves, so does the latest end of the pause it causes."""
    play = joint()
    play.do("ask", HEALTH, "2026-03-02 12:00")
    play.do("longer", TOWN, "2026-03-02 13:00")
    assert play.case.open_obligations[0].suspensions[0].latest_end == at("2026-03-04 00:00")
    assert {each.rule for each in play.changed} == {"tell", "report"}


def test_an_arrival_starts_the_clock_of_its_recipient_once() -> None:
    """Only what is owed by the department, opened by that letter, and not yet received."""
    play = transferred()
    first = play.receive(HEALTH, "2026-03-02 10:00")
    assert [each.rule for each in first.changed] == ["reply"]
    assert play.owed("reply").received_at == at("2026-03-02 10:00")
    assert play.receive(HEALTH, "2026-03-02 11:00").changed == ()
    assert play.receive(TOWN, "2026-03-02 11:00").changed == ()
    assert play.owed("reply").received_at == at("2026-03-02 10:00")


def test_an_arrival_of_another_letter_starts_nothing() -> None:
    """Arrival is by position."""
    play = transferred()
    before = play.case
    folded = arrive(before, [99], HEALTH, MONDAY)
    assert folded.state is before
    assert folded.changed == ()


def test_a_case_keeps_the_limits_it_opened_under() -> None:
    """A regional limit holds for cases opened in its validity, by urgency first."""
    short = RegionalLimit("case-transfer", "send", Limit(2, Unit.WORKING_DAYS), at("2026-01-01"))
    fast = RegionalLimit(
        "case-transfer", "send", Limit(12, Unit.HOURS), at("2026-01-01"), urgency=Urgency.URGENT
    )
    later = RegionalLimit("case-transfer", "reply", Limit(5, Unit.WORKING_DAYS), at("2026-03-03"))
    past = RegionalLimit("case-transfer", "sign", Limit(9, Unit.DAYS), at("2025-01-01"), at("2026-01-01"))
    law = LAW.with_limit(short).with_limit(fast).with_limit(later).with_limit(past)
    play = Play(law=law)
    play.do("register", TOWN)
    assert play.case.limits == {"send": Limit(2, Unit.WORKING_DAYS), "send/urgent": Limit(12, Unit.HOURS)}
    assert play.owed("send").limit == Limit(2, Unit.WORKING_DAYS)
    play.do("immediate-notice", TOWN, urgency=Urgency.URGENT)
    assert {each.limit for each in play.case.open_obligations} == {
        Limit(2, Unit.WORKING_DAYS),
        Limit(12, Unit.HOURS),
    }
    play.do("transfer", TOWN, "2026-03-04 09:00")
    assert play.owed("reply").limit == Limit(3, Unit.WORKING_DAYS)
    assert play.owed("sign").limit == Limit(1, Unit.WORKING_DAYS)


def test_a_regional_limit_replaces_its_own_earlier_text() -> None:
    """Same obligation, urgency and beginning: the later entry holds."""
    first = RegionalLimit("case-transfer", "send", Limit(2, Unit.WORKING_DAYS), at("2026-01-01"))
    second = RegionalLimit("case-transfer", "send", Limit(4, Unit.WORKING_DAYS), at("2026-01-01"))
    assert LAW.with_limit(first).with_limit(second).limits == (second,)
    assert limit_key("send", Urgency.MAJOR) == "send/major"


@pytest.mark.parametrize(("rule", "unit"), [("send", Unit.MONTHS), ("material", Unit.DAYS)])
def test_a_regional_limit_must_suit_the_obligation(rule: str, unit: Unit) -> None:
    """No percent marks over months, no budget where the letter sets the date."""
    with pytest.raises(LimitDoesNotFit):
        LAW.with_limit(RegionalLimit("case-transfer", rule, Limit(2, unit), at("2026-01-01")))


def test_a_limit_known_before_its_procedure_is_left_out_if_it_does_not_suit() -> None:
    """The fold stays total: an unsuitable limit is never counted with."""
    odd = RegionalLimit("joint", "tell", Limit(2, Unit.MONTHS), at("2026-01-01"))
    procedure = load_text(JOINT)
    law = LAW.with_limit(odd).with_procedure(procedure)
    assert law.limits_at(procedure, MONDAY) == {}


def test_the_office_moves_with_the_region() -> None:
    """When another department takes over the office, it acts in running cases and owes what was owed."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("dispute", HEALTH)
    play.law = LAW.with_office("case-transfer", MARKET)
    assert play.reason("confirm", JUSTICE) == "NOT_PERMITTED_FOR_ROLE"
    before = play.owed("settle")
    play.do("confirm", MARKET)
    assert (before.owed_by, play.met("settle").owed_by) == (JUSTICE, MARKET)
    assert play.met("settle").outcome is Outcome.ON_TIME
    assert play.case.parties["office"] == (MARKET,)


SEATS = f"""
procedure: seats
version: 1
title: [席位, Seats]
source: [M07]
roles: [asker, keeper]
states: {{new: [新, New], asked: [问, Asked], done: [完, Done]}}
initial: new
final: [done]
acts:
  ask: {{{WORDS}, by: asker, in: [new], becomes: asked}}
  pass-on: {{{WORDS}, by: keeper, in: [asked], names: [keeper]}}
  later: {{{WORDS}, by: keeper, in: [asked], requires: [requested_limit]}}
  postpone: {{{WORDS}, by: keeper, in: [asked], requires: [reason_code]}}
  answer: {{{WORDS}, by: keeper, in: [asked], becomes: done}}
obligations:
  first: {{title: [先, First], owed_by: keeper, opens_on: [ask], discharged_by: [pass-on], within: 1 wd}}
  answer: {{title: [答, Answer], owed_by: keeper, opens_on: [ask], discharged_by: [answer], within: 5 wd}}
  own: {{title: [自, Own], owed_by: keeper, opens_on: [later], starts_on: receipt, discharged_by: [answer],
    within: 2 wd}}
  fixed: {{title: [定, Fixed], owed_by: keeper, opens_on: [later], discharged_by: [answer],
    within: requested_limit, extended_by: {{postpone: 3 wd}}}}
"""


def seats(now: datetime = MONDAY) -> Play:
    """A procedure whose one seat goes from hand to hand."""
    play = Play("seats", LAW.with_procedure(load_text(SEATS)), now)
    play.do("ask", TOWN, parties={TOWN: "asker", HEALTH: "keeper"})
    return play


def test_what_an_act_fulfils_stays_with_whom_it_was_owed_by() -> None:
    """The seat goes on with what is still open; what passing it on discharged was its old holder's."""
    play = seats()
    play.do("pass-on", HEALTH, parties={MARKET: "keeper"})
    assert (play.met("first").owed_by, play.met("first").outcome) == (HEALTH, Outcome.ON_TIME)
    assert play.owed("answer").owed_by == MARKET


def test_nobody_awaits_the_arrival_of_an_own_letter() -> None:
    """A clock that starts on receipt starts with the act where its author owes; no day of silence is waited."""
    play = seats()
    play.do("later", HEALTH, "2026-03-03 10:00")
    assert play.owed("own").received_at == at("2026-03-03 10:00")
    # Wednesday 4, Thursday 5
    assert due_time(play.owed("own"), NATIONAL) == at("2026-03-06")


def test_a_fixed_date_is_put_off_by_working_days() -> None:
    """From the date itself, at its hour: Friday 27 February, then Saturday 28 (make-up), Monday 2, Tuesday 3."""
    play = seats(at("2026-02-24 09:00"))
    play.do("later", HEALTH, "2026-02-25 10:00", requested_limit=at("2026-02-27 17:00"))
    play.do("postpone", HEALTH, "2026-02-26 10:00")
    assert due_time(play.owed("fixed"), NATIONAL) == at("2026-03-03 17:00")


def test_the_office_may_be_a_party_too() -> None:
    """A department that holds the office can send a case like any other."""
    play = Play()
    play.do("register", JUSTICE, parties={JUSTICE: "sender", HEALTH: "receiver"})
    assert play.case.roles_of(JUSTICE) == ("sender", "office")
    play.do("transfer", JUSTICE)
    assert play.case.state == "sent"


def test_a_pending_letter_is_folded_over_the_admitted_state() -> None:
    """The overlay shows what will be, and moves nothing that others could have seen."""
    play = transferred()
    seen = play.case.last_position
    facts = play.facts("sign-for", HEALTH)
    overlay = fold(play.state, facts, Admission(PENDING_POSITION, MONDAY, 1), LAW).state
    assert overlay.state == "signed"
    assert overlay.last_position == seen
    assert admit(overlay, play.facts("accept", HEALTH), MONDAY, LAW) is None


def test_what_the_law_does_not_know_cannot_have_been_admitted() -> None:
    """Folding it is a mistake of the caller."""
    play = Play()
    facts = play.facts("register", TOWN)
    with pytest.raises(NotAdmitted):
        fold(None, facts, Admission(1, MONDAY, 1), Law())


def test_the_calendar_of_the_region_judges() -> None:
    """Found by the registry's name, in the region around it if need be, provisional where none is."""
    assert LAW.calendar("registry.qinghe") is NATIONAL
    assert LAW.calendar("clinic.baishi.qinghe") is NATIONAL
    assert LAW.calendar("registry.elsewhere").version == 0
    assert LAW.calendar("qinghe") is NATIONAL


def test_an_outage_can_be_closed_and_hold_for_all() -> None:
    """The same beginning replaces; the empty name is every link."""
    law = LAW.with_outage(HEALTH, at("2026-03-02")).with_outage(HEALTH, at("2026-03-02"), at("2026-03-03"))
    law = law.with_outage("", at("2026-03-05"), at("2026-03-06"))
    assert law.outages_of(HEALTH) == (
        (at("2026-03-02"), at("2026-03-03")),
        (at("2026-03-05"), at("2026-03-06")),
    )
    assert law.outages_of(TOWN) == ((at("2026-03-05"), at("2026-03-06")),)


def test_the_state_does_not_grow_with_the_letters() -> None:
    """A hundred progress reports and corrections leave a state as large as two."""
    play = accepted()
    sizes = []
    for _ in range(100):
        play.do("progress", HEALTH)
        play.do("correct", TOWN, amended_letter=play.letters["transfer"])
        sizes.append(len(cases.dumps(play.case)))
    assert max(sizes) - sizes[1] <= len("[100]") * 4


def test_a_state_is_written_as_json_and_read_back() -> None:
    """Every kind of content survives: pauses, announced material, limits, former parties."""
    law = LAW.with_limit(
        RegionalLimit("case-transfer", "sign", Limit(2, Unit.WORKING_DAYS), at("2026-01-01"))
    )
    play = Play(law=law)
    play.do("immediate-notice", TOWN, materials=materials("stop-order", announced=["preserved-evidence"]))
    play.do("transfer", TOWN)
    play.do("sign-for", HEALTH)
    play.do("request-material", HEALTH)
    assert cases.loads(cases.dumps(play.case)) == play.case
    assert json.loads(cases.dumps(play.case))["state"] == "awaiting-material"
    play.do("dispute", HEALTH)
    play.do("take-back", JUSTICE)
    play.do("transfer", TOWN, parties={MARKET: "receiver"})
    assert cases.loads(cases.dumps(play.case)) == play.case
    assert play.case.members == (TOWN, MARKET, JUSTICE, HEALTH)
