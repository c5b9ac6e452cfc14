"""Drafts that people write together, on both databases."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import InvalidField, LimitExceeded, NotFound
from services.gateway import schema
from services.gateway.sheets.model import (
    CAPTURE_FOR,
    CAPTURE_PHOTOS,
    HELD_FOR,
    KEPT_FOR,
    LARGEST,
    REVISIONS,
    CaptureFull,
    CaptureOver,
    CaptureTaken,
    Changed,
    Difference,
    NotHeld,
    Person,
    merge,
)
from services.gateway.sheets.sheets import Sheets
from tests.builders.ledger import MONDAY

HEALTH = "health.qinghe"
ZHAO, WU = Person("1", "赵文博"), Person("2", "吴思远")


@pytest.fixture
def clock() -> ManualClock:
    """The time."""
    return ManualClock(MONDAY)


@pytest.fixture
def sheets(database_url: str, clock: ManualClock) -> Iterator[Sheets]:
    """An empty store."""
    database = Database(database_url)
    database.write(schema.metadata.create_all)
    yield Sheets(database, clock)
    database.close()


def fields(**said: str) -> dict[str, tuple[str, ...]]:
    """Fields of one value each."""
    return {name: (value,) for name, value in said.items()}


async def begun(sheets: Sheets, **said: str) -> str:
    """A sheet in hand of Zhao, saved once; its id."""
    sheet = await sheets.begin(HEALTH, ZHAO, "case-transfer", "transfer")
    await sheets.hold(HEALTH, sheet.id, ZHAO)
    await sheets.save(HEALTH, sheet.id, ZHAO, 0, fields(**said))
    return sheet.id


async def test_what_is_saved_is_there_and_counted(sheets: Sheets) -> None:
    """Each save that changes something is a revision; one that changes nothing is none."""
    sheet_id = await begun(sheets, title="餐饮具案", facts="")
    again = await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="餐饮具案"))
    assert (again.revision, again.one("title"), again.fields) == (1, "餐饮具案", fields(title="餐饮具案"))
    assert again.changed_by == ZHAO


async def test_an_empty_sheet_is_taken_again(sheets: Sheets) -> None:
    """Opening the page twice leaves one sheet, and none in the list."""
    first = await sheets.begin(HEALTH, ZHAO, "case-transfer", "transfer")
    assert (await sheets.begin(HEALTH, ZHAO, "case-transfer", "transfer")).id == first.id
    assert (await sheets.begin(HEALTH, WU, "case-transfer", "transfer")).id != first.id
    assert (await sheets.unfinished(HEALTH, ZHAO)).own == ()


async def test_another_department_sees_nothing(sheets: Sheets) -> None:
    """Neither the sheet nor that there is one."""
    sheet_id = await begun(sheets, title="x")
    with pytest.raises(NotFound):
        await sheets.get("market.qinghe", sheet_id)
    assert (await sheets.unfinished("market.qinghe", ZHAO)).others == ()


async def test_a_stale_save_tells_the_difference_and_overwrites_nothing(sheets: Sheets) -> None:
    """Two windows of one person: the second one's field stands, the first is told which differs and how."""
    sheet_id = await begun(sheets, title="a", facts="f")
    await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="b", facts="f"))
    with pytest.raises(Changed) as told:
        await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="c", facts="f"))
    assert told.value.differences == (Difference("title", "a", "c", "b"),)
    assert (await sheets.get(HEALTH, sheet_id)).one("title") == "b"


async def test_changes_of_other_fields_come_together(sheets: Sheets) -> None:
    """What only one side changed is nobody's loss."""
    sheet_id = await begun(sheets, title="a", facts="f")
    await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="a", facts="g"))
    both = await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="b", facts="f"))
    assert both.fields == fields(title="b", facts="g")


async def test_where_the_beginning_is_forgotten_every_difference_is_told(sheets: Sheets) -> None:
    """Of so many revisions the oldest are thrown away; then nothing is guessed."""
    sheet_id = await begun(sheets, title="0")
    for each in range(1, REVISIONS + 3):
        await sheets.save(HEALTH, sheet_id, ZHAO, each, fields(title=str(each)))
    with pytest.raises(Changed) as told:
        await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="0", place="here"))
    assert [each.name for each in told.value.differences] == ["title", "place"]


async def test_who_has_it_not_in_hand_saves_nothing(sheets: Sheets) -> None:
    """A second person is told who has it; what they typed comes back as the difference."""
    sheet_id = await begun(sheets, title="a")
    held = await sheets.hold(HEALTH, sheet_id, WU)
    assert held.holder == ZHAO
    with pytest.raises(Changed) as told:
        await sheets.save(HEALTH, sheet_id, WU, 1, fields(title="w"))
    assert told.value.sheet.holder == ZHAO
    assert told.value.differences == (Difference("title", "a", "w", "a"),)
    with pytest.raises(NotHeld):
        await sheets.check_held(HEALTH, sheet_id, WU)
    with pytest.raises(NotHeld):
        await sheets.discard(HEALTH, sheet_id, WU)


async def test_a_take_over_is_told_and_loses_nothing(sheets: Sheets) -> None:
    """Who had it finds what they typed as the difference, and may take it back."""
    sheet_id = await begun(sheets, title="a")
    taken = await sheets.take_over(HEALTH, sheet_id, WU)
    assert (taken.holder, taken.taken_from) == (WU, "赵文博")
    await sheets.save(HEALTH, sheet_id, WU, 1, fields(title="w"))
    with pytest.raises(Changed) as told:
        await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="z"))
    assert told.value.differences == (Difference("title", "a", "z", "w"),)
    assert (await sheets.beat(HEALTH, sheet_id, ZHAO)).holder == WU
    back = await sheets.take_over(HEALTH, sheet_id, ZHAO)
    assert (back.holder, back.taken_from) == (ZHAO, "吴思远")


