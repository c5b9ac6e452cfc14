"""Which fonts are found, and what is said where there is none."""

from pathlib import Path

import pytest

from services.documents import fonts
from services.documents.fonts import NoFont, find
from services.documents.model import Face


def folder(path: Path, *names: str) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name in names:
        (path / name).touch()
    return path


def test_without_a_font_for_chinese_the_operator_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a reason of its own; a Latin font alone does not help."""
    monkeypatch.setattr(fonts, "FOLDERS", (folder(tmp_path, "LiberationSerif-Regular.ttf"),))
    with pytest.raises(NoFont) as refused:
        find()
    assert refused.value.reason == "NO_FONT"


def test_a_real_fangsong_is_taken_before_a_song(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the song stands behind it for rare characters."""
    monkeypatch.setattr(
        fonts, "FOLDERS", (folder(tmp_path, "NotoSerifCJK-Regular.ttc", "FandolFang-Regular.otf"),)
    )
    chain = [each.path.name for each in find().chains[Face.FANGSONG]]
    assert chain == ["FandolFang-Regular.otf", "NotoSerifCJK-Regular.ttc"]
    assert find().missing() == (Face.SONG, Face.HEI, Face.KAI, Face.LATIN)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (("SIMFANG.TTF", "simsun.ttc", "Times.ttf"), (Face.HEI, Face.KAI)),
        (("NotoSansCJK-Regular.ttc",), (Face.FANGSONG, Face.SONG, Face.KAI, Face.LATIN)),
        (("FandolFang-Regular.otf", "FandolSong-Regular.otf"), (Face.SONG, Face.HEI, Face.KAI, Face.LATIN)),
    ],
    ids=["of an office", "one of a system", "a part of Fandol"],
)
def test_what_stands_in_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], missing: tuple[Face, ...]
) -> None:
    """Whatever case a file's name is in."""
    monkeypatch.setattr(fonts, "FOLDERS", (folder(tmp_path, *names),))
    assert find().missing() == missing


def test_the_program_says_what_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each face with its font and those behind it; with nothing, what brings some, and exit code 1."""
    monkeypatch.setattr(fonts, "FOLDERS", ())
    monkeypatch.setattr("sys.argv", ["fonts", str(folder(tmp_path / "none"))])
    assert fonts.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("NO_FONT")
    assert "deploy/fonts.sh" in said
    monkeypatch.setattr("sys.argv", ["fonts", str(folder(tmp_path / "some", "NotoSerifCJK-Regular.ttc"))])
    assert fonts.main() == 0
    assert "fangsong: NotoSerifCJK-Regular.ttc (stands in)" in capsys.readouterr().out


def test_the_operators_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two files of one name."""
    system = folder(tmp_path / "system", "FandolFang-Regular.otf")
    monkeypatch.setattr(fonts, "FOLDERS", (system,))
    own = folder(tmp_path / "own", "FandolFang-Regular.otf")
    assert find((own,)).chains[Face.FANGSONG][0].path.parent == own


def test_where_only_a_song_is_it_stands_for_every_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter in the wrong face is better than none."""
    monkeypatch.setattr(fonts, "FOLDERS", (folder(tmp_path, "NotoSerifCJK-Regular.ttc"),))
    assert {chain[0].path.name for chain in find().chains.values()} == {"NotoSerifCJK-Regular.ttc"}
