"""`/api/v1` before a department's real port: what JSON says is what gRPC would have said."""

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request

from services.common.errors import Unauthenticated
from services.gateway import problems
from services.gateway.callers import Caller, Issuer
from services.gateway.calls import Calls
from services.gateway.rest.api import LINES_LIMIT, Api
from services.gateway.rest.entrance import BODY_LIMIT, LINES, Entrance
from services.gateway.rest.limits import RateLimit, Streams
from services.gateway.rest.scopes import SCOPES
from services.gateway.settings import DepartmentSettings
from services.gateway.upstream import Upstream
from tests.wire.cases.conftest import Port, port

__all__ = ["port"]

SOME = "0190b6f2-0000-7000-8000-000000000000"
DISCOVERY = {"title": "无证行医", "facts": "检查发现。"}


class Tokens:
    """Callers by token, as an accounts store would find them."""

    def __init__(self, caller: Caller) -> None:
        self.known = {
            role: replace(caller, subject=f"{role}-1", roles=(role,), key=role)
            for role in ("clerk", "section-head", "auditor")
        }
        system = replace(caller, subject="system-1", name="系统", roles=("system",), service=True)
        self.known["system"] = replace(system, key="system")
        self.known["reader"] = replace(self.known["clerk"], scopes=frozenset({"cases:read"}), key="reader")

    async def caller_of(self, request: Request) -> Caller:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.known:
            raise Unauthenticated("The token is not known.")
        return self.known[token]


@dataclass
class Web:
    """The gateway's interface, and who is asking."""

    base: str
    node: Port

    def as_(self, role: str) -> httpx.AsyncClient:
        """A client with the token of somebody in a role."""
        headers = {"Authorization": f"Bearer {role}"}
        return httpx.AsyncClient(base_url=self.base, headers=headers, timeout=10)


