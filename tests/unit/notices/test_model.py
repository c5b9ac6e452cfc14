"""When people are told, whom, and in which words."""

from dataclasses import replace
from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.notices.model import (
    Event,
    Hours,
    Kind,
    Wishes,
    digest_is_due,
    digest_texts,
    is_mail_address,
    message_id,
    pause_after,
    texts,
    urgent_texts,
)
from services.notices.people import EVERYBODY, recipients
from tests.unit.procedures.deadline_samples import NATIONAL, at

HOURS = Hours(time(8, 30), time(20), time(7, 30))
EVENT = Event(
    key="REMIND/market.qinghe/1/reply/1/50%",
    kind=Kind.REMIND,
    urgent=False,
    subject="market.qinghe",
    mark="50%",
    raised_at=at("2026-03-04 09:00"),
    title_zh="答复期限",
    title_en="Reply",
    case_id="01900000-0000-7000-8000-000000000001",
    due_at=at("2026-03-06"),
)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-03-02 08:29", None),
        ("2026-03-02 08:30", "2026-03-02"),
        ("2026-03-02 23:00", "2026-03-02"),
        ("2026-03-07 09:00", None),  # a Saturday
        ("2026-02-28 09:00", "2026-02-28"),  # a make-up Saturday
        ("2026-02-17 09:00", None),  # a holiday
    ],
)
def test_a_digest_is_made_on_working_mornings(now: str, day: str | None) -> None:
    """Not before its hour, not on days off, also on make-up working days."""
    assert digest_is_due(Wishes(), HOURS, NATIONAL, at(now)) == day


def test_a_person_may_want_another_hour_but_not_at_night() -> None:
    """A digest of an hour in the quiet waits until it ends."""
    late = Wishes(digest_at=time(16))
    assert digest_is_due(late, HOURS, NATIONAL, at("2026-03-02 15:59")) is None
    assert digest_is_due(late, HOURS, NATIONAL, at("2026-03-02 16:00")) == "2026-03-02"
    early = Wishes(digest_at=time(5))
    assert digest_is_due(early, HOURS, NATIONAL, at("2026-03-02 07:29")) is None
    assert digest_is_due(early, HOURS, NATIONAL, at("2026-03-02 07:30")) == "2026-03-02"


@given(st.times(), st.times(), st.integers(0, 3000))
def test_the_quiet_ends(begin: time, end: time, minutes: int) -> None:
    """Whatever the hours are, it is loud again within a day, and loud is loud."""
    hours = Hours(time(8), begin, end)
    now = at("2026-03-02") + timedelta(minutes=minutes)
    again = hours.loud_again(now)
    assert timedelta(0) <= again - now <= timedelta(days=1)
    assert not hours.is_quiet(again)
    assert (again == now) == (not hours.is_quiet(now))


def test_quiet_lasts_over_midnight() -> None:
    """From eight in the evening to half past seven."""
    quiet = [
        f"2026-03-0{day} {hour}" for day, hour in ((2, "20:00"), (2, "23:59"), (3, "00:00"), (3, "07:29"))
    ]
    assert all(HOURS.is_quiet(at(each)) for each in quiet)
    assert not any(HOURS.is_quiet(at(each)) for each in ("2026-03-02 19:59", "2026-03-03 07:30"))


def test_pauses_grow_to_a_limit() -> None:
    """A minute, four, sixteen, ... four hours."""
    pauses = [pause_after(each) for each in range(1, 30)]
    assert pauses[:3] == [timedelta(minutes=1), timedelta(minutes=4), timedelta(minutes=16)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=4)


def test_words_in_both_languages() -> None:
    """What, who, until when, which mark; in a digest line by line."""
    zh, en = texts(EVENT)
    assert (
        zh == f"【提醒】答复期限，责任部门 market.qinghe，期限 2026-03-06 00:00，期限已过50%，{EVENT.case_id}"
    )
    told = "owed by market.qinghe, due 2026-03-06 00:00, 50% of the limit have passed"
    assert en == f"Reminder: Reply, {told}, {EVENT.case_id}"
    named = replace(EVENT, owner_zh="清河区市场监督管理局", owner_en="Market Regulation", mark="due")
    assert "责任部门 清河区市场监督管理局，期限 2026-03-06 00:00，已届满" in texts(named)[0]
    assert "owed by Market Regulation, due 2026-03-06 00:00, the limit is reached" in texts(named)[1]
    assert "，届满前4小时，" in texts(replace(EVENT, mark="4 h before"))[0]
    assert ", 30 days before, " in texts(replace(EVENT, mark="30 d before"))[1]
    subject, text = digest_texts([(zh, en)] * 103, "zh", "2026-03-04")
    assert subject == "联动 2026-03-04 待办提醒：103 项"
    assert text.splitlines()[0] == f"1. {zh}"
    assert text.splitlines()[-1] == "……另有 3 项，请登录查看。"
    assert digest_texts([(zh, en)], "en", "2026-03-04") == ("Liandong 2026-03-04: 1 reminders", f"1. {en}")
    assert urgent_texts(zh, en, "en")[0].startswith("Liandong, urgent: Reminder")


def test_an_event_has_one_message_for_a_person() -> None:
    """By its key, not by where it was heard of."""
    assert message_id("a", "b") == message_id("a", "b")
    assert len({message_id("a", "b"), message_id("a", "c"), message_id("ab", ""), message_id("", "ab")}) == 4


def person(
    name: str, *roles: str, mechanisms: tuple[str, ...] = (), retired: bool = False
) -> directory_pb.Person:
    return directory_pb.Person(
        id=name, department="market.qinghe", name=name, roles=roles, mechanisms=mechanisms, retired=retired
    )


PEOPLE = (
    person("contact", "liaison"),
    person("transfers", "liaison", mechanisms=("case-transfer",)),
    person("gone", "liaison", mechanisms=("case-transfer",), retired=True),
    person("leader", "leader-in-charge"),
    person("principal", "principal"),
)


@pytest.mark.parametrize(
    ("kind", "mechanism", "told"),
    [
        (Kind.REMIND, "case-transfer", ("transfers",)),
        (Kind.REMIND, "complaint", ("contact", "transfers")),
        (Kind.WARN_LEADER, "case-transfer", ("leader",)),
        (Kind.TELL_OFFICE, "", ("contact", "transfers")),
        (Kind.PROPOSE_SUPERVISION, "case-transfer", ("leader", "transfers")),
        (Kind.CERTIFICATE, "", ("contact", "transfers")),
    ],
)
def test_who_is_told(kind: Kind, mechanism: str, told: tuple[str, ...]) -> None:
    """The named contact of the mechanism before the others; leaders for what is theirs; nobody retired."""
    assert recipients(PEOPLE, kind, mechanism) == told


def test_where_nobody_fits_everybody_sees_it() -> None:
    """A message is never nobody's."""
    assert recipients((), Kind.REMIND, "") == (EVERYBODY,)
    assert recipients(PEOPLE[4:], Kind.WARN_LEADER, "") == ("principal",)


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("chen.hui@health.example", True),
        ("陈慧@health.example", True),
        ("a@b", False),
        ("@b.example", False),
        ("a b@c.example", False),
        ("a@b.example,c@d.example", False),
        ("a@b.example\r\nBcc: x@y.example", False),
    ],
)
def test_what_is_an_address(address: str, fits: bool) -> None:
    """One address and nothing beside it."""
    assert is_mail_address(address) == fits
