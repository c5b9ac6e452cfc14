"""Where lines break: what may stand at the beginning and the end of a line."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.documents.breaking import NO_END, NO_START, Line, atoms, break_lines

PITCH = 10.0
CHARACTERS = 28


def lines_of(text: str, characters: int = CHARACTERS) -> list[Line]:
    """Lines on a grid where Latin characters are half as wide."""
    room = PITCH * characters
    return break_lines(list(atoms(text, PITCH, lambda word: PITCH / 2 * len(word), room)), lambda _: room)


def test_a_full_line_holds_28_characters() -> None:
    """And the paragraph's last line the rest."""
    assert [len(each.text) for each in lines_of("字" * 60)] == [28, 28, 4]


@pytest.mark.parametrize("mark", sorted(NO_START & set("，。、；：？！）》」』】〕”’")))
def test_no_line_begins_with_a_mark_that_closes(mark: str) -> None:
    """Without other marks in the line the character before goes down with it."""
    found = [each.text for each in lines_of("字" * 28 + mark + "字" * 30)]
    assert found[0] == "字" * 27
    assert found[1].startswith("字" + mark)


def test_a_mark_is_taken_in_where_the_line_can_be_narrowed() -> None:
    """Two marks give the half cell each that the third needs; the line keeps its room."""
    first, second = lines_of("字" * 10 + "，" + "字" * 10 + "，" + "字" * 6 + "。" + "字" * 20)
    assert first.text.endswith("字。")
    assert len(first.text) == 29
    assert first.width <= PITCH * CHARACTERS + 1e-3
    assert second.text == "字" * 20


@pytest.mark.parametrize("mark", sorted(NO_END & set("（《「『【〔“‘")))
def test_no_line_ends_with_a_mark_that_opens(mark: str) -> None:
    """It goes to the line of what it opens."""
    found = [each.text for each in lines_of("字" * 27 + mark + "字" * 10)]
    assert found == ["字" * 27, mark + "字" * 10]


def test_a_dash_and_an_ellipsis_are_not_parted() -> None:
    """Both halves stand in one line."""
    for mark in ("——", "……"):
        assert [each.text for each in lines_of("字" * 27 + mark + "字")] == ["字" * 26, "字" + mark + "字"]


def test_words_and_numbers_stay_whole() -> None:
    """Unless one alone is wider than a line, as a digest is."""
    assert [each.text for each in lines_of("字" * 26 + "Liandong字")] == ["字" * 26, "Liandong字"]
    digest = "0123456789abcdef" * 4
    found = [each.text for each in lines_of(digest)]
    assert "".join(found) == digest
    assert len(found) == 2


def test_a_blank_hides_no_mark_from_the_rules() -> None:
    """What stands behind it is what would begin the line."""
    assert [each.text for each in lines_of("—、1 ——、.", 6)] == ["—、", "1 ——、."]
    assert [each.text for each in lines_of("Hello world", 3)] == ["Hello", "world"]


TEXT = st.text(alphabet="字文件人，。、（）《》“”——……：；a1 .%〔〕", max_size=200)


@given(TEXT, st.integers(min_value=6, max_value=28))
def test_nothing_is_lost_and_the_rules_hold(text: str, characters: int) -> None:
    """Whatever stands in the text; a run of marks longer than a line is the one exception."""
    found = lines_of(text, characters)
    assert "".join(each.text for each in found).replace(" ", "") == text.replace(" ", "")
    for line, following in itertools.pairwise(found):
        assert line.width <= PITCH * characters + 1e-3 or len(line.atoms) == 1
        if following.text and following.text[0] in NO_START:
            rest = [each.text for each in line.atoms[1:] if not each.blank]
            assert all(text[0] in NO_START or text[-1] in NO_END for text in rest)
