"""Logging in by provider and by certificate, over TLS, by the gateway's pages behind a real proxy."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.common.clock import SystemClock
from services.common.config import ConfigurationError
from services.gateway.accounts.certificates import shown
from services.gateway.accounts.model import CERTIFICATE_ACR, OPENID_ACR
from services.gateway.accounts.openid import BACK
from services.gateway.bootstrap import Gateway
from services.gateway.settings import CertificateSettings, DepartmentSettings, GatewaySettings, OidcSettings
from tests.builders.authority import Authority, Issued
from tests.builders.departments import HEALTH
from tests.builders.hostile import PLACES
from tests.builders.openid_provider import CLIENT_ID
from tests.builders.ports import free_port
from tests.builders.provider_process import RunningProvider, running_provider
from tests.builders.tls_proxy import tls_proxy

from .guarded import PASSWORD, Front, front, word

CLAIMS = {"name": "陈慧", "department": HEALTH, "roles": ["经办"]}
HEADER = "X-Client-Certificate"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    """A provider that runs and knows Chen Hui."""
    with running_provider(tmp_path_factory.mktemp("provider")) as found:
        found.knows("chen", **CLAIMS)
        yield found


@dataclass
class Site:
    """A gateway behind a proxy.

    Attributes:
        front: The gateway.
        url: Where browsers reach it.
        people: The authority of persons' certificates.
        trust: What browsers trust.
        crl: The list of those revoked.
    """

    front: Front
    url: str
    people: Authority
    trust: Path
    crl: Path

    @asynccontextmanager
    async def browser(self, issued: Issued | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A browser, perhaps with a certificate."""
        context = ssl.create_default_context(cafile=self.trust)
        if issued is not None:
            serial = f"{issued.certificate.serial_number:x}"
            context.load_cert_chain(*issued.write(self.front.folder / "browsers", serial))
        async with httpx.AsyncClient(
            base_url=self.url, verify=context, timeout=20, headers={"Accept": "text/html"}
        ) as client:
            yield client

    async def knows(self, issued: Issued) -> None:
        """Zhao's account is opened by a certificate."""
        found = await self.front.parts.accounts.accounts(HEALTH)
        (account,) = [each for each in found if each.username == "zhao"]
        certificate = shown(issued.certificate)
        await self.front.parts.identities.add(
            HEALTH, account.id, certificate.issuer, certificate.serial, certificate.title
        )


@asynccontextmanager
async def site_of(
    folder: Path, provider: RunningProvider, verify: str = "optional", **more: Any
) -> AsyncIterator[Site]:
    """The gateway, and nginx before it."""
    port, people, servers = free_port(), Authority("People's authority"), Authority("Servers' authority")
    url = f"https://localhost:{port}"
    ca, crl, trust = folder / "people.pem", folder / "crl.pem", folder / "servers.pem"
    ca.write_bytes(people.root.pem)
    crl.write_bytes(people.crl())
    trust.write_bytes(servers.root.pem)
    provider.sends_back_to(f"{url}{BACK}")
    oidc = OidcSettings(
        issuer=provider.issuer, client_id=CLIENT_ID, client_secret_file=provider.secret_file, title="统一身份认证",
        ca_file=provider.ca_file, roles={"经办": "clerk", "分管": "leader-in-charge"},
    )  # fmt: skip
    settings = {
        "public_url": url, "oidc": oidc,
        "certificates": CertificateSettings(ca_file=ca, crl_file=crl, header=HEADER), **more,
    }  # fmt: skip
    async with front(folder, clock=SystemClock(), **settings) as found:
        await found.person("zhao")
        server = servers.server("localhost").write(folder, "server")
        with ExitStack() as stack:
            stack.enter_context(tls_proxy(folder / "nginx", port, found.gateway.port, server, ca, verify))
            yield Site(found, url, people, trust, crl)


@pytest.fixture
async def site(tmp_path: Path, provider: RunningProvider) -> AsyncIterator[Site]:
    """With both ways."""
    async with site_of(tmp_path, provider) as found:
        yield found


async def by_provider(
    browser: httpx.AsyncClient, provider: RunningProvider, place: str = "/account"
) -> httpx.Response:
    """The whole way of a browser."""
    sent = await browser.get("/login/openid", params={"next": place})
    assert sent.status_code == 303, sent.text
    back = await asyncio.to_thread(provider.log_in, sent.headers["location"], "chen")
    return await browser.get(back)


