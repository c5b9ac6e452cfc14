"""Accounts, sessions and tokens, on both databases."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import InvalidField, NotFound, Unauthenticated
from services.gateway import schema
from services.gateway.accounts.accounts import GUESSES_AT_ONCE, Accounts
from services.gateway.accounts.codes import Codes
from services.gateway.accounts.model import (
    DISPLAY,
    DISPLAY_LONGEST,
    FREE_FAILURES,
    IDLE,
    LONGEST,
    PASSWORD_ACR,
    TOTP_ACR,
    Account,
    CodeWanted,
    Locked,
    NotKnown,
    Session,
    SessionOver,
    UsernameTaken,
    WeakPassword,
)
from services.gateway.accounts.passwords import Passwords, check_password
from services.gateway.accounts.tokens import Tokens
from services.gateway.audit import By
from services.gateway.rest.limits import TooManyCalls
from tests.builders.ledger import MONDAY

PASSWORD = "four words in a row"
CHEN = Account(
    id="", username="Chen-Hui@health.qinghe", department="health.qinghe", subject="chen-hui", name="陈慧",
    roles=("leader-in-charge",), certificate="", must_change=True, totp=False, locked_until=None, disabled=False,
    language="",
)  # fmt: skip


@pytest.fixture
def clock() -> ManualClock:
    """The time."""
    return ManualClock(MONDAY)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The gateway's store."""
    made = Database(database_url)
    made.write(schema.metadata.create_all)
    yield made
    made.close()


@pytest.fixture
async def accounts(database: Database, clock: ManualClock) -> Accounts:
    """With one account; hashing is quick here, everything else as it is."""
    made = Accounts(database, clock, Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)))
    await made.create(CHEN, PASSWORD)
    return made


@pytest.fixture
def tokens(database: Database, clock: ManualClock) -> Tokens:
    """Systems' tokens."""
    return Tokens(database, clock)


@pytest.fixture
def codes(database: Database, clock: ManualClock) -> Codes:
    """Authenticators."""
    return Codes(database, clock)


async def enter(accounts: Accounts, password: str = PASSWORD, code: str = "") -> tuple[Session, str]:
    """Log in as Chen Hui."""
    return await accounts.log_in(
        "chen-hui@HEALTH.qinghe ", password, code, origin="192.0.2.7", agent="Browser"
    )


async def test_who_knows_the_password_is_let_in(accounts: Accounts) -> None:
    """User names are compared without case; the session says how, from where and since when."""
    session, secret = await enter(accounts)
    found = await accounts.session_of(secret)
    assert found == session
    assert (found.acr, found.origin, found.account.name) == (PASSWORD_ACR, "192.0.2.7", "陈慧")
    assert found.account.must_change


@pytest.mark.parametrize("username", ["chen-hui@health.qinghe", "nobody"])
async def test_nothing_says_whether_an_account_exists(accounts: Accounts, username: str) -> None:
    """The same words for a wrong password and for a wrong name."""
    with pytest.raises(NotKnown) as caught:
        await accounts.log_in(username, "something else", origin="", agent="")
    assert caught.value.message == NotKnown.default_message()


async def test_guessing_locks_the_account_for_longer_each_time(
    accounts: Accounts, clock: ManualClock
) -> None:
    """The right password is refused meanwhile, too, and afterwards all is forgotten."""
    for _ in range(FREE_FAILURES):
        with pytest.raises(NotKnown):
            await enter(accounts, "guess")
    with pytest.raises(Locked) as caught:
        await enter(accounts)
    assert caught.value.retry_after_ms == 60_000
    clock.advance(timedelta(minutes=1))
    with pytest.raises(NotKnown):
        await enter(accounts, "guess")
    with pytest.raises(Locked) as caught:
        await enter(accounts)
    assert caught.value.retry_after_ms == 120_000
    clock.advance(timedelta(minutes=2))
    await enter(accounts)
    with pytest.raises(NotKnown):
        await enter(accounts, "guess")
    await enter(accounts)


