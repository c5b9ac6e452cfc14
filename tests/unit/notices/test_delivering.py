"""From alerts to people: each told once, by digest or at once, over failures and restarts."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import StorageFailed
from services.exchange.directory import Directory
from services.exchange.letters import timestamp
from services.notices import store, tables
from services.notices.channels import Channel, FateUnknown, NotTaken, Outgoing
from services.notices.deliverer import Deliverer
from services.notices.feed import Feed, event_of
from services.notices.hook import Hook
from services.notices.mail import Mail
from services.notices.model import Hours, Wishes
from services.notices.settings import HookSettings, MailSettings
from tests.unit.notices.servers import http_server, mail_server
from tests.unit.procedures.deadline_samples import NATIONAL, at

MARKET = "market.qinghe"
HOURS = Hours(time(8, 30), time(20), time(7, 30))


class Recorder:
    """A channel in memory that fails as it is told."""

    def __init__(self, name: str = "chat", *, repeats: bool = False) -> None:
        self.name = name
        self.repeats = repeats
        self.sent: list[Outgoing] = []
        self.failures: list[Exception] = []

    def send(self, message: Outgoing) -> None:
        self.sent.append(message)
        if self.failures:
            raise self.failures.pop(0)


class Stuck(Recorder):
    """A channel whose server never answers."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.released = threading.Event()

    def send(self, message: Outgoing) -> None:
        super().send(message)
        self.released.wait(20)


class Registry:
    """Answers ListAlerts as the registry does: newest first, in pages."""

    def __init__(self) -> None:
        self.alerts: list[pb.Alert] = []

    async def ListAlerts(self, request: pb.ListAlertsRequest, timeout: float) -> pb.ListAlertsResponse:  # noqa: N802, ASYNC109
        newest = [each for each in reversed(self.alerts) if each.addressee == request.addressee]
        begin = int(request.page_token or 0)
        page = newest[begin : begin + 2]
        more = str(begin + 2) if begin + 2 < len(newest) else ""
        return pb.ListAlertsResponse(alerts=page, next_page_token=more)

    def alert(
        self,
        number: int,
        fired_at: datetime,
        *,
        limit: str = "3 wd",
        kind: Any = pb.ALERT_KIND_REMIND,
        **about: Any,
    ) -> None:
        view = pb.ObligationView(
            case_id=f"case-{number}", rule="reply", ordinal=1, title_zh="答复期限", title_en="Reply", limit=limit,
            procedure="case-transfer", owed_by=MARKET, due_at=timestamp(fired_at + timedelta(days=1)), **about,
        )  # fmt: skip
        self.alerts.append(
            pb.Alert(
                id=len(self.alerts) + 1, kind=kind, addressee=MARKET, obligation=view, mark="50%",
                subject_department=MARKET, fires_at=timestamp(fired_at), fired_at=timestamp(fired_at),
            )
        )  # fmt: skip


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(at("2026-03-02 10:00"))


@pytest.fixture
def registry() -> Registry:
    return Registry()


def people() -> Directory:
    contact = directory_pb.Person(id="ma-chao", department=MARKET, name="马超群", roles=["liaison"])
    leader = directory_pb.Person(id="xu-jing", department=MARKET, name="徐静", roles=["leader-in-charge"])
    return Directory(
        "qinghe",
        departments={MARKET: directory_pb.Department(name=MARKET)},
        people={(MARKET, each.id): each for each in (contact, leader)},
    )


def feed(database: Database, registry: Registry, clock: ManualClock) -> Feed:
    directory = people()
    return Feed(MARKET, database, lambda: directory, lambda: registry, clock, lambda: None)


def deliverer(database: Database, clock: ManualClock, *channels: Channel, attempts: int = 3) -> Deliverer:
    return Deliverer(database, channels, HOURS, lambda: NATIONAL, clock, attempts=attempts)


def wish(database: Database, person: str, **channels: str) -> None:
    database.write(lambda connection: store.set_wishes(connection, person, Wishes(channels)))


