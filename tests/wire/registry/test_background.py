"""What a registry does by itself goes on after a failure."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from services.common.background import keep_up
from services.common.errors import StorageFailed
from services.registry import bootstrap
from services.registry.bootstrap import Registry, init
from services.registry.recompute import Recomputation
from tests.builders.departments import HEALTH, Signer
from tests.builders.registry import region_entries, registry_settings


async def test_a_calendar_is_followed_though_the_database_failed_once(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index of open obligations is made anew as soon as it can be."""
    done, real = asyncio.Event(), Recomputation.run
    loop = asyncio.get_running_loop()
    failures = [StorageFailed()]

    def run(recomputation: Recomputation) -> object:
        if failures:
            raise failures.pop()
        result: object = real(recomputation)
        loop.call_soon_threadsafe(done.set)
        return result

    monkeypatch.setattr(Recomputation, "run", run)
    monkeypatch.setattr(bootstrap, "keep_up", partial(keep_up, again_s=0.01))
    settings = registry_settings(sqlite_url, tmp_path)
    await asyncio.to_thread(init, settings, region_entries([Signer(HEALTH)]))
    async with Registry(settings), asyncio.timeout(10):
        await done.wait()
