"""Every judged reason that concerns a case, and what may be done next."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from services.procedures.admit import admit, missing_approvals, permitted
from services.procedures.facts import Urgency
from services.procedures.law import LEFT, LISTED, SUSPENDED, Law
from tests.unit.procedures.case_samples import (
    HEALTH,
    JUSTICE,
    LAW,
    MARKET,
    MONDAY,
    SHIPPED,
    TOWN,
    Play,
    accepted,
    approvals,
    materials,
    transferred,
)


def test_an_unknown_procedure_or_version_is_refused() -> None:
    """UNKNOWN_PROCEDURE, for a name, a version, and a version that opens no more cases."""
    play = Play()
    facts = play.facts("register", TOWN)
    for other in (replace(facts, procedure="other"), replace(facts, procedure_version=9)):
        refusal = admit(None, other, MONDAY, LAW)
        assert refusal is not None
        assert refusal.reason == "UNKNOWN_PROCEDURE"
    play.law = LAW.without_procedure("case-transfer", 1)
    assert play.reason("register", TOWN) == "UNKNOWN_PROCEDURE"


def test_a_running_case_keeps_its_version() -> None:
    """Withdrawing a version stops no running case; another version cannot act in it."""
    play = transferred()
    newer = replace(SHIPPED["case-transfer"], version=2)
    play.law = LAW.with_procedure(newer).without_procedure("case-transfer", 1)
    assert play.reason("sign-for", HEALTH) == ""
    other = replace(play.facts("sign-for", HEALTH), procedure_version=2)
    refusal = admit(play.state, other, MONDAY, play.law)
    assert refusal is not None
    assert (refusal.reason, refusal.field) == ("UNKNOWN_PROCEDURE", "procedure_version")


def test_an_unknown_act_is_refused() -> None:
    """UNKNOWN_ACT."""
    assert Play().reason("bounce", TOWN) == "UNKNOWN_ACT"


def test_only_an_opening_act_opens_a_case() -> None:
    """UNKNOWN_CASE."""
    assert Play().reason("transfer", TOWN) == "UNKNOWN_CASE"


def test_a_case_is_opened_once() -> None:
    """CASE_EXISTS: an act that saw nothing of the case, though it could be a later one."""
    play = Play()
    play.do("register", TOWN)
    assert play.reason("register", TOWN, based_on=None) == "CASE_EXISTS"
    assert play.reason("immediate-notice", TOWN, based_on=None) == "CASE_EXISTS"
    assert play.reason("immediate-notice", TOWN, based_on=None, predecessor="l1") == ""


def test_an_act_comes_after_what_it_states() -> None:
    """OCCURRED_AFTER_SIGNED."""
    later = MONDAY + timedelta(seconds=1)
    assert Play().reason("register", TOWN, occurred_at=later) == "OCCURRED_AFTER_SIGNED"


def test_a_role_does_its_own_acts() -> None:
    """NOT_PERMITTED_FOR_ROLE, for another role and for a stranger."""
    play = transferred()
    assert play.reason("sign-for", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("sign-for", MARKET) == "NOT_PERMITTED_FOR_ROLE"
    assert Play().reason("register", HEALTH) == "NOT_PERMITTED_FOR_ROLE"


def test_an_act_waits_for_its_state() -> None:
    """NOT_PERMITTED_IN_STATE when the author knew, CASE_MOVED_ON when somebody was first."""
    play = transferred()
    assert play.reason("accept", HEALTH) == "NOT_PERMITTED_IN_STATE"
    assert play.reason("accept", HEALTH, based_on=play.case.last_position - 1) == "CASE_MOVED_ON"


def test_an_act_is_done_no_more_than_allowed() -> None:
    """TOO_OFTEN."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("request-material", HEALTH)
    play.do("supply-material", TOWN)
    assert play.reason("request-material", HEALTH) == "TOO_OFTEN"


def test_material_must_be_there() -> None:
    """MATERIAL_MISSING: absent, or only announced where nothing may follow."""
    play = Play()
    play.do("register", TOWN)
    needed = ("transfer-letter", "source-material")
    assert play.reason("transfer", TOWN, materials=materials(*needed)) == "MATERIAL_MISSING"
    announced = materials(*needed, announced=["preliminary-evidence"])
    assert play.reason("transfer", TOWN, materials=announced) == "MATERIAL_MISSING"


def test_approvals_must_be_there() -> None:
    """APPROVAL_MISSING, also where another role approved."""
    play = Play()
    play.do("register", TOWN)
    assert play.reason("transfer", TOWN, approvals=approvals("section-head")) == "APPROVAL_MISSING"


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ([], ["legal-reviewer", "officer", "officer"]),
        ([("legal-reviewer", "zhou"), ("officer", "wu"), ("officer", "sun")], []),
        # a role that stands twice takes two persons, and so do two roles
        ([("legal-reviewer", "zhou"), ("officer", "wu"), ("officer", "wu")], ["officer"]),
        ([("legal-reviewer", "zhou"), ("officer", "zhou"), ("officer", "wu")], ["officer"]),
        # who comes first is not held to the first place
        ([("legal-reviewer", "wu"), ("legal-reviewer", "zhou"), ("officer", "wu"), ("officer", "sun")], []),
        ([("clerk", "zhou"), ("officer", "wu")], ["legal-reviewer", "officer"]),
    ],
)
def test_as_many_approvals_take_as_many_persons(given: list[tuple[str, str]], missing: list[str]) -> None:
    """Whatever roles each of them has, and in whatever order they approved."""
    act = replace(
        SHIPPED["case-transfer"].acts["transfer"], approved_by=("legal-reviewer", "officer", "officer")
    )
    for order in permutations(given):
        assert list(missing_approvals(act, order)) == missing


