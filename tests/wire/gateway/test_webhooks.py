"""Webhooks from a real node's letters to a real receiver that fails, hangs, and comes back."""

import asyncio
import base64
import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.common.clock import microseconds
from services.gateway.webhooks import deliverer, feed, model
from services.registry import tables
from tests.federation.district import HEALTH

from .front import Front, standing

pytestmark = pytest.mark.xdist_group("federation")

LETTERS = ["liandong.letter.admitted", "liandong.letter.arrived"]


@dataclass
class Receiver:
    """A department's system that takes posts.

    Attributes:
        mode: `take`, `fail`, `hang`, `move` elsewhere, `gone`, or `noise` that is no HTTP.
        posts: Headers and bodies that came, in order.
    """

    mode: str = "take"
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    @property
    def taken(self) -> list[dict[str, Any]]:
        """Events that came, each once, as a receiver knows them by their id."""
        found = {headers["webhook-id"]: json.loads(body) for headers, body in self.posts}
        return list(found.values())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers["content-length"]))
            self.posts.append((headers, body))
            match self.mode:
                case "hang":
                    await asyncio.sleep(30)
                case "noise":
                    writer.write(b"\0" * 100_000)
                case _:
                    status = {"take": "204 No Content", "fail": "500 Oh", "gone": "410 Gone"}.get(
                        self.mode, "302 Found\r\nLocation: http://127.0.0.1:1/"
                    )
                    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/events"
    yield found
    server.close()


@pytest.fixture
async def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Front]:
    """Everything; the operator names this machine's own network, and pauses are short."""
    monkeypatch.setattr(deliverer, "LOOK_S", 0.05)
    monkeypatch.setattr(model, "_PAUSES", (0.2,))
    async with standing(tmp_path, webhook_networks=["127.0.0.0/8"]) as made:
        yield made


async def registered(client: httpx.AsyncClient, key: str) -> str:
    discovery = {"title": "无证行医", "facts": "检查发现。"}
    answer = await client.post(
        "/api/v1/letters",
        json={"draft": {"procedure": "case-transfer", "act": "register", "discovery": discovery}},
        headers={"Idempotency-Key": key},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["answer"]["caseId"])


async def until(condition: Any) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.05)


