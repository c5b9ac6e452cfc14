"""Links for photographs before a real gateway and a real node: whose they are, what they open, when they end."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from services.gateway.evidence.parts import PART
from services.gateway.sheets.model import CAPTURE_PHOTOS
from tests.wire.gateway.front import Front, standing

pytestmark = pytest.mark.asyncio(loop_scope="module")


def photo(size: int = 40) -> bytes:
    """A picture."""
    drawn = io.BytesIO()
    Image.effect_noise((size, size), 90).save(drawn, "JPEG")
    return drawn.getvalue()


_open: list[httpx.AsyncClient] = []


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def closing() -> AsyncIterator[None]:
    """Let go of the clients of a test."""
    yield
    while _open:
        await _open.pop().aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    """What runs."""
    async with standing(tmp_path_factory.mktemp("capture")) as made:
        yield made


async def opened(front: Front) -> tuple[httpx.AsyncClient, str, str]:
    """Somebody with a draft and a link: the client, the draft's address, the link's."""
    desk = await front.person("clerk")
    _open.append(desk)
    begun = await desk.get("/new/transfer")
    assert begun.status_code == 303
    sheet = begun.headers["location"]
    # an empty draft is taken again: something is written, so that each test has its own
    await desk.post(sheet, data={"revision": "0", "transfer_letter.title": "拍照案"})
    shown = await desk.post(f"{sheet}/captures", data={"kind": "preliminary-evidence"})
    assert shown.status_code == 200, shown.text
    found = re.search(r"/capture/[\w-]+", shown.text)
    assert found is not None
    return desk, sheet, found.group()


def phone(front: Front) -> httpx.AsyncClient:
    """A telephone: no session, no token."""
    return httpx.AsyncClient(base_url=front.base, timeout=60)


async def send(
    client: httpx.AsyncClient, link: str, content: bytes, name: str = "现场.jpg"
) -> httpx.Response:
    """A photograph in one part."""
    begun = await client.post(f"{link}/uploads", json={"name": name, "size": len(content)})
    if begun.status_code != 201:
        return begun
    return await client.put(f"{link}/uploads/{begun.json()['id']}?offset=0", content=content)


async def test_a_photograph_comes_without_a_log_in(front: Front) -> None:
    """It is on the draft, at the node, under the kind that the desk chose; the telephone sees it and nothing else."""
    desk, sheet, link = await opened(front)
    async with phone(front) as client:
        assert (await client.get(link)).status_code == 200
        content = photo()
        sent = await send(client, link, content)
        assert sent.json() == {"offset": len(content), "there": True, "part": PART}
        shown = await client.get(f"{link}/photos")
        picture = re.search(r"/capture/[\w-]+/photos/\w+", shown.text)
        assert picture is not None
        assert (await client.get(picture.group())).content == content
        assert "拍照案" not in (await client.get(link)).text
        for path in (sheet, f"{sheet}/files", "/new", "/api/v1/cases"):
            assert (await client.get(path)).status_code in (303, 401)
    assert "现场.jpg" in (await desk.get(f"{sheet}/files")).text


async def test_a_link_is_the_first_telephones(front: Front) -> None:
    """A second one gets nothing, whichever way it asks."""
    _, _, link = await opened(front)
    async with phone(front) as first, phone(front) as second:
        assert (await first.get(link)).status_code == 200
        assert (await second.get(link)).status_code == 404
        assert (await second.get(f"{link}/photos")).status_code in (403, 404)
        assert (await send(second, link, photo())).status_code in (403, 404)
        assert (await first.get(link)).status_code == 200


async def test_a_link_that_is_over_takes_nothing(front: Front) -> None:
    """Closed at the desk, replaced by another, or its maker's session ended; a guessed one never was."""
    desk, sheet, link = await opened(front)
    async with phone(front) as client:
        assert (await client.get(link)).status_code == 200
        await desk.post(f"{sheet}/captures/close")
        assert (await send(client, link, photo())).status_code == 404
        assert (await client.get("/capture/guessed")).status_code == 404
    desk, sheet, link = await opened(front)
    async with phone(front) as client:
        assert (await client.get(link)).status_code == 200
        await desk.post(f"{sheet}/captures", data={"kind": "preliminary-evidence"})
        assert (await send(client, link, photo())).status_code == 404
    desk, sheet, link = await opened(front)
    async with phone(front) as client:
        assert (await client.get(link)).status_code == 200
        await desk.post("/logout")
        assert (await send(client, link, photo())).status_code == 404


