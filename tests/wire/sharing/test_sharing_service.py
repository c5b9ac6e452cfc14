"""SharingService over mutual TLS: what people ask, what they are answered, what is audited."""

import asyncio
from datetime import timedelta
from typing import Any

import grpc.aio
import pytest
from liandong.exchange.v1 import envelope_pb2, exchange_service_pb2, reason_pb2
from liandong.sharing.v1 import sharing_service_pb2 as pb

from services.common.channel import liandong_error, remote_errors
from services.common.errors import (
    ActorMissing,
    Conflict,
    ForeignDepartment,
    InvalidField,
    LiandongError,
    NotFound,
    PermissionDenied,
    RoleNotPermitted,
)
from services.common.permissions import missing_rows, rows_without_method
from services.exchange import tables as exchange_tables
from services.exchange.letters import timestamp
from services.exchange.session import new_id
from services.sharing import watching
from services.sharing.permissions import RULES, SERVICE
from services.sharing.sharing import ItemNotYours
from tests.unit.sharing.sharing_world import (
    BY_HAND,
    DAY,
    HEALTH,
    MONDAY,
    NEWS,
    POLICE,
    PRACTICE,
    RECORDS,
    bulletin,
)
from tests.wire.sharing.conftest import READER, Person, Port, publication

RECORDED = exchange_service_pb2.DISPOSITION_RECORDED
ADMITTED = exchange_service_pb2.DISPOSITION_ADMITTED
REFUSED = exchange_service_pb2.DISPOSITION_REFUSED
PUBLISH = envelope_pb2.ITEM_ACT_PUBLISH


def audited(port: Port) -> list[tuple[Any, ...]]:
    """Who did what to which object."""
    return [
        (row.subject, row.method, row.object_id, row.result) for row in port.world.rows(exchange_tables.audit)
    ]


async def listed(port: Port, **wanted: Any) -> list[str]:
    """Titles of listed bulletins."""
    answer = await port.call("ListBulletins", pb.ListBulletinsRequest(**wanted))
    return [each.bulletin.title for each in answer.bulletins]


def test_every_rpc_has_a_row() -> None:
    """And no row names another."""
    assert missing_rows(RULES, [SERVICE]) == []
    assert rows_without_method(RULES, [SERVICE]) == []


# -- publishing --


async def test_a_bulletin_is_recorded_then_admitted(port: Port) -> None:
    """The repeated request is answered with what became of it; the letter carries who published."""
    request = publication(port.world, idempotency_key="k-1", recipients=[POLICE])
    first = (await port.call("PublishBulletin", request)).answer
    assert (first.disposition, first.position) == (RECORDED, 0)
    port.world.deliver(port.world.receipt(first.letter_id))
    again = (await port.call("PublishBulletin", request)).answer
    assert (again.letter_id, again.item_id, again.disposition, again.position) == (
        first.letter_id,
        first.item_id,
        ADMITTED,
        101,
    )
    (row,) = port.world.rows(exchange_tables.letters)[:1]
    header = envelope_pb2.Header.FromString(row.header)
    assert (header.actor.name, header.actor.role) == ("王芳", "clerk")
    assert list(header.item.recipients) == [POLICE]
    assert len(envelope_pb2.Envelope.FromString(row.extras).assertions) == 1
    assert audited(port) == [
        ("u-17", "PublishBulletin", first.item_id, "ok"),
        ("u-17", "PublishBulletin", first.item_id, "repeated"),
    ]


async def test_a_key_serves_one_request_of_one_person(port: Port) -> None:
    """Another request under it is a conflict, also of another method; another person's key is another."""
    await port.publish(idempotency_key="k-1")
    with pytest.raises(Conflict) as caught:
        await port.publish(idempotency_key="k-1", category=PRACTICE)
    assert caught.value.reason == "REPLAYED_WITH_OTHER_CONTENT"
    with pytest.raises(Conflict):
        await port.call(
            "Subscribe", pb.SubscribeRequest(category=NEWS, subscribed=True, idempotency_key="k-1")
        )
    other = Person("u-19", "孙立", ("liaison",))
    request = publication(port.world, idempotency_key="k-1", category=PRACTICE)
    assert (await port.call("PublishBulletin", request, other)).answer.disposition == RECORDED


