"""A frozen month is verified from the command line, and one that was changed is found."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
import sqlalchemy as sa

from services.cli import main
from services.common.clock import ManualClock
from services.registry import tables
from tests.builders.registry import Bench, bench
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.indicators.test_freeze import freezer


@pytest.fixture
def frozen(sqlite_url: str, tmp_path: Path) -> Iterator[Bench]:
    """A registry with one frozen month."""
    clock = ManualClock(at("2026-01-05 09:00"))
    with bench(sqlite_url, tmp_path, clock) as registry:
        registry.sent()
        clock.set(at("2026-02-03"))
        freezer(registry, clock).freeze_due()
        yield registry


def verify(registry: Bench, month: str = "2026-01") -> int:
    with pytest.raises(SystemExit) as ended:
        main.main(["indicators", "freeze", "verify", month, "--database", registry.settings.database_url])
    return int(ended.value.code or 0)


def change(registry: Bench, **values: object) -> None:
    registry.database.write(
        lambda connection: connection.execute(sa.update(tables.frozen_months).values(values))
    )


def test_a_frozen_month_verifies(frozen: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Digest, root and figures hold; a month that is not frozen is said to be none."""
    assert verify(frozen) == 0
    assert capsys.readouterr().out.count("✓") == 3
    assert verify(frozen, "2026-02") == 1
    assert verify(frozen, "2026-2x") == 1


def test_a_frozen_month_that_was_changed_is_found(frozen: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was changed: the content, with or without its digest, or the ledger it says it is of."""
    column = tables.frozen_months.c
    content, root = frozen.database.read(
        lambda connection: connection.execute(sa.select(column.content, column.root)).one()
    )
    forged = content.replace(b'"health.qinghe","","",1,', b'"health.qinghe","","",2,', 1)
    assert forged != content
    change(frozen, content=forged)
    assert verify(frozen) == 1
    change(frozen, content=forged, digest=sha256(forged).digest())
    assert verify(frozen) == 1
    change(frozen, content=content, digest=sha256(content).digest())
    assert verify(frozen) == 0
    change(frozen, root=bytes(32))
    assert verify(frozen) == 1
    change(frozen, root=root, size=1)
    assert verify(frozen) == 1
    change(frozen, size=10**6)
    assert verify(frozen) == 1
    assert capsys.readouterr().out.count("✗") == 2 + 1 + 1 + 2 + 2
