"""Complaints that the public writes, before a real gateway, node and registry: once, bounded, private, off unless set."""

from __future__ import annotations

import asyncio
import io
import itertools
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import complaint_bodies_pb2
from liandong.cases.v1.case_service_pb2_grpc import CaseServiceStub
from PIL import Image

from services.common.channel import open_channel
from services.gateway.bootstrap import Gateway
from services.gateway.web import intake_form
from tests.builders.hostile import FILE_NAMES, TEXTS, runs
from tests.federation.district import HEALTH
from tests.wire.gateway.front import Front, standing

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/public/complaints/new"
FACTS = "学府路餐饮店油烟直排，夜间噪声很大。"
_addresses = itertools.count(1)


def photograph(size: int = 40) -> bytes:
    """A picture."""
    drawn = io.BytesIO()
    Image.effect_noise((size, size), 90).save(drawn, "JPEG")
    return drawn.getvalue()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """A gateway that takes complaints in."""
    folder = tmp_path_factory.mktemp("intake")
    async with standing(
        folder, public_departments=[HEALTH], public_intake=HEALTH, public_intake_code="01"
    ) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody with an address of their own, as a believed proxy says."""
    headers = {"Accept": "text/html", "X-Forwarded-For": f"203.0.113.{next(_addresses)}"}
    async with httpx.AsyncClient(base_url=front.base, headers=headers, timeout=60) as client:
        yield client


async def fresh(visitor: httpx.AsyncClient) -> str:
    """The word of a form that was open long enough to be filled in."""
    shown = await visitor.get(PATH)
    assert shown.status_code == 200
    await asyncio.sleep(2.1)
    return word_in(shown.text)


def word_in(text: str) -> str:
    """The word in a form."""
    found = re.search(r'name="word" value="([^"]+)"', text)
    assert found is not None
    return found[1]


async def send(
    visitor: httpx.AsyncClient, word: str, *files: tuple[str, bytes], **more: str
) -> httpx.Response:
    """Send the form as a browser does."""
    data = {"word": word, "facts": FACTS, "place": "学府路18号", "contact_name": "王小明", **more}
    parts: Any = [("photographs", (name, content, "image/jpeg")) for name, content in files]
    # a browser sends the field empty, too
    return await visitor.post(
        PATH, data=data, files=parts or [("photographs", ("", b"", "application/octet-stream"))]
    )


def issued(answer: httpx.Response) -> tuple[str, str]:
    """Number and code on the page."""
    assert answer.status_code == 200, answer.text
    number = re.search(r'id="number">([^<]+)<', answer.text)
    code = re.search(r'id="code">([^<]+)<', answer.text)
    assert number is not None
    assert code is not None
    return number[1], code[1]


async def complaints(front: Front) -> list[cases.CaseSummary]:
    """All cases of the procedure at the node."""
    async with open_channel(front.party.address, front.party.tls) as channel:
        found = await CaseServiceStub(channel).ListCases(
            cases.ListCasesRequest(procedure="complaint", page_size=100), metadata=front.party.actor("clerk"),
            timeout=20,
        )  # fmt: skip
        return list(found.cases)


async def test_a_complaint_is_registered_once_and_followed_by_its_code(
    front: Front, visitor: httpx.AsyncClient
) -> None:
    """With photographs, marked by its channel; sent twice it is one case; name and telephone are in no letter."""
    before = len(await complaints(front))
    word, image = await fresh(visitor), photograph()
    sent = {"contact_phone": "138 1234 5678", "unit_name": "学府餐饮店"}
    number, code = issued(await send(visitor, word, ("../../evil.jpg", image), **sent))
    again = issued(await send(visitor, word, ("../../evil.jpg", image), **sent))
    assert again != (number, code)
    after = await complaints(front)
    assert len(after) == before + 1
    case = next(each for each in after if each.title.startswith("学府路餐饮店"))
    other = await send(visitor, word, ("../../evil.jpg", image), **sent, facts="另一件事")
    assert other.status_code == 409
    assert "另一件事" in other.text
    async with open_channel(front.party.address, front.party.tls) as channel:
        stub = CaseServiceStub(channel)
        timeline = await stub.GetTimeline(
            cases.GetTimelineRequest(case_id=case.case_id), metadata=front.party.actor("clerk"), timeout=20
        )
        (letter,) = timeline.letters
        whole = await stub.GetLetter(
            cases.GetLetterRequest(letter_id=letter.letter_id),
            metadata=front.party.actor("clerk"),
            timeout=20,
        )
    record = whole.body.complaint_record
    assert record.channel == complaint_bodies_pb2.COMPLAINT_CHANNEL_PUBLIC_SITE
    assert [each.size for each in letter.materials] == [len(image)]
    for hidden in ("王小明", "1234 5678"):
        assert hidden.encode() not in whole.SerializeToString()
    for _ in range(100):
        status = await visitor.post("/public/complaints", data={"number": number, "code": code})
        if status.status_code == 200:
            break
        await asyncio.sleep(0.2)
        visitor.headers["X-Forwarded-For"] = f"203.0.113.{next(_addresses)}"
    assert "已登记" in status.text
    async with await front.person("clerk") as clerk:
        contact = await clerk.post(f"/cases/{case.case_id}/writer")
        assert "王小明" in contact.text
        assert "138 1234 5678" in contact.text


async def test_what_is_wrong_is_said_and_what_was_typed_stays(visitor: httpx.AsyncClient) -> None:
    """At its field, with the word kept, so that it is the same complaint."""
    word = await fresh(visitor)
    for more, said in (
        ({"facts": ""}, "facts-wrong"),
        ({"place": "长" * 301}, "place-wrong"),
        ({"contact_phone": "<script>"}, "contact_phone-wrong"),
        ({"unit_code": "91330100MA27XL0B1D"}, "unit_code-wrong"),
        ({"facts": "长" * 4001}, "facts-wrong"),
    ):
        answer = await send(visitor, word, **more)
        assert answer.status_code == 400, more
        assert f'id="{said}"' in answer.text, more
        assert "王小明" in answer.text
        assert word_in(answer.text) == word


async def test_only_photographs_are_taken_few_and_small(front: Front, visitor: httpx.AsyncClient) -> None:
    """By their bytes, whatever they are called; nothing is registered when one is wrong."""
    before, word = len(await complaints(front)), await fresh(visitor)
    large = photograph() + bytes(intake_form.PHOTOGRAPH_LIMIT)
    for files in (
        [("photo.jpg", b"<svg onload=alert(1)>")],
        [("photo.jpg", b"%PDF-1.7")],
        [("good.jpg", photograph()), ("empty.jpg", b"")],
        [(f"{index}.jpg", photograph()) for index in range(intake_form.PHOTOGRAPHS + 1)],
        [("large.jpg", large)],
    ):
        answer = await send(visitor, word, *files)
        assert answer.status_code == 400
        assert 'id="photographs-wrong"' in answer.text
        assert FACTS in answer.text
    answer = await send(visitor, word, *[(f"{index}.jpg", large) for index in range(6)])
    assert answer.status_code in {400, 413}
    many = [(f"{index}.jpg", photograph()) for index in range(intake_form.PHOTOGRAPHS + 3)]
    assert (await send(visitor, word, *many)).status_code == 400
    assert len(await complaints(front)) == before


async def test_programs_are_kept_out(front: Front, visitor: httpx.AsyncClient) -> None:
    """A field that nobody sees, a form of nobody's, one of a moment ago, another site's; and one who goes on and on."""
    before, word = len(await complaints(front)), await fresh(visitor)
    assert (await send(visitor, word, website="https://spam.example")).status_code == 400
    assert (await send(visitor, "x" * 60)).status_code == 400
    quick = await send(visitor, word_in((await visitor.get(PATH)).text))
    assert quick.status_code == 400
    assert FACTS in quick.text
    elsewhere = await visitor.post(PATH, data={"facts": FACTS}, headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403
    urlencoded = await visitor.post(PATH, data={"word": word, "facts": FACTS})
    assert urlencoded.status_code == 400
    assert len(await complaints(front)) == before
    words = [word_in((await visitor.get(PATH)).text) for _ in range(6)]
    await asyncio.sleep(2.1)
    answers = [await send(visitor, each, facts=f"第{index}件") for index, each in enumerate(words)]
    assert [each.status_code for each in answers] == [200] * 5 + [429]
    assert "第5件" in answers[-1].text
    assert len(await complaints(front)) == before + 5


async def test_nothing_that_somebody_types_runs(front: Front, visitor: httpx.AsyncClient) -> None:
    """Shown again on the form, and where people of the department read it; nor what a photograph is called."""
    word = await fresh(visitor)
    for text in TEXTS.values():
        again = await send(visitor, word, facts=text, place=text, unit_name=text, contact_phone="x")
        assert again.status_code == 400
        assert not runs(again.text), text
    visitor.headers["X-Forwarded-For"] = f"203.0.113.{next(_addresses)}"
    names = list(FILE_NAMES.values())[: intake_form.PHOTOGRAPHS]
    hostile = TEXTS["element"] + TEXTS["attribute"]
    sent = await send(
        visitor, word, *[(name, photograph(8 + at)) for at, name in enumerate(names)], facts=hostile
    )
    issued(sent)
    case = next(each for each in await complaints(front) if "<script>" in each.title)
    async with await front.person("clerk") as clerk:
        for path in (f"/cases/{case.case_id}", "/cases", f"/cases/{case.case_id}/writer"):
            shown = await clerk.get(path, headers={"Accept": "text/html"})
            assert shown.status_code == 200
            assert not runs(shown.text), path


async def test_while_the_node_is_away_nothing_is_lost(front: Front, visitor: httpx.AsyncClient) -> None:
    """The form says so and keeps what was written; sent again under the same word it is registered."""
    word = await fresh(visitor)
    await front.house.lose_node(HEALTH)
    try:
        # who waits at a form is told soon
        async with asyncio.timeout(15):
            answer = await send(visitor, word, ("a.jpg", photograph()))
        assert answer.status_code == 503
        assert FACTS in answer.text
        assert "照片需要重新选择" in answer.text
        assert word_in(answer.text) == word
    finally:
        await front.house.start_node(HEALTH)
    for _ in range(50):
        again = await send(visitor, word, ("a.jpg", photograph()))
        visitor.headers["X-Forwarded-For"] = f"203.0.113.{next(_addresses)}"
        if again.status_code == 200:
            break
        await asyncio.sleep(0.5)
    issued(again)


async def test_off_it_says_where_to_turn_and_takes_nothing(front: Front, visitor: httpx.AsyncClient) -> None:
    """The page names 12345, a form that is sent all the same is refused."""
    settings = front.gateway.settings.model_copy(update={"public_intake": "", "listen": "127.0.0.1:0"})
    closed = Gateway(settings)
    base = f"http://127.0.0.1:{await closed.start()}"
    try:
        async with httpx.AsyncClient(base_url=base, headers=dict(visitor.headers), timeout=60) as other:
            shown = await other.get(PATH)
            assert shown.status_code == 200
            assert "12345" in shown.text
            assert "<form" not in shown.text.partition("<main")[2].partition("</main>")[0]
            assert (await send(other, await fresh(visitor))).status_code == 404
    finally:
        await closed.stop()
