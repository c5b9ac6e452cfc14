"""Logging in by an OpenID provider, which is a process of its own behind TLS of its own authority."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from services.common.clock import ManualClock, SystemClock
from services.common.db import Database
from services.common.errors import Unavailable
from services.gateway import schema
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.claims import IdentityRefused, person_of
from services.gateway.accounts.identities import Identities, IdentityTaken
from services.gateway.accounts.model import OPENID_ACR, Account, SessionOver
from services.gateway.accounts.openid import BACK, FLOW_TIME, FlowOver, OpenId, ProviderRefused, TokenRefused
from services.gateway.audit import Audit
from services.gateway.settings import OidcSettings
from tests.builders.openid_provider import CLIENT_ID
from tests.builders.provider_process import RunningProvider, running_provider

PUBLIC = "https://liandong.test"
SERVED = frozenset({"health.qinghe"})
ROLES = {"经办": "clerk", "分管": "leader-in-charge"}
CLAIMS = {"name": "陈慧", "department": "health.qinghe", "roles": ["经办"]}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningProvider]:
    """A provider that runs and knows Chen Hui."""
    with running_provider(tmp_path_factory.mktemp("provider")) as found:
        found.sends_back_to(f"{PUBLIC}{BACK}")
        found.knows("chen", **CLAIMS)
        yield found


@dataclass
class Gate:
    """What logs people in."""

    provider: RunningProvider
    clock: ManualClock
    openid: OpenId
    identities: Identities
    accounts: Accounts

    async def back(self, url: str, sub: str = "chen") -> dict[str, str]:
        """Log in where the browser was sent; the query it comes back with."""
        target = await asyncio.to_thread(self.provider.log_in, url, sub)
        assert target.startswith(f"{PUBLIC}{BACK}?")
        return dict(parse_qsl(urlsplit(target).query))

    async def claims(self, sub: str = "chen") -> dict[str, Any]:
        """The whole way."""
        url, secret = await self.openid.begin("/cases")
        found, place = await self.openid.finish(secret, await self.back(url, sub))
        assert place == "/cases"
        return dict(found)

    async def account(self, sub: str = "chen") -> Account:
        """And whose account it is."""
        person = person_of(await self.claims(sub), self.openid.settings.names, SERVED)
        return await self.identities.account_for(person)


@pytest.fixture
def gate(provider: RunningProvider, tmp_path: Path) -> Iterator[Gate]:
    """Over an empty store."""
    settings = OidcSettings(
        issuer=provider.issuer, client_id=CLIENT_ID, client_secret_file=provider.secret_file,
        ca_file=provider.ca_file, roles=ROLES,
    )  # fmt: skip
    database = Database(f"sqlite:///{tmp_path / 'gateway.sqlite'}")
    database.write(schema.metadata.create_all)
    clock = ManualClock(SystemClock().now())
    audit = Audit(database, clock)
    yield Gate(
        provider, clock, OpenId(settings, PUBLIC, database, clock, audit), Identities(database, clock, audit),
        Accounts(database, clock, audit=audit),
    )  # fmt: skip
    database.close()


async def test_who_logs_in_there_is_let_in_here(gate: Gate) -> None:
    """With an account made of the claims; the second time it is the same one, and the session says how."""
    account = await gate.account()
    assert (account.department, account.roles, account.name) == ("health.qinghe", ("clerk",), "陈慧")
    assert await gate.account() == account
    session, _ = await gate.accounts.begin(account, OPENID_ACR, origin="192.0.2.7", agent="Browser")
    assert session.acr == OPENID_ACR
    with pytest.raises(Exception, match="not right"):
        await gate.accounts.log_in(account.username, "", origin="", agent="")


async def test_the_browser_is_sent_with_everything_that_binds(gate: Gate) -> None:
    """State, nonce and PKCE, each new, and none of them guessable from another."""
    url, secret = await gate.openid.begin("/")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{PUBLIC}{BACK}"
    values = [asked["state"], asked["nonce"], asked["code_challenge"], secret]
    assert len(set(values)) == 4
    assert min(len(each) for each in values) >= 43


async def test_an_account_made_before_is_taken_as_it_is(gate: Gate, provider: RunningProvider) -> None:
    """Claims neither add to its roles nor take from them; an identity opens one account only."""
    provider.knows("wang", name="王", department="market.qinghe", roles=["分管"])
    made = await gate.accounts.create(
        Account(
            id="", username="wang", department="health.qinghe", subject="wang-1", name="王志强", roles=("clerk",),
            certificate="", must_change=False, totp=False, locked_until=None, disabled=False, language="",
        ),
        "",
    )  # fmt: skip
    with pytest.raises(IdentityRefused):
        await gate.account("wang")
    await gate.identities.add("health.qinghe", made.id, provider.issuer, "wang", "王")
    assert await gate.account("wang") == made
    with pytest.raises(IdentityTaken):
        await gate.identities.add("health.qinghe", made.id, provider.issuer, "wang", "王")
    await gate.accounts.disable("health.qinghe", made.id, disabled=True)
    with pytest.raises(IdentityRefused):
        await gate.account("wang")


async def test_roles_follow_the_claims_and_never_exceed_the_mapping(
    gate: Gate, provider: RunningProvider
) -> None:
    """More, fewer, none; a name that is a role of ours but not mapped is nothing."""
    provider.knows("li", **{**CLAIMS, "roles": ["经办", "principal", "system-administrator"]})
    account = await gate.account("li")
    assert account.roles == ("clerk",)
    provider.knows("li", **{**CLAIMS, "roles": ["分管", "leader-in-charge"]})
    assert (await gate.account("li")).roles == ("leader-in-charge",)
    _, cookie = await gate.accounts.begin(account, OPENID_ACR, origin="", agent="")
    assert (await gate.accounts.session_of(cookie)).account.roles == ("leader-in-charge",)
    provider.knows("li", **{**CLAIMS, "roles": ["principal"]})
    with pytest.raises(IdentityRefused):
        await gate.account("li")
    with pytest.raises(SessionOver):
        await gate.accounts.session_of(cookie)


@pytest.mark.parametrize("department", ["market.qinghe", "", None, ["health.qinghe", "market.qinghe", "x"]])
async def test_an_unknown_department_is_refused(
    gate: Gate, provider: RunningProvider, department: Any
) -> None:
    """Nobody gets an account here because another department's provider knows them."""
    provider.knows("sun", name="孙", department=department, roles=["经办"])
    if isinstance(department, list):
        assert (await gate.account("sun")).department == "health.qinghe"
        return
    with pytest.raises(IdentityRefused):
        await gate.account("sun")
    assert await gate.accounts.accounts("health.qinghe") == []


