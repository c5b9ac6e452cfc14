"""What somebody with bad intentions tries over HTTP: each is refused, and it stands in an audit who tried."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.exchange import tables as exchange_tables
from services.gateway.accounts.accounts import GUESSES_AT_ONCE
from services.gateway.accounts.callers import COOKIE, CSRF_HEADER
from services.gateway.accounts.model import ADMINISTRATOR, FREE_FAILURES
from services.gateway.bootstrap import Gateway
from services.gateway.settings import GatewaySettings
from services.gateway.web.access import FORM_LIMIT
from tests.builders.departments import HEALTH, MARKET
from tests.builders.hostile import PLACES

from .guarded import PASSWORD, Front, before, front, send, word

DISCOVERY = {"title": "无证行医", "facts": "检查发现。"}
REGISTER = {"draft": {"procedure": "case-transfer", "act": "register", "discovery": DISCOVERY}}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    """Two departments, a clerk and a section head of the one, a clerk and an administrator of the other."""
    async with front(tmp_path) as found:
        await found.person("zhao", "clerk")
        await found.person("sun", "section-head")
        await found.person("li", "clerk", department=MARKET)
        await found.person("admin", ADMINISTRATOR, department=MARKET)
        yield found


async def bearer(house: Front, *scopes: str, department: str = HEALTH) -> dict[str, str]:
    """A system's header."""
    _, secret = await house.parts.tokens.create(department, "OA", scopes, timedelta(days=1))
    return {"Authorization": f"Bearer {secret}"}


async def registered(house: Front) -> str:
    """A case of HEALTH."""
    async with house.browser(headers=await bearer(house, "cases:write")) as system:
        answer = await system.post(
            "/api/v1/letters", json=REGISTER, headers={"Idempotency-Key": "once-and-1"}
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["answer"]["caseId"])


def noted_at(house: Front, department: str) -> list[tuple[str, str, str]]:
    """The node's audit: who, what, result."""
    audit = exchange_tables.audit.c
    query = sa.select(audit.subject, audit.method, audit.result).order_by(audit.id)
    database = house.ports[department].node.database
    return [tuple(each) for each in database.read(lambda connection: connection.execute(query).all())]


async def test_another_departments_case_is_not_there(house: Front) -> None:
    """Whoever knows its id: by page or by REST, to read or to act; node and gateway note it."""
    case_id = await registered(house)
    async with house.entered("zhao") as own, house.entered("li") as other:
        assert (await own.get(f"/api/v1/cases/{case_id}")).status_code == 200
        for path in (
            f"/api/v1/cases/{case_id}",
            f"/api/v1/cases/{case_id}/dossier",
        ):
            answer = await other.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (404, "NOT_FOUND"), path
        draft = {"draft": {"caseId": case_id, "act": "close", "closing": {"remark": "结案"}}}
        answer = await other.post("/api/v1/drafts", json=draft, headers={CSRF_HEADER: await word(other)})
        assert answer.status_code in {403, 404, 409}, answer.text
        listed = await other.get("/api/v1/cases")
        assert listed.json()["cases"] == []
    events = await house.refused(who="li", result="NOT_FOUND")
    assert {each.action for each in events} >= {"CaseService.GetCase"}
    assert ("li-1", "GetCase", "NOT_FOUND") in noted_at(house, MARKET)
    assert not [each for each in noted_at(house, HEALTH) if each[0] == "li-1"]


