"""The documents are true: reasons are explained, links lead somewhere, settings are those of the programs.

`python -m tests.unit.test_docs` writes the table of settings again.
"""

from __future__ import annotations

import inspect
import re
import typing
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from liandong.exchange.v1 import reason_pb2
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from services.cli.main import COMMANDS
from services.common.config import PREFIX, Settings

ROOT: Final = Path(__file__).resolve().parents[2]
OPERATIONS: Final = ROOT / "docs" / "operations.md"
_LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)")
_FENCE: Final = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
_BEGIN: Final = "<!-- settings: begin -->"
_END: Final = "<!-- settings: end -->"
_NAMED: Final = re.compile(r"`((?:services|protos|tests|docs|deploy)/[\w./-]+\.\w+)`")
_TEST: Final = re.compile(r"`(test_\w+)`")
_COMMAND: Final = re.compile(r"(?:^|`|/bin/|\()liandong (?:--\w+ \w+ )?([a-z]+)", re.MULTILINE)
_TARGETS: Final = re.compile(r"(?:^|`)make ((?:[a-z][a-z-]*\s?)+)", re.MULTILINE)


def _documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def _anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    anchors: set[str] = set()
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*$", _prose(document), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        again = next(number for number in count(1) if f"{slug}-{number}" not in anchors)
        anchors.add(f"{slug}-{again}" if slug in anchors else slug)
    return anchors


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_an_anchor_that_exist(document: Path) -> None:
    """A reader who follows a link arrives."""
    broken = []
    for target in _LINK.findall(_prose(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in _anchors(file):
            broken.append(f"{target}: no such heading")
    assert not broken


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_and_test_that_is_named_exists(document: Path) -> None:
    """Where a document says in which file something is, it is there; likewise the test that guards it."""
    text = _prose(document)
    missing = [name for name in _NAMED.findall(text) if not (ROOT / name).exists()]
    assert not missing
    wanted = set(_TEST.findall(text))
    if wanted:
        sources = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
        known = set(re.findall(r"def (test_\w+)", "\n".join(sources)))
        known |= {path.stem for path in (ROOT / "tests").rglob("test_*.py")}
        assert not wanted - known


@pytest.mark.parametrize("document", _documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_that_is_named_exists(document: Path) -> None:
    """What a document tells a reader to type is a command of ours and a target of the Makefile."""
    text = document.read_text(encoding="utf-8")
    assert set(_COMMAND.findall(text)) <= set(COMMANDS)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {word for words in _TARGETS.findall(text) for word in words.split()} <= set(targets)


def test_every_reason_is_explained() -> None:
    """docs/errors.md has one row for each reason of the contract, and none for any other."""
    rows = re.findall(
        r"^\| `([A-Z_]+)` \|", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    known = [name.removeprefix("REASON_") for name in reason_pb2.Reason.keys()]  # noqa: SIM118 - an enum wrapper
    assert sorted(rows) == sorted(name for name in known if name != "UNSPECIFIED")


def test_every_decision_is_listed() -> None:
    """The list of decisions has every one of them."""
    folder = ROOT / "docs" / "decisions"
    listed = set(
        re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8"))
    )
    assert listed == {path.name for path in folder.glob("[0-9]*.md")}


# -- settings -------------------------------------------------------------------------------------


def settings_tables() -> str:
    """The settings of every process as Markdown: where each comes from, what it is, what it is by default."""
    parts = []
    for path in sorted((ROOT / "services").glob("*/settings.py")):
        module = import_module(f"services.{path.parent.name}.settings")
        for name, kind in sorted(vars(module).items()):
            if isinstance(kind, type) and issubclass(kind, Settings) and kind.__module__ == module.__name__:
                rows = "\n".join(_rows(kind, "", PREFIX))
                head = "| setting | environment | default | |\n|---|---|---|---|"
                parts.append(f"`{name}` in `services/{path.parent.name}/settings.py`:\n\n{head}\n{rows}")
    return "\n\n".join(parts)


def _rows(kind: type[BaseModel], path: str, variable: str, outer: Any = None) -> list[str]:
    told = _attributes(kind)
    rows = []
    for name, field in kind.model_fields.items():
        section = _section(field.annotation)
        place = f"{path}{name}"
        # a list of sections is one JSON value in the environment and a table array in TOML
        if section is not None and typing.get_origin(field.annotation) is not list:
            whole = None if field.is_required() else field.get_default(call_default_factory=True)
            rows += _rows(section, f"{place}.", f"{variable}{name.upper()}__" if variable else "", whole)
            continue
        default = _default(field) if outer is None else _shown(getattr(outer, name))
        where = f"`{variable}{name.upper()}`" if variable else ""
        rows.append(f"| `{place}` | {where} | {default} | {told.get(name, '')} |")
        if section is not None:
            rows += _rows(section, f"{place}[].", "")
    return rows


def _section(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *typing.get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined:
        return "computed"
    return _shown(field.default)


def _shown(value: Any) -> str:
    return "none" if value in ("", (), [], None) else f"`{value}`"


def _attributes(kind: type[BaseModel]) -> dict[str, str]:
    """What the class's docstring says of each attribute."""
    _, _, section = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.+(?:\n {8,}.+)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in found}


def _written() -> tuple[str, str, str]:
    before, _, rest = OPERATIONS.read_text(encoding="utf-8").partition(_BEGIN)
    table, _, after = rest.partition(_END)
    return before, table, after


def test_the_table_of_settings_is_that_of_the_programs() -> None:
    """docs/operations.md has every setting; `python -m tests.unit.test_docs` writes it again."""
    assert _written()[1].strip() == settings_tables()


if __name__ == "__main__":
    before, _, after = _written()
    OPERATIONS.write_text(f"{before}{_BEGIN}\n{settings_tables()}\n{_END}{after}", encoding="utf-8")