async def test_what_was_answered_once_is_not_taken_again(gate: Gate) -> None:
    """The log-in under way is taken by the first answer, whatever came of it."""
    url, secret = await gate.openid.begin("/")
    answer = await gate.back(url)
    await gate.openid.finish(secret, answer)
    with pytest.raises(FlowOver):
        await gate.openid.finish(secret, answer)


async def test_an_answer_is_good_in_the_browser_that_asked(gate: Gate) -> None:
    """Neither without its cookie, nor with that of another log-in, nor with another state (log-in CSRF)."""
    url, secret = await gate.openid.begin("/")
    answer = await gate.back(url)
    _, others = await gate.openid.begin("/")
    for cookie in ("", "invented", others):
        with pytest.raises(FlowOver):
            await gate.openid.finish(cookie, answer)
    with pytest.raises(FlowOver):
        await gate.openid.finish(secret, {**answer, "state": "guessed"})


async def test_a_log_in_takes_ten_minutes_at_most(gate: Gate) -> None:
    """Then it is begun again."""
    url, secret = await gate.openid.begin("/")
    answer = await gate.back(url)
    gate.clock.advance(FLOW_TIME + timedelta(seconds=1))
    with pytest.raises(FlowOver):
        await gate.openid.finish(secret, answer)


async def test_a_stolen_code_is_worth_nothing(gate: Gate) -> None:
    """It was asked for with another verifier (PKCE)."""
    victims, _ = await gate.openid.begin("/")
    stolen = (await gate.back(victims))["code"]
    url, secret = await gate.openid.begin("/")
    answer = await gate.back(url)
    with pytest.raises(ProviderRefused):
        await gate.openid.finish(secret, {**answer, "code": stolen})


