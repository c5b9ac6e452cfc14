"""A running registry freezes by itself, takes no wrong catalogue, and loads no library of files until it must."""

import asyncio
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from services.common.clock import ManualClock
from services.common.config import ConfigurationError
from services.registry.bootstrap import Registry, init
from services.registry.indicators import freeze
from services.registry.indicators.periods import Month
from tests.builders.departments import HEALTH, Signer
from tests.builders.registry import region_entries, registry_settings
from tests.unit.procedures.deadline_samples import at


async def frozen(registry: Registry, count: int) -> list[str]:
    """The frozen months, once there are so many."""
    async with asyncio.timeout(20):
        while True:
            found = await asyncio.to_thread(
                registry.database.read, lambda connection: freeze.list_frozen(connection, None, 100)
            )
            if len(found) >= count:
                return [str(each.month) for each in found]
            await asyncio.sleep(0.05)


async def test_a_registry_freezes_what_was_missed_while_it_was_down(sqlite_url: str, tmp_path: Path) -> None:
    """At its start, as soon as it may; what it froze before stands."""
    settings = registry_settings(sqlite_url, tmp_path)
    clock = ManualClock(at("2026-01-20 10:00"))
    await asyncio.to_thread(init, settings, region_entries([Signer(HEALTH, clock)]), clock)
    clock.set(Month(2026, 1).end + timedelta(hours=settings.freeze_after_hours))
    async with Registry(settings, clock) as registry:
        assert await frozen(registry, 1) == ["2026-01"]
    clock.set(at("2026-04-15"))
    async with Registry(settings, clock) as again:
        assert await frozen(again, 3) == ["2026-03", "2026-02", "2026-01"]


async def test_a_registry_does_not_start_with_a_wrong_catalogue(sqlite_url: str, tmp_path: Path) -> None:
    """It says what is wrong, and with the right one it starts."""
    settings = registry_settings(sqlite_url, tmp_path)
    await asyncio.to_thread(init, settings, region_entries([Signer(HEALTH)]))
    file = tmp_path / "indicators.yaml"
    file.write_text("base_year: 2026\nindicators: {x: {unit: miles}}\n", encoding="utf-8")
    wrong = settings.model_copy(update={"indicators": str(file)})
    with pytest.raises(ConfigurationError) as refused:
        await Registry(wrong).start()
    assert "indicators.x.unit is one of" in str(refused.value)
    async with Registry(settings) as registry:
        assert registry.address


def test_files_cost_nothing_until_they_are_asked_for() -> None:
    """Neither library is loaded with the registry or with the command."""
    names = "('docx', 'openpyxl', 'lxml')"
    program = (
        "import sys, services.registry.bootstrap, services.cli.indicators;"
        f" sys.exit(any(name in sys.modules for name in {names}))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == 0