async def test_only_pictures_come_by_it(front: Front) -> None:
    """By their bytes: a page that calls itself a photograph is refused, and nothing of it stays on the draft."""
    desk, sheet, link = await opened(front)
    async with phone(front) as client:
        await client.get(link)
        refused = await send(client, link, b"<script>alert(1)</script>", "photo.jpg")
        assert (refused.status_code, refused.json()["reason"]) == (422, "INVALID_FIELD")
    assert "photo.jpg" not in (await desk.get(f"{sheet}/files")).text


async def test_a_link_takes_so_many(front: Front) -> None:
    """Then the desk makes another."""
    _, _, link = await opened(front)
    async with phone(front) as client:
        await client.get(link)
        for _ in range(CAPTURE_PHOTOS):
            assert (
                await client.post(f"{link}/uploads", json={"name": "a.jpg", "size": 5})
            ).status_code == 201
        full = await client.post(f"{link}/uploads", json={"name": "a.jpg", "size": 5})
        assert (full.status_code, full.json()["reason"]) == (400, "LIMIT_EXCEEDED")


async def test_a_photograph_of_another_link_is_not_shown(front: Front) -> None:
    """Two links of two drafts know nothing of each other."""
    _, _, one = await opened(front)
    _, _, other = await opened(front)
    async with phone(front) as first, phone(front) as second:
        await first.get(one)
        await second.get(other)
        begun = (await first.post(f"{one}/uploads", json={"name": "a.jpg", "size": 5})).json()
        stolen = await second.put(f"{other}/uploads/{begun['id']}?offset=0", content=b"12345")
        assert stolen.status_code == 404


async def test_parts_go_on_where_they_were(front: Front) -> None:
    """A part that begins elsewhere is told how much has come; the whole is what was sent."""
    desk, sheet, _ = await opened(front)
    content = photo(300)
    half = len(content) // 2
    begun = (
        await desk.post(
            f"{sheet}/uploads",
            json={"name": "../../etc/passwd", "size": len(content), "kind": "source-material"},
        )
    ).json()
    address = f"{sheet}/uploads/{begun['id']}"
    assert (await desk.put(f"{address}?offset=0", content=content[:half])).json()["offset"] == half
    elsewhere = await desk.put(f"{address}?offset=0", content=content[:half])
    assert (elsewhere.status_code, elsewhere.json()["offset"]) == (409, half)
    assert (await desk.get(address)).json()["offset"] == half
    longer = await desk.put(f"{address}?offset={half}", content=content[half:] + b"more")
    assert longer.status_code == 413
    rest = (await desk.get(address)).json()["offset"]
    done = await desk.put(f"{address}?offset={rest}", content=content[rest:])
    assert done.json()["there"] is True
    back = await desk.get(f"{sheet}/files/{begun['id']}")
    assert back.content == content
    assert back.headers["content-type"] == "image/jpeg"
    assert "passwd" in back.headers["content-disposition"]
    assert ".." not in back.headers["content-disposition"]


async def test_files_come_without_script(front: Front) -> None:
    """In a form of our own page, within a limit; a form of another page is refused."""
    desk, sheet, _ = await opened(front)
    page = await desk.get(sheet)
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None
    files = {"files": ("笔录.txt", "现场检查笔录".encode(), "application/x-msdownload")}
    own = {"csrf": found.group(1), "kind": "source-material"}
    bare = httpx.AsyncClient(base_url=front.base, cookies=desk.cookies, timeout=60)
    _open.append(bare)
    assert (
        await bare.post(f"{sheet}/files", data={"kind": "source-material"}, files=files)
    ).status_code == 403
    done = await bare.post(f"{sheet}/files", data=own, files=files)
    assert done.status_code == 303, done.text
    shown = (await desk.get(f"{sheet}/files")).text
    assert "笔录.txt" in shown
    link = re.search(r'href="(/new/sheets/\w+/files/\w+)"', shown)
    assert link is not None
    assert (await desk.get(link.group(1))).headers["content-type"].startswith("text/plain")