async def test_another_providers_answer_is_not_mixed_in(gate: Gate) -> None:
    """It says who it is (RFC 9207), and an answer that does not is refused."""
    for told in ("https://evil.example", ""):
        url, secret = await gate.openid.begin("/")
        answer = await gate.back(url)
        with pytest.raises(TokenRefused):
            await gate.openid.finish(secret, {**answer, "iss": told})


async def test_who_is_not_let_in_there_is_not_let_in_here(gate: Gate) -> None:
    """And is told so."""
    url, secret = await gate.openid.begin("/")
    with pytest.raises(ProviderRefused):
        await gate.openid.finish(secret, await gate.back(url, "nobody"))


NOW = int(time.time())


@pytest.mark.parametrize(
    "fault",
    [
        {"nonce": "another"},
        {"without": ("nonce",)},
        {"aud": "another-client"},
        {"aud": ["another-client", "third"]},
        {"aud": [CLIENT_ID, "third"], "azp": "third"},
        {"aud": [CLIENT_ID, "third"]},
        {"without": ("aud",)},
        {"iss": "https://evil.example"},
        {"exp": NOW - 3600},
        {"without": ("exp",)},
        {"nbf": NOW + 7200},
        {"without": ("sub",)},
        {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"key": "other"},
        {"key": "secret"},
        {"key": "none"},
    ],
    # not of the values: two workers may collect in two seconds, and must name a test alike
    ids="-".join,
)
async def test_a_token_that_is_not_ours_now_is_refused(
    gate: Gate, provider: RunningProvider, fault: dict[str, Any]
) -> None:
    """Another nonce, audience, issuer or key, expired or not yet good, signed with our secret or not at all."""
    provider.breaks(**fault)
    with pytest.raises(TokenRefused):
        await gate.claims()
    assert (await gate.claims())["sub"] == "chen"


async def test_new_keys_of_the_provider_are_found(gate: Gate, provider: RunningProvider) -> None:
    """After a while, so that nobody makes the gateway ask without end."""
    await gate.claims()
    gate.clock.advance(timedelta(minutes=1))
    provider.breaks(key="new")
    await gate.claims()


async def test_a_provider_that_is_somebody_else_is_not_asked_to_log_in(gate: Gate, tmp_path: Path) -> None:
    """Its certificate is of its own authority, and it names itself as the settings do."""
    database = gate.openid._database
    for change in ({"ca_file": None}, {"issuer": f"{gate.provider.issuer}/other"}):
        settings = gate.openid.settings.model_copy(update=change)
        openid = OpenId(settings, PUBLIC, database, gate.clock, gate.accounts.audit)
        with pytest.raises(Unavailable):
            await openid.begin("/")


async def test_one_is_logged_out_there_too(gate: Gate) -> None:
    """The provider is told which client asks, and where to go afterwards."""
    url = await gate.openid.log_out_url()
    answer = await asyncio.to_thread(gate.provider.client.get, url)
    assert answer.headers["location"] == f"{PUBLIC}/login"


def test_settings_say_what_is_wrong_with_them() -> None:
    """Plain http, and roles that nobody has here."""
    with pytest.raises(ValueError, match="https"):
        OidcSettings(issuer="http://id.example", client_id="x")
    with pytest.raises(ValueError, match="no such roles: emperor"):
        OidcSettings(issuer="https://id.example", client_id="x", roles={"a": "emperor"})
    assert replace(OidcSettings(issuer="https://id.example", client_id="x").names, name="n").roles == "roles"
