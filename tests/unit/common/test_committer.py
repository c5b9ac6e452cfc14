"""Group commit, with poisoned commands and lost connections."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import psycopg
import pytest
from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, MetaData, Table, Text, select, text

from services.common.bulk import Bulk
from services.common.committer import GroupCommitter
from services.common.db import Database
from services.common.errors import CommitInDoubt, Internal, NotFound, Unavailable
from services.common.faults import ConstraintBroken

METADATA = MetaData()
LETTERS = Table(
    "letter",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    CheckConstraint("name <> 'poison'"),
)
BULK = Bulk(LETTERS)
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")
Hook = Callable[["Numbering"], None]


class Panic(BaseException):
    """As libraries in Rust raise it."""


ERRORS: dict[str, type[BaseException]] = {
    "bug": ZeroDivisionError,
    "exhausted": StopIteration,
    "panic": Panic,
}


class Ledger:
    """What outlives sessions: a cache of the next number, and a diary."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.groups: list[int] = []
        self.begun: list[list[str]] = []
        self.discarded = 0
        self.before_prepare: Hook = lambda _session: None
        self.before_flush: Hook = lambda _session: None
        self.hold = threading.Event()
        self.hold.set()


class Numbering:
    """Gives each letter the next number; refuses `unknown`, breaks on `ERRORS`."""

    def __init__(self, ledger: Ledger, connection: Connection) -> None:
        self.ledger = ledger
        self.connection = connection
        self.rows: list[tuple[str, int]] = []
        highest = connection.execute(
            select(LETTERS.c.number).order_by(LETTERS.c.number.desc()).limit(1)
        ).scalar()
        # the cache must never differ from what is stored
        assert ledger.next is None or ledger.next == (highest or 0) + 1
        self.next = (highest or 0) + 1

    def begin(self, commands: Sequence[str]) -> None:
        self.ledger.begun.append(list(commands))

    def decide(self, command: str) -> int:
        if command == "unknown":
            raise NotFound
        number = self.next
        self.next += 1
        if command in ERRORS:
            raise ERRORS[command]
        self.rows.append((WHO.get() if command == "who" else command, number))
        return number

    def prepare(self) -> None:
        self.ledger.before_prepare(self)

    def flush(self) -> None:
        self.ledger.hold.wait(10)
        BULK.insert(self.connection, self.rows)
        self.ledger.before_flush(self)

    def committed(self) -> None:
        self.ledger.next = self.next
        self.ledger.groups.append(len(self.rows))

    def discard(self) -> None:
        self.ledger.next = None
        self.ledger.discarded += 1


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    made.write(METADATA.create_all)
    yield made
    made.close()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def committer(database: Database, ledger: Ledger) -> Iterator[GroupCommitter[str, int]]:
    made = GroupCommitter(database, lambda c: Numbering(ledger, c), max_group=64, queue_limit=100)
    yield made
    ledger.hold.set()
    made.close(10)


async def taken(committer: GroupCommitter[str, int]) -> None:
    """Wait until the writer has taken what was submitted."""
    await asyncio.sleep(0.001)
    while committer.waiting:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.001)


async def together(
    committer: GroupCommitter[str, int], ledger: Ledger, commands: list[str]
) -> list[int | BaseException]:
    """Submit commands so that they wait together behind one that is held in its flush."""
    ledger.hold.clear()
    first = committer.submit("first")
    await taken(committer)
    futures = [committer.submit(command) for command in commands]
    ledger.hold.set()
    answers = await asyncio.gather(first, *futures, return_exceptions=True)
    return answers[1:]


def names(database: Database) -> list[str]:
    return database.read(
        lambda c: list(c.execute(select(LETTERS.c.name).order_by(LETTERS.c.number)).scalars())
    )


