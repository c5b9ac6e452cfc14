"""A seal service over HTTP that does what services do: it answers, refuses, breaks off, hangs, and talks nonsense."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from services.cases.handling.seal import SealRefused, SealServiceUnavailable, ToSeal
from services.cases.handling.seal_http import HttpSeal
from services.cases.settings import SealSettings
from tests.unit.notices.servers import certificate

WHAT = ToSeal(
    "market.qinghe", "0195f3a0-1111-7222-8333-444455556666", b"\x01" * 32, "清市监〔2026〕1号", "zhao", "赵"
)


@dataclass
class Service:
    """Seals once for a key; `answers` are what it does instead, in order: a status, a body, 0 to break off."""

    answers: list[int | bytes] = field(default_factory=list)
    posts: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    seals: dict[str, str] = field(default_factory=dict)
    hang: threading.Event | None = None


@contextmanager
def service(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Service, int]]:
    """The service on loopback."""
    made = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.posts.append((headers, body))
            # sealed before it is answered, as the service's own books have it
            key = headers["idempotency-key"]
            reference = made.seals.setdefault(key, f"seal-{len(made.seals) + 1}")
            answer = made.answers.pop(0) if made.answers else 200
            if made.hang is not None:
                made.hang.wait(20)
            if answer == 0:
                self.close_connection = True
                return
            written = answer if isinstance(answer, bytes) else json.dumps({"reference": reference}).encode()
            self.send_response(answer if isinstance(answer, int) else 200)
            self.send_header("content-length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made, server.server_address[1]
    finally:
        if made.hang is not None:
            made.hang.set()
        server.shutdown()
        thread.join()
        server.server_close()


def over(port: int, **changes: Any) -> HttpSeal:
    said = {"url": f"http://127.0.0.1:{port}/seal", "plain_http": True, **changes}
    return HttpSeal(SealSettings.model_validate(said))


async def test_a_content_is_sealed_once_however_often_it_is_asked() -> None:
    """Unanswered and put off, it is asked again under the same key; another content has another key."""
    with service() as (made, port):
        made.answers = [0, 503]
        assert await over(port).seal(WHAT) == "seal-1"
        assert await over(port).seal(WHAT) == "seal-1"
        assert await over(port).seal(replace(WHAT, content_digest=b"\x02" * 32)) == "seal-2"
        keys = [headers["idempotency-key"] for headers, _ in made.posts]
        assert len(keys) == 5
        assert len(set(keys[:4])) == 1
        assert made.posts[0][1] == {
            "department": "market.qinghe",
            "document_id": WHAT.document_id,
            "content_digest": "01" * 32,
            "number": "清市监〔2026〕1号",
            "by": "zhao",
            "by_name": "赵",
        }


async def test_a_refusal_is_final() -> None:
    """It is not asked again; the reason says that it was refused, and with which status."""
    with service() as (made, port):
        made.answers = [403]
        with pytest.raises(SealRefused, match="403"):
            await over(port).seal(WHAT)
        assert len(made.posts) == 1


@pytest.mark.parametrize(
    "answer",
    [
        500,
        302,
        b"",
        b"[]",
        b'{"reference": ""}',
        b'{"reference": 7}',
        b'{"reference": "a\\nb"}',
        b"x" * 70_000,
    ],
    ids=["fails", "redirects", "empty", "a list", "no name", "a number", "two lines", "too much"],
)
async def test_nonsense_is_no_seal(answer: int | bytes) -> None:
    """Nobody knows whether it was sealed, so it may be asked again; a redirect is not followed."""
    with service() as (made, port):
        made.answers = [answer] * 3
        wanted = SealRefused if answer == 302 else SealServiceUnavailable
        with pytest.raises(wanted):
            await over(port).seal(WHAT)
        assert len(made.posts) == (1 if answer == 302 else 3)


async def test_nobody_waits_longer_than_the_deadline() -> None:
    """For a service that hangs, and for one that is not there."""
    with service() as (made, port):
        made.hang = threading.Event()
        sealing, began = over(port, deadline_s=0.6), monotonic()
        with pytest.raises(SealServiceUnavailable) as refused:
            await sealing.seal(WHAT)
        assert monotonic() - began < 3
        assert refused.value.retry_after_ms > 0
        sealing.close()
    with pytest.raises(SealServiceUnavailable):
        await over(port, deadline_s=1).seal(WHAT)


async def test_it_is_asked_over_tls_with_the_headers_of_the_file(tmp_path: Path) -> None:
    """Under the department's own authority; another's certificate gets nothing."""
    files = certificate(tmp_path)
    headers = tmp_path / "headers.json"
    headers.write_text('{"authorization": "Bearer t"}', encoding="utf-8")
    with service(files.context) as (made, port):
        url = f"https://127.0.0.1:{port}/seal"
        said = {"url": url, "plain_http": False, "headers_file": headers, "attempts": 1}
        assert await over(port, **said, ca_file=files.cert).seal(WHAT) == "seal-1"
        assert made.posts[0][0]["authorization"] == "Bearer t"
        with pytest.raises(SealServiceUnavailable):
            await over(port, **said).seal(WHAT)
        headers.unlink()
        with pytest.raises(SealServiceUnavailable):
            await over(port, **said, ca_file=files.cert).seal(WHAT)
        assert len(made.posts) == 1


@pytest.mark.parametrize(
    "url", ["http://seal.example/", "ftp://x/", "https://user@seal.example/", "seal.example"]
)
def test_an_address_that_is_none_stops_the_start(url: str) -> None:
    """Plain HTTP only where it is meant."""
    with pytest.raises(ValueError, match="url"):
        SealSettings(url=url)
