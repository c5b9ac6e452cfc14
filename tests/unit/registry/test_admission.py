"""Admission: each letter once, in order, with everything that follows from it, or with a reason."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb

from services.common.clock import from_microseconds
from services.common.errors import Conflict
from services.exchange import evidence_records
from services.exchange.keys import BadSignature
from services.registry import admission, commands, judgement, ledger, tables
from services.registry.commands import Admitted, Refresh
from services.registry.intake import halves
from services.registry.judgement import Answer
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER, Sent, new_id, root_of
from tests.builders.registry import CATEGORY, Bench, bring_evidence


def rows(registry: Bench, table: sa.Table, *columns: str) -> list[tuple[Any, ...]]:
    wanted = [table.c[name] for name in columns]
    return registry.database.read(
        lambda connection: [tuple(row) for row in connection.execute(sa.select(*wanted).order_by(*wanted))]
    )


def reasons(results: tuple[object, ...]) -> list[str]:
    return [
        "" if isinstance(each, Admitted) else each.reason
        for each in results
        if isinstance(each, (Admitted, Answer))
    ]


# -- once -------------------------------------------------------------------------------------------


def test_a_letter_that_comes_again_gets_its_first_answer(registry: Bench) -> None:
    """In the same batch, in the next one and after a restart it stands at one position."""
    letter = registry.health.act(new_id(), "register", parties={HEALTH: "sender"})
    first = registry.submit(registry.health, letter, letter)
    assert first[0] == first[1]
    size = registry.replica.head.size
    assert registry.submit(registry.health, letter) == first[:1]
    assert registry.replica.head.size == size


def test_a_refusal_is_stored_and_repeated(registry: Bench) -> None:
    """Also once the reason is gone: the author acted on the first answer."""
    case_id, at = registry.registered()
    early = registry.market.act(case_id, "sign-for", based_on=at)
    (first,) = registry.submit(registry.market, early)
    assert isinstance(first, Answer)
    registry.position(registry.health, registry.transfer(case_id, at))
    (again,) = registry.submit(registry.market, early)
    assert isinstance(again, Answer)
    assert (again.reason, again.field) == (first.reason, first.field)


@pytest.mark.parametrize("admitted", [True, False])
def test_an_id_with_other_content_is_refused(registry: Bench, admitted: bool) -> None:
    """Of an admitted letter and of a refused one, within a group and later."""
    case_id, _ = registry.registered()
    act = "register" if admitted else "sign-for"
    case_id = new_id() if admitted else case_id
    one = registry.health.act(case_id, act, parties={HEALTH: "sender"})
    other = registry.health.act(
        case_id, act, parties={HEALTH: "sender"}, letter_id=one.letter_id, payload=b"x"
    )
    assert reasons(registry.submit(registry.health, one, other))[1] == "REPLAYED_WITH_OTHER_CONTENT"
    assert registry.reason(registry.health, other) == "REPLAYED_WITH_OTHER_CONTENT"


def test_another_department_cannot_take_an_id(registry: Bench) -> None:
    """It neither learns what became of the letter nor keeps the owner from sending it."""
    case_id = new_id()
    letter = registry.health.act(case_id, "register", parties={HEALTH: "sender"})
    stolen = registry.market.act(case_id, "register", letter_id=letter.letter_id, author=HEALTH)
    assert registry.reason(registry.market, stolen) == "FORGED_AUTHOR"
    registry.position(registry.health, letter)
    assert registry.reason(registry.market, letter) == "REPLAYED_WITH_OTHER_CONTENT"


def test_a_letter_put_off_is_judged_anew(registry: Bench) -> None:
    """What may still come is never stored."""
    ahead = registry.clock.now() + timedelta(minutes=6)
    case_id = new_id()
    letter = registry.health.act(case_id, "register", parties={HEALTH: "sender"}, signed_at=ahead)
    (answer,) = registry.submit(registry.health, letter)
    assert isinstance(answer, Answer)
    assert answer.reason == "CLOCK_AHEAD"
    assert answer.retry_after_ms > 0
    assert rows(registry, tables.refusals, "letter_id") == []


# -- in order ---------------------------------------------------------------------------------------


def test_of_two_acts_that_exclude_each_other_the_second_is_refused(registry: Bench) -> None:
    """Both were right when they were signed; the ledger's order decides, within a batch too."""
    case_id, at = registry.sent()
    recall = registry.health.act(case_id, "recall", based_on=at, approved_by=["leader-in-charge"])
    sign = registry.market.act(case_id, "sign-for", based_on=at)
    registry.position(registry.market, sign)
    assert registry.reason(registry.health, recall) == "CASE_MOVED_ON"
    case_id, at = registry.sent()
    twice = [registry.market.act(case_id, "sign-for", based_on=at) for _ in range(2)]
    assert reasons(registry.submit(registry.market, *twice)) == ["", "CASE_MOVED_ON"]


