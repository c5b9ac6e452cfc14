"""The measures of GB/T 9704-2012, taken from the PDF itself: by its characters, its rules, and its pictures' ink."""

from collections.abc import Callable

import pytest

from services.documents import pdf, sheets
from services.documents.fonts import Fonts
from services.documents.letters import letter_document
from services.documents.model import Document, Form
from tests.builders.papers import NOW, draft, findings, grid, transfer
from tests.builders.printed import Character, PrintedPage, ink, lines

Print = Callable[[Document], list[PrintedPage]]

TOP, LEFT, WIDTH, HEIGHT = 37.0, 28.0, 156.0, 225.0
RIGHT, BOTTOM = LEFT + WIDTH, TOP + HEIGHT
FIVE: dict[str, Callable[[], Document]] = {
    "transfer": lambda: letter_document(transfer(), Form.LETTER, "zh"),
    "findings": lambda: letter_document(findings(), Form.OFFICIAL, "zh"),
    "approval": lambda: sheets.approval(transfer(), "zh", NOW),
    "materials": lambda: sheets.materials(transfer(), "zh", NOW),
    "due-time": lambda: sheets.due_time(transfer(), "zh", NOW),
}


def near(found: float, wanted: float) -> bool:
    """Within a millimetre."""
    return abs(found - wanted) <= 1.0


def block(page: PrintedPage) -> list[Character]:
    """The characters of the text block: heads stand above it, page numbers and footnotes below."""
    return [each for each in page.characters if each.top > TOP - 1 and each.bottom < BOTTOM + 1]


def _ink_right(each: Character) -> float:
    return each.right - (each.right - each.left) / 2 * (each.text in "，。、；：）》〉」』】〕’”")


def test_a_full_page_has_22_lines_of_28_characters(printed: Print) -> None:
    """In a block that begins 37 mm below the edge and 28 mm from the binding, and is 156 mm wide and 225 mm high."""
    page = printed(letter_document(grid(), Form.OFFICIAL, "zh"))[1]
    assert near(page.width, 210)
    assert near(page.height, 297)
    characters = block(page)
    assert [len(line) for line in lines(characters)] == [28] * 22
    assert near(min(each.left for each in characters), LEFT)
    assert near(max(each.right for each in characters), RIGHT)
    assert near(min(each.top for each in characters), TOP)
    assert near(max(each.bottom for each in characters), BOTTOM)
    assert {each.size for each in characters} == {16}


def test_the_ink_of_a_full_page_fills_the_block(installed: Fonts) -> None:
    """Measured in the picture of the page, so that no property of a font deceives."""
    made = pdf.render(letter_document(grid(), Form.OFFICIAL, "zh"), installed, NOW)
    left, top, right, bottom = ink(made, 1, BOTTOM + 3)
    assert [near(left, LEFT), near(top, TOP), near(right, RIGHT), near(bottom, BOTTOM)] == [True] * 4


@pytest.mark.parametrize("name", FIVE)
def test_five_letters_keep_to_the_block(printed: Print, name: str) -> None:
    """Each page's text, or its tables, begin at the block's left edge and top, and nothing passes its edges."""
    pages = printed(FIVE[name]())
    for number, page in enumerate(pages, 1):
        inside = block(page)
        rules = [rule for rule in page.rules if TOP - 1 < rule.top < BOTTOM and rule.width < WIDTH + 5]
        left = min([each.left for each in inside] + [rule.left for rule in rules])
        # the right half of a mark that closes is blank, and may be narrowed away
        right = max([_ink_right(each) for each in inside] + [rule.right for rule in rules])
        assert left >= LEFT - 1, number
        assert right <= RIGHT + 1, number
        if number < len(pages) or number == 1:
            assert near(left, LEFT), number
        if name not in ("transfer", "findings") or number > 1:
            assert near(min(each.top for each in inside), TOP), number
        outside = [each for each in page.characters if each not in inside]
        # what stands outside: the head, page number and footnote
        assert all(each.bottom < TOP + 10 or each.top > BOTTOM for each in outside), number


def test_the_tables_of_sheets_are_as_wide_as_the_block(printed: Print) -> None:
    """From the binding edge on."""
    rules = printed(FIVE["materials"]())[0].rules
    assert near(min(rule.left for rule in rules), LEFT)
    assert near(max(rule.right for rule in rules), RIGHT)


