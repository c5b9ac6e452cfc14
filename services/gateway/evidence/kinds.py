"""What a file is, by its first bytes: neither the browser's word nor the name is believed.

Only kinds that a browser is told as they are (`names.INLINE` and a few more) are known here; everything else is
bytes. Office documents and OFD are ZIP archives: which, the names of their parts say.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from services.gateway.evidence.names import UNKNOWN

HEAD: Final = 4096
"""Bytes from the beginning that are looked at."""

_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"OggS", "video/ogg"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_KINDS: Final = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
    ".wps": "application/vnd.ms-works",
}
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_PARTS: Final = (
    ("OFD.xml", "application/ofd"),
    ("word/document.xml", f"{_OFFICE}.wordprocessingml.document"),
    ("xl/workbook.xml", f"{_OFFICE}.spreadsheetml.sheet"),
    ("ppt/presentation.xml", f"{_OFFICE}.presentationml.presentation"),
)
_OPEN: Final = {
    b"application/vnd.oasis.opendocument.text": "application/vnd.oasis.opendocument.text",
    b"application/vnd.oasis.opendocument.spreadsheet": "application/vnd.oasis.opendocument.spreadsheet",
}
_MOST_PARTS: Final = 5000
_CONTROL: Final = frozenset(range(32)) - {9, 10, 12, 13}


def kind_of(path: Path, name: str) -> str:
    """The media type of a file; blocks.

    Args:
        path: The file.
        name: As its sender calls it; only tells apart what has the same first bytes.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    return kind_of_head(head, name)


def kind_of_head(head: bytes, name: str = "") -> str:
    """The same by the first bytes alone; an archive is an archive."""
    if head.startswith(_OLE):
        return _OLE_KINDS.get(Path(name).suffix.lower(), UNKNOWN)
    if head.startswith(b"PK\x03\x04"):
        return "application/zip"
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], UNKNOWN)
    for at, magic, kind in _MAGIC:
        if head[at : at + len(magic)] == magic:
            return kind
    if head and not _CONTROL.intersection(head) and _is_text(head):
        return "text/plain"
    return UNKNOWN


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist()[:_MOST_PARTS])
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 100:  # noqa: PLR2004 - a name
                found = _OPEN.get(archive.read("mimetype").strip())
                if found:
                    return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError):
        return "application/zip"
    return next((kind for part, kind in _PARTS if part in names), "application/zip")


def _is_text(head: bytes) -> bool:
    for encoding in ("utf-8", "gb18030"):
        # the last character may be cut
        for end in range(len(head), max(len(head) - 4, 0), -1):
            try:
                head[:end].decode(encoding)
            except UnicodeDecodeError:
                continue
            return True
    return False