def test_an_author_who_knew_better_is_told_so(registry: Bench) -> None:
    """An act that the seen state does not permit is no race."""
    case_id, at = registry.registered()
    early = registry.health.act(case_id, "close", based_on=at, approved_by=["section-head"])
    registry.position(registry.health, early)
    late = registry.health.act(case_id, "close", based_on=at + 1, approved_by=["section-head"])
    assert registry.reason(registry.health, late) == "NOT_PERMITTED_IN_STATE"


def test_letters_of_a_batch_build_on_each_other(registry: Bench) -> None:
    """A case is opened and carried on in one batch, each naming the one before."""
    case_id = new_id()
    opening = registry.health.act(case_id, "register", parties={HEALTH: "sender"})
    transfer = registry.health.act(
        case_id, "transfer", parties={MARKET: "receiver"}, predecessor=opening.letter_id,
        materials=["transfer-letter", "source-material", "preliminary-evidence"],
        approved_by=["leader-in-charge"],
    )  # fmt: skip
    assert reasons(registry.submit(registry.health, transfer, opening)) == ["PREDECESSOR_PENDING", ""]
    assert reasons(registry.submit(registry.health, transfer)) == [""]


# -- what follows -----------------------------------------------------------------------------------


def test_a_letter_goes_to_all_who_take_part_and_its_receipt_to_its_author(registry: Bench) -> None:
    """Sender and receiver; an office that was not called sees the case by oversight alone."""
    _, at = registry.sent()
    for name in (HEALTH, MARKET):
        assert at in [place.position for place, _ in registry.mailbox(name)]
    assert registry.mailbox(JUSTICE) == registry.mailbox(WATER) == []


def test_who_joins_a_case_gets_its_past_first(registry: Bench) -> None:
    """Before the act that brought it in, in ledger order, with the evidence that was named in it."""
    case_id, registered = registry.registered()
    at = registry.position(registry.health, registry.transfer(case_id, registered))
    places = [(place.at, place.position) for place, _ in registry.mailbox(MARKET)]
    assert places == [(at, registered), (at, at)]
    signed = registry.position(registry.market, registry.market.act(case_id, "sign-for", based_on=at))
    dispute = registry.market.act(case_id, "dispute", based_on=signed, materials=["grounds"])
    last = registry.position(registry.market, dispute)
    office = [(place.at, place.position) for place, _ in registry.mailbox(JUSTICE)]
    assert office == [(last, registered), (last, at), (last, signed), (last, last)]
    root = root_of("transfer-letter", HEALTH)
    readers = registry.database.read(lambda connection: evidence_records.granted_readers(connection, root))
    assert {f"department:{MARKET}", f"department:{JUSTICE}"} <= set(readers)
    assert f"department:{WATER}" not in readers


@pytest.mark.parametrize("at_once", [False, True], ids=["before", "in one batch"])
def test_who_joins_a_case_gets_the_arrivals_that_started_its_clocks(registry: Bench, at_once: bool) -> None:
    """Or its clocks would stand where those of the others run."""
    case_id, at = registry.sent()
    other, elsewhere = registry.sent()
    entries = [registry.replica.recent.entry(each) for each in (at, elsewhere)]
    came, not_here = [
        registry.market.arrival({each.leaf.position: each.leaf.letter_digest}) for each in entries if each
    ]
    signed = registry.position(registry.market, registry.market.act(case_id, "sign-for", based_on=at))
    dispute = registry.market.act(case_id, "dispute", based_on=signed, materials=["grounds"])
    if at_once:
        assert reasons(registry.submit(registry.market, not_here, came, dispute)) == ["", "", ""]
    else:
        for letter in (not_here, came, dispute):
            registry.position(registry.market, letter)
    last = registry.replica.head.size - 1
    office = [(place.at, place.position) for place, _ in registry.mailbox(JUSTICE)]
    assert other != case_id
    assert office == [(last, each) for each in (at - 1, at, signed, last - 1, last)]


def test_who_joins_later_may_read_the_evidence_of_the_past(registry: Bench) -> None:
    """A second receiver after a dispute: the materials of the first transfer are granted to it."""
    case_id, at = registry.sent()
    at = registry.position(
        registry.health, registry.health.act(case_id, "recall", based_on=at, approved_by=["leader-in-charge"])
    )
    again = registry.health.act(
        case_id, "transfer", parties={WATER: "receiver"}, based_on=at, approved_by=["leader-in-charge"],
        materials=["transfer-letter", "source-material", "preliminary-evidence"],
    )  # fmt: skip
    registry.position(registry.health, again)
    assert len(registry.mailbox(WATER)) == 4
    # who held a role once goes on being told
    assert again.letter_id in [letter for _, letter in registry.mailbox(MARKET)]
    root = root_of("source-material", HEALTH)
    readers = registry.database.read(lambda connection: evidence_records.granted_readers(connection, root))
    assert f"department:{WATER}" in readers