@pytest.mark.parametrize("wrong", ["certificate", "issuer", "key", "another's issuer"])
async def test_a_foreign_gateway_is_refused(house: Front, tmp_path: Path, wrong: str) -> None:
    """The node believes none of what it says of its people.

    It comes with another department's certificate, an issuer that nobody listed, a key of its own, or the issuer of
    another department.
    """
    case_id = await registered(house)
    port, market = house.ports[HEALTH], house.ports[MARKET].node.signer
    ways: dict[str, dict[str, Any]] = {
        "certificate": {"holder": MARKET},
        "issuer": {"issuer": "https://evil.example", "key": Ed25519PrivateKey.generate()},
        "key": {"key": Ed25519PrivateKey.generate()},
        "another's issuer": {"issuer": market.issuer, "key": market.issuer_key},
    }
    changes = ways[wrong]
    settings = GatewaySettings(
        departments=[before(tmp_path, port, HEALTH, **changes)], listen="127.0.0.1:0",
        database_url=f"sqlite:///{tmp_path / 'foreign.sqlite'}",
    )  # fmt: skip
    gateway = Gateway(settings, port.ledger.clock)
    await gateway.start()
    assert gateway.parts is not None
    foreign = Front(gateway, house.ports, gateway.parts, tmp_path)
    await foreign.person("mallory", "principal")
    async with foreign.entered("mallory") as browser:
        for method, path in (
            ("GET", f"/api/v1/cases/{case_id}"),
            ("GET", "/api/v1/cases"),
            ("POST", "/api/v1/drafts"),
        ):
            headers = {CSRF_HEADER: await word(browser)}
            answer = await browser.request(
                method, path, json=REGISTER if method == "POST" else None, headers=headers
            )
            assert answer.status_code in {401, 403}, answer.text
            assert "无证行医" not in answer.text
    assert len(await foreign.refused(who="mallory")) == 3
    await gateway.stop()
    assert not [each for each in noted_at(house, HEALTH) if each[0] == "mallory-1" and each[2] == "ok"]


async def test_nobody_gives_themselves_a_role(house: Front) -> None:
    """Neither by fields that no form has, nor by headers or parameters that sound as if."""
    async with house.entered("zhao") as clerk:
        fields = {"roles": "principal", "role": "principal", "department": MARKET, "must_change": "false"}
        answer = await send(
            clerk, "/account/password", old=PASSWORD, password="five other words", again="x", **fields
        )
        assert answer.status_code == 400
        answer = await clerk.get(
            "/api/v1/cases?role=principal",
            headers={"liandong-actor": "x", "X-Roles": "principal", "X-Remote-User": "sun"},
        )
        assert answer.status_code == 400
        (account,) = [each for each in await house.parts.accounts.accounts(HEALTH) if each.username == "zhao"]
        assert account.roles == ("clerk",)
        draft = {"draft": {"procedure": "case-transfer", "act": "register", "discovery": DISCOVERY}}
        prepared = await clerk.post("/api/v1/drafts", json=draft, headers={CSRF_HEADER: await word(clerk)})
        found = prepared.json()["draft"]
        body = {"contentDigest": found["contentDigest"], "role": "principal"}
        path = f"/api/v1/drafts/{found['letterId']}:approve"
        answer = await clerk.post(path, json=body, headers={CSRF_HEADER: await word(clerk)})
        assert (answer.status_code, answer.json()["reason"]) == (403, "ROLE_NOT_PERMITTED")
    (event,) = await house.refused(who="zhao", result="ROLE_NOT_PERMITTED")
    assert event.action == "CaseService.ApproveLetter"


async def test_an_administrator_does_not_go_beyond_the_own_department(house: Front) -> None:
    """Accounts and tokens of others are not there; nobody makes an administrator, or changes the own account."""
    accounts = {each.username: each for each in await house.parts.accounts.accounts(HEALTH)}
    own = {each.username: each for each in await house.parts.accounts.accounts(MARKET)}
    zhao, admin = accounts["zhao"], own["admin"]
    token, _ = await house.parts.tokens.create(HEALTH, "OA", ["cases:read"], timedelta(days=1))
    async with house.entered("admin") as browser:
        assert (await browser.get(f"/admin/accounts/{zhao.id}")).status_code == 404
        for path in ("", "/reset", "/disable", "/sessions", "/identities", "/identities/remove"):
            fields = {"name": "x", "role": "clerk", "disabled": "yes"}
            answer = await send(browser, f"/admin/accounts/{zhao.id}{path}", **fields)
            assert answer.status_code == 404, path
            answer = await send(browser, f"/admin/accounts/{admin.id}{path}", **fields)
            assert answer.status_code == 403, path
        assert (await send(browser, f"/admin/tokens/{token.id}/revoke")).status_code == 404
        for roles in (ADMINISTRATOR, ["clerk", ADMINISTRATOR], "system"):
            account: dict[str, Any] = {
                "username": "new",
                "name": "新",
                "subject": "new",
                "department": HEALTH,
            }
            assert (await send(browser, "/admin/accounts", **account, role=roles)).status_code == 400
        made = await send(browser, "/admin/accounts", **account, role="clerk")
        assert made.status_code == 200
        assert "zhao" not in (await browser.get("/admin/accounts")).text
        assert "zhao" not in (await browser.get("/admin/logins")).text
    assert {each.username for each in await house.parts.accounts.accounts(HEALTH)} == {"zhao", "sun"}
    assert len(await house.refused(who="admin", result="NOT_FOUND")) == 8
    assert len(await house.refused(who="admin", result="ROLE_NOT_PERMITTED")) == 6


