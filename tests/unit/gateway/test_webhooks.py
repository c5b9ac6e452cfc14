"""How webhooks sign, wait, and where they may go; what the store keeps of them."""

import base64
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256

import orjson
import pytest

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.gateway import schema
from services.gateway.audit import Audit, By
from services.gateway.rest.scopes import SCOPES, ScopeMissing
from services.gateway.webhooks import model, store
from services.gateway.webhooks.model import (
    ATTEMPTS,
    TYPES,
    State,
    TargetForbidden,
    Webhook,
    check_address,
    check_url,
    event,
    networks_of,
    pause_after,
    signature,
)
from services.gateway.webhooks.targets import NotPosted, Targets
from services.gateway.webhooks.webhooks import Webhooks
from tests.builders.ledger import MONDAY

NAME = "health.qinghe"
BY = By("zhao", "192.0.2.7")
INSIDE = (
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "198.18.0.1", "192.0.2.1",
)  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_is_posted_inside(address: str) -> None:
    """Not to this machine, its networks, its cloud's metadata, in whatever way the address is written."""
    with pytest.raises(TargetForbidden):
        check_address(address, (), plain=False)


def test_the_operator_names_networks() -> None:
    """And nothing beside them; without TLS only within them."""
    named = networks_of(["10.20.0.0/16", "fd12::/16"])
    for address in ("10.20.3.4", "fd12::7", "::ffff:10.20.3.4"):
        check_address(address, named, plain=True)
    check_address("93.184.216.34", named, plain=False)
    for address, plain in (("10.21.0.1", False), ("127.0.0.1", False), ("93.184.216.34", True)):
        with pytest.raises(TargetForbidden):
            check_address(address, named, plain=plain)


