"""The revisions make the tables that the program works with."""

from pathlib import Path

import sqlalchemy as sa

import services
from services.cases import tables as case_tables
from services.common.db import Database
from services.common.migrations import migrate
from services.exchange import code_tables, evidence_tables, tables

FOLDER = Path(services.__path__[0])


def shape(connection: sa.Connection) -> dict[str, tuple[list[str], list[str]]]:
    """Columns and indexes of every table."""
    seen = sa.inspect(connection)
    return {
        name: (
            sorted(each["name"] for each in seen.get_columns(name)),
            sorted(str(each["name"]) for each in seen.get_indexes(name) if each["name"]),
        )
        for name in seen.get_table_names()
        if not name.endswith("_version")
    }


def test_revisions_and_program_agree(database_url: str, tmp_path: Path) -> None:
    """Exchange, evidence and cases in one database, each with a version table of its own."""
    for area in ("exchange", "cases"):
        assert migrate(database_url, FOLDER / area / "migrations", version_table=f"{area}_version")
    database = Database(database_url)
    migrated = database.read(shape)
    database.close()
    database = Database(f"sqlite:///{tmp_path / 'program.sqlite'}")
    for metadata in (tables.metadata, evidence_tables.metadata, code_tables.metadata, case_tables.metadata):
        database.write(metadata.create_all)
    made = database.read(shape)
    database.close()
    assert {name: columns for name, (columns, _) in migrated.items()} == {
        name: columns for name, (columns, _) in made.items()
    }
    for name, (_, indexes) in made.items():
        assert {*indexes} <= {*migrated[name][1]}, name
