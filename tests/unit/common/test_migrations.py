"""Migrations without alembic.ini."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from services.common.db import Database
from services.common.errors import LiandongError
from services.common.migrations import migrate

_REVISION = '''
"""{message}"""
from alembic import op
import sqlalchemy as sa
revision = "{revision}"
down_revision = {down!r}
branch_labels = {labels!r}
depends_on = None
def upgrade():
{body}
'''


def revise(
    folder: Path, revision: str, body: str, *, down: str | None = None, labels: str | None = None
) -> None:
    versions = folder / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    written = _REVISION.format(message=revision, revision=revision, down=down, labels=labels, body=lines)
    (versions / f"{revision}.py").write_text(written)


CREATE = 'op.create_table("letter", sa.Column("id", sa.Text, primary_key=True), sa.Column("n", sa.Integer))'
WIDEN = (
    'with op.batch_alter_table("letter") as t:\n    t.alter_column("n", type_=sa.BigInteger, nullable=False)'
)


def tables(url: str) -> set[str]:
    database = Database(url)
    try:
        from sqlalchemy import inspect  # noqa: PLC0415 - used once

        return set(database.read(lambda c: inspect(c).get_table_names()))
    finally:
        database.close()


def test_migrations_run_once(database_url: str, tmp_path: Path) -> None:
    """All revisions in order, and nothing the second time."""
    revise(tmp_path, "first", CREATE)
    revise(tmp_path, "second", WIDEN, down="first")
    assert migrate(database_url, tmp_path, version_table="cases_version") == ["first", "second"]
    assert migrate(database_url, tmp_path, version_table="cases_version") == []
    assert tables(database_url) == {"letter", "cases_version"}


def test_two_services_share_a_database(database_url: str, tmp_path: Path) -> None:
    """Each keeps its own version table and does not see the other's."""
    revise(tmp_path / "cases", "first", CREATE)
    revise(tmp_path / "sharing", "other", 'op.create_table("item", sa.Column("id", sa.Text))')
    migrate(database_url, tmp_path / "cases", version_table="cases_version")
    assert migrate(database_url, tmp_path / "sharing", version_table="sharing_version") == ["other"]
    assert tables(database_url) == {"letter", "item", "cases_version", "sharing_version"}


def test_a_failing_revision_leaves_nothing(database_url: str, tmp_path: Path) -> None:
    """The whole run is one transaction, on both databases."""
    revise(tmp_path, "first", CREATE)
    revise(tmp_path, "second", 'op.execute("INSERT INTO nowhere VALUES (1)")', down="first")
    with pytest.raises(LiandongError):
        migrate(database_url, tmp_path, version_table="cases_version")
    assert tables(database_url) == set()


def test_rebuilding_a_table_deletes_no_children(database_url: str, tmp_path: Path) -> None:
    """SQLite alters by rebuilding; rows that refer to the table survive that."""
    revise(
        tmp_path,
        "first",
        f'{CREATE}\nop.create_table("act", sa.Column("letter", sa.Text, '
        'sa.ForeignKey("letter.id", ondelete="CASCADE")))\n'
        "op.execute(\"INSERT INTO letter VALUES ('a', 1)\")\nop.execute(\"INSERT INTO act VALUES ('a')\")",
    )
    revise(tmp_path, "second", WIDEN, down="first")
    migrate(database_url, tmp_path, version_table="cases_version")
    database = Database(database_url)
    assert database.read(lambda c: c.execute(text("SELECT count(*) FROM act")).scalar_one()) == 1
    database.close()


def test_pre_and_post_are_steps_of_their_own(database_url: str, tmp_path: Path) -> None:
    """The pre step runs before the old program stops, the post step after."""
    revise(tmp_path, "pre1", CREATE, labels="pre")
    revise(tmp_path, "post1", 'op.drop_table("letter")', labels="post")
    assert migrate(database_url, tmp_path, version_table="cases_version", target="pre@head") == ["pre1"]
    assert "letter" in tables(database_url)
    assert migrate(database_url, tmp_path, version_table="cases_version", target="post@head") == ["post1"]
    assert "letter" not in tables(database_url)


def test_replicas_that_start_together_migrate_once(database_url: str, tmp_path: Path) -> None:
    """One process does it, the others wait and find it done."""
    revise(tmp_path, "first", CREATE)
    program = (
        "import sys; from services.common.migrations import migrate;"
        " print(migrate(*sys.argv[1:], version_table='v'))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, database_url, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    answers = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(answers) == ["['first']", "[]", "[]"]