@pytest.fixture
async def web(port: Port) -> AsyncIterator[Web]:
    """A gateway's interface before the port."""
    name = port.node.department.name
    tls = port._identities.files(name, "gateway")
    folder = tls.cert.parent / "gateway"
    folder.mkdir()
    for file, own in ((tls.ca, "ca.crt"), (tls.cert, "tls.crt"), (tls.key, "tls.key")):
        (folder / own).write_bytes(file.read_bytes())
    upstream = Upstream(
        DepartmentSettings(name=name, address=f"127.0.0.1:{port._server.port}", folder=folder)
    )
    signer = port.node.signer
    issuer = Issuer(signer.issuer, signer.issuer_key, port.ledger.clock)
    caller = Caller(
        department=name, subject="", name="张三", roles=(), acr="urn:example:loa:2",
        scopes=frozenset(SCOPES), key="",
    )  # fmt: skip
    app = FastAPI(openapi_url=None)
    problems.install(app)
    calls = Calls({name: upstream}, {name: issuer})
    Api(Entrance(Tokens(caller), RateLimit(5, 60)), calls, Streams(2)).install(app)
    config = uvicorn.Config(app, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    # it listens already: who comes before it serves waits
    listener = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(server.serve([listener]))
    yield Web(f"http://127.0.0.1:{listener.getsockname()[1]}", port)
    server.should_exit = True
    await serving
    await upstream.close()


async def registered(client: httpx.AsyncClient) -> str:
    """A case in which a discovery was registered."""
    answer = await client.post(
        "/api/v1/letters",
        json={"draft": {"procedure": "case-transfer", "act": "register", "discovery": DISCOVERY}},
        headers={"Idempotency-Key": "registered-once-1", "Authorization": "Bearer system"},
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["answer"]["caseId"])


async def test_a_case_is_opened_read_and_found(web: Web) -> None:
    """In JSON, with fields that are empty, too."""
    async with web.as_("clerk") as client:
        case_id = await registered(client)
        found = (await client.get(f"/api/v1/cases/{case_id}")).json()
        assert found["case"]["procedure"] == "case-transfer"
        listed = (await client.get("/api/v1/cases", params={"page_size": 5})).json()
        assert [each["caseId"] for each in listed["cases"]] == [case_id]
        assert listed["nextPageToken"] == ""
        searched = (await client.get("/api/v1/cases:search", params={"query": "无证"})).json()
        assert len(searched["cases"]) == 1


async def test_the_same_key_is_the_same_letter(web: Web) -> None:
    """The header stands for the field; another body under it is a conflict."""
    async with web.as_("clerk") as client:
        assert await registered(client) == await registered(client)
        other = {"procedure": "case-transfer", "act": "register", "discovery": {**DISCOVERY, "title": "别的"}}
        answer = await client.post(
            "/api/v1/letters",
            json={"draft": other},
            headers={"Idempotency-Key": "registered-once-1", "Authorization": "Bearer system"},
        )
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == "REPLAYED_WITH_OTHER_CONTENT"
    assert answer.json()["type"] == "urn:liandong:reason:REPLAYED_WITH_OTHER_CONTENT"


async def test_the_header_replaces_no_key_that_the_body_names(web: Web) -> None:
    """An empty one is too short; another one than the header's is the one that counts."""
    draft = {"procedure": "case-transfer", "act": "register", "discovery": DISCOVERY}
    headers = {"Idempotency-Key": "of-the-header-1", "Authorization": "Bearer system"}
    async with web.as_("clerk") as client:

        async def send(key: str) -> httpx.Response:
            return await client.post(
                "/api/v1/letters", json={"draft": draft, "idempotencyKey": key}, headers=headers
            )

        empty = await send("")
        assert empty.status_code == 400
        assert empty.json()["violations"][0]["field"] == "idempotency_key"
        named = await send("of-the-body-1")
        headers["Idempotency-Key"] = "of-the-header-2"
        assert (await send("of-the-body-1")).json() == named.json()


async def test_an_approval_carries_the_digest_that_was_shown(web: Web) -> None:
    """The assertion is made over what the request names; another digest approves nothing."""
    async with web.as_("clerk") as clerk, web.as_("section-head") as leader:
        case_id = await registered(clerk)
        draft = {"caseId": case_id, "act": "close", "closing": {"remark": "不予移送。"}}
        answer = await clerk.post("/api/v1/drafts", json={"draft": draft})
        assert answer.status_code == 200, answer.text
        prepared = answer.json()["draft"]
        path = f"/api/v1/drafts/{prepared['letterId']}:approve"
        body = {"contentDigest": prepared["contentDigest"], "role": "section-head"}
        other = {**body, "contentDigest": base64.b64encode(bytes(32)).decode()}
        refused = await leader.post(path, json=other)
        assert refused.json()["reason"] == "CONTENT_MISMATCH"
        approved = await leader.post(path, json=body)
        assert approved.status_code == 200, approved.text
        approvals = approved.json()["draft"]["approvals"]
        assert [each["subject"] for each in approvals] == ["section-head-1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason", "field"),
    [
        ("GET", "/api/v1/cases/no-id", None, 400, "INVALID_FIELD", "case_id"),
        ("GET", "/api/v1/cases?page_size=many", None, 400, "INVALID_FIELD", "page_size"),
        ("GET", "/api/v1/cases?overdue=perhaps", None, 400, "INVALID_FIELD", "overdue"),
        ("GET", "/api/v1/cases?colour=red", None, 400, "INVALID_FIELD", "colour"),
        ("GET", "/api/v1/cases?due_before=tomorrow", None, 400, "INVALID_FIELD", "due_before"),
        ("GET", "/api/v1/cases?state=a&state=b", None, 400, "INVALID_FIELD", "state"),
        ("POST", "/api/v1/drafts", b"[]", 400, "MALFORMED", ""),
        ("POST", "/api/v1/drafts", b"{", 400, "MALFORMED", ""),
        ("PUT", "/api/v1/preferences", None, 400, "MALFORMED", ""),
        ("POST", "/api/v1/subjects:import", None, 400, "MALFORMED", ""),
        ("POST", "/api/v1/drafts", b'{"draft": {"parties": [{}, {"role": 3}]}}', 400, "INVALID_FIELD",
         "draft.parties[1].role"),
        ("POST", "/api/v1/drafts", b'{"draft": {"colour": 1}}', 400, "INVALID_FIELD", "draft.colour"),
        ("POST", "/api/v1/drafts", b'{"draft": {"act": null}}', 400, "INVALID_FIELD", "draft.act"),
        ("POST", "/api/v1/drafts", b'{"draft": {"parties": {}}}', 400, "INVALID_FIELD", "draft.parties"),
        ("POST", "/api/v1/drafts", b'{"draft": {"urgency": 1}}', 400, "INVALID_FIELD", "draft.urgency"),
        ("POST", "/api/v1/drafts", b'{"draft": {"occurredAt": "today"}}', 400, "INVALID_FIELD",
         "draft.occurred_at"),
        ("POST", "/api/v1/drafts", b'{"draft": {"discovery": {}, "closing": {}}}', 400, "INVALID_FIELD",
         "draft.closing"),
        ("POST", "/api/v1/drafts", b'{"draft": {"case_id": "", "caseId": ""}}', 400, "INVALID_FIELD",
         "draft.case_id"),
        ("GET", "/api/v1/cases?pageSize=+5", None, 400, "INVALID_FIELD", "pageSize"),
        ("GET", "/api/v1/cases?overdue=1", None, 400, "INVALID_FIELD", "overdue"),
        ("GET", "/api/v1/cases?pageToken=none", None, 422, "INVALID_FIELD", "page_token"),
        ("POST", "/api/v1/subjects:import", b'{"subjects": [{"key": 1}]}', 400, "INVALID_FIELD",
         "subjects[0].key"),
        ("GET", "/api/v1/cases/0190b6f2-0000-7000-8000-000000000000", None, 404, "NOT_FOUND", "case_id"),
        ("DELETE", "/api/v1/drafts/0190b6f2-0000-7000-8000-000000000000", b"{}", 400, "MALFORMED", ""),
        ("POST", f"/api/v1/drafts/{SOME}:approve", b'{"contentDigest": "c2hvcnQ=", "role": "clerk"}', 400,
         "INVALID_FIELD", "content_digest"),
        ("POST", f"/api/v1/drafts/{SOME}:send", b'{"contentDigest": "c2hvcnQ="}', 400, "INVALID_FIELD",
         "content_digest"),
        ("POST", f"/api/v1/documents/{SOME}/tasks/1:complete", b'{"contentDigest": "c2hvcnQ="}', 400,
         "INVALID_FIELD", "content_digest"),
        ("POST", f"/api/v1/documents/{SOME}/tasks/1:confirmCall", b'{"contentDigest": "c2hvcnQ="}', 400,
         "INVALID_FIELD", "content_digest"),
    ],
)  # fmt: skip
async def test_bad_input_is_a_problem_that_names_the_field(
    web: Web, method: str, path: str, body: bytes | None, status: int, reason: str, field: str
) -> None:
    """Of the path, the query, the body; by the form or by the contract's own rules."""
    async with web.as_("clerk") as client:
        answer = await client.request(
            method, path, content=body, headers={"Content-Type": "application/json"} if body else {}
        )
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text
    found = answer.json()
    named = found.get("field") or ",".join(each["field"] for each in found.get("violations", []))
    assert named == field
    assert found["request_id"] == answer.headers["x-request-id"]


