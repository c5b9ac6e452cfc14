"""`liandong bench`: the way of a letter, measured over separate processes with everything switched on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer

from services.cli.bench import cost, growth, load
from services.cli.bench.database import Postgres, postgres
from services.cli.bench.reference import Reference
from services.cli.demo.district import District, Plan, build, database

_SENDER: Final = "health.qinghe"
_RECEIVER: Final = "market.qinghe"
_PARTS: Final = ("registry", _SENDER, _RECEIVER)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        cases: Open cases that the letters go over.
        letters: Letters of the throughput run.
        single: Letters one after the other.
        rate: Letters per second of the open loop.
        seconds: Length of the open loop.
        runs: Throughput runs; the median counts.
    """

    cases: int
    letters: int
    single: int
    rate: int
    seconds: float
    runs: int


SHORT: Final = Size(cases=100, letters=3_000, single=100, rate=200, seconds=3, runs=1)
FULL: Final = Size(cases=1_000, letters=20_000, single=500, rate=500, seconds=20, runs=3)


def bench(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    short: Annotated[bool, typer.Option("--short", help="A small run, to see that it works.")] = False,
    only: Annotated[str, typer.Option(help="postgresql or sqlite; both if empty.")] = "",
    leaves: Annotated[int, typer.Option(help="Also compare with a ledger of so many leaves.")] = 0,
    stored: Annotated[int, typer.Option(help="Also compare with so many letters stored.")] = 0,
) -> None:
    """Measure letters per second and latency from the sending API to the recipient's durable inbox."""
    size = SHORT if short else FULL
    results: dict[str, Any] = {}
    for dialect in ("postgresql", "sqlite"):
        if only in ("", dialect):
            results[dialect] = asyncio.run(_measure(dialect, size))
            if not as_json:
                sys.stdout.write(f"{dialect}: {json.dumps(results[dialect], indent=2)}\n")
    if leaves:
        results["ledger"] = _ledger(leaves)
    if stored:
        results["stored"] = asyncio.run(_stored(stored))
    if not as_json and (leaves or stored):
        sys.stdout.write(
            json.dumps({key: results[key] for key in results if key in ("ledger", "stored")}) + "\n"
        )
    if as_json:
        sys.stdout.write(json.dumps(results, indent=2) + "\n")


async def _measure(dialect: str, size: Size) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres()) if dialect == "postgresql" else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liandong-bench-")))
        url = _databases(server)
        plan = _plan(folder, url)
        district = await build(plan, _silent)
        try:
            measured = await _run(district, server, database(plan, _SENDER, folder / _SENDER), size)
        finally:
            await district.stop()
        reference = _reference(server, folder, size)
        rate = measured["letters_per_second"]
        return {**measured, "reference_per_second": round(reference), "ratio": round(rate / reference, 3)}


