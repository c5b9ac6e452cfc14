"""The words of the command line in Chinese and in English; the catalogue itself is texts.toml.

Help is looked up by what it is the help of: a command under its path, an option under its command's path and
its name or, where many commands share it, under its name alone. A command without an entry keeps the words
that stand in its source.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

Language = Literal["zh", "en"]

LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
VARIABLE: Final = "LIANDONG_LANG"

_LOCALES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
_current: ContextVar[Language] = ContextVar("language", default="en")


@cache
def catalogue() -> Mapping[str, tuple[str, str]]:
    """All entries, as `section.name`: Chinese, English."""
    text = resources.files("services.cli").joinpath("texts.toml").read_text(encoding="utf-8")
    return {
        f"{section}.{name}": (pair[0], pair[1])
        for section, entries in tomllib.loads(text).items()
        for name, pair in entries.items()
    }


def choose(arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Language:
    """The language asked for: `--lang`, LIANDONG_LANG, the locale, in this order; else English.

    Args:
        arguments: The command line, without the program's name.
        environment: That of the process if None.
    """
    known = os.environ if environment is None else environment
    asked = [_option(arguments), known.get(VARIABLE, ""), next(filter(None, map(known.get, _LOCALES)), "")]
    for word in filter(None, asked):
        if word[:2].lower() in LANGUAGES:
            return "zh" if word[:2].lower() == "zh" else "en"
    return "en"


def use(language: Language) -> None:
    """Speak a language from now on."""
    _current.set(language)


def language() -> Language:
    """The language in use."""
    return _current.get()


def say(key: str, /, **values: object) -> str:
    """The words of an entry, with values put into their places.

    Raises:
        KeyError: There is no such entry.
    """
    return pick(*catalogue()[key]).format(**values)


def known(key: str) -> str:
    """The words of an entry, empty if there is none."""
    pair = catalogue().get(key)
    return pick(*pair) if pair else ""


def pick(chinese: str, english: str) -> str:
    """That of two forms which is in the language in use; the other where it is empty."""
    return (chinese or english) if _current.get() == "zh" else (english or chinese)


def localise(command: Any, path: Sequence[str] = ()) -> None:
    """Put the catalogue's words into a command, its options and what is below it."""
    name = " ".join(path)
    command.help = known(f"commands.{name}") or command.help
    command.short_help = None
    for each in command.params:
        option = each.name or ""
        words = known(f"options.{name} {option}") or known(f"options.{option}")
        each.help = words or getattr(each, "help", None)
        panel = getattr(each, "rich_help_panel", None)
        each.rich_help_panel = known(f"panels.{panel}") or panel
    for child, below in getattr(command, "commands", {}).items():
        localise(below, [*path, child])


def _option(arguments: Sequence[str]) -> str:
    for index, each in enumerate(arguments):
        if each.startswith("--lang="):
            return each.removeprefix("--lang=")
        if each == "--lang" and index + 1 < len(arguments):
            return arguments[index + 1]
        if each == "--":
            break
    return ""