async def test_who_waits_together_is_committed_together(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """One transaction for all that wait, in their order, each seeing the ones before."""
    answers = await together(committer, ledger, [f"n{n}" for n in range(50)])
    assert answers == list(range(2, 52))
    assert ledger.groups == [1, 50]
    assert names(database) == ["first", *[f"n{n}" for n in range(50)]]


async def test_a_group_has_a_limit(ledger: Ledger, committer: GroupCommitter[str, int]) -> None:
    """Who does not fit is in the next group."""
    await together(committer, ledger, [f"n{n}" for n in range(70)])
    assert ledger.groups == [1, 64, 6]


async def test_a_refused_command_fails_alone(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """A typed refusal costs the others nothing, not even a second attempt."""
    answers = await together(committer, ledger, ["a", "unknown", "b"])
    assert answers[0::2] == [2, 3]
    assert isinstance(answers[1], NotFound)
    assert ledger.discarded == 0
    assert names(database) == ["first", "a", "b"]


async def test_a_bug_in_a_decision_leaves_no_trace(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """What the failing decision changed in the session is not kept: the numbers have no gap."""
    answers = await together(committer, ledger, ["a", "bug", "b"])
    assert answers[0::2] == [2, 3]
    assert isinstance(answers[1], ZeroDivisionError)
    assert names(database) == ["first", "a", "b"]


@pytest.mark.parametrize("command", ["exhausted", "panic"])
async def test_whatever_a_decision_raises_nobody_waits_for_ever(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int], command: str
) -> None:
    """What no future can hold, and what is no `Exception`, is an internal error of that command alone."""
    async with asyncio.timeout(20):
        answers = await together(committer, ledger, ["a", command, "b"])
        assert await committer.submit("later") == 4
    assert answers[0::2] == [2, 3]
    assert isinstance(answers[1], Internal)
    assert names(database) == ["first", "a", "b", "later"]


async def test_a_poisoned_command_fails_alone(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """The database refuses the write of one in sixty: that one fails, the others stand in order."""
    commands = [f"n{n}" for n in range(60)]
    commands[17] = commands[41] = "poison"
    answers = await together(committer, ledger, commands)
    assert [type(each) for each in answers if not isinstance(each, int)] == [ConstraintBroken] * 2
    kept = [command for command in commands if command != "poison"]
    assert names(database) == ["first", *kept]
    assert [each for each in answers if isinstance(each, int)] == list(range(2, 60))
    # the poisoned ones cost a number of attempts that grows with the logarithm of the group
    assert ledger.discarded < 20


async def test_a_doubled_key_fails_alone(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """The one who names a key that is there already fails, without holding up the others for long."""
    commands = [f"n{n}" for n in range(40)]
    commands[5] = "first"
    started = time.monotonic()
    answers = await together(committer, ledger, commands)
    assert time.monotonic() - started < 2
    assert isinstance(answers[5], ConstraintBroken)
    assert len(names(database)) == 40


async def test_a_bug_while_writing_fails_alone(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """Not only the database may refuse: any error in `flush` is tracked down to its command."""

    def refuse(session: Numbering) -> None:
        if any(name == "bad" for name, _ in session.rows):
            raise KeyError("bad")

    ledger.before_flush = refuse
    answers = await together(committer, ledger, ["a", "bad", "b"])
    assert isinstance(answers[1], KeyError)
    assert names(database) == ["first", "a", "b"]


async def test_too_many_are_refused_at_once(ledger: Ledger, committer: GroupCommitter[str, int]) -> None:
    """The queue is bounded; the answer says when to try again."""
    ledger.hold.clear()
    futures: list[asyncio.Future[int]] = []
    with pytest.raises(Unavailable) as caught:
        futures.extend(committer.submit(f"n{n}") for n in range(300))
    assert caught.value.retry_after_ms > 0
    ledger.hold.set()
    await asyncio.gather(*futures)
    assert len(futures) >= 100


async def test_closing_commits_what_waits(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """Nothing accepted is dropped, and nothing more is accepted."""
    ledger.hold.clear()
    futures = [committer.submit(f"n{n}") for n in range(10)]
    threading.Timer(0.05, ledger.hold.set).start()
    await asyncio.to_thread(committer.close, 10)
    assert sorted(await asyncio.gather(*futures)) == list(range(1, 11))
    with pytest.raises(Unavailable):
        committer.submit("late")
    assert len(names(database)) == 10


async def test_who_stops_waiting_stops_nothing(
    database: Database, ledger: Ledger, committer: GroupCommitter[str, int]
) -> None:
    """A caller's deadline during the commit neither cancels it nor disturbs the others."""
    ledger.hold.clear()
    impatient = asyncio.create_task(asyncio.wait_for(committer.submit("a"), 0.02))
    await taken(committer)
    with pytest.raises(TimeoutError):
        await impatient
    ledger.hold.set()
    assert await committer.submit("b") == 2
    assert names(database) == ["a", "b"]


async def test_a_command_keeps_its_callers_context(
    database: Database, committer: GroupCommitter[str, int]
) -> None:
    """Decided in another thread, it still knows whose request it is."""
    WHO.set("officer")
    await committer.submit("who")
    assert names(database) == ["officer"]


def test_threads_may_submit_too(database: Database, committer: GroupCommitter[str, int]) -> None:
    """Without an event loop, and with the same errors."""
    assert committer.submit_blocking("a", 5) == 1
    with pytest.raises(NotFound):
        committer.submit_blocking("unknown", 5)
    assert names(database) == ["a"]


def _end_connection(url: str) -> Callable[[Numbering], None]:
    ended: list[int] = []

    def hook(session: Numbering) -> None:
        if not ended:
            driver = session.connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            ended.append(driver.info.backend_pid)
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", (ended[0],))

    return hook


async def test_a_connection_lost_at_commit_is_doubt_for_all(postgresql_url: str, ledger: Ledger) -> None:
    """All are told that nobody knows, the caches are dropped, and the next group works."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    committer = GroupCommitter(database, lambda c: Numbering(ledger, c))
    ledger.hold.clear()
    ledger.before_flush = _end_connection(postgresql_url)
    futures = [committer.submit("a"), committer.submit("b")]
    ledger.hold.set()
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(answers[0], CommitInDoubt)
    assert ledger.discarded >= 1
    assert await committer.submit("c") >= 1
    await asyncio.to_thread(committer.close)
    assert "a" not in names(database)
    assert "c" in names(database)
    database.close()


async def test_a_connection_lost_before_the_commit_is_not_noticed(
    postgresql_url: str, ledger: Ledger
) -> None:
    """Nothing was sent to be committed, so the group runs again on a new connection."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    committer = GroupCommitter(database, lambda c: Numbering(ledger, c))
    end = _end_connection(postgresql_url)

    def hook(session: Numbering) -> None:
        end(session)
        session.connection.execute(text("SELECT 1"))

    ledger.before_prepare = hook
    assert await committer.submit("a") == 1
    await asyncio.to_thread(committer.close)
    assert names(database) == ["a"]
    database.close()


async def test_two_writers_lose_nothing(postgresql_url: str) -> None:
    """Two replicas take the same number; the constraint decides, and the loser decides again."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    database.write(lambda c: c.execute(text("CREATE UNIQUE INDEX one_number ON letter (number)")) and None)
    committers = [
        GroupCommitter(database, lambda c: Numbering(Ledger(), c), name=f"replica-{n}") for n in "ab"
    ]
    answers: list[int | BaseException] = []
    for round_ in range(10):
        submitted = [each.submit(f"{round_}-{index}") for index, each in enumerate(committers)]
        answers += await asyncio.gather(*submitted, return_exceptions=True)
    for each in committers:
        await asyncio.to_thread(each.close)
    numbers = [answer for answer in answers if isinstance(answer, int)]
    assert sorted(numbers) == list(range(1, 21))
    database.close()


async def test_a_group_is_announced_before_it_is_decided(
    committer: GroupCommitter[str, int], ledger: Ledger
) -> None:
    """All its commands, in order, so that what they need can be read at once."""
    ledger.hold.clear()
    first = committer.submit("a")
    await taken(committer)
    rest = [committer.submit(each) for each in ("b", "c", "d")]
    ledger.hold.set()
    await asyncio.gather(first, *rest)
    assert ledger.begun == [["a"], ["b", "c", "d"]]
