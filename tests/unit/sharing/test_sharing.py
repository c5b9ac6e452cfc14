"""What may be shared, when it is due, and that folding does not depend on order."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common.clock import microseconds
from services.common.errors import InvalidField, LiandongError, PermissionDenied
from services.exchange.letters import timestamp
from services.procedures.calendar import ZONE
from services.sharing import sharing
from services.sharing.sharing import GoesByHand, Item, Revision, Sharing, fold
from services.sharing.words import index_terms, query_terms
from tests.unit.sharing.sharing_world import (
    BY_HAND,
    DAY,
    HEALTH,
    JUSTICE,
    MONDAY,
    NEWS,
    POLICE,
    RECORDS,
    bulletin,
    directory,
)

DIRECTORY = directory()
LAW = DIRECTORY.law
ITEM = "01987c5e-0000-7000-8000-000000000001"


def publication(**changed: Any) -> Sharing:
    given_: dict[str, Any] = {
        "category": NEWS,
        "bulletin": bulletin(),
        "formed_at": MONDAY - timedelta(hours=1),
        "recipients": (),
        "restricted": False,
        "now": MONDAY,
    } | changed
    return sharing.publication(item_id=ITEM, author=HEALTH, directory=DIRECTORY, **given_)


def revision(number: int, act: str = "correct", **changed: Any) -> Revision:
    given_: dict[str, Any] = {
        "letter_id": f"letter-{number}",
        "item_id": ITEM,
        "revision": number,
        "act": act,
        "author": HEALTH,
        "category": NEWS,
        "formed_at_us": microseconds(MONDAY),
        "signed_at_us": microseconds(MONDAY) + number,
        "restricted": False,
        "recipients": (),
        "heading": sharing.heading_of(bulletin(f"第{number}稿")),
        "position": number,
        "admitted_at_us": microseconds(MONDAY) + 10 * number,
    }
    return Revision(**(given_ | changed))


def folded(*revisions: Revision) -> Item:
    item = fold(revisions)
    assert item is not None
    return item


# -- what may be said --


def test_matter_that_goes_by_hand_is_refused() -> None:
    """The message says what to do, and the content was asked for by nobody."""
    with pytest.raises(GoesByHand) as caught:
        publication(category=BY_HAND)
    assert caught.value.reason == "INVALID_FIELD"
    assert "专报专人递送" in caught.value.message
    with pytest.raises(GoesByHand):
        sharing.subscription(BY_HAND, subscribed=True, directory=DIRECTORY)
    assert sharing.subscription(BY_HAND, subscribed=False, directory=DIRECTORY).act == pb.ITEM_ACT_UNSUBSCRIBE


@pytest.mark.parametrize(
    ("changed", "reason", "field"),
    [
        ({"category": "bulletin.unheard"}, "UNKNOWN_CATEGORY", "category"),
        ({"category": RECORDS}, "INVALID_FIELD", "category"),
        ({"formed_at": MONDAY + timedelta(seconds=1)}, "OCCURRED_AFTER_SIGNED", "formed_at"),
        ({"recipients": ("nobody.qinghe",)}, "UNKNOWN_DEPARTMENT", "recipients"),
        ({"restricted": True}, "INVALID_FIELD", "recipients"),
        ({"restricted": True, "recipients": (HEALTH,)}, "INVALID_FIELD", "recipients"),
        ({"formed_at": MONDAY - 7 * DAY}, "FIELD_REQUIRED", "bulletin.late_reason"),
        (
            {"formed_at": MONDAY - 7 * DAY, "bulletin": bulletin(late_reason=" ")},
            "FIELD_REQUIRED",
            "bulletin.late_reason",
        ),
    ],
)
def test_what_the_registry_would_refuse_is_refused_at_once(
    changed: dict[str, Any], reason: str, field: str
) -> None:
    """With the registry's reasons, before anything is recorded."""
    with pytest.raises(InvalidField) as caught:
        publication(**changed)
    assert (caught.value.reason, caught.value.field) == (reason, field)


def test_a_publication_names_each_recipient_once() -> None:
    """And not its author, who has it."""
    made = publication(recipients=(POLICE, JUSTICE, POLICE, HEALTH), restricted=True)
    assert made.recipients == (POLICE, JUSTICE)
    header = made.header()
    assert (header.act, header.revision, list(header.recipients)) == (
        pb.ITEM_ACT_PUBLISH,
        1,
        [POLICE, JUSTICE],
    )


def test_a_correction_goes_where_the_item_went() -> None:
    """Next revision, same category, forming time and addressees."""
    first = revision(1, "publish", restricted=True, recipients=(POLICE,))
    made = sharing.correction(folded(first), bulletin("改正"), author=HEALTH, directory=DIRECTORY)
    assert (made.act, made.revision, made.category) == ("correct", 2, NEWS)
    assert (made.restricted, made.recipients, made.formed_at) == (True, (POLICE,), MONDAY)


@pytest.mark.parametrize(
    "item",
    [
        folded(revision(1, "publish", author=POLICE)),
        folded(revision(1, "publish"), revision(2, "withdraw")),
    ],
)
def test_only_a_standing_item_of_ones_own_is_changed(item: Item) -> None:
    """Another's item and a withdrawn one are left alone."""
    with pytest.raises(PermissionDenied) as caught:
        sharing.correction(item, bulletin(), author=HEALTH, directory=DIRECTORY)
    assert caught.value.reason == "ITEM_NOT_YOURS"
    with pytest.raises(LiandongError):
        sharing.withdrawal(item, "有误", author=HEALTH)


