"""Visits to the gateway's pages by HTTP: by one person, and by many at once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from services.cli.bench import cost
from services.cli.demo.district import District
from services.gateway.accounts.model import ADMINISTRATOR, AUDITOR
from tests.load.measure import percentile

_SCRIPT: Final = Path(__file__).with_name("visitors.js")
_WARM: Final = 2


@dataclass(frozen=True, slots=True)
class Crowd:
    """What came of many visitors.

    Attributes:
        visits: Pages that were asked for.
        failed: Of these, answered with anything but the page, or not at all.
        p50_ms: Time to the whole answer.
        p95_ms: Likewise.
    """

    visits: int
    failed: int
    p50_ms: float
    p95_ms: float


async def log_in(district: District, department: str, roles: Sequence[str]) -> list[str]:
    """Begin a session for people of a department by their accounts; returns the cookies.

    Args:
        district: Whose.
        department: Theirs.
        roles: Which of them; nothing for all who work in cases.
    """
    accounts = [
        each
        for each in district.accounts
        if each.department == department
        and (each.role in roles or (not roles and each.role not in {ADMINISTRATOR, AUDITOR}))
    ]
    cookies = []
    for account in accounts:
        async with httpx.AsyncClient(base_url=district.gateway_url, timeout=30) as browser:
            answer = await browser.post(
                "/login",
                data={"username": account.username, "password": account.password},
                headers={"Origin": district.gateway_url},
            )
            assert answer.status_code == 303, answer.text
            cookies.append("; ".join(f"{name}={value}" for name, value in browser.cookies.items()))
    return cookies


@dataclass(frozen=True, slots=True)
class Visits:
    """What one person's visits to a page took: milliseconds, and the processor time of all processes among them."""

    p50_ms: float
    p95_ms: float
    cpu_ms: float
    size: int

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:.0f} p95 {self.p95_ms:.0f} cpu {self.cpu_ms:.0f} ms"


async def visit(district: District, cookie: str, pages: Mapping[str, str], times: int) -> dict[str, Visits]:
    """Have one person look at pages, one after the other."""
    found = {}
    async with httpx.AsyncClient(
        base_url=district.gateway_url, headers={"Cookie": cookie}, timeout=60
    ) as browser:
        for name, path in pages.items():
            took, before = [], 0.0
            for count in range(_WARM + times):
                if count == _WARM:
                    before = _spent(district)
                began = time.perf_counter()
                answer = await browser.get(path)
                while answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
                    # nobody reads that fast: the limit of one person is not what is measured
                    await asyncio.sleep(int(answer.headers["Retry-After"]))
                    began = time.perf_counter()
                    answer = await browser.get(path)
                if count >= _WARM:
                    took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:200]}"
            spent = (_spent(district) - before) * 1000 / times
            found[name] = Visits(percentile(took, 50), percentile(took, 95), spent, len(answer.content))
    return found


def _spent(district: District) -> float:
    return sum(cost.own_cpu_seconds(each.pid) for each in district.processes)


def k6() -> str | None:
    """The program that plays visitors; None where it is not installed."""
    beside = Path(sys.executable).with_name("k6")
    return str(beside) if beside.exists() else shutil.which("k6")


async def crowd(
    program: str,
    folder: Path,
    url: str,
    cookies: Sequence[str],
    pages: Mapping[str, str],
    *,
    users: int,
    seconds: int,
    think_s: float,
) -> Crowd:
    """Have many people look at pages, each with a time to read between two."""
    given: dict[str, Any] = {
        "SESSIONS": list(cookies),
        "PAGES": [{"name": name, "path": path} for name, path in pages.items()],
    }
    environment = {
        # nothing is told to anybody: what is measured stays on the machine
        **os.environ, "K6_NO_USAGE_REPORT": "true", "BASE": url, "USERS": str(users), "DURATION": f"{seconds}s",
        "THINK_S": str(think_s), "SUMMARY": str(folder / "crowd.json"),
    }  # fmt: skip
    for name, content in given.items():
        path = folder / f"{name.lower()}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        environment[name] = str(path)
    process = await asyncio.create_subprocess_exec(
        program, "run", "--quiet", "--no-usage-report", str(_SCRIPT),
        env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    metrics = json.loads((folder / "crowd.json").read_text(encoding="utf-8"))
    took, checks = metrics["http_req_duration"]["values"], metrics["checks"]["values"]
    visits = int(checks["passes"] + checks["fails"])
    return Crowd(visits, int(checks["fails"]), took["med"], took["p(95)"])