async def test_guesses_that_come_at_once_are_all_counted(accounts: Accounts) -> None:
    """Nobody gains tries by asking in parallel."""
    guesses = await asyncio.gather(
        *(enter(accounts, "guess") for _ in range(FREE_FAILURES)), return_exceptions=True
    )
    assert {type(each) for each in guesses} == {NotKnown}
    with pytest.raises(Locked):
        await enter(accounts)


async def test_a_session_ends_when_it_is_not_used_and_at_last_anyway(
    accounts: Accounts, clock: ManualClock
) -> None:
    """Half an hour unused, twelve hours at most."""
    _, idle = await enter(accounts)
    clock.advance(IDLE)
    with pytest.raises(SessionOver):
        await accounts.session_of(idle)
    _, busy = await enter(accounts)
    for _ in range(int(LONGEST / timedelta(minutes=20)) - 1):
        clock.advance(timedelta(minutes=20))
        await accounts.session_of(busy)
    clock.advance(timedelta(minutes=20))
    with pytest.raises(SessionOver):
        await accounts.session_of(busy)


async def test_a_display_stays_logged_in_over_a_week_without_power(
    accounts: Accounts, clock: ManualClock
) -> None:
    """Others' log-ins do not sweep it away; after three months it is over all the same."""
    screen = replace(CHEN, username="wall", subject="wall", roles=(DISPLAY,))
    await accounts.create(screen, PASSWORD)
    _, secret = await accounts.log_in("wall", PASSWORD, origin="", agent="")
    clock.advance(timedelta(days=6))
    await enter(accounts)
    await accounts.session_of(secret)
    for _ in range(14):
        clock.advance(timedelta(days=6))
        if clock.now() >= MONDAY + DISPLAY_LONGEST:
            break
        await accounts.session_of(secret)
    clock.advance(timedelta(days=6))
    with pytest.raises(SessionOver):
        await accounts.session_of(secret)


async def test_sessions_are_listed_and_ended(accounts: Accounts) -> None:
    """One, or all but the one in use."""
    first, one = await enter(accounts)
    second, two = await enter(accounts)
    third, three = await enter(accounts)
    assert {each.id for each in await accounts.sessions(first.account.id)} == {first.id, second.id, third.id}
    assert await accounts.end(first.account.id, [first.id]) == 1
    with pytest.raises(SessionOver):
        await accounts.session_of(one)
    assert await accounts.end(first.account.id, but=third.id) == 1
    with pytest.raises(SessionOver):
        await accounts.session_of(two)
    await accounts.session_of(three)


async def test_a_changed_password_ends_other_sessions(accounts: Accounts) -> None:
    """The old one has to be known, the new one has to be another and not easy to guess."""
    _, other = await enter(accounts)
    session, secret = await enter(accounts)
    with pytest.raises(NotKnown):
        await accounts.change_password(session, "guess", "another four words")
    with pytest.raises(InvalidField):
        await accounts.change_password(session, PASSWORD, PASSWORD)
    with pytest.raises(WeakPassword):
        await accounts.change_password(session, PASSWORD, "Chen-Hui-2026")
    await accounts.change_password(session, PASSWORD, "another four words")
    with pytest.raises(SessionOver):
        await accounts.session_of(other)
    assert not (await accounts.session_of(secret)).account.must_change
    with pytest.raises(NotKnown):
        await enter(accounts)


async def test_a_reset_password_has_to_be_changed(accounts: Accounts) -> None:
    """And nobody who was in stays in; another department's account is not there."""
    session, secret = await enter(accounts)
    with pytest.raises(NotFound):
        await accounts.reset_password("market.qinghe", session.account.id, "given by the office")
    await accounts.reset_password("health.qinghe", session.account.id, "given by the office")
    with pytest.raises(SessionOver):
        await accounts.session_of(secret)
    found, _ = await enter(accounts, "given by the office")
    assert found.account.must_change