def test_a_system_sends_but_does_not_approve() -> None:
    """ROLE_NOT_PERMITTED: a service actor in the approving role; with a person's approval it may send."""
    play = Play()
    play.do("register", TOWN)
    assert play.reason("transfer", TOWN, actor_service=True, actor_role="clerk") == ""
    leader = play.reason("transfer", TOWN, actor_service=True, actor_role="leader-in-charge")
    assert leader == "ROLE_NOT_PERMITTED"


def test_required_fields_must_be_set() -> None:
    """FIELD_REQUIRED, the urgency of an opening act and the amended letter included."""
    play = transferred()
    assert Play().reason("register", TOWN, urgency=None) == "FIELD_REQUIRED"
    assert play.reason("correct", TOWN) == "FIELD_REQUIRED"
    play.do("sign-for", HEALTH)
    refusal = play.refusal("request-material", HEALTH, requested_limit=None)
    assert refusal is not None
    assert (refusal.reason, refusal.field) == ("FIELD_REQUIRED", "requested_limit")


def test_a_date_that_is_set_lies_ahead() -> None:
    """INVALID_FIELD: material wanted by yesterday."""
    play = transferred()
    play.do("sign-for", HEALTH)
    assert play.reason("request-material", HEALTH, requested_limit=MONDAY) == "INVALID_FIELD"


def test_some_acts_are_for_urgent_cases() -> None:
    """URGENCY_NOT_PERMITTED, unless the act itself raises the urgency."""
    play = Play()
    play.do("register", TOWN)
    assert play.reason("oral-transfer", TOWN) == "URGENCY_NOT_PERMITTED"
    assert play.reason("oral-transfer", TOWN, urgency=Urgency.MAJOR) == ""


@pytest.mark.parametrize(
    "parties",
    [
        {TOWN: "sender", HEALTH: "helper"},
        {TOWN: "sender", HEALTH: "receiver", MARKET: "receiver"},
        {TOWN: "sender", HEALTH: "office"},
    ],
)
def test_parties_fit_the_procedure(parties: dict[str, str]) -> None:
    """PARTY_INVALID: unknown role, two in one seat, an office that is none."""
    assert Play().reason("register", TOWN, parties=parties) == "PARTY_INVALID"


def test_a_receiver_must_be_named_before_it_owes() -> None:
    """PARTY_INVALID: a transfer to nobody; the transfer itself may name the receiver."""
    play = Play()
    play.do("register", TOWN, parties={TOWN: "sender"})
    assert play.reason("transfer", TOWN) == "PARTY_INVALID"
    assert play.reason("transfer", TOWN, parties={HEALTH: "receiver"}) == ""


def test_only_some_acts_name_parties() -> None:
    """PARTY_INVALID: no act takes another's seat away; naming a party again in its seat is no change."""
    play = transferred()
    assert play.reason("sign-for", HEALTH, parties={MARKET: "sender"}) == "PARTY_INVALID"
    assert play.reason("sign-for", HEALTH, parties={HEALTH: "sender"}) == "PARTY_INVALID"
    assert play.reason("sign-for", HEALTH, parties={TOWN: "sender"}) == ""


def test_recipients_are_parties() -> None:
    """PARTY_INVALID: a letter is addressed to those who have a role."""
    play = transferred()
    assert play.reason("sign-for", HEALTH, recipients=(MARKET,)) == "PARTY_INVALID"
    assert play.reason("sign-for", HEALTH, recipients=(TOWN, JUSTICE)) == ""


def test_a_procedure_needs_its_office() -> None:
    """PARTY_INVALID: no case opens that nobody could settle."""
    play = Play(law=replace(LAW, offices={}))
    assert play.reason("register", TOWN) == "PARTY_INVALID"


def test_the_directory_is_asked() -> None:
    """UNKNOWN_DEPARTMENT and DEPARTMENT_INACTIVE, for author and parties; a listed party is accepted."""
    play = Play()
    play.law = LAW.with_department(HEALTH, LEFT)
    assert play.reason("register", TOWN) == "DEPARTMENT_INACTIVE"
    play.law = LAW.with_department(HEALTH, LISTED)
    assert play.reason("register", TOWN) == ""
    play.law = LAW.with_department(TOWN, SUSPENDED)
    assert play.reason("register", TOWN) == "DEPARTMENT_INACTIVE"
    play.law = LAW
    assert play.reason("register", TOWN, copies=("fire.qinghe",)) == "UNKNOWN_DEPARTMENT"
    assert play.reason("register", "fire.qinghe") == "UNKNOWN_DEPARTMENT"


