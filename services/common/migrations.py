"""Alembic without alembic.ini and env.py: a service hands over its folder of revisions.

Several services may live in one database, so each names a version table of its own. A folder holds only
`versions/`; revisions of the pre step and of the post step are two branches, labelled `pre` and `post`,
so that a new program can run beside an old one between `target="pre@head"` and `target="post@head"`.
"""

import threading
from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, text

from services.common import engines
from services.common.faults import classify, database_errors

_ADVISORY_LOCK: Final = 0x6C69616E646F6E67  # "liandong": replicas that start together migrate in turn

# Alembic's `op` is one for the whole process, whichever thread runs a revision
_one_at_a_time: Final = threading.Lock()


def migrate(
    url: str | URL,
    script_location: str | Path,
    *,
    version_table: str,
    target: str = "heads",
) -> list[str]:
    """Bring the tables of one service to a revision, in one transaction.

    Args:
        url: The database, as for `Database`.
        script_location: The folder that holds `versions/`, or `package:folder`.
        version_table: Where this service's revision is kept, such as `registry_version`.
        target: A revision, a label such as `pre@head`, or `heads`.

    Returns:
        The revisions that were run, oldest first; empty when there was nothing to do.

    Raises:
        LiandongError: The database is not reachable, or a revision fails; nothing was kept.
    """
    config = _config(script_location)
    script = ScriptDirectory.from_config(config)
    run: list[str] = []

    def steps(revision: Any, _context: object) -> Any:
        planned = script._upgrade_revs(target, revision)  # noqa: SLF001 - alembic.command.upgrade does the same
        run.extend(step.revision.revision for step in planned)
        return planned

    engine = engines.migrator(engines.parse_url(url))
    is_sqlite = engine.dialect.name == "sqlite"
    try:
        with (
            _one_at_a_time,
            engine.begin() as connection,
            EnvironmentContext(config, script, fn=steps) as environment,
        ):
            if not is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            environment.configure(
                connection=connection,
                version_table=version_table,
                render_as_batch=is_sqlite,
                transactional_ddl=True,
            )
            environment.run_migrations()
            if is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                raise RuntimeError("A migration left rows whose parent is missing.")
    except database_errors() as error:
        raise classify(error, committing=False).error from error
    finally:
        engine.dispose()
    return run


def pending(
    url: str | URL, script_location: str | Path, *, version_table: str, target: str = "heads"
) -> list[str]:
    """The revisions that `migrate` would run, oldest first.

    Raises:
        LiandongError: The database is not reachable.
    """
    script = ScriptDirectory.from_config(_config(script_location))
    engine = engines.migrator(engines.parse_url(url))
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": version_table})
            heads = context.get_current_heads()
            planned: Any = script._upgrade_revs(target, heads)  # type: ignore[arg-type]  # noqa: SLF001 - see above
            return [step.revision.revision for step in planned]
    except database_errors() as error:
        raise classify(error, committing=False).error from error
    finally:
        engine.dispose()


def _config(script_location: str | Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(script_location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
