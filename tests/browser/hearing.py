"""Windows of which everything that runs is heard, and forms that are filled in with what would run.

The pages' policy against foreign scripts is switched off for these windows: what got into a page would run, and be seen.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

from playwright.async_api import Dialog, Page, Request

from tests.builders.hostile import MARK, TEXTS, runs

from .conftest import Place

SCRIPTS: Final = [each for name, each in TEXTS.items() if name not in {"header", "right to left", "wide"}]
SHORT: Final = f"<b onclick={MARK}>"
"""Where no more than a few words fit."""
FORMS: Final = """() => [...document.querySelectorAll("main form")].map((form) => ({
    action: form.getAttribute("action") || form.getAttribute("hx-post") || location.pathname,
    method: (form.hasAttribute("hx-post") ? "post" : form.method).toLowerCase(),
    fields: [...form.elements].filter((each) => each.name && each.type !== "file").map((each) => ({
        name: each.name, type: each.type, value: each.value, longest: each.maxLength,
        options: each.options ? [...each.options].map((one) => one.value).filter((one) => one) : [],
    })),
}))"""
_RAN = """() => [
    ...(window.hostile ? ["a script ran"] : []),
    ...[...document.querySelectorAll("main *, header *, footer *")].flatMap((each) => [...each.attributes]
        .filter((one) => one.name.startsWith("on") || /^\\s*javascript:/i.test(one.value) && one.name !== "value")
        .map((one) => `<${each.tagName} ${one.name}>`)),
]"""
LEFT_ALONE: Final = (
    "/logout",
    "/account",
    "/disable",
    "/reset",
    "/sessions",
    "/discard",
    "/take-over",
    "/remove",
)
"""Forms that write nothing that anybody wrote, and end what the next page needs."""

WRITTEN: Final = frozenset({"text", "textarea", "search"})


@dataclass
class Watched:
    """A window of which everything that runs is heard.

    Attributes:
        page: The window.
        heard: What was heard: dialogues, scripts, requests to elsewhere.
        seen: Pages and answers that were looked at.
    """

    page: Page
    heard: list[str] = field(default_factory=list)
    seen: int = 0

    async def judge(self, where: str) -> None:
        """Hear what the page that is open has done."""
        self.seen += 1
        found = [*await self.page.evaluate(_RAN), *runs(await self.page.content())]
        self.heard += [f"{each} at {where}" for each in found]

    async def open(self, path: str) -> int:
        """Look at a page; its status."""
        answer = await self.page.goto(path)
        assert answer is not None
        await self.judge(path)
        return answer.status

    async def answered(self, path: str, text: str) -> None:
        """Look at what a form was answered, as the browser reads it."""
        await self.page.set_content(text, wait_until="domcontentloaded")
        await self.judge(f"answer of {path}")

    async def submit(self, there: str, form: Mapping[str, Any], sent: list[tuple[str, str]]) -> None:
        """Send a form of a page, and look at the answer, or at the page to which it leads."""
        target = urljoin(there, str(form["action"]))
        where = urlsplit(target).path
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(there))
        if form["method"] == "get":
            await self.open(f"{where}?{urlencode(sent)}")
            return
        answer = await self.page.context.request.post(
            target, data=urlencode(sent), max_redirects=0,
            headers={"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert answer.status < 500, (where, sent, await answer.text())
        if answer.status == 303:
            await self.open(answer.headers["location"])
        elif "html" in answer.headers.get("content-type", ""):
            await self.answered(where, await answer.text())


async def watching(place: Place, username: str) -> Watched:
    """A window of somebody, without the policy that would stop what gets in."""
    page = await place.person(username, bypass_csp=True)
    watched = Watched(page)

    async def interrupted(dialog: Dialog) -> None:
        watched.heard.append(f"a dialogue: {dialog.message}")
        await dialog.dismiss()

    def fetched(request: Request) -> None:
        asked = urlsplit(request.url)
        if asked.netloc == "evil.example" or asked.path.endswith("/x"):
            watched.heard.append(f"{page.url}: asks for {request.url}")

    # letters on paper take long, and are no pages
    await page.route(re.compile(r"(\.pdf|/document)$"), lambda route: route.abort())
    page.on("dialog", interrupted)
    page.on("request", fetched)
    return watched


def payloads() -> Iterator[str]:
    """One after the other, for ever."""
    return itertools.cycle(SCRIPTS)


def fitting(text: str, longest: int) -> str:
    """A payload that a field takes."""
    return text if longest <= 0 or len(text) <= longest else SHORT[:longest]


def sent_of(form: Mapping[str, Any], texts: Iterator[str], *, wild: bool) -> list[tuple[str, str]]:
    """What a form is sent with.

    Args:
        form: As `FORMS` describes it.
        texts: What is written into its fields.
        wild: Whether choices, days and figures are replaced, too, which no browser would do.
    """
    sent: list[tuple[str, str]] = []
    chosen: set[str] = set()
    for each in form["fields"]:
        name, kind = each["name"], each["type"]
        if name in {"csrf", "key", "digest", "version"}:
            sent.append((name, each["value"]))
        elif wild or kind in WRITTEN:
            sent.append((name, next(texts) if wild else fitting(next(texts), each["longest"])))
        elif kind in {"radio", "checkbox"}:
            if name not in chosen:
                sent.append((name, each["value"]))
            chosen.add(name)
        elif kind == "select-one":
            sent.append((name, each["options"][0] if each["options"] else ""))
        elif kind == "datetime-local":
            sent.append((name, each["value"] or "2030-01-05T10:00"))
        else:
            sent.append((name, each["value"]))
    return sent


async def fill_in(watched: Watched, texts: Iterator[str]) -> int:
    """Send every form of the page that is open, as a browser sends it and as none would; how many payloads went."""
    # a page that begins a draft leads on to it
    there, written = watched.page.url, 0
    for form, wild in itertools.product(await watched.page.evaluate(FORMS), (False, True)):
        if form["action"].endswith(LEFT_ALONE) or not WRITTEN & {each["type"] for each in form["fields"]}:
            continue
        sent = sent_of(form, texts, wild=wild)
        written += sum(MARK in value for _, value in sent)
        await watched.submit(there, form, sent)
    return written