def test_an_arrival_starts_the_clock_that_waits_for_it(registry: Bench) -> None:
    """Once: from then on the obligation counts from its receipt, and the sender is told."""
    case_id, at = registry.sent()
    assert rows(registry, tables.awaited_receipts, "department", "position") == [(MARKET, at)]
    letter_digest = registry.replica.recent.entry(at)
    assert letter_digest is not None
    arrival = registry.market.arrival({at: letter_digest.leaf.letter_digest})
    position = registry.position(registry.market, arrival)
    assert rows(registry, tables.awaited_receipts, "department", "position") == []
    (reply,) = [each for each in registry.replica.cases[case_id].open_obligations if each.rule == "reply"]
    entry = registry.replica.recent.entry(position)
    assert entry is not None
    assert reply.received_at == from_microseconds(entry.leaf.admitted_at_us)
    assert rows(registry, tables.arrivals, "department", "first_at", "last_at") == [(MARKET, at, at)]
    assert position in [place.position for place, _ in registry.mailbox(HEALTH)]


@pytest.mark.parametrize("wrong", ["position", "digest"])
def test_an_arrival_of_what_never_came_is_refused(registry: Bench, wrong: str) -> None:
    """A position beyond the ledger, or another letter's digest."""
    _, at = registry.sent()
    entry = registry.replica.recent.entry(at)
    assert entry is not None
    listed = {at + 1000: entry.leaf.letter_digest} if wrong == "position" else {at: bytes(32)}
    assert registry.reason(registry.market, registry.market.arrival(listed)) == "DIGEST_MISMATCH"


def test_obligations_are_rows_with_their_due_time(registry: Bench) -> None:
    """Opened by the act, ended by the next, by whom and until when."""
    registry.accepted()
    found = {row[0]: row[1:] for row in rows(registry, tables.obligations, "rule", "state", "owed_by")}
    assert found["send"] == ("ON_TIME", HEALTH)
    assert found["sign"] == ("ON_TIME", MARKET)
    assert found["reply"] == ("ON_TIME", MARKET)
    assert found["progress"] == ("OPEN", MARKET)


def test_flows_are_counted_by_day(registry: Bench) -> None:
    """One row for each pair and mechanism, added to by later groups."""
    registry.sent()
    registry.sent()
    found = rows(registry, tables.flows, "author", "recipient", "procedure", "letters")
    assert (HEALTH, MARKET, "case-transfer", 2) in found


def test_items_go_to_subscribers(registry: Bench) -> None:
    """From the subscription on, until it ends; restricted ones only to those named."""
    health, market, water = registry.health, registry.market, registry.water
    registry.position(market, market.item(pb.ITEM_ACT_SUBSCRIBE, CATEGORY))
    registry.position(water, water.item(pb.ITEM_ACT_SUBSCRIBE, CATEGORY))
    registry.position(water, water.item(pb.ITEM_ACT_UNSUBSCRIBE, CATEGORY))
    item_id = new_id()
    published = health.item(pb.ITEM_ACT_PUBLISH, CATEGORY, item_id, revision=1)
    registry.position(health, published)
    secret = health.item(
        pb.ITEM_ACT_PUBLISH, CATEGORY, new_id(), revision=1, recipients=[JUSTICE], restricted=True
    )
    registry.position(health, secret)
    assert published.letter_id in [letter for _, letter in registry.mailbox(MARKET)]
    assert published.letter_id not in [letter for _, letter in registry.mailbox(WATER)]
    assert secret.letter_id not in [letter for _, letter in registry.mailbox(MARKET)]
    assert secret.letter_id in [letter for _, letter in registry.mailbox(JUSTICE)]


def test_who_gets_an_item_may_read_what_it_attaches(registry: Bench) -> None:
    """Subscribers and named recipients, and nobody else."""
    health, root = registry.health, root_of("photo", HEALTH)
    registry.database.write(lambda connection: bring_evidence(connection, HEALTH, ["photo"]))
    registry.position(registry.market, registry.market.item(pb.ITEM_ACT_SUBSCRIBE, CATEGORY))
    bulletin = sharing_pb.Bulletin(title="检查经验", text="先看台账。", attachments=[root])
    published = health.item(
        pb.ITEM_ACT_PUBLISH, CATEGORY, new_id(), bulletin, revision=1, recipients=[JUSTICE]
    )
    registry.position(health, published)
    readers = registry.database.read(lambda each: evidence_records.granted_readers(each, root))
    assert readers == [f"department:{name}" for name in sorted((JUSTICE, MARKET))]