async def test_a_page_that_is_gone_holds_nothing(sheets: Sheets, clock: ManualClock) -> None:
    """The hold goes on as long as the page beats, and ends some time after."""
    sheet_id = await begun(sheets, title="a")
    for _ in range(4):
        clock.advance(HELD_FOR / 2)
        assert (await sheets.beat(HEALTH, sheet_id, ZHAO)).holder == ZHAO
    assert (await sheets.hold(HEALTH, sheet_id, WU)).holder == ZHAO
    clock.advance(HELD_FOR)
    assert (await sheets.hold(HEALTH, sheet_id, WU)).holder == WU


async def test_of_two_who_save_at_once_one_is_told(sheets: Sheets) -> None:
    """However close they come, no save vanishes."""
    sheet_id = await begun(sheets, title="a")
    answers = await asyncio.gather(
        *(sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title=each)) for each in "bcdef"),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, BaseException) for each in answers) == 1
    assert sum(isinstance(each, Changed) for each in answers) == 4


async def test_what_is_no_letter_is_refused(sheets: Sheets) -> None:
    """Too large, or with characters that nothing prints."""
    sheet_id = await begun(sheets, title="a")
    with pytest.raises(LimitExceeded):
        await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="字" * LARGEST))
    with pytest.raises(InvalidField):
        await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="a\0b"))


async def test_what_nobody_touched_for_long_is_thrown_away(sheets: Sheets, clock: ManualClock) -> None:
    """When the next one is begun; with its files and links."""
    sheet_id = await begun(sheets, title="a")
    await sheets.add_file(sheet_id, ZHAO, kind="source-material", name="a.pdf", size=1)
    clock.advance(KEPT_FOR + timedelta(seconds=1))
    await sheets.begin(HEALTH, WU, "case-transfer", "transfer")
    with pytest.raises(NotFound):
        await sheets.get(HEALTH, sheet_id)
    assert await sheets.files(sheet_id) == []


async def test_a_link_is_the_first_telephones(sheets: Sheets) -> None:
    """Another one is turned away, and a new link ends the old one."""
    sheet = await sheets.get(HEALTH, await begun(sheets, title="a"))
    capture, secret = await sheets.open_capture(sheet, ZHAO, "evidence", acr="a", session="s")
    assert (await sheets.capture_of(secret, "phone")).id == capture.id
    assert (await sheets.capture_of(secret, "phone")).sheet == sheet.id
    with pytest.raises(CaptureTaken):
        await sheets.capture_of(secret, "another")
    with pytest.raises(CaptureOver):
        await sheets.capture_of("guessed", "phone")
    await sheets.open_capture(sheet, ZHAO, "evidence", acr="a", session="s")
    with pytest.raises(CaptureOver):
        await sheets.capture_of(secret, "phone")


async def test_a_link_ends(sheets: Sheets, clock: ManualClock) -> None:
    """By time, by number, and with its sheet."""
    sheet = await sheets.get(HEALTH, await begun(sheets, title="a"))
    capture, secret = await sheets.open_capture(sheet, ZHAO, "evidence", acr="a", session="s")
    for _ in range(CAPTURE_PHOTOS):
        await sheets.count_photo(capture)
    with pytest.raises(CaptureFull):
        await sheets.count_photo(capture)
    clock.advance(CAPTURE_FOR)
    assert await sheets.captures(sheet.id) == []
    with pytest.raises(CaptureOver):
        await sheets.capture_of(secret, "phone")
    _, another = await sheets.open_capture(sheet, ZHAO, "evidence", acr="a", session="s")
    await sheets.finish(sheet.id)
    with pytest.raises(CaptureOver):
        await sheets.capture_of(another, "phone")


def test_saves_are_put_together() -> None:
    """Field by field: what one side changed is taken, what both changed alike is no difference."""
    before = {"a": ("1",), "b": ("1",), "c": ("1",), "d": ("1", "2")}
    mine = {"a": ("2",), "b": ("1",), "c": ("3",), "e": ("new",)}
    theirs = {"a": ("1",), "b": ("2",), "c": ("3",), "d": ("1", "2")}
    merged = merge(before, mine, theirs)
    assert merged.fields == {"a": ("2",), "b": ("2",), "c": ("3",), "e": ("new",)}
    assert merged.differences == ()


async def test_what_is_insisted_on_stands_and_the_rest_is_kept(sheets: Sheets) -> None:
    """Who chose keeps their own in that field, and loses nothing that others saved in another."""
    sheet_id = await begun(sheets, title="a", contact="")
    await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="b", contact="吴思远"))
    chosen = await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="c"), insisted=["title"], seen=2)
    assert chosen.fields == fields(title="c", contact="吴思远")


async def test_what_was_insisted_on_before_a_further_change_is_asked_again(sheets: Sheets) -> None:
    """The choice was made between other things."""
    sheet_id = await begun(sheets, title="a")
    await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="b"))
    await sheets.save(HEALTH, sheet_id, ZHAO, 2, fields(title="d"))
    with pytest.raises(Changed) as told:
        await sheets.save(HEALTH, sheet_id, ZHAO, 1, fields(title="c"), insisted=["title"], seen=2)
    assert told.value.differences == (Difference("title", "a", "c", "d"),)
