"""Properties of the fold over arbitrary runs of every shipped procedure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.procedures import case as cases
from services.procedures.admit import admit, permitted
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.deadlines import due_time
from services.procedures.facts import Admission, Urgency
from services.procedures.fold import fold
from services.procedures.model import AMENDED_AUTHOR, EVIDENCE, OFFICE, Procedure
from tests.unit.procedures.case_samples import JUSTICE, LAW, MARKET, SHIPPED, Play, materials
from tests.unit.procedures.deadline_samples import NATIONAL


def seated(procedure: Procedure) -> dict[str, str]:
    """A department in each role but the office, whoever opens the case first; two where several may hold it."""
    opening = next(act for act in procedure.acts.values() if procedure.opens(act))
    roles = sorted(procedure.roles, key=lambda role: (role not in opening.by, role))
    seats = [role for role in roles if role != OFFICE for _ in range(2 if role in procedure.many else 1)]
    return {f"seat-{index}.qinghe": role for index, role in enumerate(seats)}


SEATS = {name: seated(procedure) for name, procedure in SHIPPED.items()}
AUTHORS = (*sorted({name for seats in SEATS.values() for name in seats}), MARKET, JUSTICE)
RULES = LAW
for _name in AUTHORS:
    RULES = RULES.with_department(_name)

STEP = st.tuples(
    st.integers(0, 1_000_000),  # which of the possible acts
    st.integers(0, 200),  # hours that pass before it
    st.sampled_from([None, None, None, *Urgency]),
    st.booleans(),  # material only announced
    st.booleans(),  # the receiver is another
    st.booleans(),  # an arrival comes first
)
RUNS = st.tuples(
    st.sampled_from(sorted(SEATS)), st.sampled_from(list(Urgency)), st.lists(STEP, min_size=4, max_size=25)
)
Run = tuple[str, Urgency, list[tuple[int, int, Urgency | None, bool, bool, bool]]]


def played(run: Run) -> Play:
    """Plays a run: each step chooses among all acts that are open to anybody."""
    name, urgency, steps = run
    play = Play(name, RULES)
    procedure = SHIPPED[name]
    openings = (act for act in procedure.acts.values() if procedure.opens(act))
    opening = next(act for act in openings if not act.only or urgency in act.only)
    copied = tuple(each for each, role in SEATS[name].items() if role in opening.copies)
    author = next((each for each, role in SEATS[name].items() if role in opening.by), JUSTICE)
    play.do(opening.name, author, parties=SEATS[name], urgency=urgency, copies=copied)
    for index, (choice, hours, raise_to, announced, other, arrives) in enumerate(steps):
        play.now += timedelta(hours=hours)
        if arrives:
            department = AUTHORS[choice % len(AUTHORS)]
            play.state = arrive(play.case, range(play.position + 1), department, play.now).state
        # Ends come seldom, else most runs would be over before they begin.
        may_end = choice % 8 == 0
        possible = [
            (author, procedure.acts[each.act])
            for author in AUTHORS
            for each in permitted(play.state, author, RULES)
            if each.allowed and (may_end or procedure.acts[each.act].becomes not in procedure.final)
        ]
        if not possible:
            continue
        author, act = possible[(choice + index) % len(possible)]
        copied = tuple(each for role in act.copies for each in play.case.parties.get(role, ()))
        given: dict[str, Any] = {"urgency": raise_to, "copies": copied}
        if announced and act.evidence_may_follow:
            given["materials"] = materials(announced=act.needs)
        free = [role for role in act.names if author not in play.case.parties.get(role, ())]
        if other and free and MARKET not in play.case.members:
            given["parties"] = {MARKET: free[choice % len(free)]}
            if free[choice % len(free)] in act.copies:
                given["copies"] = (*copied, MARKET)
        if "amended_letter" in act.requires:
            own = [key for key in play.case.letters if key.endswith(f" {author}")]
            given["amended_letter"] = play.case.letters[own[choice % len(own)]]
        refusal = play.refusal(act.name, author, **given)
        if refusal is None:
            play.do(act.name, author, **given)
        else:
            # not in `permitted`: whether something runs that can be extended, whom an act must name, and the
            # urgency that it raises the case to itself
            assert (
                procedure.effects[act.name].extends
                or "parties" in act.requires
                or (raise_to and refusal.reason == "URGENCY_NOT_PERMITTED")
            ), refusal
    return play


def replayed(play: Play) -> CaseState:
    """The state that folding the history from the start gives."""
    state: CaseState | None = None
    for facts, admission in play.history:
        state = fold(state, facts, admission, RULES).state
    assert state is not None
    return state


def without_arrivals(run: Run) -> Run:
    """The run with no clock events, which are not in the history."""
    return run[0], run[1], [(*step[:-1], False) for step in run[2]]


@settings(max_examples=120, deadline=None)
@given(RUNS)
def test_replay_equals_live_and_the_fold_is_deterministic(run: Run) -> None:
    """Whoever folds the same headers has the same state, also through storage between any two acts."""
    play = played(without_arrivals(run))
    assert replayed(play) == play.state
    state: CaseState | None = None
    for facts, admission in play.history:
        state = cases.loads(cases.dumps(fold(state, facts, admission, RULES).state))
    assert state == play.state


@settings(max_examples=120, deadline=None)
@given(RUNS)
def test_states_survive_storage(run: Run) -> None:
    """loads(dumps(state)) is the state, and is written alike again."""
    state = played(run).case
    assert cases.loads(cases.dumps(state)) == state
    assert cases.dumps(cases.loads(cases.dumps(state))) == cases.dumps(state)


@settings(max_examples=120, deadline=None)
@given(RUNS)
def test_obligations_survive_storage_open_or_closed(run: Run) -> None:
    """A row keeps the outcome, the frozen due time, or that it lapsed."""
    state: CaseState | None = None
    for facts, admission in played(run).history:
        folded = fold(state, facts, admission, RULES)
        state = folded.state
        for each in folded.changed:
            assert cases.loads_obligation("case", cases.dumps_obligation(each)) == each


@settings(max_examples=120, deadline=None)
@given(RUNS)
def test_every_state_keeps_its_promises(run: Run) -> None:
    """Open is open, keys are unique, every due time can be computed, a closed case owes nothing."""
    play = played(run)
    state, procedure = play.case, play.procedure
    keys = [(each.rule, each.ordinal) for each in state.open_obligations]
    assert len(keys) == len(set(keys))
    for each in state.open_obligations:
        assert each.open
        assert each.ordinal <= state.ordinals[each.rule]
        assert each.owed_by in state.members
        assert isinstance(due_time(each, NATIONAL), datetime)
    awaited = {each.ordinal for each in state.open_obligations if each.rule == EVIDENCE}
    assert awaited == set(state.awaited)
    if state.state in procedure.final:
        assert state.open_obligations == ()
    assert state.last_position == play.position


@settings(max_examples=120, deadline=None)
@given(RUNS)
def test_the_size_of_a_state_is_bounded_by_its_procedure(run: Run) -> None:
    """No collection outgrows acts, obligations and parties."""
    state, procedure = played(run).case, SHIPPED[run[0]]
    parties = len(AUTHORS)
    assert len(state.open_obligations) <= len(procedure.obligations) * len(Urgency)
    assert len(state.letters) <= len(procedure.acts) * parties
    assert len(state.counts) <= len(procedure.acts) * parties
    assert len(state.ordinals) <= len(procedure.obligations)
    assert len(state.former) <= parties


@settings(max_examples=60, deadline=None)
@given(RUNS)
def test_every_reachable_state_has_a_way_out(run: Run) -> None:
    """From wherever a case came to, acts that are admitted lead to its end."""
    play = played(run)
    assert ends(play), f"no way out of {play.case.state}"


def ends(play: Play) -> bool:
    """Whether admitted acts lead from here to a final state; what is open counts, for it may hold an act back."""
    final = play.procedure.final
    seen, waiting = set[tuple[str, tuple[str, ...]]](), [play.case]
    for state in waiting:
        if state.state in final:
            return True
        key = (state.state, tuple(sorted(each.rule for each in state.open_obligations)))
        if key in seen:
            continue
        seen.add(key)
        play.state = state
        for author in AUTHORS:
            for each in permitted(state, author, RULES):
                act = play.procedure.acts[each.act]
                if not each.allowed or AMENDED_AUTHOR in act.by:
                    continue
                copied = tuple(name for role in act.copies for name in state.parties.get(role, ()))
                facts = play.facts(act.name, author, copies=copied)
                if admit(state, facts, play.now, RULES) is None:
                    admission = Admission(state.last_position + 1, play.now, RULES.version)
                    waiting.append(fold(state, facts, admission, RULES).state)
    return False
