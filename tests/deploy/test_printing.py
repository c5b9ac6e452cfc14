"""A container prints what a machine with the same fonts prints: letters, and a case bound into one PDF."""

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import docker.errors
import pypdfium2
import pytest

from services.common.title import Title
from services.documents import child, fonts
from services.documents.front import Cover
from services.documents.letters import letter_document
from services.documents.model import Form
from services.documents.pieces import BOOK, PIECES, Binding, Piece
from services.documents.rendering import Format, Task
from tests.builders.papers import NOW, findings, transfer
from tests.builders.printed import read
from tests.builders.scans import picture, scanned_pdf

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.xdist_group("docker")]

FONTS: Final = Path(__file__).parents[2] / "deploy" / "fonts"
_IN: Final = "/work"


def run(client: Any, image: str, folder: Path, task: object) -> bytes:
    """What the child of a node answers in a container that has nothing but the image and a folder."""
    folder.chmod(0o777)
    (folder / "task").write_bytes(pickle.dumps(task))
    command = ["sh", "-c", f"python -m services.documents.child < {_IN}/task > {_IN}/made; echo $?"]
    said = client.containers.run(
        image,
        command,
        volumes={str(folder): {"bind": _IN, "mode": "rw"}},
        network_disabled=True,
        read_only=True,
        tmpfs={"/tmp": ""},
        remove=True,
        stderr=True,
    )
    assert said.decode().strip() == "0", said.decode()
    return (folder / "made").read_bytes()


def pictures(made: bytes) -> list[bytes]:
    """Its pages as they are shown."""
    with pypdfium2.PdfDocument(made) as document:
        return [page.render(scale=2).to_pil().tobytes() for page in document]


def test_the_image_has_a_font_for_every_face(client: Any, image: str) -> None:
    """Nothing stands in."""
    command = ["python", "-m", "services.documents.fonts"]
    said = client.containers.run(image, command, network_disabled=True, read_only=True, remove=True).decode()
    assert "fangsong: FandolFang-Regular.otf" in said
    assert "latin: LiberationSerif-Regular.ttf" in said
    assert "stands in" not in said


def test_a_letter_is_the_same_on_paper(
    client: Any, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point for point on every page, from the fonts that went into the image; rare characters too."""
    monkeypatch.setattr(fonts, "FOLDERS", (FONTS,))
    rare = replace(transfer(), author=Title("㛃䶮𬸚局", "Rare"))
    for name, letter in (("transfer", transfer()), ("findings", findings()), ("rare", rare)):
        folder = tmp_path / name
        folder.mkdir()
        document = letter_document(letter, Form.OFFICIAL, "zh")
        task = Task(document, Format.PDF, (), NOW)
        there, here = run(client, image, folder, task), child.make(task)
        assert pictures(there) == pictures(here)
    assert "䶮" in read(there)[0].text


def test_a_case_is_bound_in_a_container(client: Any, image: str, tmp_path: Path) -> None:
    """Scans are put on pages there as well: the library for it is in the image."""
    (tmp_path / "a.scan").write_bytes(scanned_pdf(2, "stamped"))
    (tmp_path / "b.scan").write_bytes(picture("JPEG", orientation=6))
    document = letter_document(transfer(), Form.LETTER, "zh")
    pieces = [
        Piece(1, "letter", "", "", document.title, "2026-02-11", "", document=document),
        Piece(1, "attachment", "", "", "扫描件", "2026-02-11", "", scan=Path(_IN) / "a.scan"),
        Piece(1, "attachment", "", "", "批示", "2026-02-11", "", scan=Path(_IN) / "b.scan"),
    ]
    with (tmp_path / PIECES).open("wb") as file:
        for each in pieces:
            pickle.dump(each, file)
    cover = Cover("局", "案", "案件移送", "1", "2026", "30_YEARS", "2026-03-01", 1)
    told = json.loads(run(client, image, tmp_path, Binding(Path(_IN), (), cover, "zh", NOW, len(pieces))))
    assert told["pieces"] == [[1, 3, ""], [4, 5, ""], [6, 6, ""]]
    pages = read((tmp_path / BOOK).read_bytes())
    assert len(pages) == told["before"] + 6
    assert "stamped1" in pages[told["before"] + 4].text


def test_without_fonts_a_container_says_so(client: Any, image: str) -> None:
    """What an image that was built without them answers."""
    program = "from services.documents import fonts; fonts.FOLDERS = (); raise SystemExit(fonts.main())"
    with pytest.raises(docker.errors.ContainerError, match=r"NO_FONT.*deploy/fonts\.sh"):
        client.containers.run(
            image, ["python", "-c", program], network_disabled=True, read_only=True, remove=True
        )
