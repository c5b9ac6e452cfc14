"""From a document to pages: the head, the flow of blocks over pages, the imprint, page numbers.

The measures are those of GB/T 9704-2012; its clauses stand at each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.documents import model
from services.documents.breaking import Line
from services.documents.model import (
    BLACK,
    MM,
    RED,
    SIZE_3,
    SIZE_4,
    Align,
    Cell,
    Document,
    Face,
    Form,
    Paragraph,
    Space,
    Stamp,
    Table,
    Turn,
)
from services.documents.pages import (
    BOTTOM,
    LEADING,
    LEFT,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    RIGHT,
    TOP,
    WIDTH,
    Area,
    Glyphs,
    Measure,
    Page,
    Picture,
    Stroke,
    fitted_size,
    frame,
    lines_of,
    middle_of,
    pitch_of,
    set_line,
)

_PADDING: Final = 5.0
_ORPHANS: Final = 2
"""So many lines of a paragraph go over with what must not begin a page alone."""
_SHORT: Final = 3
"""Lines of a row that begin a page's foot at least."""
_LETTER_RULE_MM: Final = 170.0

_LaidCell = tuple[float, float, list[tuple[Paragraph, int, Line]], int]
"""Left edge, width, lines, and the page that it leads to."""


def compose(document: Document, measure: Measure) -> list[Page]:
    """The pages of a document."""
    flow = _Flow(document, measure)
    flow.head()
    flow.blocks(document.blocks)
    flow.imprint()
    for page in flow.pages:
        flow.furniture(page)
    return flow.pages