async def test_a_repeated_request_tells_of_a_refusal(port: Port) -> None:
    """With its reason; and who asks for the item hears it too."""
    request = publication(port.world, idempotency_key="k-1")
    first = (await port.call("PublishBulletin", request)).answer
    port.world.refuse(first.letter_id, "DEPARTMENT_INACTIVE")
    again = (await port.call("PublishBulletin", request)).answer
    assert (again.disposition, again.reason) == (REFUSED, reason_pb2.REASON_DEPARTMENT_INACTIVE)
    with pytest.raises(LiandongError) as caught:
        await port.call("GetBulletin", pb.GetBulletinRequest(item_id=first.item_id))
    assert (caught.value.reason, caught.value.code) == ("DEPARTMENT_INACTIVE", "FAILED_PRECONDITION")
    assert await listed(port) == []


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"category": BY_HAND}, "INVALID_FIELD", "category"),
        ({"category": RECORDS}, "INVALID_FIELD", "category"),
        ({"category": "bulletin.unheard"}, "UNKNOWN_CATEGORY", "category"),
        ({"formed_at": timestamp(MONDAY + DAY)}, "OCCURRED_AFTER_SIGNED", "formed_at"),
        ({"formed_at": timestamp(MONDAY - 9 * DAY)}, "FIELD_REQUIRED", "bulletin.late_reason"),
        ({"recipients": ["nobody.qinghe"]}, "UNKNOWN_DEPARTMENT", "recipients"),
        ({"bulletin": pb.Bulletin(title="x")}, "INVALID_FIELD", "bulletin.text"),
    ],
)
async def test_what_may_not_be_shared_is_refused(
    port: Port, changed: dict[str, Any], reason: str, field: str
) -> None:
    """Typed, with the field, and nothing is recorded."""
    with pytest.raises(LiandongError) as caught:
        await port.publish(**changed)
    assert (caught.value.reason, caught.value.field, caught.value.code) == (reason, field, "INVALID_ARGUMENT")
    assert port.world.rows(exchange_tables.letters) == []


async def test_a_late_bulletin_is_marked(port: Port) -> None:
    """It says why, and is shown as late with the time that it was due."""
    formed_at = MONDAY - 9 * DAY
    answer = await port.publish(formed_at=timestamp(formed_at), bulletin=bulletin(late_reason="等待检测结果"))
    view = (await port.call("GetBulletin", pb.GetBulletinRequest(item_id=answer.item_id))).bulletin
    assert view.late
    assert view.due_at == timestamp(MONDAY.replace(day=3, hour=16))  # Saturday the 1st: due as Monday ends
    assert view.bulletin.late_reason == "等待检测结果"


# -- revisions --


async def test_revisions_are_kept(port: Port) -> None:
    """The newest first, each with its text and place; a withdrawal hides none of them."""
    first = await port.publish()
    port.world.deliver(port.world.receipt(first.letter_id, MONDAY + timedelta(seconds=1)))
    correct = pb.CorrectBulletinRequest(
        item_id=first.item_id, bulletin=bulletin("更正", "四所学校。", change_note="数目有误")
    )
    second = (await port.call("CorrectBulletin", correct)).answer
    port.world.deliver(port.world.receipt(second.letter_id))
    withdraw = pb.WithdrawBulletinRequest(item_id=first.item_id, reason="内容有误")
    third = (await port.call("WithdrawBulletin", withdraw)).answer
    assert third.item_id == first.item_id
    answer = await port.call("GetBulletin", pb.GetBulletinRequest(item_id=first.item_id))
    newest = answer.bulletin
    assert (newest.revision, newest.withdrawn, newest.position) == (3, True, 0)
    assert (newest.bulletin.title, newest.bulletin.change_note) == ("更正", "内容有误")
    assert not newest.HasField("admitted_at")
    assert [(each.revision, each.bulletin.text, each.position) for each in answer.earlier] == [
        (2, "四所学校。", 102),
        (1, bulletin().text, 101),
    ]
    assert [each.withdrawn for each in answer.earlier] == [False, False]
    with pytest.raises(ItemNotYours) as caught:
        await port.call("CorrectBulletin", correct)
    assert caught.value.reason == "ITEM_NOT_YOURS"


