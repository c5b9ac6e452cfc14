"""The revisions make the tables that the program works with."""

import sqlalchemy as sa

from services.common.db import Database
from services.common.migrations import migrate
from services.gateway import schema


def test_the_migration_makes_the_tables(database_url: str) -> None:
    """Columns and indexes as the program knows them."""
    migrate(database_url, schema.MIGRATIONS, version_table=schema.VERSION_TABLE)
    database = Database(database_url)

    def shape(connection: sa.Connection) -> dict[str, object]:
        inspector = sa.inspect(connection)
        return {
            name: (
                [(each["name"], each["nullable"]) for each in inspector.get_columns(name)],
                sorted(str(each["name"]) for each in inspector.get_indexes(name)),
                inspector.get_pk_constraint(name)["constrained_columns"],
            )
            for name in schema.metadata.tables
        }

    migrated = database.read(shape)
    database.write(schema.metadata.drop_all)
    database.write(schema.metadata.create_all)
    assert migrated == database.read(shape)
    database.close()