def test_an_arrival_of_what_is_not_in_the_ledger_is_refused(registry: Bench) -> None:
    """However far beyond its end."""
    for position in (registry.replica.head.size, 2**64 - 1):
        arrival = registry.health.arrival({position: bytes(32)})
        assert registry.reason(registry.health, arrival) == "DIGEST_MISMATCH"


def test_the_last_word_of_a_group_on_a_subscription_counts(registry: Bench) -> None:
    """Subscribed, ended and subscribed again in one batch: subscribed."""
    acts = (pb.ITEM_ACT_SUBSCRIBE, pb.ITEM_ACT_UNSUBSCRIBE, pb.ITEM_ACT_SUBSCRIBE)
    registry.submit(registry.market, *[registry.market.item(act, CATEGORY) for act in acts])
    assert rows(registry, tables.subscriptions, "category", "department") == [(CATEGORY, MARKET)]


# -- common entries ---------------------------------------------------------------------------------


def calendar(year: int) -> directory_pb.CommonEntry:
    return directory_pb.CommonEntry(calendar=directory_pb.CalendarYear(region="qinghe", year=year))


def test_a_common_entry_is_in_force_for_the_letters_above_it(registry: Bench) -> None:
    """Its version is in their leaves, and its key answers the same again."""
    version, position = registry.publish(calendar(2031), "notice-2031")
    assert version == registry.replica.directory.version
    assert registry.publish(calendar(2031), "notice-2031") == (version, position)
    _, at = registry.registered()
    entry = registry.replica.recent.entry(at)
    assert entry is not None
    assert entry.leaf.common_version == version
    with pytest.raises(Conflict):
        registry.publish(calendar(2032), "notice-2031")


def test_a_revoked_key_signs_no_more(registry: Bench) -> None:
    """Also the batch that was verified before the revocation and judged after it."""
    letter = registry.health.act(new_id(), "register", parties={HEALTH: "sender"})
    opened = registry.open(HEALTH, registry.health.batch(letter))
    revocation = directory_pb.Revocation(department=HEALTH, key_ids=[registry.health.key_id])
    registry.publish(directory_pb.CommonEntry(revocation=revocation))
    with pytest.raises(BadSignature):
        registry.committer.submit_blocking(opened, timeout=20)
    with pytest.raises(BadSignature):
        registry.submit(registry.health, letter)


# -- when something breaks --------------------------------------------------------------------------


def test_one_letter_that_cannot_be_judged_does_not_stop_the_others(
    registry: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays with its author, to be tried again; those beside it are admitted whole."""
    letters = [registry.health.act(new_id(), "register", parties={HEALTH: "sender"}) for _ in range(3)]
    monkeypatch.setattr(admission, "judge", _breaking_on(letters[1]))
    results = registry.submit(registry.health, *letters)
    assert reasons(results) == ["", "INTERNAL", ""]
    assert isinstance(results[1], Answer)
    assert results[1].retry_after_ms > 0
    monkeypatch.undo()
    registry.position(registry.health, letters[1])


def test_a_batch_taken_apart_stays_provable(registry: Bench) -> None:
    """Half of a batch is admitted under the signature over the whole."""
    letters = [registry.health.act(new_id(), "register", parties={HEALTH: "sender"}) for _ in range(5)]
    whole = registry.open(HEALTH, registry.health.batch(*letters))
    assert isinstance(whole, commands.Batch)
    first, second = halves(whole)
    registry.committer.submit_blocking(first, timeout=20)
    results = registry.committer.submit_blocking(second, timeout=20)
    assert reasons(results) == [""] * 3
    found = rows(registry, tables.ledger, "position", "batch_index", "kind")
    assert [index for _, index, kind in found if kind == "act"] == list(range(5))
    stored = [row for row in rows(registry, tables.batches, "batch", "size") if row[1] == 5]
    assert len(stored) == 2


def test_a_commit_in_doubt_is_found_again(registry: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was kept though nobody was told: nothing is signed for it until it is read, then all goes on."""
    before = registry.replica.head
    letter = registry.health.act(new_id(), "register", parties={HEALTH: "sender"})
    with monkeypatch.context() as faults:
        faults.setattr(admission.AdmissionSession, "committed", _lost)
        registry.submit(registry.health, letter)
    assert registry.replica.head is before
    registry.committer.submit_blocking(Refresh(), timeout=20)
    assert registry.replica.head == registry.database.read(ledger.read_head)
    assert registry.replica.head.size == before.size + 1
    (again,) = registry.submit(registry.health, letter)
    assert again == Admitted(before.size)
    registry.sent()


def _breaking_on(letter: Sent) -> Any:
    judge = judgement.judge

    def breaking(opened: Any, *rest: Any) -> Any:
        if opened.letter_id == letter.letter_id:
            raise ZeroDivisionError
        return judge(opened, *rest)

    return breaking


def _lost(_session: object) -> None:
    """The process never heard of its commit."""
