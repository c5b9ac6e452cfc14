"""A case bound into one PDF, read again by a library that shares nothing with those that made it."""

import json
import pickle
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from ctypes import byref, c_int
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from pypdfium2 import raw

from services.documents import book, pieces, scans, sheets
from services.documents.fonts import Fonts
from services.documents.front import Cover
from services.documents.letters import letter_document
from services.documents.model import Form, Language
from services.documents.pieces import BOOK, PIECES, Binding, Piece, TooLarge
from services.documents.rendering import NO_ROOM, TOO_LARGE
from tests.builders.papers import NOW, findings, transfer
from tests.builders.printed import MM, PrintedPage, read
from tests.builders.scans import active_pdf, locked_pdf, picture, scanned_pdf

DIGEST = sha256(b"film").hexdigest()
COVER = Cover(
    department="清河区卫生健康局",
    title="康宁中医馆涉嫌发布违法医疗广告案",
    mechanism="案件移送",
    case_id=transfer().case_id,
    period="2026-02-11至2026-02-13",
    retention="30_YEARS",
    filed_on="2026-03-01",
    letters=2,
)


@dataclass(frozen=True)
class Made:
    """A case that was bound, and what was said of it."""

    data: bytes
    before: int
    pages: int
    places: list[tuple[int, int, str]]

    def read(self) -> list[PrintedPage]:
        return read(self.data)


Bind = Callable[..., Made]


@pytest.fixture
def bind(installed: Fonts, tmp_path: Path) -> Bind:
    """Binds pieces."""

    def bound(*wanted: Piece, language: Language = "zh") -> Made:
        with (tmp_path / PIECES).open("wb") as file:
            for each in wanted:
                pickle.dump(each, file)
        told = json.loads(book.bind(Binding(tmp_path, (), COVER, language, NOW, len(wanted)), installed))
        places = [(each[0], each[1], each[2]) for each in told["pieces"]]
        return Made((tmp_path / BOOK).read_bytes(), told["before"], told["pages"], places)

    return bound


def letter(ordinal: int = 1) -> Piece:
    """A transfer of three pages, or a report of many."""
    document = letter_document(transfer() if ordinal == 1 else findings(), Form.LETTER, "zh")
    return Piece(
        ordinal, "letter", "清卫〔2026〕12号", COVER.department, document.title, "2026-02-11", DIGEST,
        document=document,
    )  # fmt: skip


def sheet() -> Piece:
    made = sheets.approval(transfer(), "zh", NOW)
    return Piece(1, "approval", "", COVER.department, "发文审批单", "2026-02-11", "", document=made)


def scan(folder: Path, name: str, data: bytes) -> Piece:
    """A file beside a letter."""
    path = folder / f"{name}.scan"
    path.write_bytes(data)
    return Piece(
        1, "attachment", "", "陈晓", f"扫描件{name}", "2026-02-11", sha256(data).hexdigest(), f"{name}.pdf",
        "application/pdf", len(data), scan=path,
    )  # fmt: skip


def film() -> Piece:
    return Piece(
        1, "material", "", "陈晓", "初步证据（现场录像.mp4）", "2026-02-11", DIGEST, "现场录像.mp4", "video/mp4",
        1_288_490_188, separate="media",
    )  # fmt: skip


def links(data: bytes) -> Iterator[tuple[int, int]]:
    """Page and target of every link, both by index."""
    with pypdfium2.PdfDocument(data) as document:
        for index in range(len(document)):
            page, place, link = document[index], c_int(0), raw.FPDF_LINK()
            while raw.FPDFLink_Enumerate(page, byref(place), byref(link)):
                target = raw.FPDFLink_GetDest(document, link)
                yield index, raw.FPDFDest_GetDestPageIndex(document, target)


def test_what_the_contents_list_says_stands_on_its_pages(bind: Bind, tmp_path: Path) -> None:
    """Each letter and scan from its first page to its last, under running numbers that have no gap."""
    made = bind(letter(1), sheet(), scan(tmp_path, "a", scanned_pdf(2, "stamped")), film(), letter(2))
    assert made.places[:4] == [(1, 3, ""), (4, 4, ""), (5, 6, ""), (0, 0, "media")]
    assert made.places[4] == (7, made.pages, "")
    pages = made.read()
    assert len(pages) == made.before + made.pages
    numbered = pages[made.before :]
    for number, page in enumerate(numbered, start=1):
        assert f"第{number}页" in page.text
    assert "关于移送" in numbered[0].text
    assert "2026年2月11日" in numbered[2].text
    assert "发文审批单" in numbered[3].text
    assert ["stamped0" in numbered[4].text, "stamped1" in numbered[5].text] == [True, True]
    assert "扫描件a1/2" in numbered[4].text
    assert "第一季度医疗乱象专项整治" in numbered[6].text
    front = "".join(page.text for page in pages[: made.before])
    for words in ("办件案卷", COVER.case_id, f"{made.pages}页", "30年", "卷内目录", "1-3", f"7-{made.pages}"):
        assert words in front
    assert "另存1" in front
    assert DIGEST in front


