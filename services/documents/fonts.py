"""Which font files a node has for each face, and what to do where a font lacks a character.

No font is part of this package: the files are looked for where operating systems keep them and in the folders
that the operator names. docs/documents.md says which to install.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from services.common.errors import LiandongError
from services.documents.model import Face

_log = structlog.get_logger(__name__)

FOLDERS: Final = (
    Path("/fonts"),
    Path("/usr/local/share/fonts"),
    Path("/usr/share/fonts"),
    Path("/usr/share/texlive/texmf-dist/fonts/opentype/public/fandol"),
    Path("/usr/share/texmf/fonts/opentype/public/fandol"),
)
"""Where fonts are looked for after the operator's own folders."""

_SC: Final = 2
"""Simplified Chinese in the collections of Noto: JP, KR, SC, TC, HK."""

_WANTED: Final[Mapping[Face, Sequence[tuple[str, int]]]] = {
    Face.FANGSONG: (
        ("FandolFang-Regular.otf", 0), ("simfang.ttf", 0), ("STFANGSO.TTF", 0), ("ZhuqueFangsong-Regular.ttf", 0),
    ),
    Face.SONG: (
        ("FZXBSJW.TTF", 0), ("FandolSong-Bold.otf", 0), ("STZHONGS.TTF", 0), ("NotoSerifCJK-Bold.ttc", _SC),
        ("simsun.ttc", 0),
    ),
    Face.HEI: (
        ("FandolHei-Regular.otf", 0), ("simhei.ttf", 0), ("NotoSansCJK-Regular.ttc", _SC),
    ),
    Face.KAI: (("FandolKai-Regular.otf", 0), ("simkai.ttf", 0)),
    Face.LATIN: (
        ("LiberationSerif-Regular.ttf", 0), ("times.ttf", 0), ("Times New Roman.ttf", 0),
    ),
}  # fmt: skip
_CHINESE: Final = (
    ("FandolSong-Regular.otf", 0), ("NotoSerifCJK-Regular.ttc", _SC), ("NotoSerifCJKsc-Regular.otf", 0),
    ("SourceHanSerifSC-Regular.otf", 0), ("simsun.ttc", 0), ("NotoSansCJK-Regular.ttc", _SC), ("simsunb.ttf", 0),
)  # fmt: skip
"""Any font for Chinese: in place of a face that is not there, and for characters that its font lacks."""


class NoFont(LiandongError):
    """This node has no font for Chinese, so it prints no PDF; deploy/fonts.sh brings free ones. DOCX needs none."""

    reason = "NO_FONT"
    code = "FAILED_PRECONDITION"


@dataclass(frozen=True, slots=True)
class FontFile:
    """A font file, and which font of a collection."""

    path: Path
    index: int = 0


@dataclass(frozen=True, slots=True)
class Fonts:
    """The fonts of each face in the order in which a character is looked for."""

    chains: Mapping[Face, tuple[FontFile, ...]]

    def missing(self) -> tuple[Face, ...]:
        """Faces that another one stands in for."""
        return tuple(
            face
            for face, wanted in _WANTED.items()
            if self.chains[face][0].path.name.lower() not in {name.lower() for name, _ in wanted}
        )


def find(folders: Iterable[Path] = ()) -> Fonts:
    """The fonts that are here.

    Args:
        folders: The operator's own, looked through first.

    Raises:
        NoFont: No font for Chinese is in any folder.
    """
    here = _files((*folders, *FOLDERS))
    fallback = tuple(_found(here, _CHINESE))
    chains: dict[Face, tuple[FontFile, ...]] = {}
    for face, wanted in _WANTED.items():
        chain = [*_found(here, wanted)[:1], *fallback]
        if face in (Face.FANGSONG, Face.LATIN):
            # letters without a face of their own are those of the text
            chain += _found(here, _WANTED[Face.FANGSONG])[:1]
        chains[face] = tuple(dict.fromkeys(chain))
    if not chains[Face.FANGSONG]:
        raise NoFont
    text = chains[Face.FANGSONG]
    return Fonts({face: chain or text for face, chain in chains.items()})


def report(folders: Iterable[Path] = ()) -> None:
    """Say in the log at the start what a node prints in, so that an operator need not wait for a letter to know."""
    try:
        found = find(folders)
    except NoFont:
        _log.warning("documents.no_font", hint="deploy/fonts.sh")
        return
    _log.info(
        "documents.fonts",
        text=found.chains[Face.FANGSONG][0].path.name,
        stood_in_for=[str(face) for face in found.missing()],
    )


def main() -> int:
    """Say which font each face is printed in here, and which others stand behind it."""
    try:
        found = find(Path(each) for each in sys.argv[1:])
    except NoFont as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return 1
    missing = found.missing()
    for face, chain in found.chains.items():
        names = [each.path.name for each in chain]
        note = " (stands in)" if face in missing else ""
        sys.stdout.write(f"{face}: {names[0]}{note}; then {', '.join(names[1:]) or 'none'}\n")
    return 0


def _files(folders: Iterable[Path]) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.lower().endswith((".otf", ".ttf", ".ttc", ".otc")):
                    found.setdefault(name.lower(), Path(parent) / name)
    return found


def _found(here: Mapping[str, Path], wanted: Iterable[tuple[str, int]]) -> list[FontFile]:
    return [FontFile(here[name.lower()], index) for name, index in wanted if name.lower() in here]


if __name__ == "__main__":
    sys.exit(main())