async def test_an_account_with_a_foreign_cookie_is_nobodys(house: Front) -> None:
    """The session's department decides where a call goes; nothing in the request does."""
    case_id = await registered(house)
    async with house.entered("li") as browser:
        for headers in ({"X-Department": HEALTH}, {"Host": HEALTH}, {"X-Forwarded-Host": HEALTH}):
            answer = await browser.get(f"/api/v1/cases/{case_id}?department={HEALTH}", headers=headers)
            assert answer.status_code in {400, 404}


async def test_a_page_from_elsewhere_changes_nothing(house: Front) -> None:
    """Without the session's word, with another session's, or with the right one from another origin."""
    async with house.entered("zhao") as victim, house.entered("sun") as other:
        own, others = await word(victim), await word(other)
        forms: list[tuple[dict[str, str], dict[str, str]]] = [
            ({}, {}),
            ({"csrf": ""}, {}),
            ({"csrf": others}, {}),
            ({"csrf": own[:-1]}, {}),
            ({"csrf": own}, {"Origin": "https://evil.example"}),
            ({"csrf": own}, {"Origin": "null"}),
            ({"csrf": own}, {"Origin": house.url.replace("http:", "https:")}),
            ({"csrf": own}, {"Origin": f"{house.url}.evil.example"}),
            ({"csrf": own}, {"Sec-Fetch-Site": "cross-site"}),
            ({"csrf": own}, {"Sec-Fetch-Site": "same-site"}),
        ]
        for fields, headers in forms:
            answer = await victim.post("/account/sessions", data=fields, headers=headers)
            assert answer.status_code == 403, (fields, headers)
            answer = await victim.post("/logout", data=fields, headers=headers)
            assert answer.status_code == 403
            shown = {CSRF_HEADER: fields["csrf"]} if fields.get("csrf") else {}
            answer = await victim.post("/api/v1/letters", json=REGISTER, headers={**headers, **shown})
            assert (answer.status_code, answer.json()["reason"]) == (403, "CALLER_NOT_PERMITTED")
        # neither as another kind of form, which needs no question beforehand
        for kind in ("text/plain", "multipart/form-data; boundary=x"):
            answer = await victim.post(
                "/logout", content=f"csrf={own}".encode(), headers={"Content-Type": kind}
            )
            assert answer.status_code == 403
        answer = await victim.get("/logout")
        assert answer.status_code == 405
        assert (await victim.get("/account")).status_code == 200
        good = {"Origin": house.url, "Sec-Fetch-Site": "same-origin"}
        assert (await victim.post("/logout", data={"csrf": own}, headers=good)).status_code == 303
    events = await house.refused(who="zhao", result="CALLER_NOT_PERMITTED")
    assert {each.about for each in events} == {"/account/sessions", "/logout", "/api/v1/letters"}


async def test_nobody_is_logged_in_by_another_page(house: Front) -> None:
    """As whomever it wants: what is typed afterwards would be theirs."""
    async with house.browser() as victim:
        fields = {"username": "zhao", "password": PASSWORD}
        answer = await victim.post("/login", data=fields, headers={"Origin": "https://evil.example"})
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert await house.refused(about="/login", result="CALLER_NOT_PERMITTED")


async def test_a_session_given_beforehand_is_worth_nothing(house: Front) -> None:
    """A log-in begins one of its own, whatever the browser held, and the old one of a log-out is dead."""
    async with house.browser() as browser:
        browser.cookies.set(COOKIE, "given-by-somebody-else")
        answer = await browser.post("/login", data={"username": "zhao", "password": PASSWORD})
        assert answer.status_code == 303
        given = answer.cookies[COOKIE]
        assert given != "given-by-somebody-else"
        browser.cookies.clear()
        browser.cookies.set(COOKIE, given)
        assert (await browser.get("/account")).status_code == 200
        await send(browser, "/logout")
        browser.cookies.set(COOKIE, given)
        assert (await browser.get("/account")).status_code == 303


