"""Evidence over REST, before a real node: brought whole or in chunks, fetched whole or in part, shown safely."""

import asyncio
import base64
import hashlib
import os
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.exchange.digests import CHUNK_SIZE
from services.gateway.evidence import bringing
from services.gateway.evidence.reading import name_of

from .front import Front, standing

pytestmark = pytest.mark.xdist_group("federation")

MIB = 1024 * 1024


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Everything, with a small limit for files."""
    async with standing(tmp_path, upload_limit=20 * MIB, uploads_at_once=1) as made:
        yield made


def content(size: int) -> bytes:
    """Bytes in which every place differs from those around it."""
    return hashlib.shake_256(b"evidence").digest(size)


async def brought(
    client: httpx.AsyncClient, data: bytes, name: str = "照片.jpg", kind: str = "image/jpeg"
) -> str:
    """Bring a file; returns its place."""
    answer = await client.post(
        "/api/v1/evidence:upload", params={"fileName": name}, content=data, headers={"Content-Type": kind}
    )
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def test_files_go_in_and_out(front: Front) -> None:
    """One test for the house that all this takes a while to build."""
    async with front.system() as client:
        await a_file_comes_back_as_it_was(client)
        await parts_are_parts(client)
        await an_upload_goes_on_where_it_stopped(client)
        await nothing_runs_at_our_address(client)
        await what_is_wrong_is_said(client)
        await a_broken_upload_leaves_nothing(front, client)
    async with await front.scoped("evidence:read") as reader:
        answer = await reader.post("/api/v1/evidence:upload", content=b"x")
        assert (answer.status_code, "evidence:write" in answer.text) == (403, True)
    # evidence is its holder's until a case names it: another person is told that there is nothing
    async with front.system() as client, await front.person("clerk") as other:
        place = await brought(client, b"private")
        assert (await other.get(f"{place}/content")).status_code == 404


async def a_file_comes_back_as_it_was(client: httpx.AsyncClient) -> None:
    """Over the border of a chunk, in constant memory, with its digest as its tag."""
    data = content(CHUNK_SIZE + 3 * MIB)
    digest = hashlib.sha256(data).digest()
    told = {"fileName": "现场 照片.jpg", "collectedBy": "李雷", "collectedAt": "2026-03-02T09:00:00+08:00"}
    headers = {
        "Content-Type": "image/jpeg",
        "Content-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
    }

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(data), 100_000):
            yield data[at : at + 100_000]

    answer = await client.post("/api/v1/evidence:upload", params=told, content=pieces(), headers=headers)
    assert answer.status_code == 201, answer.text
    manifest = answer.json()["manifest"]
    assert base64.b64decode(manifest["digest"]) == digest
    assert (manifest["size"], manifest["fileName"]) == (str(len(data)), "现场 照片.jpg")
    assert (manifest["collectedBy"], manifest["collectedAt"]) == ("李雷", "2026-03-02T01:00:00Z")
    place = answer.headers["location"]
    assert (await client.get(place)).json() == {"manifest": manifest, "missing": []}
    found = await client.get(f"{place}/content")
    assert (found.status_code, found.content == data) == (200, True)
    assert found.headers["etag"] == f'"{digest.hex()}"'
    assert found.headers["accept-ranges"] == "bytes"
    assert found.headers["content-type"] == "image/jpeg"
    assert found.headers["content-disposition"].startswith("inline; ")
    assert found.headers["content-disposition"].endswith("%20%E7%85%A7%E7%89%87.jpg")
    known = await client.get(f"{place}/content", headers={"If-None-Match": found.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    head = await client.head(f"{place}/content")
    assert (head.headers["content-length"], head.content) == (str(len(data)), b"")


async def parts_are_parts(client: httpx.AsyncClient) -> None:
    """At the start, across chunks, at the end; and what cannot be is answered with the size."""
    data = content(CHUNK_SIZE + MIB)
    place = f"{await brought(client, data)}/content"
    border = CHUNK_SIZE
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        (f"bytes={border - 10}-{border + 9}", border - 10, border + 10),
        (f"bytes={border + 5}-", border + 5, len(data)),
        ("bytes=-7", len(data) - 7, len(data)),
        (f"bytes=5-{10**18}", 5, len(data)),
    ):
        answer = await client.get(place, headers={"Range": asked})
        assert (answer.status_code, answer.content == data[start:end]) == (206, True), asked
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(data)}"
        assert answer.headers["content-length"] == str(end - start)
    answer = await client.get(place, headers={"Range": f"bytes={len(data)}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(data)}")
    # a file that is another one by now comes whole
    tag = (await client.head(place)).headers["etag"]
    for known, status in ((tag, 206), ('"other"', 200), ("Wed, 21 Oct 2026 07:28:00 GMT", 200)):
        answer = await client.get(place, headers={"Range": "bytes=0-1", "If-Range": known})
        assert answer.status_code == status, known
    for asked in ("bytes=1-0", "lines=1-2", "bytes=0-1,4-5", "bytes=-", "bytes=a-b"):
        answer = await client.get(place, headers={"Range": asked})
        assert (answer.status_code, len(answer.content)) == (200, len(data)), asked


async def an_upload_goes_on_where_it_stopped(client: httpx.AsyncClient) -> None:
    """The manifest first, then chunks in any order; the node says which are missing, and when all is verified."""
    data = content(CHUNK_SIZE + 1234)[::-1]
    chunks = [data[:CHUNK_SIZE], data[CHUNK_SIZE:]]
    digests = [hashlib.sha256(each).digest() for each in chunks]
    whole = hashlib.sha256(data).digest()
    size = len(data).to_bytes(8, "big")
    root = hashlib.sha256(b"liandong/manifest/v1\0" + size + whole + b"".join(digests)).digest()
    manifest = {
        "root": base64.b64encode(root).decode(),
        "digest": base64.b64encode(whole).decode(),
        "size": str(len(data)),
        "chunks": [base64.b64encode(each).decode() for each in digests],
        "mediaType": "video/mp4",
        "fileName": "录像.mp4",
    }
    place = f"/api/v1/evidence/{name_of(root)}"
    assert (await client.post("/api/v1/evidence", json={"manifest": manifest})).json() == {"missing": [0, 1]}
    answer = await client.put(f"{place}/chunks/1", content=chunks[1])
    assert (answer.status_code, answer.json()) == (200, {"missingCount": 1})
    assert (await client.get(place)).json()["missing"] == [0]
    pending = await client.get(f"{place}/content")
    assert (pending.status_code, pending.json()["reason"]) == (409, "EVIDENCE_PENDING")
    spoilt = await client.put(f"{place}/chunks/0", content=chunks[0][:-1] + b"!")
    assert (spoilt.status_code, spoilt.json()["reason"]) == (422, "CHUNK_MISMATCH")
    short = await client.put(f"{place}/chunks/0", content=chunks[0][:-1])
    assert (short.status_code, short.json()["reason"]) == (422, "CHUNK_MISMATCH")
    long = await client.put(f"{place}/chunks/0", content=chunks[0] + b"!")
    assert long.status_code in {413, 422}, long.text
    assert (await client.put(f"{place}/chunks/7", content=b"x")).status_code == 422
    assert (await client.put(f"{place}/chunks/0", content=chunks[0])).json() == {"missingCount": 0}
    # once more, since it is there already
    assert (await client.put(f"{place}/chunks/0", content=chunks[0])).json() == {"missingCount": 0}
    assert (await client.post("/api/v1/evidence", json={"manifest": manifest})).json() == {"missing": []}
    assert (await client.get(f"{place}/content")).content == data


async def nothing_runs_at_our_address(client: httpx.AsyncClient) -> None:
    """Pages, pictures with scripts and scripts are downloads of no kind; names are names."""
    for kind in (
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/javascript",
        "text/xml",
        "x",
        "a/b;c",
    ):
        place = await brought(client, b"<script>alert(1)</script>" + kind.encode(), "a.html", kind)
        answer = await client.get(f"{place}/content")
        assert answer.headers["content-type"] == "application/octet-stream", kind
        assert answer.headers["content-disposition"].startswith("attachment; "), kind
        assert answer.headers["x-content-type-options"] == "nosniff"
    for name, shown in (
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.txt", "a.txt"),
        ("a\r\nSet-Cookie: b=c.txt", "aSet-Cookie_ b=c.txt"),
        ("\u202egpj.exe", "gpj.exe"),
        ("..", "file"),
        (".profile", "profile"),
        ("con.txt", "_con.txt"),
        ('a"b;c.txt', "a_b;c.txt"),
    ):
        place = await brought(client, name.encode(), name, "text/plain")
        answer = await client.get(place)
        assert answer.json()["manifest"]["fileName"] == shown
        answer = await client.get(f"{place}/content")
        assert "set-cookie" not in answer.headers
        assert answer.headers["content-disposition"].startswith("attachment; filename=")


async def what_is_wrong_is_said(client: httpx.AsyncClient) -> None:
    """With a reason and the place."""
    post = "/api/v1/evidence:upload"
    empty = await client.post(post, params={"fileName": "empty.txt"}, content=b"")
    assert empty.status_code == 201
    whole = await client.get(f"{empty.headers['location']}/content")
    assert (whole.status_code, whole.content) == (200, b"")
    assert (
        await client.get(f"{empty.headers['location']}/content", headers={"Range": "bytes=0-"})
    ).status_code == 416
    answer = await client.post(post, content=b"x" * (20 * MIB + 1))
    assert (answer.status_code, answer.json()["reason"]) == (413, "LIMIT_EXCEEDED")

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(MIB)

    answer = await client.post(post, content=endless())
    assert (answer.status_code, answer.json()["reason"]) == (413, "LIMIT_EXCEEDED")
    other = {"Content-Digest": f"sha-256=:{base64.b64encode(bytes(32)).decode()}:"}
    answer = await client.post(post, content=b"x", headers=other)
    assert (answer.status_code, answer.json()["reason"]) == (422, "DIGEST_MISMATCH")
    for params, field in (
        ({"colour": "red"}, "colour"),
        ({"fileName": "x" * 201}, "fileName"),
        ({"collectedAt": "yesterday"}, "collectedAt"),
        ({"collectedAt": "2026-03-02T09:00:00"}, "collectedAt"),
    ):
        answer = await client.post(post, params=params, content=b"x")
        assert (answer.status_code, answer.json()["field"]) == (400, field)
    for place, status in ((name_of(bytes(32)), 404), ("no-root", 400), ("A" * 42, 400), ("é" * 43, 400)):
        answer = await client.get(f"/api/v1/evidence/{place}/content")
        assert answer.status_code == status, place


async def a_broken_upload_leaves_nothing(front: Front, client: httpx.AsyncClient) -> None:
    """A caller that goes away in the middle frees its place at once; meanwhile another is told to come again."""
    begun = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        begun.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(client.post("/api/v1/evidence:upload", content=slow()))
    await begun.wait()
    await asyncio.sleep(0.2)
    answer = await client.post("/api/v1/evidence:upload", content=b"second")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(10):
        while (await client.post("/api/v1/evidence:upload", content=b"second")).status_code != 201:  # noqa: ASYNC110 - another process frees it
            await asyncio.sleep(0.1)


@pytest.mark.soak
async def test_a_large_file_costs_no_memory(tmp_path: Path) -> None:
    """A gigabyte in and out: this process, which is client, gateway, node and registry, grows by less than a tenth."""
    size = 1024 * MIB
    piece = os.urandom(MIB)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size // MIB):
            yield piece

    async with standing(tmp_path) as front, front.system() as client:
        await brought(client, b"small")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer = await client.post("/api/v1/evidence:upload", content=pieces(), timeout=300)
        assert answer.status_code == 201, answer.text
        count = 0
        async with client.stream("GET", f"{answer.headers['location']}/content", timeout=300) as found:
            async for each in found.aiter_bytes():
                count += len(each)
        assert count == size
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


async def test_who_sends_nothing_more_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next bytes have a minute; a caller that keeps the connection open and silent is refused then."""
    monkeypatch.setattr(bringing, "PIECE_TIMEOUT_S", 0.3)
    async with standing(tmp_path) as front, front.system() as client:

        async def silent() -> AsyncIterator[bytes]:
            yield b"x"
            await asyncio.sleep(5)
            yield b"y"

        answer = await client.post("/api/v1/evidence:upload", content=silent())
        assert (answer.status_code, answer.json()["reason"]) == (408, "SLOW_READER")


