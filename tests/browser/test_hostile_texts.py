"""What people write stays text: every field of every form, every parameter, every body of the contracts, file names.

The pages' policy against foreign scripts is switched off for these windows: what got into a page would run, and be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from playwright.async_api import Route

from services.common import edge
from services.common.errors import InvalidField, LiandongError
from services.procedures.loader import load_all
from tests.builders.hostile import MARK, TEXTS

from . import made
from .conftest import HEALTH, Place
from .hearing import SHORT, fill_in, payloads, watching

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORMS: Final = [
    ("clerk.gov", "/sharing/new"),
    ("clerk.gov", "/sharing"),
    ("clerk.gov", "/subjects"),
    ("clerk.gov", "/phrases"),
    ("clerk.gov", "/messages"),
    ("clerk.gov", "/search"),
    ("clerk.gov", "/cases"),
    ("clerk.gov", "/new/joint-enforcement/apply"),
    ("clerk.gov", "/public"),
    ("clerk.gov", "/public/complaints"),
    ("clerk.gov", "/registers/case-transfer"),
    ("principal.gov", "/delegations"),
    ("leader-in-charge.gov", "/admin/chains"),
    ("leader-in-charge.gov", "/admin/series"),
    ("leader-in-charge.gov", "/admin/codes"),
    ("leader-in-charge.gov", "/admin/audit"),
    ("liaison.justice", "/picture"),
    ("liaison.justice", "/picture/register"),
    ("admin.gov", "/admin/accounts/new"),
    ("admin.gov", "/admin/tokens"),
    ("admin.gov", "/admin/logins"),
    ("admin.gov", "/admin/webhooks"),
    ("section-head.gov", "/templates/new?act=case-transfer/transfer"),
    ("", "/login"),
]
"""Whose page has which form; GOV is a department of which no other test has expectations."""
AFTERWARDS: Final = {
    "clerk.gov": ("/", "/sharing", "/phrases", "/messages", "/new", "/cases", "/documents", "/account"),
    "clerk.market": ("/sharing", "/"),
    "principal.gov": ("/delegations", "/?tab=approve", "/documents/batch"),
    "leader-in-charge.gov": (
        "/admin/chains",
        "/admin/series",
        "/admin/audit",
        "/admin/node",
        "/admin/officers",
    ),
    "admin.gov": ("/admin/accounts", "/admin/tokens", "/admin/logins", "/admin/webhooks"),
    "section-head.gov": ("/templates",),
}
"""Where what was written is shown to others, or again."""


@pytest.mark.timeout(400)
async def test_every_field_of_every_form_takes_text_and_gives_it_back_as_text(place: Place) -> None:
    """As a browser sends it, and as none would; then on every page that shows it, to its writer and to others."""
    texts, heard, written = payloads(), [], 0
    for username, path in FORMS:
        watched = await watching(place, username)
        assert await watched.open(path) == 200, path
        written += await fill_in(watched, texts)
        heard += watched.heard
        await watched.page.context.close()
        place.contexts.remove(watched.page.context)
    shown = 0
    for username, paths in AFTERWARDS.items():
        watched = await watching(place, username)
        for path in paths:
            assert await watched.open(path) == 200, path
            shown += (await watched.page.inner_text("main")).count(MARK)
        heard += watched.heard
    assert heard == []
    assert written > 60
    # else nothing was kept, and nothing could have been seen
    assert shown > 4


QUERIES: Final = (
    "q", "kind", "tab", "state", "procedure", "department", "page", "page_token", "before", "first", "last", "compare",
    "purpose", "subject", "category", "table", "case_id", "since", "until", "way", "like", "next", "out", "lang", "all",
    "month", "act", "item", "role", "method", "to",
)  # fmt: skip
"""Parameters that addresses of pages have."""
READ: Final = {
    "clerk.market": (
        "/", "/search", "/cases", "/new", "/documents", "/registers", "/registers/case-transfer", "/subjects", "/sharing",
        "/messages", "/help", "/picture", "/picture/register", "/status", "/public", "/public/draws",
        "/public/complaints", "/delegations", "/documents/batch", "/phrases", "/account",
    ),
    "leader-in-charge.gov": (
        "/admin", "/admin/node", "/admin/audit", "/admin/directory", "/admin/authority", "/admin/procedures",
        "/admin/calendar", "/admin/officers", "/admin/codes", "/admin/chains", "/admin/series", "/admin/seals",
    ),
    "admin.gov": ("/admin/accounts", "/admin/tokens", "/admin/logins"),
    "": ("/login", "/public", "/public/complaints"),
}  # fmt: skip


async def test_no_parameter_of_an_address_becomes_a_part_of_the_page(place: Place) -> None:
    """All of them at once on each page, and parts of the path that nobody knows."""
    texts, heard, seen = payloads(), [], 0
    for username, paths in READ.items():
        watched = await watching(place, username)
        for path in paths:
            # a language that there is none of falls back to the browser's
            query = urlencode({name: next(texts) for name in QUERIES})
            assert await watched.open(f"{path}?{query}") < 500, path
            seen += MARK in await watched.page.content()
        for path in (
            "/cases/{}",
            "/letters/{}",
            "/admin/procedures/{}",
            "/registers/{}",
            "/sharing/{}",
            "/public/items/{}",
        ):
            assert await watched.open(path.format(quote(next(texts), safe=""))) < 500, path
        heard += watched.heard
    assert heard == []
    assert seen > 10


def hostile(message: Message, texts: Iterator[str], depth: int = 0) -> None:
    """Fill a message: every text with what would run, as long as its rules let it be."""
    for each in message.DESCRIPTOR.fields:
        value: Any = None
        if each.message_type is not None and each.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            getattr(message, each.name).FromJsonString("2026-03-02T01:30:00Z")
            continue
        if each.message_type is not None:
            if depth < 3 and not each.is_repeated:
                hostile(getattr(message, each.name), texts, depth + 1)
            elif depth < 3 and not each.message_type.GetOptions().map_entry:
                hostile(getattr(message, each.name).add(), texts, depth + 1)
            continue
        if each.enum_type is not None:
            value = each.enum_type.values[-1].number
        elif each.type == each.TYPE_STRING:
            value = next(texts)
        elif each.type == each.TYPE_BOOL:
            value = True
        elif each.type == each.TYPE_BYTES:
            continue
        else:
            value = 1
        if each.is_repeated:
            getattr(message, each.name).append(value)
        else:
            setattr(message, each.name, value)
    if depth == 0:
        _mend(message)


def _mend(message: Any) -> None:
    for _ in range(40):
        try:
            edge.validate(message)
        except InvalidField as error:
            for each in error.violations:
                _shorten(message, each.field, each.rule)
        else:
            return
    raise AssertionError(f"{message.DESCRIPTOR.full_name}: nobody knows what it takes")


def _shorten(message: Any, path: str, rule: str) -> None:
    *outer, name = path.split(".")
    for each in outer:
        word, _, at = each.partition("[")
        message = getattr(message, word)
        message = message[int(at.rstrip("]"))] if at else message
    name, _, at = name.partition("[")
    found = getattr(message, name)
    if not at and isinstance(found, str) and rule == "string.max_len" and found != SHORT:
        setattr(message, name, SHORT)
    elif at and isinstance(found[0], str) and rule == "string.max_len" and found[0] != SHORT:
        found[0] = SHORT
    else:
        message.ClearField(name)


@dataclass(frozen=True, slots=True)
class Opening:
    """An act that opens a case, and the field of a draft that has its body."""

    procedure: str
    act: str
    body: str


def openings() -> list[Opening]:
    """One act for each body with which a case can be opened."""
    field_of = {
        each.message_type.full_name: each.name
        for each in cases.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
        if each.message_type is not None
    }
    found: dict[str, Opening] = {}
    for procedure in load_all():
        for act in procedure.acts.values():
            if procedure.opens(act) and act.body in field_of:
                found.setdefault(act.body, Opening(procedure.name, act.name, field_of[act.body]))
    return list(found.values())


@pytest.mark.timeout(400)
async def test_whatever_the_contracts_let_somebody_write_is_text(place: Place) -> None:
    """A draft of each body with which a case can be opened, its every text hostile: shown, and in its form again."""
    health, texts, refused, shown = place.district.parties[HEALTH], payloads(), [], 0
    watched = await watching(place, "clerk.health")
    for each in openings():
        draft = cases.ActDraft(
            procedure=each.procedure,
            act=each.act,
            urgency=envelopes.URGENCY_ORDINARY,
            occurred_at=made.ago(hours=1),
        )
        body = getattr(draft, each.body)
        body.SetInParent()
        hostile(body, texts)
        try:
            view = await health.prepare(draft)
        except LiandongError as error:
            refused.append(f"{each.procedure} {each.act}: {error.message}")
            continue
        for path in (f"/drafts/{view.letter_id}", f"/drafts/{view.letter_id}/edit"):
            assert await watched.open(path) == 200, path
            source = await watched.page.content()
            shown += MARK in source
    assert watched.heard == []
    assert shown > 30, refused


RUNNING: Final = (
    "element", "image", "attribute", "single quote", "out of a text area", "out of a title", "out of a comment", "link",
    "data link", "halves", "htmx", "style",
)  # fmt: skip


@pytest.mark.parametrize("name", RUNNING)
async def test_what_gets_into_a_page_is_heard(place: Place, name: str) -> None:
    """The other way round: a page that shows a text as it came is noticed, so that none of these tests is deaf."""
    watched, text = await watching(place, "clerk.health"), TEXTS[name]

    async def careless(route: Route) -> None:
        answer = await route.fetch()
        shown = (
            f"{text}<!--{text}--><textarea>{text}</textarea><a href=\"{text}\" title='{text}'>x</a></main>"
        )
        body = (await answer.text()).replace("</main>", shown).replace("</title>", f"{text}</title>")
        await route.fulfill(response=answer, body=body)

    await watched.page.route("**/help", careless)
    await watched.open("/help")
    assert watched.heard != []