def test_a_withdrawal_repeats_the_title_but_not_the_text() -> None:
    """Why is said; what is not said again, also where the category goes by hand by now."""
    made = sharing.withdrawal(folded(revision(1, "publish", category=BY_HAND)), "内容有误", author=HEALTH)
    assert (made.act, made.revision) == ("withdraw", 2)
    assert (made.body.title, made.body.text, made.body.change_note) == ("第1稿", "内容有误", "内容有误")


# -- the working day --


def test_due_is_one_working_day_of_the_region_after_forming() -> None:
    """Formed on Monday, Tuesday is a holiday: due when Wednesday ends."""
    due = sharing.due_at(MONDAY, LAW.calendar(HEALTH))
    assert due == datetime(2026, 8, 13, tzinfo=ZONE)


def test_an_item_is_late_from_the_due_time_on() -> None:
    """The due time is exclusive, and admission counts."""
    due_us = microseconds(datetime(2026, 8, 13, tzinfo=ZONE))
    in_time = folded(revision(1, "publish", admitted_at_us=due_us - 1))
    late = folded(revision(1, "publish", admitted_at_us=due_us))
    assert not sharing.is_late(in_time, LAW)
    assert sharing.is_late(late, LAW)


def test_a_ledgered_outage_excuses() -> None:
    """Signed in time, admitted after the link came back."""
    due = datetime(2026, 8, 13, tzinfo=ZONE)
    item = folded(revision(1, "publish", admitted_at_us=microseconds(due + DAY)))
    law = LAW.with_outage(HEALTH, due - timedelta(hours=3), due + timedelta(hours=3))
    assert sharing.is_late(item, LAW)
    assert not sharing.is_late(item, law)


def test_a_correction_does_not_make_an_item_late() -> None:
    """What counts is when the item was first shared."""
    item = folded(revision(1, "publish"), revision(2, admitted_at_us=microseconds(MONDAY + 30 * DAY)))
    assert not sharing.is_late(item, LAW)


def test_a_later_calendar_moves_no_due_time_of_the_past() -> None:
    """The due time is that of the calendar when the item was admitted."""
    entry = directory_pb.CalendarYear(region="qinghe", year=2026, holidays=["08-11", "08-12"])
    later = DIRECTORY.apply(
        directory_pb.CommonEntry(calendar=entry), version=99, position=99, admitted_at=MONDAY + 5 * DAY
    )
    item = folded(revision(1, "publish"))
    assert sharing.due_of(item, later.law) == sharing.due_of(item, LAW)


def test_who_came_late_knows_from_the_reason_that_the_item_was_late() -> None:
    """A correction carries the late reason of what it corrects."""
    late = revision(1, "publish", heading=sharing.heading_of(bulletin(late_reason="等待检测结果")))
    made = sharing.correction(folded(late), bulletin("改正"), author=HEALTH, directory=DIRECTORY)
    assert made.body.late_reason == "等待检测结果"
    assert sharing.is_late(folded(revision(2, heading=sharing.heading_of(made.body))), LAW)
    assert not sharing.is_late(folded(revision(2)), LAW)


# -- the fold --

REVISIONS = [revision(1, "publish"), revision(2), revision(3), revision(4, "withdraw")]


@given(st.permutations(REVISIONS))
def test_the_order_in_which_letters_come_does_not_matter(revisions: list[Revision]) -> None:
    """Every order folds to the same item."""
    assert fold(revisions) == fold(REVISIONS)


@given(st.lists(st.sampled_from(REVISIONS), min_size=1, unique=True))
def test_any_part_of_the_revisions_is_an_item(revisions: list[Revision]) -> None:
    """Also a correction alone, or a withdrawal of something that was never seen."""
    item = folded(*revisions)
    assert item.revision == max(each.revision for each in revisions)
    assert item.first_revision == min(each.revision for each in revisions)
    assert item.withdrawn == (REVISIONS[3] in revisions)


def test_refused_revisions_are_no_part_of_an_item() -> None:
    """Its number is free again; an item of which all is refused does not stand."""
    refused = revision(2, refused=True)
    assert folded(REVISIONS[0], refused).revision == 1
    assert fold([refused]) is None
    assert fold([]) is None


def test_nobody_speaks_for_anothers_item() -> None:
    """A revision by another department than the first is not folded."""
    assert folded(REVISIONS[0], revision(2, "withdraw", author=POLICE)) == folded(REVISIONS[0])


# -- bodies and words --


def test_a_body_that_is_no_bulletin_is_not_shown() -> None:
    """Another type, garbage, or ciphertext."""
    payload = bulletin().SerializeToString()
    assert sharing.read_bulletin(pb.Header(payload_type=sharing.BULLETIN), payload) == bulletin()
    assert sharing.read_bulletin(pb.Header(payload_type="x.Other"), payload) is None
    assert sharing.read_bulletin(pb.Header(payload_type=sharing.BULLETIN, sealed=True), payload) is None
    assert sharing.read_bulletin(pb.Header(payload_type=sharing.BULLETIN), b"\xff") is None


@given(st.text(max_size=40), st.data())
def test_every_part_of_a_text_finds_it(text: str, data: st.DataObject) -> None:
    """Whatever is cut out of the text is found in it."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    assert query_terms(text[start:end]) <= index_terms(text)


def test_a_query_is_found_by_word() -> None:
    """Pairs of characters, single ones for words of one, nothing for punctuation."""
    assert query_terms("消毒 A，完成") == {"消毒", "a", "完成"}
    assert query_terms("，。 !") == set()


def test_a_moment_stays_what_it_was() -> None:
    """The header says the forming time to the microsecond."""
    formed_at = MONDAY - timedelta(microseconds=1)
    assert publication(formed_at=formed_at).header().formed_at == timestamp(formed_at)
