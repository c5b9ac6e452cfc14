"""What a department says itself: recorded, sent, admitted or refused, on both databases."""

import pytest
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common import edge
from services.common.errors import Conflict, NotFound
from services.exchange import tables as exchange_tables
from services.exchange.letters import open_letter, rebuild
from services.exchange.session import DepartmentSession, new_id
from services.sharing import sharing, store, tables
from services.sharing.feature import SharingFeature, sharing_of
from tests.unit.sharing.sharing_world import HEALTH, NEWS, PUBLISH, World, asked, bulletin


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


def test_a_correction_may_follow_at_once(world: World) -> None:
    """Before the publication is admitted; the letters stand under one id, so they keep their order."""
    first = world.publish()
    second = world.correct(first.item_id, bulletin("更正", "四所学校。", change_note="数目有误"))
    assert [each.case_id for each in world.rows(exchange_tables.outbox)] == [first.item_id] * 2
    world.deliver(world.receipt(first.letter_id), world.receipt(second.letter_id))
    item = world.item(first.item_id)
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
    assert world.item(first.item_id).withdrawn
    assert world.found(category=NEWS) == [first.item_id]


def test_an_unknown_item_is_not_found(world: World) -> None:
    """Nothing is corrected that is not here."""
    with pytest.raises(NotFound):
        world.correct(new_id(), bulletin())


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


def test_a_refused_publication_is_gone_with_its_reason(world: World) -> None:
    """It is in no list, and who asks for it hears why."""
    answer = world.publish()
    world.refuse(answer.letter_id, "DEPARTMENT_INACTIVE")
    assert world.known(answer.item_id) is None
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