async def test_a_system_is_told_of_every_letter(front: Front, receiver: Receiver) -> None:
    """Signed, as CloudEvents, each once by its id, whatever the receiver does in between."""
    async with front.system() as client:
        wanted = {"title": "OA", "url": receiver.url, "types": LETTERS}
        answer = await client.post("/api/v1/webhooks", json=wanted)
        assert answer.status_code == 200, answer.text
        webhook, secret = answer.json()["webhook"]["webhookId"], answer.json()["secret"]
        path = f"/api/v1/webhooks/{webhook}"
        assert "secret" not in (await client.get(path)).json()["webhook"]
        await client.post(f"{path}:ping", json={})
        await until(lambda: receiver.posts)
        first = await registered(client, "letter-number-1")
        await until(lambda: len(receiver.taken) == 2)
        told = receiver.taken[1]
        assert (told["type"], told["subject"]) == ("liandong.letter.admitted", first)
        assert told["data"]["letter"]["act"] == "register"
        for headers, body in receiver.posts:
            signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
            own = base64.b64decode(secret.removeprefix("whsec_"))
            expected = base64.b64encode(hmac.new(own, signed, sha256).digest()).decode()
            assert headers["webhook-signature"] == f"v1,{expected}"
            assert headers["content-type"].startswith("application/cloudevents+json")
        for mode, key in (
            ("fail", "letter-number-2"),
            ("move", "letter-number-3"),
            ("noise", "letter-number-4"),
        ):
            receiver.mode = mode
            count = len(receiver.posts)
            case_id = await registered(client, key)
            await until(lambda count=count: len(receiver.posts) >= count + 2)
            (delivery,) = await deliveries(client, path, "WAITING")
            assert delivery["error"], mode
            receiver.mode = "take"
            async with asyncio.timeout(20):
                while await deliveries(client, path, "WAITING"):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            assert receiver.taken[-1]["subject"] == case_id
        # a new secret signs, the one of before as well; one that is switched off is not told
        rotated = await client.post(f"{path}:rotateSecret", json={})
        assert rotated.json()["secret"] != secret, rotated.text
        assert rotated.json()["webhook"]["oldSecretUntil"]
        assert (await client.post(f"{path}:disable", json={})).json()["webhook"]["disabled"] == "by-hand"
        count = len(receiver.posts)
        await client.post(f"{path}:ping", json={})
        await asyncio.sleep(0.5)
        assert len(receiver.posts) == count
        assert not (await client.post(f"{path}:enable", json={})).json()["webhook"]["disabled"]
        await until(lambda: len(receiver.posts) > count)
        headers, body = receiver.posts[-1]
        assert verifies(rotated.json()["secret"], headers, body, 0)
        assert verifies(secret, headers, body, 1)
        # that it was taken is in the log; and again on demand, under the same id
        assert len(await deliveries(client, path, "SENT")) == 6
        count = len(receiver.posts)
        event_id = told["id"]
        answer = await client.post(f"{path}:replay", json={"eventId": event_id})
        assert answer.json() == {"count": 1}, answer.text
        await until(lambda: len(receiver.posts) > count)
        assert receiver.posts[-1][0]["webhook-id"] == event_id
        assert len(receiver.taken) == 6
        receiver.mode = "gone"
        await client.post(f"{path}:replay", json={"since": "2026-01-01T00:00:00Z"})
        async with asyncio.timeout(20):
            while not (await client.get(path)).json()["webhook"]["disabled"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (await client.delete(path)).status_code == 200
        assert (await client.get(path)).status_code == 404


async def test_bulletins_and_alerts_are_told(
    front: Front, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bulletin of the node, and what the registry tells the department; nothing of before it was asked for."""
    monkeypatch.setattr(feed, "LOOK_S", 0.5)
    database = front.house.database("registry")

    def alert(mark: str) -> None:
        now = microseconds(datetime.now(UTC))
        row = {
            "kind": "REMIND", "addressee": HEALTH, "subject_department": HEALTH, "case_id": "", "rule": "report",
            "ordinal": 1, "mark": mark, "fires_at_us": now, "fired_at_us": now,
        }  # fmt: skip
        database.write(lambda connection: connection.execute(tables.alerts.insert().values(**row)))

    alert("80%")
    async with front.system() as client, await front.person("liaison") as person:
        wanted = {"title": "OA", "url": receiver.url, "types": ["liandong.alert", "liandong.bulletin"]}
        answer = await client.post("/api/v1/webhooks", json=wanted)
        assert answer.status_code == 200, answer.text
        alert("due")
        bulletin = {
            "category": "bulletin.news", "bulletin": {"title": "简报", "text": "本周工作。"},
            "formedAt": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        }  # fmt: skip
        published = await person.post("/api/v1/bulletins", json=bulletin)
        assert published.status_code == 200, published.text
        await registered(client, "letter-number-1")
        await until(lambda: len(receiver.taken) >= 2)
        await asyncio.sleep(1)
    told = {each["type"]: each["data"] for each in receiver.taken}
    assert len(receiver.taken) == 2
    assert told["liandong.alert"]["mark"] == "due"
    assert told["liandong.bulletin"]["bulletin"]["title"] == "简报"
    database.close()


async def deliveries(client: httpx.AsyncClient, path: str, state: str) -> list[dict[str, Any]]:
    params = {"state": f"WEBHOOK_DELIVERY_STATE_{state}"}
    found = (await client.get(f"{path}/deliveries", params=params)).json()["deliveries"]
    assert isinstance(found, list)
    return found


async def test_one_that_hangs_holds_up_nobody(front: Front, receiver: Receiver) -> None:
    """Another system is told meanwhile; and what happened while the gateway was down is told afterwards."""
    other = Receiver()
    server = await asyncio.start_server(other.serve, "127.0.0.1", 0)
    other.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with front.system() as client:
        for each in (receiver, other):
            wanted = {"title": "OA", "url": each.url, "types": LETTERS}
            assert (await client.post("/api/v1/webhooks", json=wanted)).status_code == 200
        receiver.mode = "hang"
        await registered(client, "letter-number-1")
        await registered(client, "letter-number-2")
        await until(lambda: len(other.taken) == 2)
        assert len(receiver.posts) == 1
        running = front.gateway._running
        assert running is not None
        await running.stop()
        await registered(client, "letter-number-3")
        await asyncio.sleep(0.5)
        assert len(other.taken) == 2
        running.start()
        await until(lambda: len(other.taken) == 3)
    server.close()


async def test_an_administrator_keeps_webhooks_on_pages(front: Front, receiver: Receiver) -> None:
    """Made, tested, seen in the log, sent again, given a new secret, switched off and on, removed; all of it noted."""
    hostile = "<script>alert(1)</script>"
    async with await front.person("system-administrator") as page:
        made = await page.post(
            "/admin/webhooks", data={"title": f"OA{hostile}", "url": receiver.url, "type": LETTERS}
        )
        assert made.status_code == 200, made.text
        secret = re.findall(r"whsec_[A-Za-z0-9+/=]+", made.text.replace("&#43;", "+"))[0]
        (path,) = re.findall(r'href="(/admin/webhooks/[0-9a-f]{32})"', made.text)
        for each in ("/admin/webhooks", path):
            shown = (await page.get(each)).text
            assert secret not in shown
            assert hostile not in shown
        sent = await page.post(f"{path}/ping")
        assert (sent.status_code, sent.headers["location"]) == (303, path)
        await until(lambda: receiver.posts)
        (headers, body), *_ = receiver.posts
        assert verifies(secret, headers, body, 0)
        async with asyncio.timeout(20):
            while "已送达" not in (await page.get(f"{path}/deliveries")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert "HTTP 204" in (await page.get(f"{path}?state=sent")).text
        assert "HTTP 204" not in (await page.get(f"{path}?state=failed")).text
        rotated = await page.post(f"{path}/rotate")
        fresh = re.findall(r"whsec_[A-Za-z0-9+/=]+", rotated.text.replace("&#43;", "+"))[0]
        assert fresh != secret
        again = await page.post(f"{path}/replay", data={"event": headers["webhook-id"]})
        assert again.status_code == 303, again.text
        await until(lambda: len(receiver.posts) == 2)
        headers, body = receiver.posts[1]
        assert verifies(fresh, headers, body, 0)
        assert verifies(secret, headers, body, 1)
        assert (await page.post(f"{path}/replay", data={"since": "gestern"})).status_code == 400
        assert (await page.post(f"{path}/disable")).status_code == 303
        assert "停用期间的事件" in (await page.get(path)).text
        await page.post(f"{path}/enable")
        since = await page.post(f"{path}/replay", data={"since": "2026-01-01T00:00"})
        assert (since.status_code, since.headers["location"]) == (303, path)
        assert (await page.post(f"{path}/remove")).status_code == 303
        assert (await page.get(path)).status_code == 404
        noted = (await page.get("/admin/logins")).text
    for word in (
        "新增事件推送",
        "测试事件推送",
        "更换推送密钥",
        "重发事件",
        "停用事件推送",
        "启用事件推送",
        "删除事件推送",
    ):
        assert word in noted


async def test_a_form_of_a_webhook_says_what_is_wrong(front: Front, receiver: Receiver) -> None:
    """Beside its field; nobody but an administrator has one, and no form that is not of our pages does anything."""
    wanted = {"title": "OA", "url": receiver.url, "type": LETTERS}
    async with await front.person("system-administrator") as page:
        for wrong, id_ in (
            ({"title": ""}, "title-wrong"), ({"title": "a" * 101}, "title-wrong"), ({"type": []}, "types-wrong"),
            ({"type": ["liandong.secret"]}, "types-wrong"), ({"url": "ftp://oa.example/"}, "url-wrong"),
            ({"url": "https://10.0.0.1/"}, "url-wrong"), ({"url": "http://93.184.216.34/"}, "url-wrong"),
        ):  # fmt: skip
            answer = await page.post("/admin/webhooks", data={**wanted, **wrong})
            assert (answer.status_code, f'id="{id_}"' in answer.text) == (400, True), (wrong, answer.text)
        assert "还没有事件推送" in (await page.get("/admin/webhooks")).text
        page.headers.pop("x-csrf-token")
        assert (await page.post("/admin/webhooks", data=wanted)).status_code == 403
    for role in ("clerk", "auditor", "leader-in-charge"):
        async with await front.person(role) as other:
            assert (await other.get("/admin/webhooks")).status_code == 403
            assert (await other.post("/admin/webhooks", data=wanted)).status_code == 403
            for action in ("ping", "rotate", "disable", "enable", "replay", "remove"):
                assert (await other.post(f"/admin/webhooks/{'0' * 32}/{action}")).status_code == 403
    assert receiver.posts == []


def verifies(secret: str, headers: dict[str, str], body: bytes, index: int) -> bool:
    """Whether a signature of a post was made with a secret."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    return headers["webhook-signature"].split(" ")[index] == f"v1,{expected}"


async def test_nobody_has_us_look_inside(tmp_path: Path, receiver: Receiver) -> None:
    """Without a network named by the operator nothing of this machine is a target, nor is plain HTTP."""
    async with standing(tmp_path) as front, front.system() as client:
        for url, status in (
            (receiver.url, 422),
            (receiver.url.replace("http:", "https:"), 403),
            ("https://localhost/", 403),
            ("https://169.254.169.254/latest/meta-data/", 403),
            ("https://[::ffff:127.0.0.1]/", 403),
            ("https://0x7f000001/", 403),
            ("https://2130706433/", 403),
        ):
            wanted = {"title": "OA", "url": url, "types": LETTERS}
            answer = await client.post("/api/v1/webhooks", json=wanted)
            assert answer.status_code == status, (url, answer.text)
        async with await front.scoped("webhooks:write", "cases:read") as few:
            wanted = {"title": "OA", "url": "https://localhost/", "types": ["liandong.bulletin"]}
            answer = await few.post("/api/v1/webhooks", json=wanted)
            assert (answer.status_code, "sharing:read" in answer.text) == (403, True)
        # nor is it an officer's business, whatever a session may do
        async with await front.person("clerk") as clerk:
            answer = await clerk.get("/api/v1/webhooks")
            assert (answer.status_code, answer.json()["reason"]) == (403, "ROLE_NOT_PERMITTED")
        async with await front.person("system-administrator") as administrator:
            assert (await administrator.get("/api/v1/webhooks")).json() == {"webhooks": []}
    assert receiver.posts == []
