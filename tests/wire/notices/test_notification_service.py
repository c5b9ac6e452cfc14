"""NotificationService over TLS: everybody its own; deliveries for those who see to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from liandong.notices.v1 import notification_service_pb2 as pb
from liandong.notices.v1.notification_service_pb2_grpc import NotificationServiceStub

from services.common.channel import open_channel, remote_errors
from services.common.clock import ManualClock
from services.common.errors import InvalidField, LiandongError
from services.common.server import Server
from services.exchange import actors
from services.exchange import tables as exchange_tables
from services.notices import store, tables
from services.notices.handlers import NotificationHandlers
from services.notices.model import Event, Kind, Wishes
from services.notices.permissions import RULES, SERVICE
from tests.builders.departments import HEALTH
from tests.builders.ledger import MONDAY, Ledger, Node, node
from tests.wire.exchange.evidence_world import Identities

if TYPE_CHECKING:
    from liandong.notices.v1.notification_service_pb2_grpc import NotificationServiceAsyncStub


class Port:
    def __init__(self, market: Node, server: Server, identities: Identities) -> None:
        self.node = market
        self._server = server
        self._identities = identities

    @asynccontextmanager
    async def calling(
        self, department: str = "", kind: str = "gateway"
    ) -> "AsyncIterator[NotificationServiceAsyncStub]":
        tls = self._identities.files(department or self.node.department.name, kind)
        async with open_channel(f"127.0.0.1:{self._server.port}", tls) as channel:
            yield NotificationServiceStub(channel)

    def as_(self, role: str) -> tuple[tuple[str, str], ...]:
        return (("liandong-actor", self.node.signer.assertion(role).decode()),)

    def person(self, role: str) -> str:
        return self.node.act_as(role).subject

    def tell(self, *events: tuple[Event, str]) -> None:
        self.node.database.write(
            lambda connection: store.add(connection, [(event, [person]) for event, person in events])
        )


def event(number: int, **changes: Any) -> Event:
    said = {
        "key": str(number), "kind": Kind.REMIND, "urgent": False, "subject": "market.qinghe", "mark": "due",
        "raised_at": MONDAY + timedelta(minutes=number), "title_zh": "答复期限", "title_en": "Reply",
    }  # fmt: skip
    return Event(**{**said, **changes})


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[Port]:
    """The receiver's port."""
    ledger = Ledger(ManualClock(MONDAY))
    identities = Identities(tmp_path)
    with node(f"sqlite:///{tmp_path / 'node.sqlite'}", ledger) as market:
        market.database.write(tables.metadata.create_all)
        department = market.department
        server = Server(
            "127.0.0.1:0",
            identities.files(department.name),
            department=department.name,
            rules=RULES,
            verify_actor=actors.verify_with(lambda: department.verifier, ledger.clock),
        )

        async def audit(method: str) -> None:
            await department.run(lambda session: session.audit(method))

        handlers = NotificationHandlers(market.database, ("mail", "sms"), ledger.clock, audit)
        server.add(handlers, SERVICE)
        await server.start()
        yield Port(market, server, identities)
        await server.stop(0.5)


async def test_people_read_their_own_messages(port: Port) -> None:
    """In pages, newest first, by kind, read once; not those of others."""
    clerk, leader = port.person("clerk"), port.person("leader-in-charge")
    assert clerk != leader
    told = [(event(number), clerk) for number in range(5)]
    port.tell(
        *told, (event(9, kind=Kind.WARN_LEADER, urgent=True), leader), (event(8, kind=Kind.LINK_DOWN), "*")
    )
    async with port.calling() as stub:
        first = await stub.ListMessages(pb.ListMessagesRequest(page_size=4), metadata=port.as_("clerk"))
        asked = pb.ListMessagesRequest(page_size=4, page_token=first.next_page_token)
        second = await stub.ListMessages(asked, metadata=port.as_("clerk"))
        assert first.unread == 6
        assert first.messages[0].kind == pb.MESSAGE_KIND_LINK_DOWN
        assert len({each.id for each in (*first.messages, *second.messages)}) == 6
        assert second.next_page_token == ""
        own = [each.id for each in first.messages]
        marked = await stub.MarkRead(pb.MarkReadRequest(ids=own), metadata=port.as_("clerk"))
        assert (marked.marked, marked.unread) == (4, 2)
        rest = await stub.ListMessages(pb.ListMessagesRequest(unread=True), metadata=port.as_("clerk"))
        assert {each.id for each in rest.messages} == {each.id for each in second.messages}
        only = pb.ListMessagesRequest(kind=pb.MESSAGE_KIND_WARN_LEADER)
        assert not (await stub.ListMessages(only, metadata=port.as_("clerk"))).messages
        (warned,) = (await stub.ListMessages(only, metadata=port.as_("leader-in-charge"))).messages
        assert warned.urgent
        nothing = await stub.MarkRead(pb.MarkReadRequest(ids=[warned.id]), metadata=port.as_("clerk"))
        assert nothing.marked == 0