async def test_anothers_bulletin_is_not_ours_to_change(port: Port) -> None:
    """Correcting and withdrawing are its publisher's."""
    item_id = new_id()
    port.world.deliver(port.world.foreign(PUBLISH, item_id, 1, bulletin("警情")))
    for method, request in (
        ("CorrectBulletin", pb.CorrectBulletinRequest(item_id=item_id, bulletin=bulletin())),
        ("WithdrawBulletin", pb.WithdrawBulletinRequest(item_id=item_id, reason="x")),
    ):
        with pytest.raises(ItemNotYours) as caught:
            await port.call(method, request)
        assert caught.value.reason == "ITEM_NOT_YOURS"
    with pytest.raises(NotFound):
        await port.call("WithdrawBulletin", pb.WithdrawBulletinRequest(item_id=new_id(), reason="x"))


async def test_an_item_with_many_revisions_fits_one_answer(port: Port) -> None:
    """The oldest come without text; none is missing."""
    first = await port.publish(bulletin=bulletin(text="字" * 60_000))
    for _ in range(8):
        request = pb.CorrectBulletinRequest(item_id=first.item_id, bulletin=bulletin(text="字" * 60_000))
        await port.call("CorrectBulletin", request)
    answer = await port.call("GetBulletin", pb.GetBulletinRequest(item_id=first.item_id))
    assert len(answer.earlier) == 8
    assert answer.ByteSize() < 2 * 1024 * 1024
    assert answer.bulletin.bulletin.text
    assert not answer.earlier[-1].bulletin.text
    assert answer.earlier[-1].bulletin.title == bulletin().title


# -- reading --


async def test_lists_are_filtered_and_paged(port: Port) -> None:
    """By category, author and words; without text; page by page each once, the last seen first."""
    for number in range(5):
        port.world.clock.advance(timedelta(minutes=1))
        category = PRACTICE if number % 2 else NEWS
        port.world.deliver(
            port.world.foreign(PUBLISH, new_id(), 1, bulletin(f"通报{number}", "夜间巡查"), category=category)
        )
    await port.publish()
    assert await listed(port, category=PRACTICE) == ["通报3", "通报1"]
    assert await listed(port, author=HEALTH) == [bulletin().title]
    assert await listed(port, query="巡查 通报2") == ["通报2"]
    assert await listed(port, query="传染病") == [bulletin().title]
    assert await listed(port, query="！？") == []
    titles: list[str] = []
    token = ""
    while True:
        request = pb.ListBulletinsRequest(author=POLICE, page_size=2, page_token=token)
        answer = await port.call("ListBulletins", request)
        assert all(not each.bulletin.text for each in answer.bulletins)
        titles += [each.bulletin.title for each in answer.bulletins]
        token = answer.next_page_token
        if not token:
            break
    assert titles == [f"通报{number}" for number in (4, 3, 2, 1, 0)]


async def test_a_page_token_belongs_to_its_list(port: Port) -> None:
    """Garbage, and the token of other filters, are refused."""
    for _ in range(2):
        await port.publish()
    answer = await port.call("ListBulletins", pb.ListBulletinsRequest(page_size=1))
    for wrong in (
        pb.ListBulletinsRequest(page_size=1, page_token="?"),
        pb.ListBulletinsRequest(page_size=1, page_token="WzEsMiwzXQ=="),
        pb.ListBulletinsRequest(page_size=1, category=NEWS, page_token=answer.next_page_token),
    ):
        with pytest.raises(InvalidField) as caught:
            await port.call("ListBulletins", wrong)
        assert caught.value.field == "page_token"


async def test_reading_is_by_person_and_audited(port: Port) -> None:
    """Who opened it has read it; their colleague has not; a correction is unread again."""
    answer = await port.publish()
    request = pb.GetBulletinRequest(item_id=answer.item_id)
    view = (await port.call("GetBulletin", request, READER)).bulletin
    assert view.read
    assert view.bulletin == bulletin()

    async def read_by(person: Person) -> bool:
        found = await port.call("ListBulletins", pb.ListBulletinsRequest(), person)
        return bool(found.bulletins[0].read)

    assert await read_by(READER)
    assert not await read_by(Person())
    await port.call(
        "CorrectBulletin", pb.CorrectBulletinRequest(item_id=answer.item_id, bulletin=bulletin("更正"))
    )
    assert not await read_by(READER)
    assert audited(port)[:3] == [
        ("u-17", "PublishBulletin", answer.item_id, "ok"),
        ("u-18", "GetBulletin", answer.item_id, "ok"),
        ("u-18", "ListBulletins", "", "ok"),
    ]