async def test_a_disabled_account_is_out_at_once(accounts: Accounts) -> None:
    """Its sessions end, and nobody is told why it does not open."""
    session, secret = await enter(accounts)
    await accounts.disable("health.qinghe", session.account.id, disabled=True)
    with pytest.raises(SessionOver):
        await accounts.session_of(secret)
    with pytest.raises(NotKnown):
        await enter(accounts)
    await accounts.disable("health.qinghe", session.account.id, disabled=False)
    await enter(accounts)


async def test_a_code_is_wanted_and_good_once(accounts: Accounts, codes: Codes, clock: ManualClock) -> None:
    """Of now or one step beside; the same again is refused."""
    session, _ = await enter(accounts)
    uri = codes.begin(session)
    totp = pyotp.parse_uri(uri)
    assert isinstance(totp, pyotp.TOTP)
    with pytest.raises(InvalidField):
        await codes.confirm(session, uri, "000000")
    await codes.confirm(session, uri, totp.at(clock.now()))
    with pytest.raises(CodeWanted):
        await enter(accounts)
    with pytest.raises(CodeWanted):
        await enter(accounts, code=totp.at(clock.now()))
    clock.advance(timedelta(seconds=30))
    found, _ = await enter(accounts, code=totp.at(clock.now()))
    assert found.acr == TOTP_ACR
    with pytest.raises(CodeWanted):
        await enter(accounts, code=totp.at(clock.now()))


async def test_names_are_given_once(accounts: Accounts) -> None:
    """In whatever case."""
    with pytest.raises(UsernameTaken):
        await accounts.create(CHEN, PASSWORD)


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaaaa", "my-Password-2026", "x" * 201, "chen-hui in 2026"]
)
def test_what_is_easy_to_guess_is_no_password(password: str) -> None:
    """Short, repeating, well-known, or with the name in it."""
    with pytest.raises(WeakPassword):
        check_password(password, "chen-hui@health.qinghe", "陈慧")


async def test_a_token_is_good_until_it_is_revoked_or_expires(tokens: Tokens, clock: ManualClock) -> None:
    """And belongs to one department."""
    day = timedelta(days=1)
    token, secret = await tokens.create("health.qinghe", "OA", ["cases:read", "cases:read"], day)
    assert (await tokens.token_of(secret)).scopes == ("cases:read",)
    with pytest.raises(NotFound):
        await tokens.revoke("market.qinghe", token.id)
    clock.advance(day)
    with pytest.raises(Unauthenticated):
        await tokens.token_of(secret)
    token, secret = await tokens.create("health.qinghe", "OA", ["cases:read"], day)
    await tokens.revoke("health.qinghe", token.id)
    with pytest.raises(Unauthenticated):
        await tokens.token_of(secret)
    for title, scopes, lifetime in (
        ("", ["cases:read"], day),
        ("OA", [], day),
        ("OA", ["cases:read"], day * 400),
    ):
        with pytest.raises(InvalidField):
            await tokens.create("health.qinghe", title, scopes, lifetime)


async def test_the_store_holds_nothing_that_opens(
    accounts: Accounts, tokens: Tokens, database: Database
) -> None:
    """Neither passwords nor what cookies and tokens are."""
    _, cookie = await enter(accounts)
    _, bearer = await tokens.create("health.qinghe", "OA", ["cases:read"], timedelta(days=1))
    rows = database.read(
        lambda connection: [
            str(value)
            for table in schema.metadata.tables.values()
            for row in connection.execute(sa.select(table))
            for value in row
        ]
    )
    text = "\n".join(rows)
    for secret in (PASSWORD, cookie, bearer):
        assert secret not in text
    assert "$argon2id$" in text


