"""The catalogue speaks both languages, about everything that the command line says."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
import typer
from liandong.exchange.v1 import reason_pb2

from services import cli
from services.cli import main, texts

OTHERS = ("demo", "bench")
SOURCES = sorted(Path(cli.__path__[0]).glob("*.py"))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def commands(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


def all_commands() -> list[tuple[tuple[str, ...], Any]]:
    names = [name for name in main.COMMANDS if name not in OTHERS]
    return [each for name in names for each in commands(main.load(name), (name,))]


def test_every_entry_says_the_same_in_both_languages() -> None:
    """Neither is empty, and both have the same places for values."""
    for key, (chinese, english) in texts.catalogue().items():
        assert chinese.strip(), key
        assert english.strip(), key
        assert fields(chinese) == fields(english) or "_one" in key, key


def test_every_command_and_option_has_words() -> None:
    """What is shown in help is in the catalogue, not only in the source."""
    known = texts.catalogue()
    missing = []
    for path, command in all_commands():
        name = " ".join(path)
        if f"commands.{name}" not in known:
            missing.append(name)
        missing += [
            f"{name} {each.name}"
            for each in command.params
            if f"options.{name} {each.name}" not in known and f"options.{each.name}" not in known
        ]
    assert not missing


def test_no_words_are_left_over_for_commands() -> None:
    """A command that was renamed does not leave its help behind."""
    known = {" ".join(path) for path, _ in all_commands()} | {"", *OTHERS}
    said = {key.removeprefix("commands.") for key in texts.catalogue() if key.startswith("commands.")}
    assert said == known


def test_every_reason_has_advice() -> None:
    """Whatever the wire refuses with, the command line says what to do."""
    names = reason_pb2.DESCRIPTOR.enum_types_by_name["Reason"].values_by_name
    reasons = {name.removeprefix("REASON_") for name in names} - {"UNSPECIFIED"}
    advised = {key.removeprefix("advice.") for key in texts.catalogue() if key.startswith("advice.")}
    assert advised == reasons


def keys_in(source: str) -> Iterator[str]:
    """The keys of the catalogue that a module asks for by name."""
    for call in (each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.Call)):
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        words = [
            each.value for each in call.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
        ]
        match name:
            case "say" | "known":
                yield from words[:1]
            case "table":
                yield from (f"columns.{each.removeprefix('>')}" for each in words)
            case "facts":
                yield from (
                    f"columns.{each.elts[0].value!s}"
                    for each in ast.walk(call)
                    if isinstance(each, ast.Tuple)
                    and len(each.elts) == 2
                    and isinstance(each.elts[0], ast.Constant)
                )
            case "green" | "yellow" | "red":
                first, last = call.args[0], call.args[-1]
                if isinstance(first, ast.Constant):
                    yield f"checks.{first.value!s}"
                if name != "green" and isinstance(last, ast.Constant):
                    yield f"remedies.{last.value!s}"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_what_a_module_says_is_in_the_catalogue(source: Path) -> None:
    """Keys, columns, checks and remedies that stand in the source exist."""
    assert set(keys_in(source.read_text(encoding="utf-8"))) <= set(texts.catalogue())


@pytest.mark.parametrize(
    ("arguments", "environment", "language"),
    [
        ([], {}, "en"),
        ([], {"LANG": "zh_CN.UTF-8"}, "zh"),
        ([], {"LANG": "de_DE.UTF-8"}, "en"),
        ([], {"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ([], {"LIANDONG_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        (["--lang", "en", "case"], {"LIANDONG_LANG": "zh"}, "en"),
        (["--lang=zh"], {}, "zh"),
        (["case", "--", "--lang", "zh"], {}, "en"),
    ],
)
def test_the_language_is_chosen(arguments: list[str], environment: dict[str, str], language: str) -> None:
    """The option wins over the variable, the variable over the locale."""
    assert texts.choose(arguments, environment) == language


def test_help_follows_the_language() -> None:
    """The same command explains itself in either."""
    texts.use("zh")
    chinese = main.load("assert").help
    texts.use("en")
    assert (chinese, main.load("assert").help) == texts.catalogue()["commands.assert"]


def test_a_command_without_an_entry_keeps_its_own_words() -> None:
    """What somebody else adds is not silenced."""
    app = typer.Typer(add_completion=False)

    @app.command(help="Of its own.")
    def own() -> None: ...

    command = typer.main.get_command(app)
    texts.localise(command, ["unheard-of"])
    assert command.help == "Of its own."