def test_a_click_opens_the_page_that_the_line_names(bind: Bind, tmp_path: Path) -> None:
    """From title and page number of each line; bookmarks and page labels say the same."""
    made = bind(letter(1), scan(tmp_path, "a", scanned_pdf(2)), film(), letter(2))
    found = list(links(made.data))
    assert {page for page, _ in found} <= set(range(1, made.before))
    wanted = [made.before + first - 1 for first, _, _ in made.places if first]
    assert [target for _, target in found] == [each for each in wanted for _ in range(2)]
    with pypdfium2.PdfDocument(made.data) as document:
        outline = [(each.get_title(), each.get_dest().get_index()) for each in document.get_toc()]
        labels = [document.get_page_label(index) for index in range(made.before + 2)]
        assert "办件案卷" in document.get_metadata_dict()["Title"]
    assert [target for _, target in outline] == [0, 1, *wanted]
    assert outline[3][0] == "扫描件a"
    assert labels == ["i", "ii", "1", "2"]


def dark(made: Made, page: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom, in millimetres, of what is dark below the line of the running number."""
    scale = 4
    with pypdfium2.PdfDocument(made.data) as document:
        shown = document[len(document) + page].render(scale=scale, grayscale=True).to_pil()
    above = int(14 * MM * scale)
    below = shown.crop((0, above, *shown.size)).point(lambda shade: 255 if shade < 160 else 0)
    box = below.getbbox()
    assert box is not None
    left, top, right, bottom = (each / scale / MM for each in box)
    return left, top + 14, right, bottom + 14


def test_a_scan_stands_upright_and_whole(bind: Bind, tmp_path: Path) -> None:
    """Whatever its size, however it lay on the glass, however the camera was held; nothing covers it."""
    made = bind(
        letter(1),
        scan(tmp_path, "turned", scanned_pdf(1, "turned", turned=90)),
        scan(tmp_path, "large", scanned_pdf(1, "large", size=(2400, 1600))),
        scan(tmp_path, "photo", picture("JPEG", (1600, 1200), orientation=6)),
        scan(tmp_path, "clear", picture("PNG", mode="RGBA")),
    )
    *_, turned, large, photo, clear = made.read()
    assert [round(each.width) for each in (turned, large, photo, clear)] == [297, 297, 297, 210]
    assert "large0" in large.text
    left, top, right, bottom = dark(made, -3)
    # the frame along the edges of a page of another shape is whole, between the running number and the edges
    assert 7.5 < left < right < 289.5
    assert 15.5 < top < bottom < 202.5
    for page, width in ((-2, 297), (-1, 210)):
        left, top, right, bottom = dark(made, page)
        # the bar is above, over the whole breadth, and nothing else is dark
        assert bottom < 33
        assert right - left > width * 0.8


def test_one_bad_file_keeps_no_case_from_being_bound(
    bind: Bind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is listed with its digest and the reason; the others stand where they would."""
    monkeypatch.setattr(scans, "PIXELS", 3_000_000)
    bad = {
        "locked": (locked_pdf(), "unreadable"),
        "torn": (picture("JPEG")[:3_000], "unreadable"),
        "none": (b"%PDF-1.7\nnothing", "unreadable"),
        "film": (b"\x00\x00\x00\x18ftypmp42" * 20, "unreadable"),
        "huge": (picture("PNG", (2000, 2000)), "large"),
        "empty": (b"", "unreadable"),
    }
    made = bind(
        *(scan(tmp_path, name, data) for name, (data, _) in bad.items()),
        scan(tmp_path, "good", scanned_pdf(1)),
    )
    assert made.places == [*((0, 0, why) for _, why in bad.values()), (1, 1, "")]
    front = "".join(page.text for page in made.read()[: made.before])
    assert "不能读取" in front
    assert "超出篇幅" in front
    for data, _ in bad.values():
        assert sha256(data).hexdigest() in front


def test_nothing_of_a_scan_runs(bind: Bind, tmp_path: Path) -> None:
    """Its picture is taken; scripts, links out of the file and files that it carries stay behind."""
    data = active_pdf()
    with pikepdf.Pdf.open(BytesIO(data)) as before:
        assert "/OpenAction" in before.Root
        assert len(before.attachments) == 1
    made = bind(scan(tmp_path, "a", data))
    assert "active0" in made.read()[-1].text
    with pikepdf.Pdf.open(BytesIO(made.data)) as pdf:
        assert not len(pdf.attachments)
        assert "/OpenAction" not in pdf.Root or "/JavaScript" not in str(pdf.Root.OpenAction)
        kept = b"".join(
            each.unparse(resolved=True) for each in pdf.objects if not isinstance(each, pikepdf.Stream)
        )
    for word in (b"/JavaScript", b"/URI", b"alert", b"/AA"):
        assert word not in kept


def test_a_scan_with_more_pages_than_are_left_is_kept_separately(
    bind: Bind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters that have more are too many for one file."""
    monkeypatch.setattr(book, "PAGES", 5)
    made = bind(letter(1), scan(tmp_path, "a", scanned_pdf(3)), scan(tmp_path, "b", scanned_pdf(2)))
    assert made.places == [(1, 3, ""), (0, 0, "large"), (4, 5, "")]
    with pytest.raises(TooLarge):
        bind(letter(1), letter(2))


def test_what_lies_beside_two_letters_stands_on_pages_once(bind: Bind, tmp_path: Path) -> None:
    """Both lines name the same pages."""
    one = scan(tmp_path, "a", scanned_pdf(2))
    made = bind(letter(1), one, replace(one, ordinal=2))
    assert made.places == [(1, 3, ""), (4, 5, ""), (4, 5, "")]
    assert made.pages == 5


def test_the_contents_list_goes_over_many_pages(bind: Bind) -> None:
    """Under its header again on each; page 1 still is the first letter's."""
    listed = [replace(film(), title=f"录像{number}") for number in range(120)]
    made = bind(letter(1), *listed)
    pages = made.read()
    assert made.before > 10
    assert all("SHA-256" in page.text or "题名" in page.text for page in pages[1 : made.before])
    assert "第1页" in pages[made.before].text


@pytest.mark.parametrize(
    ("limit", "code"), [(200_000, TOO_LARGE), (0, NO_ROOM)], ids=["too large", "no room"]
)
@pytest.mark.usefixtures("installed")
def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, limit: int, code: int) -> None:
    """Larger than it may be, or the disk is full: by an exit code of its own, and never as a scan's fault."""
    wanted = [letter(1), scan(tmp_path, "a", picture("JPEG"))]
    with (tmp_path / PIECES).open("wb") as file:
        for each in wanted:
            pickle.dump(each, file)
    full = "def full(*_): raise OSError(28, 'No space left on device')\nscans.FPDF.output = full\n"
    program = f"from services.documents import child, scans\nchild.LARGEST = {limit or 10**9}\n"
    program += ("" if limit else full) + "raise SystemExit(child.main())"
    task = Binding(tmp_path, (), COVER, "zh", NOW, len(wanted))
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(task),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code, done.stderr.decode()


MEASURE = """
import pickle, resource, sys
from services.documents import book, fonts
task = pickle.load(sys.stdin.buffer)
book.bind(task, fonts.find())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.usefixtures("installed")
def test_memory_does_not_grow_with_the_scans(tmp_path: Path) -> None:
    """They go from file to file: 96 MiB more of them cost less than a third of that."""
    peaks = []
    for count in (1, 13):
        folder = tmp_path / str(count)
        folder.mkdir()
        wanted = [scan(folder, f"s{index}", _bulky(8)) for index in range(count)]
        with (folder / PIECES).open("wb") as file:
            for each in wanted:
                pickle.dump(each, file)
        task = Binding(folder, (), COVER, "zh", NOW, count)
        done = subprocess.run(
            [sys.executable, "-c", MEASURE],
            input=pickle.dumps(task),
            capture_output=True,
            check=True,
            timeout=100,
        )
        peaks.append(int(done.stdout))
        assert (folder / BOOK).stat().st_size > count * 8 * 1024 * 1024
    assert peaks[1] - peaks[0] < 32, peaks


def _bulky(mebibytes: int) -> bytes:
    """A PDF with a stream of so many mebibytes that compress to nothing."""
    with BytesIO() as written, pikepdf.Pdf.open(BytesIO(scanned_pdf(1))) as pdf:
        noise = random.Random(mebibytes).randbytes(mebibytes * 1024 * 1024)
        shade = pikepdf.Dictionary(
            Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Image, Width=1024 * mebibytes, Height=1024,
            ColorSpace=pikepdf.Name.DeviceGray, BitsPerComponent=8,
        )  # fmt: skip
        image = pdf.make_stream(noise, shade)
        pdf.pages[0].Resources.XObject = pikepdf.Dictionary(Im=image)
        pdf.save(written)
        return written.getvalue()


def test_the_childs_bounds_are_those_that_are_documented() -> None:
    """docs/documents.md names them."""
    text = Path("docs/documents.md").read_text(encoding="utf-8")
    assert f"{pieces.PAGES:,} pages" in text
