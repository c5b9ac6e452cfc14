"""What stands on which page: what keeps together, what repeats, and that nothing is lost on the way."""

from dataclasses import replace
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents import model, sheets
from services.documents.breaking import is_full
from services.documents.compose import compose
from services.documents.letters import letter_document
from services.documents.model import Align, Document, Face, Form, Language, Paragraph, Space
from services.documents.pages import BOTTOM, LEFT, RIGHT, TOP, Glyphs, Page
from tests.builders.papers import NOW, findings, grid, transfer


def measure(text: str, face: Face, size: float) -> float:
    """A Latin face whose letters are half as wide as high."""
    del face
    return sum(size if is_full(each) else size / 2 for each in text)


def lines(page: Page) -> list[str]:
    """The lines of a page's text block."""
    inside = [each for each in page.items if isinstance(each, Glyphs) and TOP < each.baseline < BOTTOM + 1]
    ordered = sorted(inside, key=lambda each: (round(each.baseline), each.x))
    return [
        "".join(run.text for run in line)
        for _, line in groupby(ordered, key=lambda each: round(each.baseline))
    ]


def pages_of(document: Document) -> list[list[str]]:
    return [lines(page) for page in compose(document, measure)]


def test_a_signature_never_stands_alone_on_a_page() -> None:
    """Whatever the length of the text: its page bears text too."""
    for characters in range(28 * 8, 28 * 60, 28):
        pages = pages_of(letter_document(grid(characters), Form.OFFICIAL, "zh"))
        (signed,) = [page for page in pages if "2026年2月11日" in page]
        assert "特此函告。" in signed
        assert signed.index("特此函告。") < signed.index("2026年2月11日"), characters


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_draft_without_a_date_is_not_printed_yet(language: Language) -> None:
    """Its last lines name the office and no day of printing; a letter's do."""
    document = letter_document(grid(28), Form.OFFICIAL, language)
    assert document.imprint is not None
    for date in ("", document.imprint.date):
        (*_, last) = pages_of(replace(document, imprint=replace(document.imprint, date=date)))
        printed = date and date + ("印发" if language == "zh" else "")
        assert last[-1] == f"{document.imprint.office}{printed}".replace(" ", "")


def test_a_heading_never_ends_a_page() -> None:
    """At least two lines of its text stand below it."""
    for problems in range(2, 60):
        for page in pages_of(letter_document(findings(problems), Form.OFFICIAL, "zh"))[:-1]:
            assert [line for line in page[-2:] if line[:2] in ("一、", "二、", "三、")] == [], problems


def test_a_long_list_of_materials_repeats_its_header_and_loses_nothing() -> None:
    """On every page that it reaches."""
    (one, *_) = transfer().materials
    many = tuple(replace(one, name=f"材料{number}.pdf", digest=bytes([number]) * 32) for number in range(80))
    pages = pages_of(sheets.materials(replace(transfer(), materials=many), "zh", NOW))
    assert len(pages) > 5
    for page in pages[:-1]:
        assert any("序号" in line for line in page)
    text = "".join("".join(page) for page in pages)
    for number in range(80):
        assert f"材料{number}.pdf" in text


def test_no_page_is_empty() -> None:
    """A letter without copies has nothing at its foot, however full its last page is."""
    for characters in range(28 * 8, 28 * 40, 28):
        letter = replace(grid(characters), copies=())
        for page in pages_of(letter_document(letter, Form.LETTER, "zh")):
            assert page, characters


def test_a_header_never_ends_a_page() -> None:
    """A row of its table stands below it, wherever the table begins."""
    table = model.Table(
        (0.5, 0.5), ((model.Cell("甲"), model.Cell("乙")), (model.Cell("丙"), model.Cell("丁"))), 1
    )
    for before in range(60):
        blocks: tuple[model.Block, ...] = (*(Paragraph("一行") for _ in range(before)), table)
        for page in pages_of(Document("x", Form.SHEET, blocks)):
            assert ("甲乙" in page) == ("丙丁" in page), before


def test_a_row_that_is_longer_than_a_page_goes_on_with_the_next() -> None:
    """A due time over a year has hundreds of days."""
    text = "\n".join(f"第{number}行" for number in range(300))
    table = model.Table((0.2, 0.8), ((model.Cell("计算过程"), model.Cell(text)),))
    pages = pages_of(Document("x", Form.SHEET, (table,)))
    assert "".join("".join(page) for page in pages).count("行") == 300
    assert len(pages) > 5


def test_a_table_after_a_title_is_drawn() -> None:
    """Though the title keeps with what follows it."""
    document = sheets.receipt(transfer(), "zh", NOW)
    assert any("受送达单位" in line for line in pages_of(document)[0])


def test_each_recipient_has_a_receipt_on_a_page_of_its_own() -> None:
    """To be signed and sent back by itself."""
    pages = pages_of(sheets.receipt(replace(transfer(), recipients=findings().recipients), "zh", NOW))
    assert [("清河区卫生健康局送达回证" in page) for page in pages] == [True, True]
    assert "清河区市场监督管理局" in "".join(pages[0])
    assert "清河区公安分局" in "".join(pages[1])


def test_a_title_is_parted_where_it_is_hinted() -> None:
    """Before the case's name rather than in it; the hint itself is not drawn."""
    (first, *_) = pages_of(letter_document(transfer(), Form.LETTER, "zh"))
    assert "清河区卫生健康局关于移送" in first
    assert "康宁中医馆涉嫌发布违法医疗广告案的函" in first


PARAGRAPHS = st.builds(
    Paragraph,
    text=st.text(alphabet="字文，。（）“”ab1 ", min_size=1, max_size=400),
    first=st.sampled_from([0, 2]),
    align=st.sampled_from(list(Align)),
    keep=st.booleans(),
    size=st.sampled_from([model.SIZE_2, model.SIZE_3, model.SIZE_4]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(PARAGRAPHS, st.builds(Space, st.integers(1, 3))), max_size=30))
def test_nothing_is_lost_and_nothing_leaves_the_block(blocks: list[Paragraph | Space]) -> None:
    """Whatever is laid out, in whatever order."""
    pages = compose(Document("x", Form.OFFICIAL, tuple(blocks)), measure)
    text = "".join("".join(lines(page)) for page in pages)
    wanted = "".join(block.text for block in blocks if isinstance(block, Paragraph))
    assert sorted(text.replace(" ", "")) == sorted(wanted.replace(" ", ""))
    for page in pages:
        for each in page.items:
            if isinstance(each, Glyphs) and TOP < each.baseline < BOTTOM + 1:
                assert each.x >= LEFT - each.size / 2 - 0.01
                assert each.x <= RIGHT
                assert each.baseline - 0.88 * each.size >= TOP - 0.01
                assert each.baseline + 0.12 * each.size <= BOTTOM + 0.01