async def test_cookies_are_for_this_host_alone_over_tls_and_for_no_script(
    site: Site, provider: RunningProvider
) -> None:
    """By whichever way one logs in; they are gone when one logs out."""
    issued = site.people.person("赵文博")
    await site.knows(issued)
    async with site.browser() as password, site.browser() as openid, site.browser(issued) as certificate:
        begun = await openid.get("/login/openid")
        answers = [
            begun,
            await password.post("/login", data={"username": "zhao", "password": PASSWORD}),
            await openid.get(await asyncio.to_thread(provider.log_in, begun.headers["location"], "chen")),
            await certificate.post("/login/certificate"),
        ]
        for answer in answers:
            assert answer.status_code == 303, answer.text
            (cookie, *_) = [each for each in answer.headers.get_list("set-cookie") if "Max-Age=0" not in each]
            name, *attributes = [each.strip() for each in cookie.split(";")]
            assert name.startswith("__Host-liandong")
            assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(attributes)
            assert not [each for each in attributes if each.startswith("Domain")]
        out = await password.post("/logout", data={"csrf": await word(password)})
        assert '__Host-liandong=""; ' in out.headers["set-cookie"]
        assert "Max-Age=0" in out.headers["set-cookie"]


async def test_a_cookie_without_its_prefix_is_nobodys_over_tls(site: Site) -> None:
    """Another host of the domain could have set it."""
    async with site.browser() as browser, site.browser() as other:
        await browser.post("/login", data={"username": "zhao", "password": PASSWORD})
        value = browser.cookies["__Host-liandong"]
        other.cookies.set("liandong", value)
        assert (await other.get("/account")).status_code == 303
        other.cookies.set("__Host-liandong", value)
        assert (await other.get("/account")).status_code == 200


async def test_forms_are_taken_from_the_public_address_alone(site: Site) -> None:
    """Behind the proxy, whatever the browser says its host is."""
    async with site.browser() as browser:
        fields = {"username": "zhao", "password": PASSWORD}
        for headers in (
            {"Origin": "https://evil.example"}, {"Origin": "https://evil.example", "Host": "evil.example"},
            {"Origin": site.url.replace("https", "http")},
        ):  # fmt: skip
            assert (await browser.post("/login", data=fields, headers=headers)).status_code == 403
        assert (await browser.post("/login", data=fields, headers={"Origin": site.url})).status_code == 303


async def test_one_logs_in_and_out_by_the_provider(site: Site, provider: RunningProvider) -> None:
    """And is told that the provider may still know one; the audit says how it was."""
    async with site.browser() as browser:
        assert "统一身份认证" in (await browser.get("/login")).text
        answer = await by_provider(browser, provider)
        assert answer.headers["location"] == "/account"
        page = await browser.get("/account")
        assert "陈慧" in page.text
        assert "/account/password" not in page.text
        out = await browser.post("/logout", data={"csrf": await word(browser)})
        assert out.headers["location"] == "/login?out=openid"
        assert f"{provider.issuer}/logout?" in (await browser.get("/login?out=openid")).text
        assert (await browser.get("/account")).status_code == 303
    rows = [each.event for each in await site.front.parts.audit.read(HEALTH)]
    assert [each.about for each in rows if each.action == "log-in"] == [OPENID_ACR]


async def test_what_the_provider_says_is_taken_once_and_in_one_browser(
    site: Site, provider: RunningProvider
) -> None:
    """The same address again, or in another browser, lets nobody in; it is noted."""
    async with site.browser() as browser, site.browser() as other:
        sent = await browser.get("/login/openid")
        back = await asyncio.to_thread(provider.log_in, sent.headers["location"], "chen")
        stolen = await other.get(back)
        assert (stolen.status_code, "set-cookie" in stolen.headers) == (401, True)
        assert "liandong=" not in stolen.headers["set-cookie"]
        flow = browser.cookies["__Host-liandong-openid"]
        assert (await browser.get(back)).status_code == 303
        other.cookies.set("__Host-liandong-openid", flow)
        assert (await other.get(back)).status_code == 401
        provider.breaks(nonce="another")
        assert (await by_provider(other, provider)).status_code == 401
        provider.knows("chen", **{**CLAIMS, "department": "market.nowhere"})
        assert (await by_provider(other, provider)).status_code == 401
        provider.knows("chen", **CLAIMS)
    noted = {(each.result, each.about) for each in await site.front.refused()}
    known = f"{BACK} {provider.issuer} chen"
    assert noted == {("LOGIN_OVER", BACK), ("IDENTITY_REFUSED", BACK), ("IDENTITY_REFUSED", known)}


async def test_the_provider_sends_nobody_to_another_site(site: Site, provider: RunningProvider) -> None:
    """Where one wanted to go is of this gateway."""
    for place in PLACES[:6]:
        async with site.browser() as browser:
            answer = await by_provider(browser, provider, place)
            assert answer.headers["location"] == "/", place


