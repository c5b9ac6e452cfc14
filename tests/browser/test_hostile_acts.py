"""What people write within a case stays text: in the forms of its acts, in drafts, at the other department."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as cases

from tests.builders.hostile import MARK, TEXTS

from . import made
from .conftest import GOV, JUSTICE, Place
from .hearing import Watched, fill_in, fitting, payloads, watching

pytestmark = pytest.mark.asyncio(loop_scope="session")

_ACTS = """() => [...new Set([...document.querySelectorAll("main a[href*='/acts/']")]
    .map((each) => each.getAttribute("href")))]"""
NAMES = ("element", "attribute", "halves", "header")
"""Of payloads that stand in the names of files."""
WORDS = ("title", "facts", "name", "provisions", "competence", "measures", "contact", "place", "consultation")
"""Of a case, in each of which one stands."""


async def written_in(watched: Watched, case_id: str) -> tuple[int, int]:
    """Fill in the forms of all acts that a case offers; how many forms, and how many payloads went."""
    texts = payloads()
    assert await watched.open(f"/cases/{case_id}") == 200
    acts = await watched.page.evaluate(_ACTS)
    written = 0
    for path in acts:
        assert await watched.open(path) == 200, path
        written += await fill_in(watched, texts)
    return len(acts), written


@pytest.mark.timeout(300)
async def test_what_is_written_in_a_case_stays_text_on_both_sides(place: Place, tmp_path: Path) -> None:
    """A case whose every text and file name is hostile; then the form of each act, by its sender and by who got it."""
    sender, receiver = place.district.parties[GOV], place.district.parties[JUSTICE]
    texts = payloads()
    names = [TEXTS[each].replace("/", "_")[:120] for each in NAMES]
    files = [
        replace(each, name=f"{name}.{each.name.rpartition('.')[2]}")
        for each, name in zip(made.FILES, names, strict=False)
    ]
    case_id = await made.transferred(
        sender, receiver, tmp_path, files, **{each: fitting(next(texts), 100) for each in WORDS}
    )
    signed = cases.ActDraft(act="sign-for", sign_for=bodies_pb2.SignFor(signed_by=TEXTS["image"][:40]))
    heard, shown, acts, written = [], 0, 0, 0
    for username in ("clerk.gov", "clerk.justice"):
        if username == "clerk.justice":
            await made.act(receiver, case_id, signed)
        watched = await watching(place, username)
        forms, payload = await written_in(watched, case_id)
        acts, written = acts + forms, written + payload
        # the drafts that came of it are shown in lists, too
        for path in ("/", "/?tab=approve", "/?tab=sign", "/documents", "/cases", f"/cases/{case_id}"):
            assert await watched.open(path) == 200, path
            shown += (await watched.page.content()).count(MARK)
        heard += watched.heard
    assert heard == []
    assert acts > 4
    assert written > 60
    assert shown > 10


OTHERS = (
    "assistance/ask", "complaint/register", "emergency/learn", "random-inspection/plan", "double-publicity/register",
    "policy-interpretation/request-issue",
)  # fmt: skip
"""Acts that open cases, with bodies of different shapes."""


@pytest.mark.timeout(300)
async def test_other_procedures_are_begun_with_words_that_would_run(place: Place) -> None:
    """The drafts' forms, as a browser sends them and as none would, and the list that shows the drafts."""
    watched, texts = await watching(place, "clerk.gov"), payloads()
    for each in OTHERS:
        assert await watched.open(f"/new/{each}") == 200, each
        assert await fill_in(watched, texts) > 3, each
    assert await watched.open("/new") == 200
    assert watched.heard == []
    assert MARK in await watched.page.content()
