"""Random walks of every procedure over real stores in process: sender, receiver, office and registry must agree.

What is recorded at random times by whoever, permitted or not, in ignorance of each other, with nodes that are away
for a while and come back, is folded by everyone to the same state: live, after a restart, and from the ledger alone.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom

import pytest
import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cases import tables as case_tables
from services.common.clock import ManualClock, from_microseconds
from services.common.errors import LiandongError
from services.exchange.letters import facts_of
from services.procedures import case as cases
from services.procedures import loader
from services.procedures.admit import admit, permitted
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.facts import Admission
from services.procedures.fold import Folded, fold
from services.procedures.law import Law
from services.procedures.model import AMENDED_AUTHOR, OFFICE, Procedure
from services.procedures.obligation import Obligation
from services.registry import tables
from tests.builders.departments import HEALTH, JUSTICE, MARKET, REGISTRY, WATER
from tests.builders.region import Region, region
from tests.unit.procedures.case_samples import Play, materials
from tests.walks.walk import STRANGER, Walk, drafted, seats_of

PROCEDURES = {each.name: each for each in loader.load_all()}
NAMES = [HEALTH, MARKET, WATER]
NAMES += [
    f"seat-{number}.qinghe" for number in range(max(len(seats_of(each)) for each in PROCEDURES.values()) - 3)
]
KINDS = sorted({kind for each in PROCEDURES.values() for act in each.acts.values() for kind in act.needs})
OFFICES = [each.name for each in PROCEDURES.values() if OFFICE in each.roles]
COUNT = int(os.environ.get("LIANDONG_TEST_WALKS", "10"))
ONLY = os.environ.get("LIANDONG_TEST_PROCEDURES", " ".join(PROCEDURES)).split()
ROUNDS = 24
LATEST_START = 6
RECORDED_AT_ONCE = 400
AWAY = 0.15


@pytest.fixture
def reopen(postgresql_url: str, tmp_path: Path) -> Iterator[Callable[[], Region]]:
    """A region with a seat for everyone, HEALTH on PostgreSQL, the others on SQLite.

    So is the registry: on PostgreSQL the server's clock dates its ledger, and time would not pass.
    """
    urls = {name: f"sqlite:///{tmp_path / name}.sqlite" for name in (REGISTRY, *NAMES, JUSTICE, STRANGER)}
    with region(
        {**urls, HEALTH: postgresql_url},
        tmp_path / "registry",
        OFFICES,
        KINDS,
        ManualClock(datetime.now(UTC)),
    ) as opened:
        yield opened


@pytest.mark.timeout(2400)
async def test_everyone_folds_to_the_same_state(
    reopen: Callable[[], Region], record_property: Callable[[str, object], None]
) -> None:
    """Ten walks of every procedure, or as many as are asked for; other ones each time, unless a seed is given."""
    record_property("told", await everyone_agrees(reopen, COUNT))


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_everyone_folds_to_the_same_state_in_a_thousand_walks(
    reopen: Callable[[], Region], record_property: Callable[[str, object], None]
) -> None:
    """The long form."""
    record_property("told", await everyone_agrees(reopen, 1000))


async def test_everyone_notes_the_receipt_of_a_new_holder(reopen: Callable[[], Region]) -> None:
    """A health bureau that was away is replaced: when the new one has the report, its clock runs for everyone."""
    world = reopen()
    world.settle()
    emergency = PROCEDURES["emergency"]
    walk = Walk(emergency, NAMES, Random(0))
    reporter, away = (
        next(name for name, held in walk.parties.items() if held == role) for role in ("reporter", "health")
    )

    async def do(act: str, parties: dict[str, str]) -> None:
        draft = drafted(
            walk.case_id,
            emergency.acts[act],
            emergency.name,
            parties,
            reason_code="01",
            urgency=pb.URGENCY_URGENT,
        )
        await world.seats[reporter].record(draft, emergency.acts[act])
        world.exchange(away={away})

    await do("learn-health", walk.parties)
    await do("report-health", {})
    await do("report-casualties", {STRANGER: "health"})
    world.settle()
    state = states(world)[walk.case_id]
    (pass_up,) = [each for each in state.open_obligations if each.rule == "pass-up"]
    assert pass_up.owed_by == STRANGER
    assert pass_up.received_at is not None
    check(world)


async def everyone_agrees(reopen: Callable[[], Region], count: int) -> str:
    """Play so many walks of every procedure and compare everything with everything; says what was played."""
    seed = int(os.environ.get("LIANDONG_TEST_SEED") or SystemRandom().getrandbits(32))
    random = Random(seed)
    world = reopen()
    # dice of its own for each: a seed gives the same walks whatever other procedures there are, and however many walks
    walks = [
        Walk(PROCEDURES[name], NAMES, Random(f"{seed} {name} {number}"))
        for name in ONLY
        for number in range(count)
    ]
    starts = {walk.case_id: walk.random.randrange(LATEST_START) for walk in walks}
    tried = Counter[str]()
    try:
        for turn in range(ROUNDS):
            world.clock.advance(timedelta(hours=random.choice((0, 1, 5, 20, 48, 120)), minutes=7))
            await play(world, [walk for walk in walks if starts[walk.case_id] <= turn], tried)
            world.exchange(away={name for name in world.seats if random.random() < AWAY})
            world.marks.fire_due()
            if turn == ROUNDS // 2:
                world = reopen()
        world.settle()
        check(world)
        world = reopen()
        check(world)
        assert len(states(world)) == len(walks), (tried, Counter(world.refused))
    except BaseException as error:
        error.add_note(f"seed={seed}")
        raise
    refused = sum(number for what, number in tried.items() if what)
    return (
        f"seed={seed} walks={len(walks)} recorded={tried['']} refused_at_once={refused} "
        f"refused_by_registry={len(world.refused)} letters={world.replica.head.size}"
    )


async def play(world: Region, walks: list[Walk], tried: Counter[str]) -> None:
    """One step of each walk, all recorded before anybody hears of any."""
    law, now = world.replica.directory.law, world.clock.now()
    known = states(world)
    steps = [step for walk in walks for step in walk.steps(known.get(walk.case_id), law, now)]
    for start in range(0, len(steps), RECORDED_AT_ONCE):
        answers = await asyncio.gather(
            *(
                world.seats[step.author].record(step.draft, step.act)
                for step in steps[start : start + RECORDED_AT_ONCE]
            ),
            return_exceptions=True,
        )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, LiandongError):
                raise answer
            tried[answer.reason if isinstance(answer, LiandongError) else ""] += 1


def states(world: Region) -> dict[str, CaseState]:
    """All cases as the registry has them."""
    return {case_id: cases.loads(folded) for case_id, folded in stored(world).items()}


def stored(world: Region) -> dict[str, bytes]:
    columns = tables.cases.c
    return world.database.read(
        lambda connection: {
            row.case_id: row.folded for row in connection.execute(sa.select(columns.case_id, columns.folded))
        }
    )


def check(world: Region) -> None:
    """Everything that is kept anywhere is the same, and follows from the ledger alone."""
    registry = stored(world)
    known = {case_id: cases.loads(folded) for case_id, folded in registry.items()}
    for name, seat in world.seats.items():
        columns = case_tables.cases.c
        here = seat.database.read(
            lambda connection, columns=columns: {  # type: ignore[misc]
                row.case_id: row.folded
                for row in connection.execute(sa.select(columns.case_id, columns.folded))
            }
        )
        for case_id, state in known.items():
            if name in state.members and name not in state.parties.get(OFFICE, ()):
                assert case_id in here, (name, state.procedure)
            if here.get(case_id):
                assert here[case_id] == registry[case_id], (name, state.procedure, state.state)
    for case_id, state in replayed(world).items():
        assert cases.dumps(state) == registry[case_id], state.procedure
    fired_once(world)
    stuck = {
        f"{state.procedure}: {each.rule} of {each.owed_by} ({each.owed_by_role}) while {state.state}; {state.parties}"
        for state in unlike(known.values())
        for each in state.open_obligations
        if not can_be_met(state, each, world)
    }
    assert not stuck, "\n".join(sorted(stuck))


def replayed(world: Region) -> dict[str, CaseState]:
    """What the ledger's headers fold to."""
    columns = tables.ledger.c
    law = world.replica.directory.law
    found: dict[str, CaseState] = {}
    case_of: dict[int, str] = {}

    def read(connection: sa.Connection) -> None:
        rows = connection.execute(
            sa.select(columns.position, columns.header, columns.admitted_at_us, columns.common_version)
            .where(columns.kind.in_(("act", "arrival")))
            .order_by(columns.position)
        )
        for position, frozen, admitted_us, version in rows:
            header = pb.Header.FromString(frozen)
            admitted_at = from_microseconds(admitted_us)
            if header.HasField("act"):
                facts = facts_of(header, pb.ActContent.FromString(header.act.content))
                case_of[position] = facts.case_id
                before = found.get(facts.case_id)
                found[facts.case_id] = fold(
                    before, facts, Admission(position, admitted_at, version), law
                ).state
                continue
            for each in header.arrival.letters:
                case_id = case_of[each.position]
                found[case_id] = arrive(found[case_id], [each.position], header.author, admitted_at).state

    world.database.read(read)
    return found