def test_page_numbers_stand_right_on_odd_and_left_on_even_pages(printed: Print) -> None:
    """Size 4, 7 mm below the block, between dashes, one character from the block's edge."""
    pages = printed(FIVE["findings"]())
    assert len(pages) > 5
    for number, page in enumerate(pages, 1):
        below = [each for each in page.characters if each.top > BOTTOM + 3]
        assert "".join(each.text for each in below) == str(number)
        assert {each.size for each in below} == {14}
        dashes = [rule for rule in page.rules if rule.top > BOTTOM + 3]
        assert [near(rule.top, BOTTOM + 7) for rule in dashes] == [True, True]
        if number % 2:
            assert near(max(rule.right for rule in dashes), RIGHT - 5)
        else:
            assert near(min(rule.left for rule in dashes), LEFT + 5)


def test_the_letter_form_has_its_head_and_rules(printed: Print) -> None:
    """The name 30 mm below the edge in red, double rules of 170 mm, no number on the first page."""
    first, second, *_ = printed(FIVE["transfer"]())
    head = [each for each in first.characters if each.size > 30]
    assert "".join(each.text for each in head) == "清河区卫生健康局"
    assert all(each.red for each in head)
    assert near(min(each.top for each in head), 30)
    rules = [rule for rule in first.rules if rule.width > 165]
    assert len(rules) == 4
    assert near(max(rule.bottom for rule in rules), 297 - 20)
    assert near(min(rule.top for rule in rules), 30 + 36 * 25.4 / 72 + 4)
    assert [each for each in first.characters if each.top > BOTTOM + 1] == []
    assert [each.text for each in second.characters if each.top > BOTTOM + 1] == ["2"]
    assert "加急清卫〔2026〕12号" in lines(first.characters)


def test_the_red_head_stands_35_mm_below_the_blocks_edge(printed: Print) -> None:
    """With a red rule as wide as the block 4 mm below the number."""
    page = printed(FIVE["findings"]())[0]
    head = [each for each in page.characters if each.size > 30]
    assert "".join(each.text for each in head) == "清河区卫生健康局文件"
    assert all(each.red for each in head)
    assert near(min(each.top for each in head), TOP + 35)
    number = next(each for each in page.characters if each.text == "号")
    (rule,) = [rule for rule in page.rules if near(rule.width, WIDTH)]
    assert near(rule.top - number.bottom, 4)


def test_no_line_of_a_printed_letter_begins_with_a_closing_mark(printed: Print) -> None:
    """Over all pages of a long one; nor does one end with an opening mark."""
    found = [line for page in printed(FIVE["findings"]()) for line in lines(block(page))]
    assert len(found) > 150
    assert [line for line in found if line[0] in "，。、；：？！）》」』】〕”’"] == []
    assert [line for line in found if line[-1] in "（《「『【〔“‘"] == []


def test_a_draft_is_marked_on_every_page_and_bears_no_number(printed: Print) -> None:
    """With the word in the head margin, in red."""
    pages = printed(letter_document(draft(), Form.LETTER, "zh"))
    for page in pages:
        assert [each.text for each in page.characters if each.top < 28 and each.red] == ["稿"]
    text = "".join(page.text for page in pages)
    assert "〔2026〕" not in text
    assert "2026年2月11日" not in text


def test_both_names_stand_where_one_acted_for_another(printed: Print) -> None:
    """On the approval sheet, with roles and times; a draft's shows who is still awaited."""
    assert "赵敏（代孙立人）" in printed(FIVE["approval"]())[0].text
    awaited = printed(sheets.approval(draft(), "zh", NOW))[0].text
    assert "周宁" in awaited
    assert "分管领导（待审批）" in awaited


def test_the_file_is_small_and_brings_its_fonts(installed: Fonts) -> None:
    """As subsets: so it looks the same anywhere."""
    made = pdf.render(FIVE["transfer"](), installed, NOW)
    assert len(made) < 300_000
    assert b"/FontFile3" in made or b"/FontFile2" in made


def test_a_rare_character_is_taken_from_another_font(printed: Print) -> None:
    """And one that no font has is shown as the mark for it, not left out."""
    letter = grid(3)
    assert letter.body is not None
    letter.body.text = "王㛃与\U000e0100共"  # type: ignore[attr-defined]
    text = "".join(page.text for page in printed(letter_document(letter, Form.LETTER, "zh")))
    assert "与〓共" in text
