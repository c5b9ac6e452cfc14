"""What a file is, by its bytes."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from services.gateway.evidence.kinds import kind_of, kind_of_head
from services.gateway.evidence.names import INLINE, UNKNOWN, told_type

_OFFICE = "application/vnd.openxmlformats-officedocument"


def archive(*parts: str, mimetype: str = "") -> bytes:
    """A ZIP archive with these parts."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as made:
        if mimetype:
            made.writestr("mimetype", mimetype)
        for each in parts:
            made.writestr(each, "<x/>")
    return held.getvalue()


def image(kind: str) -> bytes:
    """A picture."""
    drawn = io.BytesIO()
    Image.new("RGB", (4, 4)).save(drawn, kind)
    return drawn.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        (image("PNG"), "x.txt", "image/png"),
        (image("JPEG"), "x.exe", "image/jpeg"),
        (image("WEBP"), "x", "image/webp"),
        (image("GIF"), "x", "image/gif"),
        (image("TIFF"), "x", "image/tiff"),
        (b"%PDF-1.7\n", "x.html", "application/pdf"),
        (b"\0\0\0\x18ftypmp42", "x", "video/mp4"),
        (b"\0\0\0\x18ftypheic", "x", "image/heic"),
        ("现场检查笔录".encode(), "x.doc", "text/plain"),
        ("现场检查笔录".encode("gb18030"), "x", "text/plain"),
        (archive("word/document.xml"), "x.zip", f"{_OFFICE}.wordprocessingml.document"),
        (archive("xl/workbook.xml"), "x", f"{_OFFICE}.spreadsheetml.sheet"),
        (archive("OFD.xml"), "x", "application/ofd"),
        (archive(mimetype="application/vnd.oasis.opendocument.text"), "x", "application/vnd.oasis.opendocument.text"),
        (archive("a.txt"), "x.docx", "application/zip"),
        (b"PK\x03\x04 broken", "x.docx", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.doc", "application/msword"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.png", UNKNOWN),
        (b"MZ\x90\0", "x.png", UNKNOWN),
        (b"", "x.png", UNKNOWN),
    ],
)  # fmt: skip
def test_a_kind_is_read_off_the_bytes(tmp_path: Path, content: bytes, name: str, kind: str) -> None:
    """Whatever the name says."""
    path = tmp_path / "file"
    path.write_bytes(content)
    assert kind_of(path, name) == kind


@pytest.mark.parametrize("text", [b"<html><script>alert(1)</script>", b"<svg xmlns='x' onload='alert(1)'/>"])
def test_what_could_run_is_told_as_text(text: bytes) -> None:
    """A page or a drawing with scripts is plain text, which no browser runs."""
    assert told_type(kind_of_head(text, "x.svg")) == "text/plain"
    assert "text/plain" not in INLINE


def test_a_character_cut_at_the_end_is_no_reason() -> None:
    """The head ends in the middle of one."""
    assert kind_of_head("清河".encode()[:-1]) == "text/plain"