@pytest.mark.parametrize(
    "url",
    [
        "http://oa.example/", "ftp://oa.example/", "https://", "https://user:word@oa.example/", "https://oa.example/#a",
        "https://oa.example:0/", "https://oa.example:99999/", "https://oa.example/\r\nHost: b", "https://例子/",
        "https://oa.example/ a", "//oa.example/", "javascript:alert(1)", "https://@oa.example/", "https://[::1/",
        f"https://oa.example/{'a' * 500}",
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused(url: str) -> None:
    """By its form, before anything is resolved."""
    with pytest.raises(InvalidField):
        check_url(url, plain=False)


def test_posts_are_signed_as_standard_webhooks_has_it() -> None:
    """The signature of the standard's own example, computed beside it."""
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    body = b'{"a": 1}'
    made = signature(secret, "msg_1", "1614265330", body)
    expected = hmac.new(bytes(range(32)), b"msg_1.1614265330." + body, sha256).digest()
    assert made == "v1," + base64.b64encode(expected).decode()


def test_pauses_grow_and_end() -> None:
    """From seconds to a day, a little over two days together."""
    pauses = [pause_after(each) for each in range(1, ATTEMPTS)]
    known = [each for each in pauses if each is not None]
    assert len(known) == ATTEMPTS - 1
    assert known == sorted(known)
    assert timedelta(days=2) < sum(known, timedelta()) < timedelta(days=3)
    assert pause_after(ATTEMPTS) is None


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    made.write(schema.metadata.create_all)
    yield made
    made.close()


def events(*names: str, kind: str = "liandong.letter.arrived") -> list[model.Event]:
    return [event(NAME, each, kind, "case-1", MONDAY, {"letter": each}) for each in names]


async def resolved(host: str, _port: int) -> Sequence[str]:
    return {"oa.example": ["93.184.216.34"], "inside.example": ["93.184.216.34", "10.0.0.1"]}.get(host, [])


async def begun(_department: str) -> None:
    pass


@pytest.fixture
def webhooks(database: Database) -> Webhooks:
    return Webhooks(
        database, ManualClock(MONDAY), Targets(resolver=resolved), begun, Audit(database, ManualClock(MONDAY))
    )


async def made(webhooks: Webhooks, *types: str) -> Webhook:
    found, _ = await webhooks.create(
        NAME, by=BY, title="OA", url="https://oa.example/hook", types=types or tuple(TYPES), scopes=SCOPES
    )
    return found


async def test_each_webhook_is_told_of_what_it_wants_once(webhooks: Webhooks, database: Database) -> None:
    """An event that is noted again is not told again; another department's is nobody's business here."""
    all_of_it, bulletins = await made(webhooks), await made(webhooks, "liandong.bulletin")
    assert await webhooks.note(NAME, [*events("a", "b"), *events("c", kind="liandong.bulletin")]) == 3
    assert await webhooks.note(NAME, events("b", "d", "d")) == 1
    assert await webhooks.note("water.qinghe", events("e")) == 1
    found, _ = await webhooks.deliveries(NAME, all_of_it.id)
    assert sorted(each.event for each in found) == ["a", "b", "c", "d"]
    found, _ = await webhooks.deliveries(NAME, bulletins.id)
    assert [each.event for each in found] == ["c"]
    (post,) = database.read(lambda each: store.due(each, bulletins.id, MONDAY, 10))
    told = orjson.loads(post.body)
    assert (told["specversion"], told["id"], told["type"]) == ("1.0", "c", "liandong.bulletin")
    assert told["source"] == f"liandong://{NAME}"


async def test_who_may_not_read_is_not_told(webhooks: Webhooks) -> None:
    """A webhook needs the scope of each of its types; and a target that lies inside is refused."""
    with pytest.raises(ScopeMissing, match="oversight:read"):
        await webhooks.create(
            NAME,
            by=BY,
            title="OA",
            url="https://oa.example/",
            types=["liandong.alert"],
            scopes=["cases:read"],
        )
    with pytest.raises(TargetForbidden):
        await webhooks.create(
            NAME, by=BY, title="OA", url="https://inside.example/", types=["liandong.alert"], scopes=SCOPES
        )


async def test_a_claim_is_one_processes_and_ends_by_itself(webhooks: Webhooks, database: Database) -> None:
    """Two that look at the same time post once; of one that dies in between it is due again later."""
    hook = await made(webhooks)
    await webhooks.note(NAME, events("a"))
    (post,) = database.read(lambda each: store.due(each, hook.id, MONDAY, 10))
    later = MONDAY + timedelta(minutes=2)
    assert database.write(lambda each: store.claim(each, post.delivery, later))
    assert not database.write(lambda each: store.claim(each, post.delivery, later))
    assert database.read(lambda each: store.due_webhooks(each, MONDAY)) == []
    assert database.read(lambda each: store.due_webhooks(each, later)) == [hook.id]


async def test_a_delivery_is_replayed(webhooks: Webhooks, database: Database) -> None:
    """One by its id or all from a time on, under the same ids; not what is not kept or not wanted."""
    hook = await made(webhooks, "liandong.letter.arrived")
    await webhooks.note(NAME, [*events("a", "b"), *events("c", kind="liandong.bulletin")])
    for post in database.read(lambda each: store.due(each, hook.id, MONDAY, 10)):
        done = replace(post.delivery, state=State.SENT, next_at=None, ended_at=MONDAY, attempts=1, status=200)
        database.write(partial(store.settle, delivery=done))
    assert database.read(lambda each: store.due_webhooks(each, MONDAY)) == []
    assert await webhooks.replay(NAME, hook.id, by=BY, event_id="a") == 1
    assert await webhooks.replay(NAME, hook.id, by=BY, since=MONDAY) == 2
    assert await webhooks.replay(NAME, hook.id, by=BY, since=MONDAY + timedelta(seconds=1)) == 0
    for missing in ("c", "x"):
        with pytest.raises(NotFound):
            await webhooks.replay(NAME, hook.id, by=BY, event_id=missing)
    with pytest.raises(NotFound):
        await webhooks.replay("water.qinghe", hook.id, by=BY, event_id="a")
    assert len(database.read(lambda each: store.due(each, hook.id, MONDAY, 10))) == 2


async def test_an_old_secret_signs_for_a_day_more(webhooks: Webhooks, database: Database) -> None:
    """So that a receiver has time to change; what is told in between bears both signatures."""
    hook, first = await webhooks.create(
        NAME, by=BY, title="OA", url="https://oa.example/hook", types=tuple(TYPES), scopes=SCOPES
    )
    await webhooks.note(NAME, events("a"))
    found, second = await webhooks.rotate(NAME, hook.id, by=BY)
    assert found.old_secret_until == MONDAY + model.OVERLAP
    (post,) = database.read(lambda each: store.due(each, hook.id, MONDAY, 10))
    assert post.secrets == (second, first)
    signed = model.headers_of(post.secrets, "a", b"{}", MONDAY)["webhook-signature"].split(" ")
    stamp = str(int(MONDAY.timestamp()))
    assert signed == [signature(each, "a", stamp, b"{}") for each in (second, first)]
    (post,) = database.read(lambda each: store.due(each, hook.id, MONDAY + model.OVERLAP, 10))
    assert post.secrets == (second,)
    with pytest.raises(InvalidField):
        await webhooks.rotate(NAME, hook.id, by=BY, secret="whsec_short")
    with pytest.raises(NotFound):
        await webhooks.rotate("water.qinghe", hook.id, by=BY)


async def test_one_is_switched_off_by_hand(webhooks: Webhooks, database: Database) -> None:
    """What waited stays, what comes meanwhile is kept; each change stands in the audit with who did it."""
    hook = await made(webhooks)
    await webhooks.note(NAME, events("a"))
    assert (await webhooks.disable(NAME, hook.id, by=BY)).disabled is model.Off.BY_HAND
    await webhooks.note(NAME, events("b"))
    assert database.read(lambda each: store.due_webhooks(each, MONDAY)) == []
    await webhooks.enable(NAME, hook.id, by=BY)
    assert [
        each.delivery.event for each in database.read(lambda each: store.due(each, hook.id, MONDAY, 10))
    ] == ["a"]
    assert await webhooks.replay(NAME, hook.id, by=BY, since=MONDAY) == 2
    await webhooks.ping(NAME, hook.id, by=BY)
    await webhooks.remove(NAME, hook.id, by=BY)
    for call in (webhooks.disable, webhooks.enable, webhooks.remove, webhooks.ping):
        with pytest.raises(NotFound):
            await call(NAME, hook.id, by=BY)
    noted = await Audit(database, ManualClock(MONDAY)).read(NAME)
    assert [each.event.action for each in noted[::-1]] == [
        f"webhook.{each}" for each in ("add", "disable", "enable", "replay", "ping", "remove")
    ]
    assert {(each.event.who, each.event.origin) for each in noted} == {("zhao", "192.0.2.7")}
    assert all(each.event.about.startswith(hook.id) for each in noted)


async def test_who_is_too_far_behind_is_switched_off(
    webhooks: Webhooks, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing grows without end: what it missed can be replayed once it is on again."""
    monkeypatch.setattr(store, "MOST_WAITING", 3)
    hook = await made(webhooks)
    await webhooks.note(NAME, events("a", "b", "c"))
    await webhooks.note(NAME, events("d"))
    found = await webhooks.get(NAME, hook.id)
    assert found.disabled
    await webhooks.note(NAME, events("e"))
    assert database.read(lambda each: store.due_webhooks(each, MONDAY)) == []
    assert database.read(store.departments) == set()
    assert not (await webhooks.enable(NAME, hook.id, by=BY)).disabled
    assert database.read(lambda each: store.due_webhooks(each, MONDAY)) == [hook.id]


async def test_deliveries_come_in_pages_and_go_after_a_month(webhooks: Webhooks, database: Database) -> None:
    """Newest first; after that time nothing of an event is kept."""
    hook = await made(webhooks)
    await webhooks.note(NAME, events(*"abcde"))
    seen, token = [], ""
    while True:
        found, token = await webhooks.deliveries(NAME, hook.id, page_size=2, page_token=token)
        seen += [each.event for each in found]
        if not token:
            break
    assert seen == list("edcba")
    database.write(lambda each: store.forget(each, MONDAY + timedelta(seconds=1)))
    assert (await webhooks.deliveries(NAME, hook.id))[0] == []
    await webhooks.remove(NAME, hook.id, by=BY)
    with pytest.raises(NotFound):
        await webhooks.get(NAME, hook.id)


async def test_a_name_that_changes_its_mind_leads_nowhere() -> None:
    """What is connected to is what was judged at that moment, not what was judged when it was made."""
    answers = iter([["93.184.216.34"], ["127.0.0.1"]])

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return next(answers)

    targets = Targets(resolver=rebinding)
    await targets.check("https://oa.example/")
    with pytest.raises(TargetForbidden):
        await targets.post("https://oa.example/", {}, b"")


async def test_a_name_without_address_is_not_reached() -> None:
    """It is tried again later."""
    with pytest.raises(NotPosted):
        await Targets(resolver=resolved).post("https://nowhere.example/", {}, b"")