async def _run(district: District, server: Postgres | None, inbox: str, size: Size) -> dict[str, Any]:
    sender, receiver = district.parties[_SENDER], district.parties[_RECEIVER]
    case_ids = await load.open_cases(sender, receiver, size.cases)
    pids = _processes(district, server)
    await load.throughput(receiver, sender, inbox, case_ids, size.letters // 10)
    rates: list[float] = []
    spent: dict[str, list[float]] = {name: [] for name in pids}
    for _ in range(size.runs):
        before = {name: _cpu_seconds(name, pid) for name, pid in pids.items()}
        rates.append(await load.throughput(receiver, sender, inbox, case_ids, size.letters))
        for name, pid in pids.items():
            spent[name].append((_cpu_seconds(name, pid) - before[name]) / size.letters * 1e6)
    single = await load.one_in_flight(receiver, inbox, case_ids, size.single)
    loop = await load.open_loop(receiver, inbox, case_ids, size.rate, size.seconds)
    return {
        "letters_per_second": round(statistics.median(rates)),
        "p50_ms": round(_percentile(single, 50), 2),
        "p99_ms": round(_percentile(single, 99), 2),
        "open_loop_p50_ms": round(_percentile(loop, 50), 2),
        "open_loop_p99_ms": round(_percentile(loop, 99), 2),
        "open_loop_rate": size.rate,
        "cpu_us_per_letter": {name: round(statistics.median(each)) for name, each in spent.items()},
        "resident_mib": {
            name: cost.resident_memory(pid) // 2**20 for name, pid in pids.items() if name != "postgresql"
        },
    }


def _ledger(leaves: int) -> dict[str, Any]:
    """Append and proof on a ledger of many leaves against one of few."""
    with postgres() as server:
        small, large = growth.GrownLedger(server.create("small")), growth.GrownLedger(server.create("large"))
        small.load(1_000, _quiet)
        large.load(leaves, lambda done: _tell(f"{done:,} of {leaves:,} leaves"))
        try:
            return {"leaves": leaves, **growth.compare(small, large, pairs=200)}
        finally:
            small.close()
            large.close()


async def _stored(letters: int) -> dict[str, Any]:
    """CPU per letter, of all processes together, with many letters stored against none; pairs in turn."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(postgres())
        districts: list[tuple[District, list[str], str]] = []
        try:
            for label in ("none", "many"):
                folder = Path(
                    stack.enter_context(tempfile.TemporaryDirectory(prefix=f"liandong-bench-{label}-"))
                )
                for name in ("registry", _SENDER, _RECEIVER, "justice.qinghe"):
                    server.create(f"{label}_{name.replace('.', '_')}")
                plan = _plan(folder, server.url(f"{label}_{{name}}"))
                district = await build(plan, _silent)
                sender, receiver = district.parties[_SENDER], district.parties[_RECEIVER]
                case_ids = await load.open_cases(sender, receiver, 1_000)
                inbox = database(plan, _SENDER, folder / _SENDER)
                districts.append((district, case_ids, inbox))
                if label == "many":
                    for done in range(0, letters, 20_000):
                        _tell(f"{done:,} of {letters:,} letters")
                        await load.throughput(receiver, sender, inbox, case_ids, min(20_000, letters - done))
            ratios = []
            for _ in range(5):
                none, many = [await _cpu_per_letter(each, server.pid) for each in districts]
                ratios.append(many / none)
            return {"letters": letters, "cpu_ratio": round(statistics.median(ratios), 3)}
        finally:
            for district, _, _ in districts:
                await district.stop()


async def _cpu_per_letter(running: tuple[District, list[str], str], server: int, count: int = 4_000) -> float:
    district, case_ids, inbox = running
    pids = [server, *(each.pid for each in district.processes)]
    before = sum(cost.cpu_seconds(pid) for pid in pids)
    await load.throughput(district.parties[_RECEIVER], district.parties[_SENDER], inbox, case_ids, count)
    return (sum(cost.cpu_seconds(pid) for pid in pids) - before) / count


def _plan(folder: Path, url: str) -> Plan:
    return Plan(
        folder=folder,
        departments=3,
        base_port=0,
        database_url=url,
        first=(_SENDER, _RECEIVER, "justice.qinghe"),
        own_process=(_SENDER, _RECEIVER),
    )


def _tell(text: str) -> None:
    sys.stderr.write(f"\r{text}          ")
    sys.stderr.flush()


def _quiet(done: int) -> None:
    del done


def _processes(district: District, server: Postgres | None) -> dict[str, int]:
    pids = {each.name: each.pid for each in district.processes if each.name != "gateway"}
    pids["client"] = os.getpid()
    if server is not None:
        pids["postgresql"] = server.pid
    return pids


def _cpu_seconds(name: str, pid: int) -> float:
    # the server's sessions are children of it; all of the district's processes are children of ours
    return cost.cpu_seconds(pid) if name == "postgresql" else cost.own_cpu_seconds(pid)


def _databases(server: Postgres | None) -> str:
    """The URL template of the district's databases, made beforehand."""
    if server is None:
        return ""
    for name in ("registry", _SENDER, _RECEIVER, "justice.qinghe"):
        server.create(name.replace(".", "_"))
    return server.url("{name}")


def _reference(server: Postgres | None, folder: Path, size: Size) -> float:
    """The straight line, on the same kind of database, with letters of the same size."""
    if server is None:
        urls = [f"sqlite:///{folder / f'reference-{index}.sqlite3'}" for index in range(3)]
    else:
        urls = [server.create(f"reference_{index}") for index in range(3)]
    reference = Reference(urls)
    try:
        reference.run(list(_letters(size.letters // 10)))
        return statistics.median(reference.run(list(_letters(size.letters))) for _ in range(size.runs))
    finally:
        reference.close()


def _letters(count: int) -> Iterator[tuple[str, bytes, bytes]]:
    """Letters with as many bytes as a `progress` letter has: header and assertion, body."""
    for _ in range(count):
        letter_id = str(uuid4())
        yield letter_id, letter_id.encode() + os.urandom(_HEADER_BYTES), os.urandom(_PAYLOAD_BYTES)


_HEADER_BYTES: Final = 1_150
_PAYLOAD_BYTES: Final = 90


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def _silent(stage: str, done: int, total: int) -> None:
    del stage, done, total
