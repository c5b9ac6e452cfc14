"""Multi-row statements, the same on both databases."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from services.common.bulk import Bulk
from services.common.db import Database
from services.common.faults import ConstraintBroken

METADATA = MetaData()
LETTERS = Table(
    "letter",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("Position", BigInteger),  # quoted: PostgreSQL folds bare names to lower case
    Column("header", LargeBinary),
    Column("order", Integer),
    Column("weight", Float),
    Column("sealed", Boolean),
    Column("kind", String(20)),
    Column("note", Text),
)
MAILBOX = Table(
    "mailbox",
    METADATA,
    Column("department", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("state", Text),
)
Letter = tuple[Any, ...]


def letter(name: str, position: int | None = 1) -> Letter:
    return (name, position, b"\x00\xff" + name.encode(), 7, 0.5, True, "act", None)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    made.write(METADATA.create_all)
    yield made
    made.close()


@pytest.fixture
def letters() -> Bulk:
    return Bulk(LETTERS)


def stored(database: Database, bulk: Bulk, names: list[str]) -> list[Letter]:
    rows = database.read(lambda c: bulk.select_in(c, "id", names))
    return sorted(tuple(row) for row in rows)


_rows = st.lists(
    st.tuples(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.binary(max_size=40),
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | st.booleans(),
        st.none() | st.text("接报ab", max_size=20),
        st.none() | st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40),
    ),
    max_size=20,
    unique_by=lambda row: row[0],
)


@given(rows=_rows)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_is_inserted_is_read_back(database: Database, letters: Bulk, rows: list[Letter]) -> None:
    """Every value of every type, and NULL, comes back equal."""
    database.write(lambda c: c.execute(LETTERS.delete()) and None)
    assert database.write(lambda c: letters.insert(c, rows)) == len(rows)
    found = {
        row[0]: tuple(row)
        for row in database.read(lambda c: letters.select_in(c, "id", [r[0] for r in rows]))
    }
    assert found == {row[0]: row for row in rows}


def test_a_doubled_key_fails_the_insert(database: Database, letters: Bulk) -> None:
    """And nothing of the statement is kept."""
    database.write(lambda c: letters.insert(c, [letter("a")]))
    with pytest.raises(ConstraintBroken):
        database.write(lambda c: letters.insert(c, [letter("b"), letter("a")]))
    assert stored(database, letters, ["a", "b"]) == [letter("a")]


def test_upsert_changes_only_the_named_columns(database: Database, letters: Bulk) -> None:
    """New rows are inserted, known rows updated, of two with one key the later wins."""
    database.write(lambda c: letters.insert(c, [letter("a", 1)]))
    changed = ("a", 2, b"other", 8, 1.5, False, "other", "note")
    count = database.write(
        lambda c: letters.upsert(c, [letter("a", 9), changed, letter("b", 3)], ["id"], ["Position", "note"])
    )
    assert count == 2
    assert stored(database, letters, ["a", "b"]) == [(*letter("a", 2)[:7], "note"), letter("b", 3)]


def test_upsert_without_columns_keeps_what_is_there(database: Database, letters: Bulk) -> None:
    """The count says how many were new; of two with one key the earlier wins."""
    database.write(lambda c: letters.insert(c, [letter("a", 1)]))
    rows = [letter("a", 2), letter("b", 1), letter("b", 2)]
    assert database.write(lambda c: letters.upsert(c, rows, ["id"])) == 1
    assert stored(database, letters, ["a", "b"]) == [letter("a", 1), letter("b", 1)]


def test_update_counts_the_rows_it_found(database: Database) -> None:
    """With a key of two columns, given in another order than they are stored."""
    mailbox = Bulk(MAILBOX, ("state", "position", "department"))
    database.write(lambda c: mailbox.insert(c, [("new", 1, "a"), ("new", 2, "a"), ("new", 1, "b")]))
    rows = [("read", 1, "a"), ("read", 1, "b"), ("read", 9, "b")]
    assert database.write(lambda c: mailbox.update(c, rows, ["department", "position"], ["state"])) == 2
    found = database.read(lambda c: mailbox.select_in(c, "department", ["a", "b"]))
    assert sorted(tuple(row) for row in found) == [("new", 2, "a"), ("read", 1, "a"), ("read", 1, "b")]


@pytest.mark.parametrize("count", [0, 1, 3, 512, 1300])
def test_select_in_takes_any_number(database: Database, count: int) -> None:
    """Also more than one statement of SQLite takes, and each row once."""
    mailbox = Bulk(MAILBOX)
    database.write(lambda c: mailbox.insert(c, [("a", n, "new") for n in range(count)]))
    found = database.read(lambda c: mailbox.select_in(c, "position", range(count + 5)))
    assert sorted(row.position for row in found) == list(range(count))


def test_nothing_to_do_sends_nothing(database: Database, letters: Bulk) -> None:
    """No rows, no statement."""

    def nothing(connection: Any) -> list[int]:
        return [
            letters.insert(connection, []),
            letters.upsert(connection, [], ["id"], ["note"]),
            letters.update(connection, [], ["id"], ["note"]),
        ]

    assert database.write(nothing) == [0, 0, 0]


def test_a_type_the_databases_do_not_share_is_refused() -> None:
    """At start, not at the first row."""
    table = Table("t", MetaData(), Column("at", DateTime))
    with pytest.raises(TypeError, match="store it as"):
        Bulk(table)