async def test_one_logs_in_by_certificate(site: Site) -> None:
    """Which the browser proves to the proxy; it leads to where one wanted to go."""
    issued = site.people.person("赵文博")
    async with site.browser(issued) as browser:
        assert (await browser.post("/login/certificate")).status_code == 401
        await site.knows(issued)
        answer = await browser.post("/login/certificate", data={"next": "/account"})
        assert answer.headers["location"] == "/account"
        assert "人员zhao" in (await browser.get("/account")).text
        elsewhere = await browser.post("/login/certificate", headers={"Origin": "https://evil.example"})
        assert elsewhere.status_code == 403
    rows = [each.event for each in await site.front.parts.audit.read(HEALTH)]
    assert [each.about for each in rows if each.action == "log-in"] == [CERTIFICATE_ACR]
    noted = {each.result: each.about for each in await site.front.refused()}
    assert noted.keys() == {"IDENTITY_REFUSED", "CALLER_NOT_PERMITTED"}
    assert f"{issued.certificate.serial_number:x}" in noted["IDENTITY_REFUSED"]


async def test_a_certificate_is_believed_from_the_proxy_alone(site: Site) -> None:
    """Not as a header of the browser's, through the proxy or past it, nor from a machine that is no proxy."""
    issued = site.people.person("赵文博")
    await site.knows(issued)
    escaped = str(httpx.URL("/", params={"c": issued.pem.decode()})).partition("c=")[2].replace("+", "%20")
    async with site.browser() as browser:
        for headers in ({}, {HEADER: escaped}, {HEADER.lower(): escaped}):
            assert (await browser.post("/login/certificate", headers=headers)).status_code == 401
    async with site.browser(site.people.person("别人")) as browser:
        assert (await browser.post("/login/certificate", headers={HEADER: escaped})).status_code == 401


async def test_a_header_past_the_proxy_is_not_believed(tmp_path: Path, provider: RunningProvider) -> None:
    """Where this machine is none of the proxies, even a good certificate in the header opens nothing."""
    async with site_of(tmp_path, provider, proxies=["192.0.2.1"]) as site:
        issued = site.people.person("赵文博")
        await site.knows(issued)
        async with site.browser(issued) as browser:
            assert (await browser.post("/login/certificate")).status_code == 401
        (event,) = await site.front.refused(about="/login/certificate")
        assert event.result == "CERTIFICATE_REFUSED"


async def test_a_proxy_that_checks_nothing_lets_nobody_in(tmp_path: Path, provider: RunningProvider) -> None:
    """Expired, revoked, of another authority: the gateway judges again."""
    async with site_of(tmp_path, provider, "optional_no_ca") as site:
        now = SystemClock().now()
        good, revoked = site.people.person("赵"), site.people.person("赵")
        expired = site.people.person("赵", until=now - timedelta(hours=1))
        foreign = Authority("People's authority").person("赵")
        site.people.revoke(revoked)
        site.crl.write_bytes(site.people.crl())
        for issued in (good, revoked, expired, foreign):
            await site.knows(issued)
        found = []
        for issued in (good, revoked, expired, foreign):
            async with site.browser(issued) as browser:
                found.append((await browser.post("/login/certificate")).status_code)
        # the expired one is refused by nginx itself
        assert found == [303, 401, 400, 401]


async def test_without_settings_there_is_no_such_way(tmp_path: Path) -> None:
    """Neither a button nor a path; a file that is missing stops the start."""
    async with front(tmp_path) as found, found.browser() as browser:
        page = (await browser.get("/login")).text
        assert "/login/openid" not in page
        assert "/login/certificate" not in page
        assert (await browser.get("/login/openid")).status_code == 404
        assert (await browser.get(BACK)).status_code == 404
        assert (await browser.post("/login/certificate")).status_code == 404
        department = found.gateway.settings.departments[0]
    for wrong in (
        {"certificates": CertificateSettings(ca_file=tmp_path / "none.pem")},
        {
            "oidc": OidcSettings(
                issuer="https://id.example", client_id="x", client_secret_file=tmp_path / "none"
            ),
            "public_url": "https://liandong.test",
        },
    ):
        with pytest.raises(ConfigurationError, match="none"):
            Gateway(_settings(department, tmp_path, **wrong))
    with pytest.raises(ValueError, match="public_url"):
        _settings(department, tmp_path, oidc=OidcSettings(issuer="https://id.example", client_id="x"))


def _settings(department: DepartmentSettings, folder: Path, **more: Any) -> GatewaySettings:
    return GatewaySettings(
        departments=[department],
        database_url=f"sqlite:///{folder / 'other.sqlite'}",
        listen="127.0.0.1:0",
        **more,
    )
