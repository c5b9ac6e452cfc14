"""What falls due at one instant: every escalation is written once, soon, and letters go through meanwhile.

Open obligations are put into the registry's table as admission would write them: those of most cases are due in a
year, a tenth at one instant in a few seconds. Two registry processes share the work; then the same once more, and
one of them is killed in the middle of it.
"""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest

from services.cli.bench import cost, load
from services.cli.demo import district as demo
from services.common import engines
from services.procedures import loader
from services.procedures.calendar import Calendar
from services.procedures.obligation import Limit, Obligation, Unit
from services.registry import tables
from services.registry.obligation_index import index_row
from tests.federation.district import HEALTH, MARKET, REGISTRY, Federation, federation, until

_COLUMNS: Final = [column.name for column in tables.obligations.columns]
_TRANSFER: Final = next(each for each in loader.load_all() if each.name == "case-transfer")
_RULE: Final = "material"
"""Due at a fixed date and hour; its one mark reminds who owes and tells the office."""
_ALERTS_EACH: Final = 2
_UNSEEN: Final = timedelta(seconds=11)
"""Rows that no process has written are seen after the schedulers' longest sleep, 10 s."""
_WRITTEN_PER_S: Final = 10_000
_TOLD_PER_S: Final = 2_000
"""What is promised of the first night; the second is put so much later that both are waited for at once."""
_RATE: Final = 50
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Night:
    """How it went.

    Attributes:
        lag_s: From the instant to the first escalation.
        per_second: Escalations from the first to the last.
    """

    lag_s: float
    per_second: float


@pytest.mark.postgresql
@pytest.mark.timeout(300)
async def test_everything_due_at_midnight_is_told_once(
    tmp_path: Path, tell: Callable[[str], None], postgresql_urls: str
) -> None:
    """10,000 of 20,000 open obligations, twice."""
    figures = await _midnights(tmp_path, postgresql_urls, 20_000, 10_000)
    tell(f"{figures}")


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_of_a_million_fall_due_at_once(
    tmp_path: Path, tell: Callable[[str], None], postgresql_urls: str
) -> None:
    """The long form, with the figures that are promised."""
    figures = await _midnights(tmp_path, postgresql_urls, 1_000_000, 100_000)
    tell(f"{figures}")
    assert figures["lag_s"] < 2
    assert figures["per_second"] >= _TOLD_PER_S
    assert figures["p99_ms"] < 500
    assert figures["registry_mib"] < 200


async def _midnights(folder: Path, urls: str, count: int, due: int) -> Mapping[str, float]:
    async with federation(folder, [HEALTH, MARKET], database_url=urls, replicas=2) as world:
        sender, receiver = world.parties[HEALTH], world.parties[MARKET]
        case_ids = await load.open_cases(sender, receiver, 20)
        await _put(world, "later", count - due, datetime.now(UTC) + timedelta(days=365))
        inbox = demo.database(world.plan, HEALTH, folder / HEALTH)

        writing = timedelta(seconds=1 + due / _WRITTEN_PER_S)
        instant = datetime.now(UTC) + _UNSEEN + 2 * writing
        following = instant + timedelta(seconds=due * _ALERTS_EACH / _TOLD_PER_S)
        await _put(world, "first", due, instant)
        await _put(world, "second", due, following)
        stop = asyncio.Event()
        living = asyncio.create_task(_live(receiver, inbox, case_ids, stop))
        night = await _told(world, "first", due, instant)
        stop.set()
        times = await living

        await until(lambda: _said(world, "second", due // 4), 300)
        (victim, _) = world.processes(REGISTRY)
        await world.kill(victim)
        await _told(world, "second", due, following)
        memory = max(cost.peak_memory(each.pid) for each in world.processes(REGISTRY))
        assert await asyncio.to_thread(_twice, world) == 0
    return {
        "lag_s": round(night.lag_s, 2),
        "per_second": round(night.per_second),
        "letters": len(times),
        "p50_ms": round(statistics.median(times), 1),
        "p99_ms": round(statistics.quantiles(times, n=100)[98], 1),
        "registry_mib": memory // _MIB,
    }


async def _live(author: Any, inbox: str, case_ids: list[str], stop: asyncio.Event) -> list[float]:
    """Letters at a steady rate until told to stop; milliseconds of each, from when it was to be sent."""
    times: list[float] = []
    while not stop.is_set():
        times += await load.open_loop(author, inbox, case_ids, _RATE, 5)
    return times


async def _put(world: Federation, name: str, count: int, due: datetime) -> None:
    """Open obligations of so many cases, written as admission writes them."""
    now = datetime.now(UTC)
    obligation = Obligation(
        case_id=name, rule=_RULE, ordinal=1, owed_by=HEALTH, owed_by_role="sender", opened_position=0,
        opened_act="request-material", limit=Limit(0, Unit.FIXED), occurred_at=now, admitted_at=now, fixed_due=due,
    )  # fmt: skip
    row = index_row(obligation, _TRANSFER, Calendar("qinghe"))
    values = ", ".join("%s || '-' || number" if each == "case_id" else "%s" for each in _COLUMNS)
    statement = (
        f"INSERT INTO obligations ({', '.join(_COLUMNS)}) SELECT {values} FROM generate_series(1, %s) number"
    )

    def write() -> None:
        with _connected(world) as connection:
            connection.execute(statement.encode(), (*row, count))

    await asyncio.to_thread(write)
    assert datetime.now(UTC) < due - _UNSEEN, "the schedulers may not see them in time"


async def _told(world: Federation, name: str, count: int, instant: datetime) -> Night:
    """Wait until all that is due was told."""
    await until(lambda: _said(world, name, count), 600, pause_s=0.5)
    (first, last) = await asyncio.to_thread(_span, world, name)
    lag = first / 1e6 - instant.timestamp()
    return Night(lag, count * _ALERTS_EACH / max((last - first) / 1e6, 0.001))


async def _said(world: Federation, name: str, count: int) -> str:
    found = await asyncio.to_thread(_alerts, world, name)
    wanted = count * _ALERTS_EACH
    return "" if found >= wanted else f"{found} of {wanted} escalations"


def _alerts(world: Federation, name: str) -> int:
    (count,) = _one(world, "SELECT count(*) FROM alerts WHERE case_id LIKE %s", f"{name}-%")
    return int(count)


def _span(world: Federation, name: str) -> tuple[int, int]:
    first, last = _one(
        world, "SELECT min(fired_at_us), max(fired_at_us) FROM alerts WHERE case_id LIKE %s", f"{name}-%"
    )
    return first, last


def _twice(world: Federation) -> int:
    """How many were told more than once, whoever was."""
    (count,) = _one(
        world,
        "SELECT count(*) FROM (SELECT 1 FROM alerts WHERE rule = %s"
        " GROUP BY case_id, ordinal, mark, kind HAVING count(*) > 1) twice",
        _RULE,
    )
    return int(count)


def _one(world: Federation, statement: str, *parameters: object) -> Any:
    with _connected(world) as connection:
        return connection.execute(statement.encode(), parameters).fetchone()


def _connected(world: Federation) -> psycopg.Connection[Any]:
    url = engines.parse_url(demo.database(world.plan, REGISTRY, world.plan.folder / REGISTRY))
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)
