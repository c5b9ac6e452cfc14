"""What is checked of every page by script: its layout, and what axe-core knows."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

WIDTHS: Final = (360, 1440)
SHOTS: Final = Path(os.environ.get("LIANDONG_TEST_SHOTS", "build/screenshots"))
"""Where a picture of every page looked at is kept."""
_RULES: Final = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
    # it would fetch all styles once more, for a rule about the length of sounds, of which these pages have none
    "preload": False,
}

_LAYOUT: Final = Path(__file__).with_name("layout.js").read_text(encoding="utf-8")


async def faults_of(page: Page, *, axe: bool = True) -> list[str]:
    """What is wrong with a page as it stands: its layout, and what axe-core finds at WCAG 2.2 AA.

    Args:
        page: As it stands.
        axe: Whether axe-core looks, too, which takes longer than all else.
    """
    found: list[str] = list(await page.evaluate(_LAYOUT))
    if not axe:
        return found
    results: dict[str, Any] = (await Axe().run(page, options=_RULES)).response
    for each in results["violations"]:
        targets = "; ".join(str(node["target"][0]) for node in each["nodes"][:5])
        found.append(f"{each['id']}: {each['help']} ({targets})")
    return found


async def keep(page: Page, name: str) -> Path:
    """Keep a picture of the whole page."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    # by the browser's own protocol: the driver has pictures packed as tightly as can be, which takes thrice as long
    session = await page.context.new_cdp_session(page)
    size = (await session.send("Page.getLayoutMetrics"))["cssContentSize"]
    taken = await session.send(
        "Page.captureScreenshot",
        {
            "format": "png", "optimizeForSpeed": True, "captureBeyondViewport": True,
            "clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1},
        },
    )  # fmt: skip
    await session.detach()
    path.write_bytes(base64.b64decode(taken["data"]))
    return path