class _Flow:
    def __init__(self, document: Document, measure: Measure) -> None:
        self._document = document
        self._measure = measure
        self.pages = [Page(1)]

    @property
    def _page(self) -> Page:
        return self.pages[-1]

    def _turn(self) -> None:
        self.pages.append(Page(self._page.number + 1))

    # -- the head ---------------------------------------------------------------------------------

    def head(self) -> None:
        """The head of the form; the flow goes on below it on the grid of lines."""
        document = self._document
        if document.form is Form.SHEET:
            return
        if document.urgency:
            # top left corner of the block, size 3, Hei (7.2.3)
            urgency = Paragraph(document.urgency, face=Face.HEI, first=0, align=Align.START)
            top = TOP if document.form is Form.OFFICIAL else self._letter_line()
            self._put(urgency, top)
        below = self._official() if document.form is Form.OFFICIAL else self._letter()
        lines = -(-(below - TOP - 0.01) // LEADING)
        self._page.y = TOP + lines * LEADING

    def _official(self) -> float:
        """35 mm from the block's upper edge to the authority's name (7.2.4), the number two lines below it (7.2.5)."""
        document = self._document
        name = _fitted(document.authority, 46.0, WIDTH, RED)
        top = TOP + 35 * MM
        self._put(name, top)
        top += name.size + 2 * LEADING
        if document.number:
            self._put(Paragraph(document.number, first=0, align=Align.CENTRE), top)
        rule = top + SIZE_3 + 4 * MM
        self._page.items.append(Stroke(LEFT, rule, RIGHT, rule, 1.2, RED))
        return rule + 2 * LEADING

    def _letter(self) -> float:
        """30 mm from the page's edge to the authority's name, a double rule 4 mm below it (10.1)."""
        document = self._document
        name = _fitted(document.authority, 36.0, WIDTH, RED)
        self._put(name, 30 * MM)
        left, right = PAGE_WIDTH / 2 - _LETTER_RULE_MM / 2 * MM, PAGE_WIDTH / 2 + _LETTER_RULE_MM / 2 * MM
        rule = self._letter_rule()
        foot = PAGE_HEIGHT - 20 * MM
        self._page.items += [
            Stroke(left, rule, right, rule, 2.2, RED),
            Stroke(left, rule + 3, right, rule + 3, 0.7, RED),
            Stroke(left, foot - 3, right, foot - 3, 0.7, RED),
            Stroke(left, foot, right, foot, 2.2, RED),
        ]
        top = self._letter_line()
        if document.number:
            self._put(Paragraph(document.number, first=0, align=Align.END), top)
        return top + SIZE_3 + 2 * LEADING - (LEADING - SIZE_3)

    def _letter_rule(self) -> float:
        name = _fitted(self._document.authority, 36.0, WIDTH, RED)
        return 30 * MM + name.size + 4 * MM

    def _letter_line(self) -> float:
        """7/8 of a character of size 3 below the rule."""
        return self._letter_rule() + 3 + SIZE_3 * 7 / 8

    def _put(self, paragraph: Paragraph, top: float) -> None:
        for number, line in enumerate(lines_of(paragraph, self._measure)[:1]):
            self._page.items += set_line(line, paragraph, number, top)

    # -- the flow ---------------------------------------------------------------------------------

    def blocks(self, blocks: Sequence[model.Block]) -> None:
        """All blocks, one after the other."""
        index = 0
        while index < len(blocks):
            block = blocks[index]
            if isinstance(block, Space):
                self._space(block)
            elif isinstance(block, Turn):
                self._turn()
            elif isinstance(block, Table):
                self._table(block)
            else:
                until = index
                while (
                    until + 1 < len(blocks)
                    and _keeps(blocks[until])
                    and not isinstance(blocks[until + 1], Table | Turn)
                ):
                    until += 1
                self._kept(blocks[index : until + 1])
                index = until
            index += 1

    def _space(self, space: Space) -> None:
        # empty lines at the head of a page would be a hole
        if self._page.y > TOP + 0.01:
            self._page.y += space.lines * LEADING

    def _kept(self, group: Sequence[model.Block]) -> None:
        """Paragraphs that go together: of the first, so many lines go over that the others do not stand alone."""
        laid: list[tuple[Paragraph, int, Line] | Stamp | None] = []
        lengths = []
        for block in group:
            if isinstance(block, Space):
                laid += [None] * block.lines
            elif isinstance(block, Paragraph):
                lines = lines_of(block, self._measure)
                laid += [(block, number, line) for number, line in enumerate(lines)]
                lengths.append(len(lines))
            elif isinstance(block, Stamp):
                laid.append(block)
        begin = max(0, lengths[0] - _ORPHANS) if lengths and isinstance(group[0], Paragraph) else 0
        end = len(laid) - max(0, lengths[-1] - _ORPHANS) if lengths else len(laid)
        for place, each in enumerate(laid):
            if (
                place == begin
                and len(group) > 1
                and end - begin <= model.LINES
                and not self._fits(end - begin)
            ):
                self._turn()
            if each is None:
                self._space(Space())
                continue
            if isinstance(each, Stamp):
                self._stamp(each, laid[place - 1])
                continue
            paragraph, number, line = each
            if not self._page.room(paragraph.size):
                self._turn()
            self._page.items += set_line(line, paragraph, number, self._page.y)
            self._page.y += LEADING

    def _stamp(self, stamp: Stamp, date: tuple[Paragraph, int, Line] | Stamp | None) -> None:
        """A seal over the line before it, the date, and the one above that (7.3.5.1)."""
        assert isinstance(date, tuple)
        paragraph, _, line = date
        width, height = stamp.width_mm * MM, stamp.height_mm * MM
        # between the two lines: the next one's top, two lines up, and half of what they take
        between = self._page.y - LEADING * 1.5 + SIZE_3 / 2
        x = middle_of(line, paragraph) - width / 2
        self._page.items.append(Picture(x, between - height * model.SEALED_AT, width, height, stamp.png))

    def _fits(self, lines: int) -> bool:
        return self._page.y + (lines - 1) * LEADING + SIZE_3 <= BOTTOM + 0.01

    # -- tables -----------------------------------------------------------------------------------

    def _table(self, table: Table) -> None:
        head, rest = table.rows[: table.header], table.rows[table.header :]
        if head:
            # no header stands at a page's foot with no row below it
            lines = [self._laid(table, row)[1] for row in head]
            lines += [min(_SHORT, self._laid(table, row)[1]) for row in rest[:1]]
            needed = sum(count * table.size * 1.5 + 2 * _PADDING for count in lines)
            if self._page.y + needed > BOTTOM + 0.01 and self._page.y > TOP + 0.01:
                self._turn()
        for row in head:
            self._row(table, row)
        for row in rest:
            self._row(table, row, repeat=True)
        self._page.y += LEADING / 2

    def _laid(self, table: Table, row: Sequence[Cell]) -> tuple[list[_LaidCell], int]:
        """The cells of a row with their lines, and how many lines it is high."""
        left, cells = LEFT, []
        column = 0
        for cell in row:
            width = sum(table.columns[column : column + cell.span]) * WIDTH
            column += cell.span
            paragraphs = [_in_cell(cell, table.size, part) for part in cell.text.split("\n")]
            lines = [
                (paragraph, number, line)
                for paragraph in paragraphs
                for number, line in enumerate(lines_of(paragraph, self._measure, width - 2 * _PADDING))
            ]
            cells.append((left, width, lines, cell.leads_to))
            left += width
        return cells, max([table.least, *(len(lines) for _, _, lines, _ in cells)])

    def _row(self, table: Table, row: Sequence[Cell], *, repeat: bool = False) -> None:
        """A row; what does not stand on the page goes on with the next, below the header again."""
        lead = table.size * 1.5
        cells, total = self._laid(table, row)
        done = 0
        while done < total:
            room = int((BOTTOM - self._page.y - 2 * _PADDING + 0.01) // lead)
            short = min(_SHORT, total - done)
            if room < short and self._page.y > TOP + 0.01:
                self._turn()
                if repeat:
                    for header in table.rows[: table.header]:
                        self._row(table, header)
                continue
            count = min(max(room, 1), total - done)
            height = count * lead + 2 * _PADDING
            for x, width, lines, page in cells:
                if page:
                    self._page.items.append(Area(x, self._page.y, width, height, page))
                part = lines[done : done + count]
                self._cell(x, width, height, lead, part, whole=count == total)
            self._page.y += height
            done += count

    def _cell(
        self,
        x: float,
        width: float,
        height: float,
        lead: float,
        lines: Sequence[tuple[Paragraph, int, Line]],
        *,
        whole: bool,
    ) -> None:
        page = self._page
        page.items += frame(x, page.y, width, height)
        # text stands in the middle of its row's height
        top = page.y + _PADDING + (lead - (lines[0][0].size if lines else 0)) / 2
        if whole:
            top += (height - 2 * _PADDING - len(lines) * lead) / 2
        for paragraph, number, line in lines:
            page.items += set_line(line, paragraph, number, top, x=x + _PADDING, width=width - 2 * _PADDING)
            top += lead

    # -- imprint and furniture --------------------------------------------------------------------

    def imprint(self) -> None:
        """Copies and printing at the foot of the block on the last page (7.4); a letter has copies only (10.1)."""
        imprint = self._document.imprint
        if imprint is None:
            return
        ruled = self._document.form is Form.OFFICIAL
        lead = LEADING * 0.9
        label = "抄送：" if self._document.language == "zh" else "Copies: "
        copies = Paragraph(
            f"{label}{imprint.copies}",
            size=SIZE_4,
            first=1,
            left=1 + (3 if label == "抄送：" else 4),
            right=1,
        )
        lines = lines_of(copies, self._measure) if imprint.copies else []
        printing = ruled and bool(imprint.office)
        if not lines and not printing:
            return
        height = (len(lines) + printing) * lead + 4
        if self._page.y - (LEADING - SIZE_3) + LEADING / 2 + height > BOTTOM:
            self._turn()
        y = BOTTOM - height
        if ruled:
            self._rule(y, 1.0)
        for number, line in enumerate(lines):
            self._page.items += set_line(line, copies, number, y + (lead - SIZE_4) / 2 + 1)
            y += lead
        if printing:
            if lines:
                self._rule(y + 1, 0.7)
            done = imprint.date + ("印发" if self._document.language == "zh" else "")
            # a draft has no date yet
            said = [(imprint.office, Align.START), *([(done, Align.END)] if imprint.date else [])]
            for text, align in said:
                paragraph = Paragraph(text, size=SIZE_4, align=align, first=1, right=1)
                (line, *_) = lines_of(paragraph, self._measure)
                self._page.items += set_line(line, paragraph, 0, y + (lead - SIZE_4) / 2 + 2)
        if ruled:
            self._rule(BOTTOM, 1.0)

    def _rule(self, y: float, width: float) -> None:
        self._page.items.append(Stroke(LEFT, y, RIGHT, y, width, BLACK))

    def furniture(self, page: Page) -> None:
        """Page number, draft's mark and footnote of a page."""
        document = self._document
        # the first page of a letter shows no number (10.1); no page of a single sheet needs one
        if not (document.form is Form.LETTER and page.number == 1) and not (
            document.form is Form.SHEET and len(self.pages) == 1
        ):
            self._number(page)
        if document.mark:
            mark = Paragraph(document.mark, face=Face.HEI, size=28, first=0, align=Align.END, colour=RED)
            (line, *_) = lines_of(mark, self._measure)
            page.items += set_line(line, mark, 0, 14 * MM)
        if document.footnote:
            note = Paragraph(document.footnote, size=9, first=0, align=Align.START)
            (line, *_) = lines_of(note, self._measure)
            page.items += set_line(line, note, 0, BOTTOM + 16 * MM)

    def _number(self, page: Page) -> None:
        """Size 4 with a dash at each side, the dashes 7 mm below the block; odd pages right, even ones left (7.5)."""
        text = str(page.number)
        dash = SIZE_4
        gap = SIZE_4 / 4
        digits = self._measure(text, Face.LATIN, SIZE_4)
        width = 2 * dash + 2 * gap + digits
        margin = pitch_of(SIZE_4)
        x = RIGHT - margin - width if page.number % 2 else LEFT + margin
        y = BOTTOM + 7 * MM
        baseline = y + 0.33 * SIZE_4
        page.items += [
            Stroke(x, y, x + dash, y, 0.7),
            Glyphs(x + dash + gap, baseline, text, Face.LATIN, SIZE_4),
            Stroke(x + width - dash, y, x + width, y, 0.7),
        ]


def _fitted(text: str, size: float, width: float, colour: model.Colour) -> Paragraph:
    """A line that is made smaller until it stands in a width."""
    fitted = fitted_size(text, size, width)
    return Paragraph(text, face=Face.SONG, size=fitted, first=0, align=Align.CENTRE, colour=colour)


def _keeps(block: model.Block) -> bool:
    return isinstance(block, Space | Stamp) or (isinstance(block, Paragraph) and block.keep)


def _in_cell(cell: Cell, size: float, text: str) -> Paragraph:
    return Paragraph(text, face=cell.face, size=size, align=cell.align, first=0)
