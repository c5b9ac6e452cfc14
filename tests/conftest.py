"""What every tier may ask for: a real PostgreSQL, and a database of its own for each test."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from _pytest.nodeid import NodeId
from hypothesis import settings

from services.cli.bench.database import postgres
from tests.builders import postgresql

# how long an example takes is decided by what else the machine does; tests that hang are ended by pytest-timeout
settings.register_profile("liandong", deadline=None)
settings.load_profile("liandong")

# without this a logged error prints every local variable of every frame, which can take longer than the test
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f"),
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
    ]
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a group on one worker.

    pytest-xdist 3.8 writes the group into a field that pytest 9.2 reads no more, and so has no groups at all
    (pytest-dev/pytest-xdist#1386); `tests/unit/test_groups.py` sees that they are there.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for each in items:
        groups = sorted({mark.args[0] for mark in each.iter_markers("xdist_group")})
        suffix = f"@{'_'.join(groups)}"
        if groups and not each.nodeid.endswith(suffix):
            each._id = NodeId.parse(each.nodeid + suffix)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a PostgreSQL that runs for this worker of the test run.

    Durable as in production: fsync stays on, since what is tested is what survives.
    """
    with postgres() as server:
        yield server.url("postgres")


@pytest.fixture(scope="session")
def spare_databases() -> list[str]:
    """URLs of empty PostgreSQL databases that no test uses now."""
    return []


@pytest.fixture
def postgresql_url(postgresql_server: str, spare_databases: list[str]) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own."""
    url = (
        spare_databases.pop()
        if spare_databases
        else postgresql.create(postgresql_server, f"test_{secrets.token_hex(6)}")
    )
    yield url
    postgresql.empty(url)
    spare_databases.append(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database in a file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'liandong.sqlite'}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database, once on SQLite and once on PostgreSQL: for what must hold on both."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests told: seeds, so that a run can be repeated, and figures."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, [])]
    for report in reports:
        lines = [text for name, text in report.user_properties if name == "told"]
        if lines:
            terminalreporter.write_line(f"{report.nodeid}: {' '.join(lines)}")