async def test_guessing_is_slow_and_seen(house: Front) -> None:
    """One account is locked, however many ask at once; one address is stopped, however many accounts it tries."""
    async with house.browser() as guesser:
        fields = {"username": "zhao", "password": "guess"}
        answers = await asyncio.gather(
            *(guesser.post("/login", data=fields) for _ in range(2 * FREE_FAILURES))
        )
        assert {each.status_code for each in answers} == {401}
        right = await guesser.post("/login", data={**fields, "password": PASSWORD})
        assert (right.status_code, "locked" in right.text or "锁定" in right.text) == (401, True)
        for number in range(GUESSES_AT_ONCE):
            await guesser.post("/login", data={"username": f"person-{number}", "password": "guess"})
        stopped = await guesser.post("/login", data={"username": "sun", "password": PASSWORD})
        assert stopped.status_code == 429
    async with house.browser(headers={"X-Forwarded-For": "198.51.100.7"}) as elsewhere:
        # this machine is a believed proxy, so this is another browser
        answer = await elsewhere.post("/login", data={"username": "sun", "password": PASSWORD})
        assert answer.status_code == 303
    rows = await house.parts.audit.read(refused=True)
    tried = {(each.event.who, each.event.result) for each in rows}
    assert {("zhao", "NOT_KNOWN"), ("zhao", "ACCOUNT_LOCKED"), ("", "NOT_KNOWN")} <= tried
    assert all(each.event.origin == "127.0.0.1" for each in rows)


async def test_an_address_is_not_believed_from_anybody(tmp_path: Path) -> None:
    """Only the proxies that are named speak for browsers: nobody escapes a lock by inventing addresses."""
    async with front(tmp_path, proxies=["192.0.2.1"]) as house:
        await house.person("zhao")
        async with house.browser(headers={"X-Forwarded-For": "198.51.100.7"}) as browser:
            await browser.post("/login", data={"username": "zhao", "password": "guess"})
        (event,) = await house.refused(who="zhao")
        assert event.origin == "127.0.0.1"


