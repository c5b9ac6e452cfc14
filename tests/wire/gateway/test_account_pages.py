"""One's own account and a department's accounts, by forms over HTTP."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from pathlib import Path

import httpx
import pyotp
import pytest

from services.common.clock import ManualClock
from services.gateway.accounts.model import ADMINISTRATOR, TOTP_ACR
from services.gateway.web import accounts
from services.gateway.web.texts import catalogue
from tests.builders.authority import Authority
from tests.builders.departments import HEALTH, MARKET
from tests.builders.hostile import MARK, TEXTS, runs

from .guarded import PASSWORD, Front, front, send, word


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Front]:
    """With an administrator and a clerk of one department."""
    async with front(tmp_path) as found:
        await found.person("admin", ADMINISTRATOR)
        await found.person("zhao", "clerk")
        yield found


def clock_of(house: Front) -> ManualClock:
    return house.ports[HEALTH].ledger.clock


async def account_id(house: Front, username: str, department: str = HEALTH) -> str:
    found = await house.parts.accounts.accounts(department)
    return next(each.id for each in found if each.username == username)


async def test_sessions_are_seen_and_ended(house: Front) -> None:
    """One by one, or all others at once; the ended browser is sent to log in."""
    async with house.entered("zhao") as here, house.entered("zhao") as there, house.entered("zhao") as third:
        page = (await here.get("/account")).text
        ids = re.findall(r'name="session" value="([^"]+)"', page)
        assert len(ids) == 2
        assert (await send(here, "/account/sessions", session=ids[0])).status_code == 303
        ended = [each for each in (there, third) if (await each.get("/account")).status_code == 303]
        assert len(ended) == 1
        assert (await send(here, "/account/sessions")).status_code == 303
        assert (await there.get("/account")).headers["location"] == "/login?next=/account"
        assert (await third.get("/account")).status_code == 303
        assert (await here.get("/account")).status_code == 200


async def test_nobody_ends_anothers_session(house: Front) -> None:
    """Its id is of no use."""
    admin = await account_id(house, "admin")
    async with house.entered("admin") as other, house.entered("zhao") as here:
        (session,) = await house.parts.accounts.sessions(admin)
        await send(here, "/account/sessions", session=session.id)
        assert (await other.get("/account")).status_code == 200


async def test_an_authenticator_is_set_up_and_switched_off(house: Front) -> None:
    """With the code that it shows, and the password each time; the key is on the page as picture and text."""
    async with house.entered("zhao") as here:
        page = (await here.get("/account/authenticator")).text
        uri = unescape(re.findall(r'name="uri" value="([^"]+)"', page)[0])
        assert 'src="data:image/svg+xml' in page
        totp = pyotp.parse_uri(uri)
        assert isinstance(totp, pyotp.TOTP)
        assert totp.secret in page
        code = totp.at(clock_of(house).now())
        wrong = await send(here, "/account/authenticator", uri=uri, code="000000", old=PASSWORD)
        assert (wrong.status_code, "code-wrong" in wrong.text) == (400, True)
        wrong = await send(here, "/account/authenticator", uri=uri, code=code, old="guess")
        assert (wrong.status_code, "old-wrong" in wrong.text) == (400, True)
        wrong = await send(here, "/account/authenticator", uri="otpauth://nonsense", code=code, old=PASSWORD)
        assert wrong.status_code == 400
        assert (
            await send(here, "/account/authenticator", uri=uri, code=code, old=PASSWORD)
        ).status_code == 303
        async with house.browser() as other:
            answer = await other.post("/login", data={"username": "zhao", "password": PASSWORD})
            assert (answer.status_code, 'name="code"' in answer.text) == (401, True)
            clock_of(house).advance(timedelta(seconds=30))
            fields = {"username": "zhao", "password": PASSWORD, "code": totp.at(clock_of(house).now())}
            assert (await other.post("/login", data=fields)).status_code == 303
            assert "password and code" in (await other.get("/account")).text
        (session, _) = await house.parts.accounts.sessions(await account_id(house, "zhao"))
        assert session.acr == TOTP_ACR
        wrong = await send(here, "/account/authenticator/end", old="guess")
        assert wrong.status_code == 400
        assert (await send(here, "/account/authenticator/end", old=PASSWORD)).status_code == 303
    async with house.entered("zhao"):
        pass


async def test_the_password_is_changed_in_the_readers_language(house: Front) -> None:
    """What is wrong stands beside its field."""
    async with house.entered("zhao") as here:
        for fields, wrong in (
            ({"old": "guess", "password": "another four words", "again": "another four words"}, "old-wrong"),
            ({"old": PASSWORD, "password": "another four words", "again": "other"}, "again-wrong"),
            ({"old": PASSWORD, "password": "short", "again": "short"}, "password-wrong"),
            ({"old": PASSWORD, "password": PASSWORD, "again": PASSWORD}, "password-wrong"),
        ):
            answer = await send(here, "/account/password", **fields)
            assert (answer.status_code, wrong in answer.text) == (400, True)
        chinese = await here.post(
            "/account/password?lang=zh",
            data={"csrf": await word(here), "old": "guess", "password": "x" * 12, "again": "x" * 12},
        )
        assert "当前密码不正确" in chinese.text
        fields = {"old": PASSWORD, "password": "another four words", "again": "another four words"}
        assert (await send(here, "/account/password", **fields)).status_code == 303


async def test_an_administrator_keeps_the_accounts(house: Front) -> None:
    """Adds one, whose first password is shown once and has to be changed; changes, resets, disables, enables."""
    async with house.entered("admin") as admin, house.browser() as person:
        fields = {"username": "Qian", "name": "钱晓云", "subject": "qian-1", "role": ["clerk", "liaison"]}
        made = await send(admin, "/admin/accounts", **fields)
        password = re.findall(r"<code>([^<]+)</code>", made.text)[1]
        again = await send(admin, "/admin/accounts", **fields)
        assert (again.status_code, "username-wrong" in again.text) == (400, True)
        entered = await person.post("/login", data={"username": "qian", "password": password})
        assert entered.headers["location"] == "/account/password"
        assert (await person.get("/")).headers["location"] == "/account/password"
        changed = {"old": password, "password": PASSWORD, "again": PASSWORD}
        answer = await person.post(
            "/account/password", data={"csrf": await word(person, "/account/password"), **changed}
        )
        assert answer.status_code == 303
        own = await account_id(house, "qian")
        path = f"/admin/accounts/{own}"
        assert (
            await send(admin, path, name="钱晓云", role="principal", certificate="C-7")
        ).status_code == 303
        assert "主要负责人" in (await person.get("/account")).text
        for wrong in (
            {"name": "", "role": "clerk"},
            {"name": "钱", "role": []},
            {"name": "钱", "role": "emperor"},
        ):
            assert (await send(admin, path, **wrong)).status_code == 400
        reset = await send(admin, f"{path}/reset")
        assert (await person.get("/account")).status_code == 303
        given = re.findall(r"<code>([^<]+)</code>", reset.text)[1]
        assert (await person.post("/login", data={"username": "qian", "password": given})).status_code == 303
        assert (await send(admin, f"{path}/disable", disabled="yes")).status_code == 303
        assert (await person.post("/login", data={"username": "qian", "password": given})).status_code == 401
        assert (await send(admin, f"{path}/disable", disabled="no")).status_code == 303
        assert (await person.post("/login", data={"username": "qian", "password": given})).status_code == 303
        assert (await send(admin, f"{path}/sessions")).status_code == 303
        assert (await person.get("/account/password")).status_code == 303
        audit = (await admin.get("/admin/logins")).text
        for action in (
            "Account added",
            "Account changed",
            "Password reset",
            "Account disabled",
            "Sessions ended",
        ):
            assert action in audit
        assert "DISABLED" in (await admin.get("/admin/logins?refused=true")).text


async def test_a_certificate_is_added_to_an_account_and_taken_away(house: Front) -> None:
    """Each opens one account."""
    issued = Authority().person("赵文博")
    own = await account_id(house, "zhao")
    path = f"/admin/accounts/{own}/identities"
    async with house.entered("admin") as admin:
        assert (await send(admin, path, pem="nonsense")).status_code == 400
        assert (await send(admin, path, openid="zhao")).status_code == 400
        assert (await send(admin, path, pem=issued.pem.decode())).status_code == 303
        assert "identity-wrong" in (await send(admin, path, pem=issued.pem.decode())).text
        (identity,) = await house.parts.identities.of(own)
        fields = {"issuer": identity.issuer, "subject": identity.subject}
        assert (await send(admin, f"{path}/remove", **fields)).status_code == 303
        assert (await send(admin, f"{path}/remove", **fields)).status_code == 404


async def test_tokens_are_made_shown_once_and_revoked(house: Front) -> None:
    """By the administrator; what is wrong is said."""
    async with house.entered("admin") as admin, house.browser(headers={"Accept": "*/*"}) as system:
        for wrong in (
            {"title": "", "scope": "cases:read", "days": "30"}, {"title": "OA", "days": "30"},
            {"title": "OA", "scope": "cases:all", "days": "30"},
            {"title": "OA", "scope": "cases:read", "days": "9999999999999"},
            {"title": "OA", "scope": "cases:read", "days": "-1"},
        ):  # fmt: skip
            assert (await send(admin, "/admin/tokens", **wrong)).status_code == 400
        made = await send(admin, "/admin/tokens", title="OA", scope=["cases:read"], days="30")
        secret = re.findall(r"<code>(liandong_[^<]+)</code>", made.text)[0]
        assert secret not in (await admin.get("/admin/tokens")).text
        bearer = {"Authorization": f"Bearer {secret}"}
        assert (await system.get("/api/v1/cases", headers=bearer)).status_code == 200
        (token,) = await house.parts.tokens.all_of(HEALTH)
        assert (await send(admin, f"/admin/tokens/{token.id}/revoke")).status_code == 303
        assert (await system.get("/api/v1/cases", headers=bearer)).status_code == 401
        assert (await send(admin, f"/admin/tokens/{token.id}/revoke")).status_code == 404


async def test_every_action_has_words() -> None:
    """The audit is for people."""
    for action in accounts._ACTIONS:
        assert f"accounts.did_{action.replace('.', '_')}" in catalogue()


async def test_who_only_keeps_accounts_begins_with_them(house: Front) -> None:
    """In cases they may do nothing, so no page of cases is offered."""
    async with house.entered("admin") as admin:
        assert (await admin.get("/")).headers["location"] == "/admin/accounts"
        page = (await admin.get("/admin/accounts")).text
        assert 'href="/cases"' not in page
        assert 'href="/admin"' in page


@pytest.mark.parametrize("path", ["/admin/accounts", "/admin/accounts/new", "/admin/tokens", "/admin/logins"])
async def test_others_do_not_enter(house: Front, path: str) -> None:
    """Neither people of other roles nor those who are not logged in; it is noted who tried."""
    async with house.entered("zhao") as clerk, house.browser() as nobody:
        assert (await clerk.get(path)).status_code == 403
        assert (await nobody.get(path)).status_code == 303
    (event,) = await house.refused(who="zhao")
    assert (event.result, event.about) == ("ROLE_NOT_PERMITTED", path)


async def test_an_auditor_reads_the_audit_and_nothing_more(house: Front) -> None:
    """Of the own department."""
    await house.person("sun", "auditor")
    await house.person("li", "clerk", department=MARKET)
    async with house.entered("sun") as auditor:
        page = await auditor.get("/admin/logins")
        assert page.status_code == 200
        assert "zhao" in page.text
        assert "li clerk" not in page.text
        assert (await auditor.get("/admin/accounts")).status_code == 403


async def test_what_is_typed_stays_text(house: Front) -> None:
    """On every page of accounts, tokens and audit that shows it, and where it is refused."""
    pages = []
    async with house.entered("admin") as admin, house.browser() as nobody:
        csrf = await word(admin)
        for number, text in enumerate(TEXTS.values()):
            account = {"username": f"h{number}-{text}", "name": text, "subject": text, "role": "clerk"}
            for path, fields in (
                ("/admin/accounts", {**account, "certificate": text}),
                ("/admin/accounts", {**account, "username": f"h{number}", "name": f"{text[:60]}"}),
                ("/admin/tokens", {"title": text, "scope": "cases:read", "days": "5"}),
                ("/admin/tokens", {"title": text, "scope": text, "days": text}),
            ):
                pages.append(await admin.post(path, data={"csrf": csrf, **fields}))
            login = {"username": text, "password": "x", "next": text}
            pages.append(await nobody.post("/login", data=login))
            pages.append(await nobody.get("/login", params={"next": text, "lang": text}))
        pages += [await admin.get(each) for each in ("/admin/accounts", "/admin/tokens", "/admin/logins")]
        pages += [
            await admin.get(f"/admin/accounts/{each.id}")
            for each in await house.parts.accounts.accounts(HEALTH)
        ]
    assert sum(MARK in each.text for each in pages) > 2 * len(TEXTS)
    for page in pages:
        assert runs(page.text) == [], page.url
        assert page.status_code < 500
        assert "hostile=1" not in page.headers.get("set-cookie", "")


async def test_pages_with_secrets_are_kept_by_nobody(house: Front) -> None:
    """Neither by the browser nor by what is between."""
    async with house.entered("admin") as admin:
        fields = {"username": "q", "name": "钱", "subject": "q", "role": "clerk"}
        answers: list[httpx.Response] = [
            await send(admin, "/admin/accounts", **fields), await admin.get("/account/authenticator"),
        ]  # fmt: skip
        for each in answers:
            assert each.headers["cache-control"] == "no-store"
            assert "script-src 'self'" in each.headers["content-security-policy"]