async def test_people_say_how_they_want_to_be_told(port: Port) -> None:
    """By channels that the node has, each for itself; what is no address is refused."""
    async with port.calling() as stub:
        before = await stub.GetPreferences(pb.GetPreferencesRequest(), metadata=port.as_("clerk"))
        assert list(before.channels) == ["mail", "sms"]
        assert not before.preferences.channels
        wanted = pb.Preferences(
            channels=[pb.ChannelAddress(channel="mail", address="a@b.example")],
            digest_minute=0,
            language="en",
        )
        await stub.SetPreferences(pb.SetPreferencesRequest(preferences=wanted), metadata=port.as_("clerk"))
        after = await stub.GetPreferences(pb.GetPreferencesRequest(), metadata=port.as_("clerk"))
        assert after.preferences == wanted
        noted = sa.select(exchange_tables.audit.c.subject, exchange_tables.audit.c.method)
        assert port.node.database.read(lambda each: [tuple(row) for row in each.execute(noted)]) == [
            (port.person("clerk"), "SetPreferences")
        ]
        other = await stub.GetPreferences(pb.GetPreferencesRequest(), metadata=port.as_("leader-in-charge"))
        assert not other.preferences.channels
        for channels, field in (
            ([("chat", "x")], "preferences.channels[0].channel"),
            ([("sms", "1"), ("sms", "2")], "preferences.channels[1].channel"),
            ([("mail", "a@b.example,c@d.example")], "preferences.channels[0].address"),
            ([("sms", "1\n2")], "preferences.channels[0].address"),
        ):
            bad = pb.Preferences(channels=[pb.ChannelAddress(channel=c, address=a) for c, a in channels])
            with pytest.raises(InvalidField) as caught, remote_errors():
                await stub.SetPreferences(
                    pb.SetPreferencesRequest(preferences=bad), metadata=port.as_("clerk")
                )
            assert caught.value.field == field


async def test_who_sees_to_deliveries_sees_what_failed(port: Port) -> None:
    """By state and person, in pages; a clerk does not, another department's gateway does nothing at all."""
    clerk = port.person("clerk")
    port.tell((event(1), clerk))
    wishes = Wishes({"mail": "a@b.example", "sms": "1"})

    def deliver(connection: Any) -> None:
        (waiting,) = store.waiting(connection, clerk, urgent=False)
        store.deliver(connection, "digest/x/1", clerk, wishes, [waiting.id], ("s", "t"), MONDAY, urgent=False)
        store.settle(connection, "digest/x/1", "sms", store.FAILED, "HTTP 400", MONDAY)

    port.node.database.write(deliver)
    async with port.calling() as stub:
        everything = await stub.ListDeliveries(
            pb.ListDeliveriesRequest(page_size=1), metadata=port.as_("registry-clerk")
        )
        asked = pb.ListDeliveriesRequest(page_size=1, page_token=everything.next_page_token)
        rest = await stub.ListDeliveries(asked, metadata=port.as_("registry-clerk"))
        assert {each.channel for each in (*everything.deliveries, *rest.deliveries)} == {"mail", "sms"}
        failed = pb.ListDeliveriesRequest(state=pb.DELIVERY_STATE_FAILED)
        (one,) = (await stub.ListDeliveries(failed, metadata=port.as_("liaison"))).deliveries
        assert (one.channel, one.error, one.person, len(one.messages)) == ("sms", "HTTP 400", clerk, 1)
        with pytest.raises(LiandongError) as caught, remote_errors():
            await stub.ListDeliveries(pb.ListDeliveriesRequest(), metadata=port.as_("clerk"))
        assert caught.value.code == "PERMISSION_DENIED"
    async with port.calling(HEALTH) as stub:
        with pytest.raises(LiandongError) as caught, remote_errors():
            await stub.ListMessages(pb.ListMessagesRequest(), metadata=port.as_("clerk"))
        assert caught.value.code == "PERMISSION_DENIED"


def test_every_method_has_a_row() -> None:
    """A method without one would stop the start."""
    assert set(RULES) == {f"/{SERVICE.full_name}/{each.name}" for each in SERVICE.methods}