async def test_who_came_in_and_who_did_not_is_noted(accounts: Accounts) -> None:
    """With the account where there is one; what was typed for an unknown one might be a password."""
    session, _ = await enter(accounts)
    for username in ("chen-hui@health.qinghe", "my secret, typed into the wrong field"):
        with pytest.raises(NotKnown):
            await accounts.log_in(username, "guess", origin="192.0.2.9", agent="")
    await accounts.change_password(session, PASSWORD, "another four words")
    await accounts.end(session.account.id, [session.id])
    rows = [each.event for each in await accounts.audit.read()]
    assert [(each.action, each.who, each.result, each.origin) for each in reversed(rows)] == [
        ("account.add", "operator", "ok", ""),
        ("log-in", "chen-hui@health.qinghe", "ok", "192.0.2.7"),
        ("log-in", "chen-hui@health.qinghe", "NOT_KNOWN", "192.0.2.9"),
        ("password.change", "chen-hui@health.qinghe", "ok", "192.0.2.7"),
        ("session.end", "chen-hui@health.qinghe", "ok", ""),
        ("log-in", "", "NOT_KNOWN", "192.0.2.9"),
    ]


async def test_one_address_cannot_try_a_password_on_everybody(accounts: Accounts) -> None:
    """After so many wrong ones it waits, whichever accounts they were for; other addresses do not."""
    for number in range(GUESSES_AT_ONCE):
        with pytest.raises(NotKnown):
            await accounts.log_in(f"person-{number}", "Spring2026!", origin="192.0.2.9", agent="")
    with pytest.raises(TooManyCalls) as caught:
        await accounts.log_in("chen-hui@health.qinghe", PASSWORD, origin="192.0.2.9", agent="")
    assert caught.value.retry_after_ms > 0
    await enter(accounts)


async def test_an_authenticator_is_taken_off_with_the_password(
    accounts: Accounts, codes: Codes, clock: ManualClock
) -> None:
    """Not by whoever found an open session."""
    session, _ = await enter(accounts)
    uri = codes.begin(session)
    totp = pyotp.parse_uri(uri)
    assert isinstance(totp, pyotp.TOTP)
    await codes.confirm(session, uri, totp.at(clock.now()))
    with pytest.raises(NotKnown):
        await accounts.prove(session, "guess", "authenticator.end")
    with pytest.raises(CodeWanted):
        await enter(accounts)
    await accounts.prove(session, PASSWORD, "authenticator.end")
    await codes.end(session)
    await enter(accounts)


async def test_guessing_in_an_open_session_locks_too(accounts: Accounts) -> None:
    """Who found one open cannot try the old password without end."""
    session, _ = await enter(accounts)
    for _ in range(FREE_FAILURES):
        with pytest.raises(NotKnown):
            await accounts.change_password(session, "guess", "another four words")
    with pytest.raises(Locked):
        await accounts.change_password(session, PASSWORD, "another four words")


async def test_roles_hold_at_once_and_only_known_ones(accounts: Accounts) -> None:
    """In sessions that run; another department's account is not there."""
    session, secret = await enter(accounts)
    by, account = By("admin"), session.account
    with pytest.raises(InvalidField):
        await accounts.change(
            "health.qinghe", account.id, name="陈慧", roles=["emperor"], certificate="", by=by
        )
    with pytest.raises(NotFound):
        await accounts.change(
            "market.qinghe", account.id, name="陈慧", roles=["clerk"], certificate="", by=by
        )
    await accounts.change(
        "health.qinghe", account.id, name="陈小慧", roles=["clerk"], certificate="C-1", by=by
    )
    found = (await accounts.session_of(secret)).account
    assert (found.name, found.roles, found.certificate) == ("陈小慧", ("clerk",), "C-1")


async def test_a_person_has_one_account(accounts: Accounts) -> None:
    """Under whatever user name: a second one could act as the first."""
    with pytest.raises(UsernameTaken):
        await accounts.create(replace(CHEN, username="chen-2"), PASSWORD)
    await accounts.create(replace(CHEN, username="chen-3", department="market.qinghe"), PASSWORD)


async def test_a_display_has_no_other_role(accounts: Accounts) -> None:
    """Who walks past a screen on a wall could use it."""
    for number, roles in enumerate((("display", "clerk"), ("principal", "display"))):
        with pytest.raises(InvalidField):
            await accounts.create(replace(CHEN, username=f"wall-{number}", roles=roles), PASSWORD)