def states(database: Database) -> list[tuple[Any, ...]]:
    columns = tables.deliveries.c
    query = sa.select(columns.id, columns.channel, columns.state, columns.attempts).order_by(
        columns.id, columns.channel
    )
    return database.read(lambda connection: [tuple(row) for row in connection.execute(query)])


def messages(database: Database, person: str) -> Sequence[Any]:
    return database.read(
        lambda connection: store.page(connection, person, unread=False, kind="", after=None, limit=100)
    )


async def test_alerts_become_messages_once(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """However often they are read, in pages, and after a restart; for the persons of their kind."""
    registry.alert(8, clock.now() - timedelta(days=3))
    for number in range(5):
        registry.alert(number, clock.now() - timedelta(minutes=5 - number))
    registry.alert(9, clock.now(), kind=pb.ALERT_KIND_WARN_LEADER)
    assert await feed(database, registry, clock).step() == 6
    assert await feed(database, registry, clock).step() == 0
    clock.advance(timedelta(minutes=5))
    registry.alert(7, clock.now())
    assert await feed(database, registry, clock).step() == 1
    assert len(messages(database, "ma-chao")) == 6
    (warned,) = messages(database, "xu-jing")
    assert warned.kind == "WARN_LEADER"
    assert messages(database, "somebody-else") == []


async def test_an_officer_hears_that_the_certificate_ends(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """The officer and the contact, with name and number and the day; once for each mark."""
    certificate = directory_pb.OfficerCertificate(
        number="LD-7", department=MARKET, subject="sun-qiang", name="孙强"
    )
    certificate.valid_until.FromDatetime(at("2026-05-01"))
    directory = replace(people(), officers={"LD-7": certificate})
    said = {
        "kind": pb.ALERT_KIND_CERTIFICATE, "addressee": MARKET, "subject_department": MARKET, "certificate": "LD-7",
        "mark": "60 d before", "fires_at": timestamp(clock.now()), "fired_at": timestamp(clock.now()),
    }  # fmt: skip
    registry.alerts += [pb.Alert(**said), pb.Alert(**said)]  # type: ignore[arg-type]
    reader = Feed(MARKET, database, lambda: directory, lambda: registry, clock, lambda: None)
    assert await reader.step() == 2
    (own,) = messages(database, "sun-qiang")
    (contact,) = messages(database, "ma-chao")
    assert own.text_zh == contact.text_zh
    assert (
        own.text_zh
        == "【执法证件即将到期】孙强 LD-7，责任部门 market.qinghe，期限 2026-05-01 00:00，届满前60日"
    )


async def test_an_offices_reminder_reaches_the_contact_in_its_own_words(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """One message a day for an obligation, and which case it is about."""
    view = pb.ObligationView(
        case_id="case-1", rule="reply", ordinal=1, procedure="case-transfer", owed_by=MARKET
    )
    for day in ("2026-03-02", "2026-03-02", "2026-03-03"):
        registry.alerts.append(
            pb.Alert(
                kind=pb.ALERT_KIND_OFFICE_REMINDER, addressee=MARKET, obligation=view, mark=day,
                subject_department=MARKET, fires_at=timestamp(clock.now()), fired_at=timestamp(clock.now()),
                reminder=pb.Reminder(department="justice.qinghe", person="何青", text="请于今日答复。"),
            )
        )  # fmt: skip
    assert await feed(database, registry, clock).step() == 2
    told = messages(database, "ma-chao")
    assert [each.kind for each in told] == ["OFFICE_REMINDER"] * 2
    assert told[0].text_zh == "【催办】请于今日答复。（case-1）"


async def test_a_node_that_is_new_waits_for_its_directory(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """Before it knows its people it tells nobody, and afterwards each once, nobody as one of everybody."""
    registry.alert(1, clock.now())
    known = [Directory.empty("qinghe")]
    reader = Feed(MARKET, database, lambda: known[-1], lambda: registry, clock, lambda: None)
    assert await reader.step() == 0
    known.append(people())
    assert await reader.step() == 1
    assert len(messages(database, "ma-chao")) == 1
    assert not messages(database, "xu-jing")


async def test_what_committed_out_of_turn_is_not_missed(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """An alert that fired earlier and came later is read again with those of the last minutes."""
    registry.alert(1, clock.now())
    assert await feed(database, registry, clock).step() == 1
    registry.alert(2, clock.now() - timedelta(minutes=2))
    assert await feed(database, registry, clock).step() == 1


def test_an_event_is_the_same_wherever_it_is_heard_of(registry: Registry, clock: ManualClock) -> None:
    """Its key holds nothing of the row: a registry that was restored numbers its alerts anew."""
    registry.alert(1, clock.now())
    registry.alert(1, clock.now() + timedelta(minutes=1))
    first, second = (event_of(each, people()) for each in registry.alerts)
    assert first is not None
    assert second is not None
    assert first.key == second.key
    assert event_of(pb.Alert(kind=99), people()) is None  # type: ignore[arg-type]  # of a newer registry
    down = pb.Alert(
        kind=pb.ALERT_KIND_LINK_DOWN, subject_department="water.qinghe", fired_at=timestamp(clock.now())
    )
    link = event_of(down, people())
    assert link is not None
    assert link.key.startswith("LINK_DOWN/water.qinghe/")


async def test_one_digest_a_day_on_the_next_working_morning(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """What came during the day waits; Friday's matter comes on Monday; each message in one digest."""
    chat = Recorder()
    wish(database, "ma-chao", chat="mc")
    out = deliverer(database, clock, chat)
    clock.set(at("2026-03-06 08:31"))  # Friday
    registry.alert(1, clock.now())
    registry.alert(2, clock.now())
    await feed(database, registry, clock).step()
    await out.step()
    assert [each.id for each in chat.sent] == ["digest/ma-chao/2026-03-06"]
    assert len(chat.sent[0].text.splitlines()) == 2
    clock.set(at("2026-03-06 11:00"))
    registry.alert(3, clock.now())
    await feed(database, registry, clock).step()
    for moment in ("2026-03-06 12:00", "2026-03-07 09:00", "2026-03-08 09:00", "2026-03-09 08:29"):
        clock.set(at(moment))
        await out.step()
    assert len(chat.sent) == 1
    clock.set(at("2026-03-09 08:30"))
    await out.step()
    await out.step()
    assert [each.id for each in chat.sent][1:] == ["digest/ma-chao/2026-03-09"]
    clock.set(at("2026-03-10 09:00"))
    await out.step()
    assert len(chat.sent) == 2  # nothing new, no digest


async def test_only_urgent_matter_goes_out_at_night(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """A limit in hours is told at once; a digest that failed in the evening waits for the morning."""
    chat = Recorder()
    wish(database, "ma-chao", chat="mc")
    out = deliverer(database, clock, chat)
    clock.set(at("2026-03-02 19:59"))
    registry.alert(1, clock.now())
    await feed(database, registry, clock).step()
    chat.failures.append(NotTaken("busy"))
    await out.step()
    clock.set(at("2026-03-02 23:00"))
    for number, limit in ((2, "24 h"), (3, "at once"), (4, "3 wd")):
        registry.alert(number, clock.now(), limit=limit)
    await feed(database, registry, clock).step()
    await out.step()
    assert [each.id.partition("/")[0] for each in chat.sent] == ["digest", "urgent", "urgent"]
    clock.set(at("2026-03-03 07:30"))
    await out.step()
    assert [each.id for each in chat.sent][3:] == ["digest/ma-chao/2026-03-02"]
    clock.set(at("2026-03-03 08:30"))
    await out.step()
    assert [each.id for each in chat.sent][4:] == ["digest/ma-chao/2026-03-03"]


async def test_failures_are_tried_again_and_end(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """With growing pauses, then shown as failed; a channel that is gone likewise; others are not held up."""
    bad, good = Recorder("bad"), Recorder("good")
    bad.failures = [NotTaken("HTTP 503")] * 9
    wish(database, "ma-chao", bad="x", good="y", gone="z")
    out = deliverer(database, clock, bad, good)
    registry.alert(1, clock.now(), limit="2 h")
    await feed(database, registry, clock).step()
    tries = []
    for minutes in range(30):
        await out.step()
        tries.append((minutes, len(bad.sent)))
        clock.advance(timedelta(minutes=1))
    assert [next(m for m, n in tries if n == count) for count in (1, 2, 3)] == [0, 1, 5]
    assert len(good.sent) == 1
    assert sorted((channel, state) for _, channel, state, _ in states(database)) == [
        ("bad", "FAILED"), ("gone", "FAILED"), ("good", "SENT"),
    ]  # fmt: skip
    assert {each.id for each in bad.sent} == {good.sent[0].id}


@pytest.mark.parametrize(("repeats", "attempts", "state"), [(True, 3, "UNKNOWN"), (False, 1, "UNKNOWN")])
async def test_what_is_in_doubt_is_repeated_only_where_ids_are_known(
    database: Database, registry: Registry, clock: ManualClock, *, repeats: bool, attempts: int, state: str
) -> None:
    """At least once under one id, or at most once and shown."""
    channel = Recorder(repeats=repeats)
    channel.failures = [FateUnknown("cut")] * 9
    wish(database, "ma-chao", chat="x")
    out = deliverer(database, clock, channel)
    registry.alert(1, clock.now(), limit="2 h")
    await feed(database, registry, clock).step()
    for _ in range(10):
        await out.step()
        clock.advance(timedelta(hours=1))
    assert len(channel.sent) == attempts
    assert len({each.id for each in channel.sent}) == 1
    assert [each[2] for each in states(database)] == [state]


async def test_a_restart_in_the_middle_of_sending_tells_nobody_twice(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """What was being sent when the process died goes again only through channels that know ids."""
    mail, sms = Recorder("mail", repeats=True), Recorder("sms")
    wish(database, "ma-chao", mail="a@b.example", sms="0000")
    registry.alert(1, clock.now(), limit="2 h")
    await feed(database, registry, clock).step()
    first = deliverer(database, clock, mail, sms)
    await first_half(first, database)
    assert {each[2] for each in states(database)} == {"SENDING"}
    again = deliverer(database, clock, mail, sms)
    await again._begin()
    await again.step()
    assert (len(mail.sent), len(sms.sent)) == (1, 0)
    assert sorted((channel, state) for _, channel, state, _ in states(database)) == [
        ("mail", "SENT"), ("sms", "UNKNOWN"),
    ]  # fmt: skip


async def test_a_server_that_never_answers_holds_up_nobody_else(
    database: Database, registry: Registry, clock: ManualClock
) -> None:
    """Its attempt ends in doubt when its time is over, and the next message goes out."""
    stuck, good = Stuck("stuck"), Recorder("good")
    wish(database, "ma-chao", stuck="x", good="y")
    out = Deliverer(database, [stuck, good], HOURS, lambda: NATIONAL, clock, attempts=3, limit_s=0.2)
    try:
        for number in (1, 2):
            registry.alert(number, clock.now(), limit="2 h")
            await feed(database, registry, clock).step()
            async with asyncio.timeout(10):
                await out.step()
            assert len(good.sent) == number
        found = [state for _, channel, state, _ in states(database) if channel == "stuck"]
        assert found == ["UNKNOWN", "UNKNOWN"]
    finally:
        stuck.released.set()


@pytest.mark.parametrize(("repeats", "state", "sent"), [(True, "SENT", 2), (False, "UNKNOWN", 1)])
async def test_what_the_database_did_not_take_down_is_settled_without_a_restart(
    database: Database,
    registry: Registry,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    *,
    repeats: bool,
    state: str,
    sent: int,
) -> None:
    """Sent again where ids are known, else in doubt; it does not stand as being sent for ever."""
    channel, real, failures = Recorder(repeats=repeats), store.settle, [StorageFailed()]

    def settle(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        real(*arguments)

    monkeypatch.setattr(store, "settle", settle)
    wish(database, "ma-chao", chat="x")
    registry.alert(1, clock.now(), limit="2 h")
    await feed(database, registry, clock).step()
    out = Deliverer(
        database, [channel], HOURS, lambda: NATIONAL, clock, attempts=3, poll=timedelta(milliseconds=10)
    )
    running = asyncio.create_task(out.run())
    try:
        async with asyncio.timeout(10):
            while [each[2] for each in await asyncio.to_thread(states, database)] != [state]:  # noqa: ASYNC110 - a table
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
    assert len(channel.sent) == sent


async def first_half(out: Deliverer, database: Database) -> None:
    """Make and take the deliveries, as before a death between noting and sending."""
    database.write(out._make)
    taken = database.write(lambda connection: store.take(connection, out._clock.now(), 20, urgent_only=False))
    assert len(taken) == 2


async def test_through_real_servers(database: Database, registry: Registry, clock: ManualClock) -> None:
    """One digest by e-mail and by a gateway, in the language that the person wants."""
    with mail_server() as (mailbox, mail_port), http_server() as (gateway, http_port):
        mail = Mail(
            MailSettings(host="127.0.0.1", port=mail_port, security="none", sender="a@b.example"), clock
        )
        sms = Hook(HookSettings(name="sms", url=f"http://127.0.0.1:{http_port}/", plain_http=True), clock)
        wishes = Wishes({"mail": "ma@market.example", "sms": "0000-1"}, None, "en")
        database.write(lambda connection: store.set_wishes(connection, "ma-chao", wishes))
        registry.alert(1, clock.now())
        await feed(database, registry, clock).step()
        gateway.answers.append(503)
        out = deliverer(database, clock, mail, sms)
        await out.step()
        clock.advance(timedelta(minutes=2))
        await out.step()
    (sent,) = mailbox.mails
    assert sent["Subject"] == "Liandong 2026-03-02: 1 reminders"
    assert [json.loads(each.body)["to"] for each in gateway.posts] == ["0000-1", "0000-1"]
    assert [each[2] for each in states(database)] == ["SENT", "SENT"]


async def test_who_was_told_what_is_kept(database: Database, registry: Registry, clock: ManualClock) -> None:
    """The record names person, channel, time and the messages inside."""
    chat = Recorder()
    wish(database, "ma-chao", chat="mc")
    for number in range(3):
        registry.alert(number, clock.now())
    await feed(database, registry, clock).step()
    await deliverer(database, clock, chat).step()
    (row,) = database.read(lambda connection: store.deliveries(connection, "SENT", "ma-chao", None, 10))
    inside = database.read(lambda connection: store.messages_in(connection, [row.id]))
    assert sorted(inside[row.id]) == sorted(each.id for each in messages(database, "ma-chao"))
    assert row.ended_at_us is not None


def test_reading_is_each_persons_own(database: Database, clock: ManualClock, registry: Registry) -> None:
    """What goes to everybody is read by each for itself; others' messages cannot be marked."""
    registry.alert(1, clock.now())
    registry.alert(2, clock.now())
    events = [event for each in registry.alerts if (event := event_of(each, people())) is not None]
    database.write(lambda connection: store.add(connection, [(events[0], ["*"]), (events[1], ["ma-chao"])]))
    everybodys, own = sorted(messages(database, "ma-chao"), key=lambda row: str(row.person))
    mark: Callable[[str], int] = lambda who: database.write(  # noqa: E731
        lambda connection: store.mark_read(connection, who, [everybodys.id, own.id], clock.now())
    )
    assert mark("somebody") == 1
    assert mark("ma-chao") == 2
    assert mark("ma-chao") == 0
    unread: Callable[[str], int] = lambda who: database.read(  # noqa: E731
        lambda connection: store.count_unread(connection, who)
    )
    assert (unread("ma-chao"), unread("somebody"), unread("another")) == (0, 0, 1)
