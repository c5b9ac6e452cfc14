"""What one person may ask of the pages: how often, and how many streams of changes at a time."""

import asyncio
from pathlib import Path

from .guarded import front


async def test_one_person_cannot_ask_for_pages_without_end(tmp_path: Path) -> None:
    """A page in the reader's language says to wait and how long; others are served, and parts of pages count, too."""
    async with front(tmp_path, pages_per_second=0.2, pages_at_once=6) as made:
        await made.person("zhao")
        await made.person("qian")
        async with made.entered("zhao") as browser, made.entered("qian") as other:
            pages = [await browser.get("/account") for _ in range(6)]
            assert {each.status_code for each in pages} == {200}
            for language, words in (("en", "Too many requests"), ("zh", "操作过于频繁")):
                refused = await browser.get(f"/account?lang={language}")
                assert refused.status_code == 429
                assert 1 <= int(refused.headers["retry-after"]) <= 5
                assert words in refused.text
                assert "LIMIT_EXCEEDED" not in refused.text
            part = await browser.get("/account", headers={"HX-Request": "true"})
            assert part.status_code == 429
            posted = await browser.post("/account/password", data={"password": "x"})
            assert posted.status_code == 429
            # what is not of a person is asked for all the same
            assert (await browser.get("/static/app.css")).status_code == 200
            assert (await other.get("/account")).status_code == 200
        assert [each.action for each in await made.refused(who="zhao", result="LIMIT_EXCEEDED")]


async def test_one_person_holds_few_streams_of_changes(tmp_path: Path) -> None:
    """One more is told to come again later; a page that is closed makes room for another."""
    async with front(tmp_path, streams_at_once=2) as made:
        await made.person("zhao")
        await made.person("qian")
        async with (
            made.entered("zhao") as browser, made.entered("qian") as other, asyncio.timeout(20),
            browser.stream("GET", "/live"),
        ):  # fmt: skip
            async with browser.stream("GET", "/live"):
                refused = await browser.get("/live")
                assert (refused.status_code, refused.headers["retry-after"]) == (429, "15")
                async with other.stream("GET", "/live") as answer:
                    assert answer.status_code == 200
            for _ in range(100):
                async with browser.stream("GET", "/live") as answer:
                    if answer.status_code == 200:
                        return
                await asyncio.sleep(0.05)
    raise AssertionError("What was closed still counts.")