def test_a_sub_unit_needs_an_exception() -> None:
    """SUB_UNIT_NOT_PERMITTED."""
    play = Play()
    assert play.reason("register", TOWN, sub_unit="fire-brigade") == "SUB_UNIT_NOT_PERMITTED"
    play.law = LAW.with_department(TOWN, sub_units=["fire-brigade"])
    assert play.reason("register", TOWN, sub_unit="fire-brigade") == ""


def test_an_amended_letter_stands_in_the_case() -> None:
    """AMENDED_LETTER_INVALID: unknown, by another, or superseded by a later letter of the same act."""
    play = transferred()
    first = play.letters["transfer"]
    assert play.reason("correct", TOWN, amended_letter="elsewhere") == "AMENDED_LETTER_INVALID"
    assert play.reason("correct", HEALTH, amended_letter=first) == "AMENDED_LETTER_INVALID"
    play.do("recall", TOWN)
    play.do("transfer", TOWN)
    assert play.reason("correct", TOWN, amended_letter=first) == "AMENDED_LETTER_INVALID"
    assert play.reason("correct", TOWN, amended_letter=play.letters["transfer"]) == ""


def disputed() -> Play:
    """A dispute over competence, submitted for decision."""
    play = Play("jurisdiction-dispute")
    play.do("open", HEALTH, parties={HEALTH: "applicant", TOWN: "respondent"})
    play.do("submit", HEALTH)
    return play


def test_some_acts_must_see_the_latest() -> None:
    """MUST_SEE_LATEST: what others did must be known; what the author itself did is."""
    play = Play("jurisdiction-dispute")
    play.do("open", HEALTH, parties={HEALTH: "applicant", TOWN: "respondent"})
    opened = play.case.last_position
    play.do("state", HEALTH, based_on=opened)
    assert play.reason("offer-minutes", HEALTH, based_on=opened) == ""
    play.do("answer", TOWN)
    assert play.reason("offer-minutes", HEALTH, based_on=opened) == "MUST_SEE_LATEST"
    assert play.reason("offer-minutes", HEALTH) == ""


def test_an_extension_comes_before_the_due_time() -> None:
    """EXTENSION_AFTER_DUE: the one act that is refused for being late."""
    play = disputed()
    decide = play.owed("decide")
    assert play.reason("extend-decision", JUSTICE, reason_code="") == "FIELD_REQUIRED"
    play.now = MONDAY + timedelta(days=60)
    assert play.reason("extend-decision", JUSTICE) == "EXTENSION_AFTER_DUE"
    assert play.reason("decide", JUSTICE) == ""
    play.now = MONDAY
    play.do("extend-decision", JUSTICE)
    (extension,) = play.owed("decide").extensions
    assert (extension.limit.value, extension.reason_code) == (10, "01")
    assert play.owed("decide").ordinal == decide.ordinal
    assert play.reason("extend-decision", JUSTICE) == "TOO_OFTEN"


def test_authority_is_flagged_never_refused() -> None:
    """The directory's judgement hangs on the law; without it there are no flags."""
    facts = Play().facts("register", TOWN)
    assert LAW.authority_flags(facts) == ()
    assert LAW.with_authority(lambda each: (f"no-authority:{each.author}",)).authority_flags(facts) == (
        "no-authority:town.qinghe",
    )


def test_permitted_acts_are_told_with_reasons() -> None:
    """Screens show every act, and why not."""
    play = accepted()
    told = {each.act: each.why_not for each in permitted(play.state, HEALTH, LAW)}
    assert told["progress"] == told["outcome"] == told["correct"] == ""
    assert told["sign-for"] == "NOT_PERMITTED_IN_STATE"
    assert told["close"] == "NOT_PERMITTED_FOR_ROLE"
    assert [act for act, allowed, _ in permitted(play.state, MARKET, LAW) if allowed] == []
    opening = [each.act for each in permitted(None, TOWN, LAW, SHIPPED["case-transfer"]) if each.allowed]
    assert opening == ["register", "immediate-notice"]
    assert permitted(None, TOWN, LAW) == []
    oral = Play()
    oral.do("register", TOWN)
    told = {each.act: each.why_not for each in permitted(oral.state, TOWN, LAW)}
    assert told["oral-transfer"] == "URGENCY_NOT_PERMITTED"


def test_permitted_counts() -> None:
    """An act done as often as allowed is shown with that reason."""
    play = transferred()
    play.do("sign-for", HEALTH)
    play.do("request-material", HEALTH)
    play.do("supply-material", TOWN)
    told = {each.act: each.why_not for each in permitted(play.state, HEALTH, LAW)}
    assert told["request-material"] == "TOO_OFTEN"


def test_a_bare_law_questions_no_department() -> None:
    """Without a directory and an office, parties that the letter names are taken at their word."""
    play = Play(law=Law().with_procedure(SHIPPED["case-transfer"]))
    play.do("register", TOWN, parties={TOWN: "sender", HEALTH: "receiver", JUSTICE: "office"})
    assert play.case.parties["office"] == (JUSTICE,)