async def test_who_is_unknown_or_not_permitted_is_told_so(web: Web) -> None:
    """Without a token, without the scope, without the role."""
    async with web.as_("nobody") as client:
        answer = await client.get("/api/v1/cases")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    async with web.as_("reader") as client:
        assert (await client.get("/api/v1/cases")).status_code == 200
        answer = await client.post("/api/v1/drafts", json={})
        assert answer.status_code == 403
        assert "cases:write" in answer.json()["detail"]
    async with web.as_("auditor") as client:
        draft = {"procedure": "case-transfer", "act": "register", "discovery": DISCOVERY}
        answer = await client.post("/api/v1/letters", json={"draft": draft})
        assert (answer.status_code, answer.json()["reason"]) == (403, "ROLE_NOT_PERMITTED")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("OPTIONS", "/api/v1/drafts", "GET, HEAD, POST"),
        ("DELETE", f"/api/v1/drafts/{SOME}:approve", "POST"),
        ("GET", f"/api/v1/documents/{SOME}:voidNumber", "POST"),
        ("PATCH", f"/api/v1/drafts/{SOME}", "DELETE"),
        ("POST", "/api/v1/openapi.json", "GET, HEAD"),
    ],
)
async def test_a_path_says_all_the_verbs_that_it_knows(
    web: Web, method: str, path: str, allowed: str
) -> None:
    """And an act upon something is never taken for the thing."""
    async with web.as_("clerk") as client:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.head("/api/v1/cases")).status_code == 200


