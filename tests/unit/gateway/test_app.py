"""The gateway's pages over statuses that the test states."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest_asyncio

from services.common.clock import ManualClock
from services.gateway.app import create_app
from services.gateway.calls import Calls
from services.gateway.status import DepartmentStatus, Link, LinkState, NodeState
from services.gateway.web.directory import Directory
from services.gateway.web.kept import Kept
from services.gateway.web.live import Live
from services.gateway.web.procedures import Procedures
from services.gateway.web.site import Site, environment

SEEN = datetime(2026, 2, 25, 16, 0, tzinfo=UTC)


class Stated:
    """Statuses that the test states."""

    def __init__(self) -> None:
        self.found: tuple[DepartmentStatus, ...] = ()
        self.fault: Exception | None = None

    async def statuses(self) -> tuple[DepartmentStatus, ...]:
        """What was stated."""
        if self.fault is not None:
            raise self.fault
        return self.found

    async def close(self) -> None:
        """Nothing is open."""


def status(node: NodeState, link: LinkState) -> DepartmentStatus:
    return DepartmentStatus(
        "health.qinghe", ("清河区卫生健康局", "Qinghe District Health Commission"), node, Link(link, SEEN, 3)
    )


class Visited:
    """An application and a browser before it."""

    def __init__(self, stated: Stated, client: httpx.AsyncClient) -> None:
        self.stated, self.client = stated, client


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Visited]:
    """A gateway before one department that serves and is connected."""
    stated = Stated()
    stated.found = (status(NodeState.SERVING, LinkState.CONNECTED),)
    clock, calls = ManualClock(SEEN), Calls({}, {})
    app = create_app(
        Site(
            statuses=stated, clock=clock, language="zh", accounts=None, calls=calls,
            directory=Directory(calls, clock), live=Live(calls), figures=Kept(clock), elsewhere=Kept(clock),
            templates=environment(), procedures=Procedures(calls),
        )
    )  # fmt: skip
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:
        yield Visited(stated, client)


async def test_the_process_is_healthy_whatever_its_nodes_are(site: Visited) -> None:
    """`/healthz` asks nobody."""
    site.stated.fault = RuntimeError("asked")
    answer = await site.client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_means_that_every_node_serves(site: Visited) -> None:
    """`/readyz` names each node; one that does not serve makes it 503."""
    assert (await site.client.get("/readyz")).status_code == 200
    site.stated.found += (status(NodeState.UNREACHABLE, LinkState.NOT_ASKED),)
    answer = await site.client.get("/readyz")
    assert answer.status_code == 503
    assert [each["node"] for each in answer.json()["departments"]] == ["serving", "unreachable"]


async def test_a_link_that_is_down_does_not_close_the_gateway(site: Visited) -> None:
    """A department works without the registry, so it stays ready, and the answer says why letters wait."""
    site.stated.found = (status(NodeState.SERVING, LinkState.DISCONNECTED),)
    answer = await site.client.get("/readyz")
    assert (answer.status_code, answer.json()["departments"][0]["link"]) == (200, "disconnected")


async def test_the_page_speaks_chinese_first(site: Visited) -> None:
    """Without a wish the page is in Chinese, with the title and the region's local time."""
    answer = await site.client.get("/status")
    assert answer.headers["content-language"] == "zh-CN"
    assert answer.headers["vary"] == "Accept-Language, Cookie"
    assert '<html lang="zh-CN">' in answer.text
    assert "清河区卫生健康局" in answer.text
    assert "2026-02-26 00:00:00" in answer.text


async def test_the_page_speaks_english_to_those_who_ask(site: Visited) -> None:
    """By the browser's header or by the link on the page."""
    by_header = await site.client.get("/status", headers={"Accept-Language": "en-GB,en;q=0.8"})
    by_address = await site.client.get("/status?lang=en")
    assert by_header.text == by_address.text
    assert "Qinghe District Health Commission" in by_header.text


async def test_every_state_has_words_on_the_page(site: Visited) -> None:
    """No combination of node and link fails, in either language."""
    site.stated.found = tuple(status(node, link) for node in NodeState for link in LinkState)
    for language in ("zh", "en"):
        answer = await site.client.get(f"/status?lang={language}")
        assert answer.text.count('<section class="card">') == len(NodeState) * len(LinkState)


async def test_nothing_comes_from_another_host_and_nothing_is_inline(site: Visited) -> None:
    """The policy forbids it, the page does not need it, and what it names is there."""
    answer = await site.client.get("/status")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r"<script(?! src=)|<style|\sstyle=|\son\w+=|https?://", answer.text)
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text):
        asset = await site.client.get(path)
        assert asset.status_code == 200
        assert asset.headers["x-content-type-options"] == "nosniff"


async def test_what_a_registry_tells_is_text_not_markup(site: Visited) -> None:
    """A title with markup in it is shown, not run."""
    evil = DepartmentStatus(
        "health.qinghe", ("<script>1</script>", ""), NodeState.SERVING, Link(LinkState.CONNECTED)
    )
    site.stated.found = (evil,)
    text = (await site.client.get("/status")).text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


async def test_errors_are_problems_and_say_nothing_of_the_inside(site: Visited) -> None:
    """Unknown paths, wrong methods and faults answer as problem+json, with the security headers."""
    site.stated.fault = RuntimeError("secret of the inside")
    for method, path, expected in (("GET", "/no", 404), ("POST", "/status", 405), ("GET", "/status", 500)):
        answer = await site.client.request(method, path)
        assert (answer.status_code, answer.json()["status"]) == (expected, expected)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text
        assert answer.headers["x-frame-options"] == "DENY"


async def test_files_beside_the_static_ones_are_not_served(site: Visited) -> None:
    """A path that climbs out finds nothing."""
    for path in ("/static/../settings.py", "/static/%2e%2e/settings.py", "/static//etc/passwd", "/static/"):
        assert (await site.client.get(path)).status_code == 404
