"""What Lighthouse says of the pages that people look at most: at least 95 of 100, in the middle of five runs."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio

from . import made
from .conftest import HEALTH, MARKET, Place
from .test_picture_pages import OFFICE_PERSON, discover

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.soak, pytest.mark.timeout(1800)]

CATEGORIES: Final = ("performance", "accessibility", "best-practices")
LEAST: Final = 95
RUNS: Final = 5
_TRIES: Final = 4
_PACKAGE: Final = Path(__file__).with_name("lighthouse")
_KEPT: Final = Path("build/lighthouse")


def program(name: str, *others: str) -> str:
    """A program of this machine; one that checks changes has it."""
    found = next(filter(None, map(shutil.which, (name, *others))), None)
    if found is None:
        told = f"There is no {name} on this machine."
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    return found


class Ended(AssertionError):
    """A program did not end well; with its last words."""


async def run(*command: str, folder: Path, **variables: str) -> None:
    """Run a program to its end."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env={**os.environ, **variables}, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise Ended(said.decode()[-2000:])


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def lighthouse() -> Path:
    """Lighthouse as it is locked, fetched once; measurements are kept beside it."""
    lock = (_PACKAGE / "package-lock.json").read_bytes()
    folder = _KEPT.absolute()
    fetched = folder / "node_modules" / ".fetched"
    if not fetched.exists() or fetched.read_bytes() != lock:
        npm = program("npm")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(_PACKAGE / name, folder)
        await run(npm, "ci", "--omit=dev", folder=folder)
        fetched.write_bytes(lock)
    return folder


async def measured(folder: Path, url: str, name: str, headers: Path) -> dict[str, int]:
    """One run: the scores."""
    report = folder / f"{name}.json"
    for again in range(_TRIES - 1, -1, -1):
        try:
            await run(
                program("node"), "node_modules/lighthouse/cli/index.js", url, "--preset=desktop", "--quiet",
                f"--only-categories={','.join(CATEGORIES)}", f"--extra-headers={headers}",
                "--output=json", f"--output-path={report}", "--chrome-flags=--headless=new --no-sandbox",
                folder=folder, CHROME_PATH=program("chromium", "google-chrome"),
            )  # fmt: skip
        except Ended as error:
            # the browser's trace lacks its beginning now and then: nothing was measured, and it says to run it again
            if not again or "NO_NAVSTART" not in str(error):
                raise
        else:
            break
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    # a page that sent the browser elsewhere was not measured
    assert found["finalDisplayedUrl"] == url
    return {each: round(100 * found["categories"][each]["score"]) for each in CATEGORIES}


async def test_the_pages_that_people_look_at_most_are_fast_and_for_everybody(
    place: Place, lighthouse: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """First screen, a case, the office's picture, with cases in them, as on a desk."""
    health, market = place.district.parties[HEALTH], place.district.parties[MARKET]
    case_id = await made.transferred(health, market, tmp_path)
    for days in (20, 15, 0):
        await discover(place, HEALTH, days)
        await discover(place, MARKET, days)
    pages = {
        "first-screen": ("clerk.market", "/"),
        "case": ("clerk.market", f"/cases/{case_id}"),
        "picture": (OFFICE_PERSON, "/picture"),
    }
    wrong: list[str] = []
    for name, (username, path) in pages.items():
        headers = tmp_path / f"{name}.json"
        cookie = "; ".join(f"{each['name']}={each['value']}" for each in await place.entered(username))
        headers.write_text(json.dumps({"Cookie": cookie}), encoding="utf-8")
        runs = [await measured(lighthouse, place.url + path, name, headers) for _ in range(RUNS)]
        middle = {each: statistics.median(run[each] for run in runs) for each in CATEGORIES}
        record_property("told", f"{name}: {', '.join(f'{each} {score}' for each, score in middle.items())};")
        wrong += [f"{name}: {each} {score}" for each, score in middle.items() if score < LEAST]
    assert not wrong, "\n".join(wrong)