@pytest.mark.parametrize("key", ["k" * 81, ""])
async def test_a_header_of_no_form_is_refused_though_the_body_says_it_too(web: Web, key: str) -> None:
    """What is given twice has its form twice."""
    draft = {"procedure": "case-transfer", "act": "register", "discovery": DISCOVERY}
    async with web.as_("system") as client:
        answer = await client.post(
            "/api/v1/letters",
            json={"draft": draft, "idempotencyKey": "short"},
            headers={"Idempotency-Key": key},
        )
    assert (answer.status_code, answer.json()["field"]) == (400, "idempotency_key")


async def test_what_did_not_change_is_not_sent_again(web: Web) -> None:
    """By its ETag; and what changed meanwhile is not acted upon."""
    async with web.as_("clerk") as client:
        case_id = await registered(client)
        found = await client.get(f"/api/v1/cases/{case_id}")
        tag = found.headers["etag"]
        again = await client.get(f"/api/v1/cases/{case_id}", headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")


async def test_large_and_strange_bodies_are_refused(web: Web) -> None:
    """Before they are read."""
    async with web.as_("clerk") as client:
        answer = await client.post(
            "/api/v1/drafts", content=b" " * (BODY_LIMIT + 1), headers={"Content-Type": "application/json"}
        )
        assert answer.status_code == 413
        answer = await client.post("/api/v1/drafts", content=b"<a/>", headers={"Content-Type": "text/xml"})
        assert answer.status_code == 415


async def test_one_caller_cannot_call_without_end(web: Web) -> None:
    """It is told when to come again; others are served."""
    async with web.as_("reader") as client, web.as_("clerk") as other:
        statuses = [
            answer.status_code
            for answer in await asyncio.gather(*(client.get("/api/v1/node") for _ in range(80)))
        ]
        assert 429 in statuses
        answer = await client.get("/api/v1/node")
        if answer.status_code == 429:
            assert int(answer.headers["retry-after"]) >= 1
        assert (await other.get("/api/v1/node")).status_code != 429


async def test_changes_come_as_events(web: Web) -> None:
    """Each as JSON, soon after it happened."""
    async with (
        web.as_("clerk") as client,
        asyncio.timeout(20),
        client.stream("GET", "/api/v1/cases:watch", timeout=20) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await anext(lines) == ": listening"
        await asyncio.sleep(0.3)
        async with web.as_("clerk") as writer:
            case_id = await registered(writer)
        async for line in lines:
            if line.startswith("data: "):
                assert json.loads(line[6:])["case"]["caseId"] == case_id
                break


async def test_one_caller_holds_few_streams(web: Web) -> None:
    """One more is refused with a time to wait, others are served; one that is closed makes room."""
    path = "/api/v1/cases:watch"
    async with web.as_("clerk") as client, web.as_("section-head") as other, asyncio.timeout(20):
        async with client.stream("GET", path), client.stream("GET", path):
            refused = await client.get(path)
            assert (refused.status_code, refused.json()["reason"]) == (429, "LIMIT_EXCEEDED")
            assert int(refused.headers["retry-after"]) >= 1
            async with other.stream("GET", path) as answer:
                assert answer.status_code == 200
        for _ in range(100):
            async with client.stream("GET", path) as first, client.stream("GET", path) as second:
                if (first.status_code, second.status_code) == (200, 200):
                    return
            await asyncio.sleep(0.05)
    raise AssertionError("What was closed still counts.")


async def test_files_come_as_files(web: Web) -> None:
    """A dossier, whole; one that is refused is a problem, not half a file."""
    async with web.as_("clerk") as client:
        case_id = await registered(client)
        answer = await client.get("/api/v1/cases/0190b6f2-0000-7000-8000-000000000000/dossier")
        assert (answer.status_code, answer.json()["reason"]) == (404, "NOT_FOUND")
        answer = await client.get("/api/v1/registers/case-transfer/workbook")
        assert answer.status_code == 200, answer.text
        assert answer.content[:2] == b"PK"
        assert case_id


async def test_stock_is_looked_at_and_taken(web: Web) -> None:
    """As one message, or as lines of them that count together; of what holds a mistake nothing is taken."""
    subjects = [
        {"key": str(each), "subject": {"kind": "SUBJECT_KIND_UNKNOWN", "name": f"{each}号店"}}
        for each in range(9)
    ]
    path = "/api/v1/subjects:import"
    async with web.as_("system") as client:
        answer = await client.post(path, json={"dryRun": True, "subjects": subjects})
        assert answer.json()["counts"]["added"] == 9, answer.text
        lines = b"\n".join(json.dumps({"subjects": [each]}).encode() for each in subjects)
        headers = {"Content-Type": LINES}
        looked = await client.post(path, content=b'{"dryRun": true}\n' + lines, headers=headers)
        assert looked.json()["counts"]["added"] == 9, looked.text
        bad = await client.post(path, content=lines + b'\n{"subjects": [{"key": "1"}]}', headers=headers)
        assert bad.status_code == 400, bad.text
        bad = await client.post(path, content=lines + b"\n[]", headers=headers)
        assert (bad.status_code, bad.json()["reason"]) == (400, "MALFORMED")
        taken = await client.post(path, content=lines + b"\n\n", headers=headers)
        assert taken.json()["counts"]["added"] == 9, taken.text
        again = await client.post(path, content=lines, headers=headers)
        assert (again.json()["counts"]["added"], again.json()["counts"]["unchanged"]) == (0, 9)
        draft = {
            "procedure": "case-transfer", "act": "register", "discovery": DISCOVERY,
            "occurredAt": "2026-03-02T01:00:00Z",
        }  # fmt: skip
        wrong = {"key": "2", "draft": {**draft, "procedure": "no-such"}}
        cases = [{"key": "1", "draft": draft}]
        refused = await client.post("/api/v1/cases:import", json={"cases": [*cases, wrong]})
        assert [each["row"] for each in refused.json()["faults"]] == [1], refused.text
        found = await client.post("/api/v1/cases:import", json={"cases": cases})
        assert found.json()["counts"]["added"] == 1, found.text
        assert len(found.json()["caseIds"]) == 1
    async with web.as_("auditor") as client:
        answer = await client.post(path, content=lines, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (403, "ROLE_NOT_PERMITTED")


async def test_many_lines_have_an_end(web: Web) -> None:
    """What is larger than the limit is not taken, though each line is small; nor a line without end."""

    async def endless(piece: bytes) -> AsyncIterator[bytes]:
        for _ in range(LINES_LIMIT // len(piece) + 1):
            yield piece

    async with web.as_("system") as client:
        for piece in (b"\n" * 1024 * 1024, b" " * 1024 * 1024):
            answer = await client.post(
                "/api/v1/subjects:import", content=endless(piece), headers={"Content-Type": LINES}
            )
            assert answer.status_code == 413, answer.text


async def test_who_may_not_remind_on_a_page_may_not_over_rest(web: Web) -> None:
    """The registry knows no people, so the gateway judges the role: an auditor gets no further, a clerk does."""
    reminder = {"rule": "transfer", "owedBy": "market.qinghe", "text": "请按期移送。"}
    body = {"reminders": [reminder], "person": "somebody else"}
    answers = {}
    for role in ("auditor", "clerk"):
        async with web.as_(role) as client:
            answers[role] = (await client.post("/api/v1/oversight/obligations:remind", json=body)).status_code
    # no registry stands behind this gateway: 503 is as far as one comes
    assert answers == {"auditor": 403, "clerk": 503}
