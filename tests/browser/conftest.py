"""A small district with its gateway, and real Chromium before it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, async_playwright

from services.cli.demo.district import District, Plan, build
from tests.browser.checks import WIDTHS, faults_of, keep

_DESK = 600
_FITS = """() => [...document.querySelectorAll(".chart canvas")].every(
    (each) => Math.abs(each.clientWidth - each.closest(".chart").clientWidth) <= 2)"""
"""Whether charts are as wide as their places."""
HEALTH, MARKET, JUSTICE, GOV = "health.qinghe", "market.qinghe", "justice.qinghe", "gov.qinghe"
LOCALES = {"zh": "zh-CN", "en": "en-GB"}
FIRST = {"zh": WIDTHS, "en": WIDTHS[::-1]}
"""The widths in the order in which a page is looked at: loaded in the first, made narrow or wide for the other."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has the district and all that is looked at in it."""
    here = Path(__file__).parent
    for each in items:
        if here in each.path.parents:
            each.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program.

    Without one nothing here can be seen; on a machine that checks changes that is a failure.
    """
    # the shell is the same browser without its own windows, which nobody sees here
    known = ("chromium-headless-shell", "chromium", "google-chrome")
    found = os.environ.get("LIANDONG_TEST_CHROMIUM") or next(filter(None, map(shutil.which, known)), None)
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("There is no Chromium on this machine.")
        pytest.skip("There is no Chromium on this machine.")
    return found


@dataclass
class Window:
    """A window in which pages are looked at one after the other.

    Attributes:
        page: The page that is open.
        noise: What its scripts complained of.
    """

    page: Page
    noise: list[str]


@dataclass
class Place:
    """A district in which people work with browsers.

    Attributes:
        district: What runs.
        url: Of the gateway.
        password: Of everybody.
        browser: Chromium.
        contexts: Open windows.
        cookies: Of those who logged in, so that one logs in once.
        windows: In which pages are looked at, by language.
    """

    district: District
    url: str
    password: str
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    cookies: dict[str, list[Any]] = field(default_factory=dict)
    windows: dict[str, Window] = field(default_factory=dict)

    async def person(
        self, username: str = "", *, width: int = 1440, language: str = "zh", **more: Any
    ) -> Page:
        """An empty window of a browser in which somebody is logged in; nobody for an empty name.

        Args:
            username: Such as `clerk.health`.
            width: Of the window; a narrow one is a telephone's.
            language: `zh` or `en`.
            more: For the browser's context.
        """
        phone = width < _DESK
        context = await self.browser.new_context(
            base_url=self.url, viewport={"width": width, "height": 800 if phone else 900},
            locale=LOCALES[language], has_touch=phone, is_mobile=phone, timezone_id="Asia/Shanghai", **more,
        )  # fmt: skip
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        if username:
            await context.add_cookies(await self.entered(username))
        return await context.new_page()

    async def entered(self, username: str) -> list[Any]:
        """Cookies of somebody who is logged in."""
        if username not in self.cookies:
            context = await self.browser.new_context(base_url=self.url)
            answer = await context.request.post(
                "/login", headers={"Origin": self.url}, max_redirects=0,
                form={"username": username, "password": self.password},
            )  # fmt: skip
            assert answer.status == 303, await answer.text()
            self.cookies[username] = [dict(each) for each in await context.cookies()]
            await context.close()
        return self.cookies[username]

    async def window(self, username: str, language: str) -> Window:
        """The window in which pages are looked at in a language, as somebody sees them; it stays open."""
        found = self.windows.get(language)
        if found is None:
            context = await self.browser.new_context(
                base_url=self.url,
                locale=LOCALES[language],
                timezone_id="Asia/Shanghai",
                reduced_motion="reduce",
            )
            context.set_default_timeout(15_000)
            found = self.windows[language] = Window(await context.new_page(), [])
            _listen(found.page, found.noise)
        await found.page.context.clear_cookies()
        if username:
            await found.page.context.add_cookies(await self.entered(username))
        return found

    async def close(self) -> None:
        """Close what a test opened."""
        contexts, self.contexts = self.contexts, []
        for each in contexts:
            await each.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """The district, for all tests here; it takes a while to start."""
    folder = tmp_path_factory.mktemp("district")
    plan = Plan(
        folder=folder, departments=4, base_port=0, database_url="", first=(HEALTH, MARKET, JUSTICE, GOV),
        own_process=(HEALTH, MARKET), gateway=True, furnished=True,
    )  # fmt: skip
    district = await build(plan, lambda *_: None)
    try:
        described = json.loads(district.description.read_text(encoding="utf-8"))
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            password = described["gateway"]["accounts"][0]["password"]
            yield Place(district, described["gateway"]["url"], password, browser)
            await browser.close()
    finally:
        await district.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def place(running: Place) -> AsyncIterator[Place]:
    """The district, with no window open."""
    yield running
    await running.close()


Look = Callable[..., Awaitable[None]]


def _listen(page: Page, noise: list[str]) -> None:
    """Keep what the page's scripts complain of."""

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            noise.append(message.text)

    def failed(error: Error) -> None:
        noise.append(str(error))

    page.on("console", said)
    page.on("pageerror", failed)


async def _fitting(page: Page) -> None:
    """Wait until charts have taken the width that they have now; the page's policy lets no script wait for it."""
    for _ in range(100):
        if await page.evaluate(_FITS):
            return
        await asyncio.sleep(0.05)


@pytest.fixture
def look(place: Place) -> Look:
    """Visits a page in both languages, narrow and wide, keeps pictures, and fails with everything that is wrong."""

    async def looked(
        username: str,
        path: str,
        name: str,
        prepare: Callable[[Page], Awaitable[None]] | None = None,
    ) -> None:
        wrong: list[str] = []
        for language, widths in FIRST.items():
            window = await place.window(username, language)
            page = window.page
            for width in widths:
                found: list[str] = []
                await page.set_viewport_size({"width": width, "height": 800 if width < _DESK else 900})
                # what axe-core judges differs by width, not by language: once for each width, and for each language
                loads = width == widths[0]
                if loads:
                    window.noise.clear()
                    answer = await page.goto(path)
                    assert answer is not None
                    if not answer.ok:
                        found.append(f"answered {answer.status}")
                    if urlsplit(page.url).path == "/login" != path:
                        found.append("asks to log in")
                    if prepare is not None:
                        await prepare(page)
                await asyncio.sleep(0.05)
                await _fitting(page)
                await keep(page, f"{name}-{language}-{width}")
                found += [*await faults_of(page, axe=loads), *window.noise]
                wrong += [f"{name} {language} {width}: {each}" for each in found]
            # else it would ask for what changes while others are looked at
            await page.goto("about:blank")
        assert not wrong, "\n".join(wrong)

    return looked