def fired_once(world: Region) -> None:
    """No mark told anybody twice."""
    columns = tables.alerts.c
    keys = (columns.case_id, columns.rule, columns.ordinal, columns.mark, columns.kind)
    twice = world.database.read(
        lambda connection: connection.execute(
            sa.select(*keys, sa.func.count()).group_by(*keys).having(sa.func.count() > 1)
        ).all()
    )
    assert twice == []


def unlike(found: Iterable[CaseState]) -> list[CaseState]:
    """One state of those in which the same is open."""
    chosen: dict[object, CaseState] = {}
    for state in found:
        if state.open_obligations:
            owed = frozenset((each.rule, each.owed_by_role) for each in state.open_obligations)
            chosen.setdefault((state.procedure, state.state, owed), state)
    return list(chosen.values())


def can_be_met(state: CaseState, owed: Obligation, world: Region) -> bool:
    """Whether admitted acts of those who take part lead to what discharges an obligation."""
    law = world.replica.directory.law
    procedure = PROCEDURES[state.procedure]
    key = (owed.rule, owed.ordinal)
    seen, waiting = set[tuple[str, tuple[str, ...]]](), [state]
    for each in waiting:
        known = (each.state, tuple(sorted(one.rule for one in each.open_obligations)))
        if known in seen:
            continue
        seen.add(known)
        for folded in ways_on(each, procedure, law, world):
            met = next((one for one in folded.changed if (one.rule, one.ordinal) == key), None)
            if met is not None and met.outcome is not None:
                return True
            waiting.append(folded.state)
    return False


def ways_on(state: CaseState, procedure: Procedure, law: Law, world: Region) -> Iterator[Folded]:
    """What every act makes of a case that somebody who takes part may do in it."""
    play = Play(procedure.name, law, world.clock.now())
    play.state = state
    for author in state.members:
        awaited = {kind for kinds in state.awaited.values() for kind in kinds}
        for each in permitted(state, author, law):
            act = procedure.acts[each.act]
            if not each.allowed or AMENDED_AUTHOR in act.by:
                continue
            copied = tuple(name for role in act.copies for name in state.parties.get(role, ()))
            supplied = materials(*dict.fromkeys((*act.needs, *awaited)))
            facts = play.facts(act.name, author, copies=copied, materials=supplied, signed_at=play.now)
            if admit(state, facts, play.now, law) is None:
                yield fold(state, facts, Admission(state.last_position + 1, play.now, law.version), law)