@pytest.mark.parametrize("kind", ["form", "json", "chunks", "multipart", "many fields"])
async def test_what_is_too_large_is_not_read(house: Front, kind: str) -> None:
    """Forms, JSON, without a length beforehand, of any kind; others are served meanwhile."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * (FORM_LIMIT // 16)

    async with house.entered("zhao") as browser:
        csrf = await word(browser)
        headers = {CSRF_HEADER: csrf}
        if kind == "form":
            answer = await browser.post("/account/sessions", data={"csrf": csrf, "x": "y" * FORM_LIMIT})
        elif kind == "json":
            answer = await browser.post("/api/v1/drafts", json={"x": "y" * FORM_LIMIT}, headers=headers)
        elif kind == "chunks":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            answer = await browser.post("/account/sessions", content=pieces(), headers=headers)
        elif kind == "many fields":
            fields = {"csrf": csrf, **{f"f{number}": "x" for number in range(20_000)}}
            answer = await browser.post("/account/sessions", data=fields, headers=headers)
        else:
            files = {"file": ("x.bin", b"x" * (4 * FORM_LIMIT))}
            answer = await browser.post("/login", data={"username": "zhao"}, files=files)
        assert answer.status_code in {400, 403, 413}
        assert (await browser.get("/account")).status_code == 200
    if kind in {"form", "json", "chunks"}:
        assert answer.status_code == 413
        assert await house.refused(who="zhao", result="LIMIT_EXCEEDED")


async def test_endless_headers_are_cut_off(house: Front) -> None:
    """By the server itself, before anything of ours is asked."""

    def ask() -> bytes:
        with socket.create_connection(("127.0.0.1", house.gateway.port), 10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
            try:
                for number in range(100_000):
                    connection.sendall(b"X-%d: " % number + b"y" * 1000 + b"\r\n")
            except OSError:
                return b""
            return connection.recv(100)

    answer = await asyncio.to_thread(ask)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    async with house.browser() as browser:
        assert (await browser.get("/healthz")).status_code == 200


async def test_tokens_that_are_no_longer_good_open_nothing(house: Front) -> None:
    """Revoked, expired, changed, of too small a scope; a token is no session and no person."""
    headers = await bearer(house, "cases:read")
    (token,) = await house.parts.tokens.all_of(HEALTH)
    async with house.browser() as system:
        assert (await system.get("/api/v1/cases", headers=headers)).status_code == 200
        for path in ("/account", "/admin/accounts"):
            assert (await system.get(path, headers=headers)).status_code == 303
        answer = await system.post("/api/v1/drafts", json=REGISTER, headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (403, "CALLER_NOT_PERMITTED")
        await house.parts.tokens.revoke(HEALTH, token.id)
        changed = {"Authorization": headers["Authorization"][:-1]}
        for each in (headers, changed, {"Authorization": "Bearer x"}, {"Authorization": "Basic emhhbzp4"}):
            assert (await system.get("/api/v1/cases", headers=each)).status_code == 401
        expiring = await bearer(house, "cases:read")
        house.ports[HEALTH].ledger.clock.advance(timedelta(days=1))
        assert (await system.get("/api/v1/cases", headers=expiring)).status_code == 401
    assert await house.refused(who=token.id, result="CALLER_NOT_PERMITTED")
    rows = await house.parts.audit.read(refused=True)
    assert (
        sum(
            each.times for each in rows if each.event.action == "CaseService.ListCases" and not each.event.who
        )
        == 5
    )


async def test_nothing_is_approved_but_what_was_shown(house: Front) -> None:
    """The request names the digest of what the person read; for another body, later or exchanged, it is refused."""
    async with house.entered("zhao") as clerk, house.entered("sun") as head:
        case_id = await registered(house)
        writing, approving = {CSRF_HEADER: await word(clerk)}, {CSRF_HEADER: await word(head)}

        async def prepare(remark: str) -> dict[str, str]:
            draft = {"draft": {"caseId": case_id, "act": "close", "closing": {"remark": remark}}}
            answer = await clerk.post("/api/v1/drafts", json=draft, headers=writing)
            assert answer.status_code == 200, answer.text
            found: dict[str, str] = answer.json()["draft"]
            return found

        shown, exchanged = await prepare("不予移送。"), await prepare("予以免除。")
        for digest in (shown["contentDigest"], base64.b64encode(bytes(32)).decode(), "", "AAAA"):
            body = {"contentDigest": digest, "role": "section-head"}
            answer = await head.post(
                f"/api/v1/drafts/{exchanged['letterId']}:approve", json=body, headers=approving
            )
            assert answer.status_code in {400, 401, 403}, answer.text
        body = {"contentDigest": shown["contentDigest"], "role": "section-head"}
        answer = await head.post(f"/api/v1/drafts/{shown['letterId']}:approve", json=body, headers=approving)
        assert answer.status_code == 200
    assert await house.refused(who="sun", result="CONTENT_MISMATCH")


async def test_no_way_leads_to_another_site(house: Front) -> None:
    """Neither after logging in nor by any other `next=`."""
    for place in PLACES:
        async with house.browser() as browser:
            fields = {"username": "zhao", "password": PASSWORD, "next": place}
            answers = [
                await browser.post("/login", data=fields),
                await browser.get("/login", params={"next": place}),
                await browser.get("/language", params={"to": "en", "next": place}),
            ]
        for answer in answers:
            target = answer.headers.get("location", "/")
            assert httpx.URL(house.url).join(target).host == "127.0.0.1", (place, target)
            assert target.startswith("/")
            assert not target.startswith(("//", "/\\"))
            assert "x=1" not in answer.headers.get("set-cookie", "")


async def test_strange_requests_are_answered_and_nothing_more(house: Front) -> None:
    """Paths that climb, methods that nobody has, bytes that are no text: never a fault of ours."""
    paths = (
        "/static/../../../../etc/passwd", "/static/..%2f..%2fetc%2fpasswd", "/static//etc/passwd", "/%00", "/%ff%fe",
        "/admin/accounts/%2e%2e%2f", "/api/v1/cases/%00", "/admin/logins?before=x", "/admin/logins?before=-9e99",
        f"/admin/logins?before={'9' * 400}", "/login?next=%00%ff", f"/{'a' * 20_000}",
    )  # fmt: skip
    async with house.entered("admin") as browser:
        for path in paths:
            for method in ("GET", "POST", "PUT", "TRACE", "PROPFIND"):
                answer = await browser.request(method, path)
                assert answer.status_code < 500, (method, path)
                assert "root:" not in answer.text
        browser.cookies.set(COOKIE, "\x7fx" * 2000)
        assert (await browser.get("/")).status_code < 500
