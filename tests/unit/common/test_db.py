"""Transactions on both databases."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    select,
    text,
    update,
)

from services.common.bulk import Bulk
from services.common.db import Database, DatabaseInUse
from services.common.errors import CommitInDoubt, InvalidField, LiandongError, StorageFailed, Unavailable
from services.common.faults import ConstraintBroken, Fault

METADATA = MetaData()
ACCOUNTS = Table(
    "account", METADATA, Column("name", Text, primary_key=True), Column("balance", BigInteger, nullable=False)
)
ENTRIES = Table("entry", METADATA, Column("account", Text, ForeignKey("account.name"), nullable=False))
LETTERS = Table(
    "letter", METADATA, Column("number", BigInteger, primary_key=True), Column("content", LargeBinary)
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url, pool_size=4)
    made.write(METADATA.create_all)
    made.write(
        lambda connection: connection.execute(insert(ACCOUNTS), [{"name": "a", "balance": 0}]) and None
    )
    yield made
    made.close()


def balance(connection: Connection) -> int:
    return int(connection.execute(select(ACCOUNTS.c.balance)).scalar_one())


def test_what_is_written_is_read(database: Database) -> None:
    """A write commits; its result is returned."""
    assert database.write(lambda c: c.execute(update(ACCOUNTS).values(balance=7)).rowcount) == 1
    assert database.read(balance) == 7


def test_what_fails_leaves_nothing(database: Database) -> None:
    """An error of the closure comes out as it is, and its writes are undone."""

    def half(connection: Connection) -> None:
        connection.execute(update(ACCOUNTS).values(balance=7))
        raise KeyError("mine")

    with pytest.raises(KeyError):
        database.write(half)
    assert database.read(balance) == 0


def test_a_read_cannot_write(database: Database) -> None:
    """The database itself refuses it."""
    with pytest.raises(LiandongError):
        database.read(lambda c: c.execute(update(ACCOUNTS).values(balance=7)) and None)
    assert database.read(balance) == 0


def test_a_read_sees_one_moment(database: Database) -> None:
    """What others commit during a read is not seen by it, and does not wait for it."""

    def twice(connection: Connection) -> tuple[int, int]:
        first = balance(connection)
        database.write(lambda c: c.execute(update(ACCOUNTS).values(balance=9)) and None)
        return first, balance(connection)

    assert database.read(twice) == (0, 0)
    assert database.read(balance) == 9


def test_no_increment_is_lost(database: Database) -> None:
    """Writers that read before they write, at once, in threads, end with the right sum."""

    def increment(connection: Connection) -> None:
        row = select(ACCOUNTS.c.balance).with_for_update()
        connection.execute(update(ACCOUNTS).values(balance=connection.execute(row).scalar_one() + 1))

    def many() -> None:
        for _ in range(20):
            database.write(increment)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert database.read(balance) == 80


def test_a_broken_constraint_has_no_driver_text(database: Database) -> None:
    """The caller sees our sentence, without table, value or cause."""
    with pytest.raises(ConstraintBroken) as caught:
        database.write(lambda c: c.execute(insert(ENTRIES), [{"account": "nobody"}]) and None)
    assert caught.value.reason == "INTERNAL"
    assert "entry" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_failing_commit_is_told_from_a_lost_one(postgresql_url: str) -> None:
    """A constraint checked at COMMIT is answered by the server, so nothing is in doubt."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    database.write(
        lambda c: c.execute(
            text("ALTER TABLE entry ADD CONSTRAINT late CHECK (account <> 'x'), ALTER CONSTRAINT "
                 "entry_account_fkey DEFERRABLE INITIALLY DEFERRED")
        ) and None
    )  # fmt: skip
    with pytest.raises(ConstraintBroken):
        database.write(lambda c: c.execute(insert(ENTRIES), [{"account": "nobody"}]) and None)
    database.close()


def void(_result: object) -> None:
    """For a callback whose result nobody wants."""


def test_a_commit_sent_with_the_statements_fails_like_any_other(postgresql_url: str) -> None:
    """What is checked at COMMIT is told as such, and the next group is written."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    alter = "ALTER TABLE entry ALTER CONSTRAINT entry_account_fkey DEFERRABLE INITIALLY DEFERRED"
    database.write(lambda c: c.execute(text(alter)) and None)
    accounts, entries = Bulk(ACCOUNTS), Bulk(ENTRIES)
    with pytest.raises(Fault) as caught:
        database.write_once(lambda _: None, lambda c: void(entries.insert(c, [("nobody",)])))
    assert isinstance(caught.value.error, ConstraintBroken)
    database.write_once(lambda _: None, lambda c: void(accounts.insert(c, [("b", 3)])))
    assert database.read(balance) == 3
    database.close()


@pytest.mark.timeout(60)
def test_a_group_larger_than_the_sockets_buffer_is_written(postgresql_url: str) -> None:
    """What does not fit into the buffer at once is sent as the server takes it, the commit with it."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    bulk = Bulk(LETTERS)
    chance = random.Random(1)
    for group in range(200):
        sizes = [chance.randint(1, 900_000) for _ in range(chance.randint(1, 8))]
        rows = [(group * 10 + each, bytes(size)) for each, size in enumerate(sizes)]

        def flush(connection: Connection, rows: list[tuple[int, bytes]] = rows) -> None:
            for row in rows:
                bulk.insert(connection, [row])

        database.write_once(lambda _: None, flush)
    count = select(func.count()).select_from(LETTERS)
    assert database.read(lambda c: c.execute(count).scalar_one()) > 200
    database.close()