async def test_a_page_brings_a_file_by_its_bytes(front: Front) -> None:
    """In the person's name, of the kind that it is; not from elsewhere, not too large, not of a length nobody says."""
    async with await front.person("clerk") as clerk:
        picture = b"\x89PNG\r\n\x1a\n" + content(1000)
        answer = await clerk.post("/evidence", params={"name": "../图片<b>.html"}, content=picture)
        assert answer.status_code == 201, answer.text
        found = await clerk.get(f"/api/v1/evidence/{answer.json()['root']}/content")
        assert (found.content, found.headers["content-type"]) == (picture, "image/png")
        assert ".." not in found.headers["content-disposition"]
        assert (await clerk.post("/evidence", content=picture)).status_code == 400
        large = await clerk.post("/evidence", params={"name": "a"}, content=content(20 * MIB + 1))
        assert (large.status_code, large.json()["reason"]) == (413, "LIMIT_EXCEEDED")

        async def pieces() -> AsyncIterator[bytes]:
            yield picture

        untold = await clerk.post("/evidence", params={"name": "a"}, content=pieces())
        assert (untold.status_code, untold.json()["reason"]) == (400, "MALFORMED")
        forged = await clerk.post(
            "/evidence", params={"name": "a"}, content=picture, headers={"x-csrf-token": "no"}
        )
        assert forged.status_code == 403
    async with httpx.AsyncClient(base_url=front.base) as nobody:
        assert (await nobody.post("/evidence", params={"name": "a"}, content=picture)).status_code in {
            303,
            401,
        }