async def test_the_catalogue_shows_subscriptions(port: Port) -> None:
    """The region's categories by name, what goes by hand, and what is subscribed to."""
    answer = await port.call("Subscribe", pb.SubscribeRequest(category=NEWS, subscribed=True))
    assert (answer.answer.disposition, answer.answer.item_id) == (RECORDED, "")
    found = (await port.call("ListCatalogue", pb.ListCatalogueRequest(), READER)).entries
    assert [each.category for each in found] == sorted([NEWS, PRACTICE, BY_HAND, RECORDS])
    assert [each.category for each in found if each.subscribed] == [NEWS]
    assert [each.category for each in found if each.by_hand] == [BY_HAND]
    assert found[0].title_zh
    await port.call("Subscribe", pb.SubscribeRequest(category=NEWS, subscribed=False))
    found = (await port.call("ListCatalogue", pb.ListCatalogueRequest())).entries
    assert not any(each.subscribed for each in found)


# -- watching --


async def test_bulletins_are_watched_as_they_come(port: Port) -> None:
    """From the initial metadata on nothing is missed: new, corrected, withdrawn; others' categories not."""
    stream = port.stub.WatchBulletins(
        pb.WatchBulletinsRequest(category=NEWS), metadata=port.metadata(READER), timeout=20
    )
    await stream.initial_metadata()
    await port.publish(category=PRACTICE)
    item_id = new_id()
    port.world.deliver(port.world.foreign(PUBLISH, item_id, 1, bulletin("警情")))
    view = (await _next(stream)).bulletin
    assert (view.item_id, view.bulletin.title, view.bulletin.text, view.read) == (item_id, "警情", "", False)
    own = await port.publish()
    view = (await _next(stream)).bulletin
    assert (view.item_id, view.position) == (own.item_id, 0)
    port.world.deliver(port.world.receipt(own.letter_id))
    assert (await _next(stream)).bulletin.position == 102
    await port.call("WithdrawBulletin", pb.WithdrawBulletinRequest(item_id=own.item_id, reason="有误"))
    assert (await _next(stream)).bulletin.withdrawn
    stream.cancel()
    assert ("u-18", "WatchBulletins", NEWS, "ok") in audited(port)


async def test_a_watcher_that_falls_behind_is_told(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for it is bounded; past that the stream ends with the reason."""
    monkeypatch.setattr(watching, "WATCHED", 0)
    stream = port.stub.WatchBulletins(pb.WatchBulletinsRequest(), metadata=port.metadata(), timeout=20)
    await stream.initial_metadata()
    await port.publish()
    with pytest.raises(LiandongError) as caught, remote_errors():
        await _next(stream)
    assert caught.value.reason == "SLOW_READER"


async def _next(stream: Any) -> pb.WatchBulletinsResponse:
    response: pb.WatchBulletinsResponse = await asyncio.wait_for(stream.read(), 10)
    return response


# -- who may --


async def test_only_who_speaks_for_the_department_publishes(port: Port) -> None:
    """An officer reads, and does not publish; a system of the department may."""
    with pytest.raises(RoleNotPermitted):
        await port.call("PublishBulletin", publication(port.world), READER)
    with pytest.raises(RoleNotPermitted):
        await port.call("Subscribe", pb.SubscribeRequest(category=NEWS, subscribed=True), READER)
    system = Person("his", "医院信息系统", ("system",), service=True)
    answer = (await port.call("PublishBulletin", publication(port.world), system)).answer
    assert answer.disposition == RECORDED


async def test_without_an_actor_nothing_is_told(port: Port) -> None:
    """Not even the catalogue."""
    with pytest.raises(ActorMissing), remote_errors():
        await port.stub.ListCatalogue(pb.ListCatalogueRequest(), timeout=20)


@pytest.mark.parametrize(
    ("department", "kind", "error"),
    [(POLICE, "gateway", ForeignDepartment), (HEALTH, "node", PermissionDenied)],
)
async def test_only_the_departments_own_gateway_calls(
    port: Port, department: str, kind: str, error: type[LiandongError]
) -> None:
    """Whatever assertion it shows."""
    await port.publish()
    async with port.calling(department, kind if kind != "node" else "operator") as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListBulletins(pb.ListBulletinsRequest(), metadata=port.metadata(), timeout=20)
    assert isinstance(liandong_error(caught.value), error)
