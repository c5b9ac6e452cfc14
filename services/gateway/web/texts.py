"""The words of the pages, in both languages: one TOML file for each area, `[area]` with `key = [中文, English]`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from services.gateway.languages import LANGUAGES, Language


@cache
def catalogue() -> Mapping[str, tuple[str, ...]]:
    """Every text by `area.key`.

    Raises:
        ValueError: Two files have the same area.
    """
    found: dict[str, tuple[str, ...]] = {}
    areas: set[str] = set()
    for file in resources.files("services.gateway.web").joinpath("texts").iterdir():
        if not file.name.endswith(".toml"):
            continue
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        if again := areas & content.keys():
            raise ValueError(f"{file.name}: {again} is in another file, too.")
        areas |= content.keys()
        for area, texts in content.items():
            found.update({f"{area}.{key}": tuple(pair) for key, pair in texts.items()})
    return found


def text(name: str, language: Language, /, **values: object) -> str:
    """One text, with its values put in.

    Args:
        name: `area.key`.
        language: Which.
        values: For the names in braces.

    Raises:
        KeyError: There is no such text.
    """
    found = catalogue()[name][LANGUAGES.index(language)]
    return found.format(**values) if values else found
