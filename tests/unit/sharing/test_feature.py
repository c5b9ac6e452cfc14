"""Items of a department, from its own letters and those that are delivered to it, on both databases."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common import edge
from services.common.db import Database
from services.common.errors import Conflict, LiandongError, NotFound
from services.common.migrations import migrate
from services.exchange import evidence_tables
from services.exchange import tables as exchange_tables
from services.exchange.letters import open_letter, rebuild
from services.exchange.session import DepartmentSession, new_id
from services.sharing import sharing, store, tables, watching
from services.sharing.attachments import AttachmentMissing
from services.sharing.feature import SharingFeature, Shelf, sharing_of
from tests.unit.sharing.sharing_world import (
    DAY,
    HEALTH,
    MONDAY,
    NEWS,
    POLICE,
    PRACTICE,
    World,
    asked,
    bulletin,
)

PUBLISH, CORRECT, WITHDRAW = pb.ITEM_ACT_PUBLISH, pb.ITEM_ACT_CORRECT, pb.ITEM_ACT_WITHDRAW


def test_the_migration_makes_the_tables(database_url: str) -> None:
    """Columns and indexes as the program knows them."""
    migrate(database_url, tables.MIGRATIONS, version_table=tables.VERSION_TABLE)
    database = Database(database_url)

    def shape(connection: sa.Connection) -> dict[str, object]:
        inspector = sa.inspect(connection)
        return {
            name: (
                [(each["name"], each["nullable"]) for each in inspector.get_columns(name)],
                sorted(str(each["name"]) for each in inspector.get_indexes(name)),
                inspector.get_pk_constraint(name)["constrained_columns"],
            )
            for name in tables.metadata.tables
        }

    migrated = database.read(shape)
    database.write(tables.metadata.drop_all)
    database.write(tables.metadata.create_all)
    assert migrated == database.read(shape)
    database.close()


# -- own letters --


def test_a_publication_is_a_letter_on_its_way(world: World) -> None:
    """Header, payload, assertion and outbox row; the item stands at once, without position."""
    answer = world.publish()
    assert (answer.disposition, answer.position) == ("RECORDED", None)
    (row,) = world.rows(exchange_tables.letters)
    header = pb.Header.FromString(row.header)
    assert (row.kind, row.case_id, header.item.item_id) == ("item", answer.item_id, answer.item_id)
    assert (header.item.act, header.item.revision, header.actor.subject) == (PUBLISH, 1, "u-17")
    assert row.payload == bulletin().SerializeToString()
    assert list(pb.Envelope.FromString(row.extras).assertions) == [b"token"]
    assert [each.letter_id for each in world.rows(exchange_tables.outbox)] == [answer.letter_id]
    item = world.item(answer.item_id)
    assert item is not None
    assert (item.revision, item.position, item.author) == (1, None, HEALTH)


def test_every_letter_is_one_that_others_can_open(world: World) -> None:
    """Form, sizes and digests keep the contract, for each kind of thing that is said."""
    first = world.publish()
    world.correct(first.item_id, bulletin("更正"))
    world.withdraw(first.item_id, "因" * 400)
    world.subscribe(NEWS)
    world.subscribe(NEWS, subscribed=False)
    opened = [
        open_letter(rebuild(row.header, row.payload, row.extras))
        for row in world.rows(exchange_tables.letters)
    ]
    bodies = [sharing.read_bulletin(each.header, each.envelope.payload) for each in opened]
    for body in bodies[:3]:
        assert body is not None
        edge.validate(body)
    assert bodies[3:] == [None, None]
    assert [each.header.item.revision for each in opened] == [1, 2, 3, 0, 0]


def test_a_receipt_gives_the_item_its_place(world: World) -> None:
    """Also when it comes a second time, since an acknowledgement was lost."""
    answer = world.publish()
    receipt = world.receipt(answer.letter_id, MONDAY + timedelta(seconds=5))
    world.deliver(receipt)
    world.deliver(receipt)
    item = world.item(answer.item_id)
    assert item is not None
    assert (item.position, item.admitted_at_us) == (101, receipt.leaf.admitted_at_us)
    assert world.shelf.pending == {}


def test_receipts_are_known_after_a_restart(world: World, database_url: str) -> None:
    """What is on its way is read from the outbox, not only remembered."""
    answer = world.publish()
    world.department.committer.close(10)
    again = World(database_url)
    again.deliver(again.receipt(answer.letter_id))
    item = again.item(answer.item_id)
    assert item is not None
    assert item.position == 101
    again.close()


def test_a_receipt_that_was_parked_is_still_taken(world: World) -> None:
    """Its letter has left the outbox, and memory may be new: the item gets its place all the same."""
    answer = world.publish()
    receipt = world.receipt(answer.letter_id)
    world.run(
        lambda session: session.connection.execute(exchange_tables.letters.update().values(sequence=None))
    )
    world.shelf.pending = None
    world.deliver(receipt)
    item = world.item(answer.item_id)
    assert item is not None
    assert item.position == 101


def test_a_correction_may_follow_at_once(world: World) -> None:
    """Before the publication is admitted; the letters stand under one id, so they keep their order."""
    first = world.publish()
    second = world.correct(first.item_id, bulletin("更正", "四所学校。", change_note="数目有误"))
    assert [each.case_id for each in world.rows(exchange_tables.outbox)] == [first.item_id] * 2
    world.deliver(world.receipt(first.letter_id), world.receipt(second.letter_id))
    item = world.item(first.item_id)
    assert item is not None
    assert (item.revision, item.position, item.letter_id) == (2, 102, second.letter_id)


def test_corrections_of_one_group_see_each_other(world: World) -> None:
    """Two commands that are written together get different revisions."""
    first = world.publish()

    def correct(session: DepartmentSession) -> str:
        feature = sharing_of(session)
        own = sharing.correction(
            feature.item(first.item_id), bulletin(), author=HEALTH, directory=session.directory
        )
        return feature.record(own, asked()).letter_id

    one, two = world.run(lambda session: (correct(session), correct(session)))
    revisions = {row.letter_id: row.revision for row in world.rows(tables.item_revisions)}
    assert (revisions[one], revisions[two]) == (2, 3)


def test_a_withdrawal_stays_visible(world: World) -> None:
    """The item is listed as withdrawn, with its title."""
    first = world.publish()
    world.withdraw(first.item_id)
    item = world.item(first.item_id)
    assert item is not None
    assert item.withdrawn
    assert world.found(category=NEWS) == [first.item_id]


def test_an_unknown_item_is_not_found(world: World) -> None:
    """Nothing is corrected that is not here."""
    with pytest.raises(NotFound):
        world.correct(new_id(), bulletin())


# -- idempotency --


def test_a_repeated_request_is_answered_the_same(world: World) -> None:
    """With what became of it since."""
    request = asked("item:u-17:k", b"one")
    answer = world.publish(request=request)
    known = world.say(lambda feature, _: feature.answered(request))
    assert known is not None
    assert (known.letter_id, known.item_id, known.disposition) == (
        answer.letter_id,
        answer.item_id,
        "RECORDED",
    )
    world.deliver(world.receipt(answer.letter_id))
    known = world.say(lambda feature, _: feature.answered(request))
    assert known is not None
    assert (known.disposition, known.position) == ("ADMITTED", 101)


def test_a_key_is_not_used_for_two_requests(world: World) -> None:
    """Neither later nor in the same group."""
    world.publish(request=asked("k", b"one"))
    with pytest.raises(Conflict):
        world.say(lambda feature, _: feature.answered(asked("k", b"two")))

    def both(feature: SharingFeature, _session: DepartmentSession) -> None:
        one = asked("l", b"one")
        answer = feature.subscribe(pb.ItemHeader(act=pb.ITEM_ACT_SUBSCRIBE, category=NEWS), one)
        assert feature.answered(one) == answer
        with pytest.raises(Conflict):
            feature.answered(asked("l", b"two"))

    world.say(both)


# -- refusals --


def test_a_refused_publication_is_gone_with_its_reason(world: World) -> None:
    """It is in no list, and who asks for it hears why."""
    answer = world.publish()
    world.refuse(answer.letter_id, "DEPARTMENT_INACTIVE")
    assert world.item(answer.item_id) is None
    assert world.found(terms=frozenset({"学校"})) == []
    assert world.database.read(lambda each: store.refusal(each, answer.item_id)) == (
        "DEPARTMENT_INACTIVE",
        "Not so.",
    )


def test_a_refused_correction_leaves_what_stood(world: World) -> None:
    """The earlier text is found again, and the number is free for another correction."""
    first = world.publish()
    second = world.correct(first.item_id, bulletin("甲", "乙丙"))
    assert world.found(terms=frozenset({"乙丙"})) == [first.item_id]
    world.refuse(second.letter_id)
    assert world.found(terms=frozenset({"乙丙"})) == []
    assert world.found(terms=frozenset({"学校", "消毒"})) == [first.item_id]
    third = world.correct(first.item_id, bulletin("丁", "戊"))
    assert {row.letter_id: row.revision for row in world.rows(tables.item_revisions)}[third.letter_id] == 2


def test_what_followed_a_refused_letter_is_refused_too(world: World) -> None:
    """Unless it was sent already: then the registry says so."""
    first = world.publish()
    letters = [world.correct(first.item_id, bulletin()).letter_id for _ in range(3)]
    world.refuse(letters[0], not_submitted=frozenset(letters[2:]))
    found = {row.letter_id: row.reason for row in world.rows(exchange_tables.letters)}
    assert [found[each] for each in letters] == ["STALE", "", "PREDECESSOR_REFUSED"]


# -- letters of others --


def test_an_item_of_another_department_is_folded(world: World) -> None:
    """With the place that the registry gave it; delivered twice it is the same."""
    item_id = new_id()
    letter = world.foreign(PUBLISH, item_id, 1, bulletin("警情通报", "夜间巡查。"))
    world.deliver(letter)
    world.deliver(letter)
    item = world.item(item_id)
    assert item is not None
    assert (item.author, item.revision, item.position) == (POLICE, 1, 101)
    assert world.found(terms=frozenset({"巡查"})) == [item_id]


def test_a_correction_of_something_never_seen_is_kept(world: World) -> None:
    """Who subscribed late gets what comes; if the publication comes after all, it takes its place."""
    item_id = new_id()
    early = world.foreign(PUBLISH, item_id, 1, bulletin("甲"))
    world.deliver(world.foreign(CORRECT, item_id, 3, bulletin("丙")))
    world.deliver(world.foreign(CORRECT, item_id, 2, bulletin("乙")), early)
    item = world.item(item_id)
    assert item is not None
    assert (item.revision, item.first_revision) == (3, 1)
    world.deliver(world.foreign(WITHDRAW, item_id, 4, bulletin("丙")))
    item = world.item(item_id)
    assert item is not None
    assert item.withdrawn


def test_what_cannot_be_shown_is_kept(world: World) -> None:
    """Another type, or bytes that are no bulletin: listed without body, never parked."""
    records, garbage = new_id(), new_id()
    world.deliver(
        world.foreign(PUBLISH, records, 1, b"{}", payload_type="region.Extension"),
        world.foreign(PUBLISH, garbage, 1, b"\xff\xff"),
    )
    assert sorted(world.found()) == sorted([records, garbage])
    assert [each.heading for each in (world.item(records), world.item(garbage)) if each] == [None, None]
    assert world.rows(exchange_tables.parked) == []


def test_a_letter_that_names_no_item_is_parked(world: World) -> None:
    """It is admitted, so it is kept in sight; the others of the delivery are not held up."""
    good = new_id()
    world.deliver(world.foreign(PUBLISH, "", 1, bulletin()), world.foreign(PUBLISH, good, 1, bulletin()))
    assert world.found() == [good]
    assert [row.position for row in world.rows(exchange_tables.parked)] == [101]


def test_receipts_of_other_letters_are_not_ours(world: World) -> None:
    """A receipt of an act changes nothing here, and costs no query once what is pending is known."""
    world.deliver(world.receipt(new_id()))
    assert world.rows(tables.items) == []
    assert not world.shelf.pending


# -- lists --


def test_lists_are_filtered_and_paged(world: World) -> None:
    """The last seen first; the key of the last row is where the next page begins."""
    ids = [new_id() for _ in range(5)]
    for number, item_id in enumerate(ids):
        category = PRACTICE if number % 2 else NEWS
        at = MONDAY + timedelta(minutes=number // 2)
        world.deliver(world.foreign(PUBLISH, item_id, 1, bulletin(), category=category, admitted_at=at))
    own = world.publish().item_id
    world.correct(own, bulletin("更正"))
    assert world.found(category=PRACTICE) == [ids[3], ids[1]]
    assert world.found(author=HEALTH) == [own]
    paged: list[str] = []
    before = None
    while True:
        rows = world.page(store.Wanted(before=before), 2)
        if not rows:
            break
        paged += [item.item_id for item in rows]
        before = (rows[-1].seen_at_us, rows[-1].item_id)
    assert paged == world.found()
    assert len(set(paged)) == 6


def test_reading_is_by_person_and_revision(world: World) -> None:
    """A correction makes an item unread again; the time of the first reading stays."""
    item_id = new_id()
    world.deliver(world.foreign(PUBLISH, item_id, 1, bulletin()))
    world.say(lambda feature, _: feature.read(item_id, 1, "u-17", "王芳"))
    world.clock.advance(DAY)
    world.say(lambda feature, _: feature.read(item_id, 1, "u-17", "王芳"))
    (row,) = world.rows(tables.item_reads)
    assert (row.subject, row.revision, row.read_at_us) == ("u-17", 1, int(MONDAY.timestamp() * 1_000_000))
    world.deliver(world.foreign(CORRECT, item_id, 2, bulletin()))
    assert (world.read_revision(item_id, "u-17"), world.read_revision(item_id, "u-18")) == (1, 0)


# -- subscriptions --


def subscribed(world: World) -> dict[str, bool]:
    return {name: each.subscribed for name, each in world.database.read(store.subscriptions).items()}


def test_a_subscription_holds_at_once_and_falls_with_its_letter(world: World) -> None:
    """Refused, it is again what the registry has."""
    first = world.subscribe(NEWS)
    assert subscribed(world) == {NEWS: True}
    world.refuse(first.letter_id, "UNKNOWN_CATEGORY")
    assert subscribed(world) == {NEWS: False}
    second = world.subscribe(NEWS)
    third = world.subscribe(NEWS, subscribed=False)
    world.deliver(world.receipt(second.letter_id))
    assert subscribed(world) == {NEWS: False}
    world.refuse(third.letter_id)
    assert subscribed(world) == {NEWS: True}


def test_subscriptions_of_one_category_keep_their_order(world: World) -> None:
    """They stand under one id in the outbox, so the last wish is the last to come."""
    world.subscribe(NEWS)
    world.subscribe(NEWS, subscribed=False)
    assert [row.case_id for row in world.rows(exchange_tables.outbox)] == [NEWS, NEWS]


# -- evidence --


def test_attachments_must_be_here(world: World) -> None:
    """Nothing is published that names evidence which nobody could fetch."""
    body = bulletin()
    body.attachments.append(b"\7" * 32)
    with pytest.raises(AttachmentMissing) as caught:
        world.publish(body)
    assert caught.value.reason == "EVIDENCE_PENDING"
    assert world.rows(exchange_tables.letters) == []


def test_attachments_of_others_are_asked_for(world: World) -> None:
    """Those that can be any; what nobody checked is left out."""
    woken: list[bool] = []
    world.shelf.evidence_recorded = lambda: woken.append(True)
    body = bulletin()
    body.attachments.extend([b"\7" * 32, b"short"])
    world.deliver(world.foreign(PUBLISH, new_id(), 1, body))
    assert [(row.root, row.direction) for row in world.rows(evidence_tables.evidence_wanted)] == [
        (b"\7" * 32, "PULL")
    ]
    assert woken == [True]


# -- watching --


async def test_who_watches_hears_each_item_once(world: World) -> None:
    """Of its category; what changes twice before it is taken is told once."""
    with world.shelf.watchers.watch(NEWS) as watcher:
        answer = world.publish()
        world.publish(category=PRACTICE)
        world.correct(answer.item_id, bulletin())
        await world.department.run(lambda session: None)
        assert await watcher.take() == [answer.item_id]


async def test_who_does_not_take_what_changed_is_told_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory for a watcher is bounded: past that it lists anew."""
    monkeypatch.setattr(watching, "WATCHED", 2)
    with world.shelf.watchers.watch("") as watcher:
        for _ in range(3):
            world.publish()
        await world.department.run(lambda session: None)
        with pytest.raises(watching.WatcherTooSlow) as caught:
            await watcher.take()
    assert caught.value.reason == "SLOW_READER"


def test_a_failed_group_forgets_what_it_read(world: World) -> None:
    """After it, memory is read anew from what is durable."""
    answer = world.publish()

    with pytest.raises(LiandongError):
        world.run(lambda session: session.connection.execute(sa.text("SELECT * FROM nowhere")))
    assert world.shelf.pending is None
    world.deliver(world.receipt(answer.letter_id))
    item = world.item(answer.item_id)
    assert item is not None
    assert item.position is not None


def test_a_shelf_is_empty_until_it_is_asked() -> None:
    """What is on its way is read at the first receipt."""
    assert Shelf().pending is None