def test_a_nul_in_a_text_is_the_senders_mistake(postgresql_url: str) -> None:
    """PostgreSQL stores no NUL in a text; the answer is INVALID_FIELD, not a fault of ours."""
    database = Database(postgresql_url)
    with pytest.raises(InvalidField):
        database.write(lambda c: c.execute(text("SELECT CAST(:value AS text)"), {"value": "a\0b"}) and None)
    database.close()


def _terminate(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


def test_a_lost_connection_is_tried_again(postgresql_url: str) -> None:
    """A connection that the server ended before the commit: the work runs once more on a new one."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    runs: list[int] = []

    def work(connection: Connection) -> None:
        runs.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        if len(runs) == 1:
            _terminate(postgresql_url, runs[0])
        connection.execute(insert(ACCOUNTS), [{"name": "b", "balance": 1}])

    database.write(work)
    assert len(runs) == 2
    assert database.read(balance) == 1
    database.close()


def test_a_connection_lost_at_commit_is_in_doubt(postgresql_url: str) -> None:
    """Nobody knows whether it was kept, so it is not run again."""
    database = Database(postgresql_url)
    database.write(METADATA.create_all)
    runs: list[int] = []

    def work(connection: Connection) -> None:
        connection.execute(insert(ACCOUNTS), [{"name": "b", "balance": 1}])
        runs.append(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        _terminate(postgresql_url, runs[-1])

    with pytest.raises(CommitInDoubt):
        database.write(work)
    assert len(runs) == 1
    database.close()


def test_no_server_is_unavailable() -> None:
    """A database that cannot be reached is UNAVAILABLE, with a time to try again."""
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as caught:
        database.read(lambda c: c.execute(text("SELECT 1")) and None)
    assert caught.value.retry_after_ms > 0
    database.close()


def test_a_full_disk_is_a_storage_failure(sqlite_url: str) -> None:
    """The page limit stands for the disk: STORAGE, and nothing is kept."""
    database = Database(sqlite_url)
    database.write(METADATA.create_all)

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 10")
        connection.execute(insert(ACCOUNTS), [{"name": "x" * 100_000, "balance": 1}])

    with pytest.raises(StorageFailed):
        database.write(fill)
    database.close()


def test_sqlite_is_durable_and_checks_keys(sqlite_url: str) -> None:
    """WAL, synchronous FULL and foreign keys on every writing connection."""
    database = Database(sqlite_url)
    pragmas = ("journal_mode", "synchronous", "foreign_keys")
    found = database.write(lambda c: [c.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in pragmas])
    assert found == ["wal", 2, 1]
    database.close()


def test_an_exclusive_database_refuses_the_second(sqlite_url: str) -> None:
    """The error names the process that holds it; after its end the database is free."""
    first = Database(sqlite_url, exclusive=True)
    with pytest.raises(DatabaseInUse, match=r"Process \d+ holds"):
        Database(sqlite_url, exclusive=True)
    first.close()
    Database(sqlite_url, exclusive=True).close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db"])
def test_other_storage_is_refused(url: str) -> None:
    """A database in memory would be another one for every connection."""
    with pytest.raises(ValueError, match=r"SQLite"):
        Database(url)


def test_a_file_that_is_no_database_is_a_storage_failure(tmp_path: Path) -> None:
    """What stands there is not overwritten."""
    file = tmp_path / "letter.sqlite"
    file.write_bytes(b"not a database at all, but long enough to be looked at" * 40)
    database = Database(f"sqlite:///{file}")
    with pytest.raises(StorageFailed):
        database.write(METADATA.create_all)
    database.close()
    assert file.read_bytes().startswith(b"not a database")


def test_closing_lets_what_runs_end(database_url: str) -> None:
    """A transaction in another thread is finished first; after that there are no new ones."""
    database = Database(database_url)
    database.write(METADATA.create_all)
    began, may_end = threading.Event(), threading.Event()

    def slow(connection: Connection) -> int:
        began.set()
        may_end.wait(10)
        return int(connection.exec_driver_sql("SELECT 1").scalar_one())

    results: list[int] = []
    running = threading.Thread(target=lambda: results.append(database.read(slow)))
    running.start()
    began.wait(10)
    closing = threading.Thread(target=database.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    with pytest.raises(Unavailable):
        database.read(slow)
    may_end.set()
    closing.join(10)
    running.join(10)
    assert results == [1]
