"""The words of documents in both languages, and how dates, sizes and limits are written; words.toml and texts.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from services.common.title import Title
from services.documents.model import Language
from services.procedures.calendar import NEVER, ZONE
from services.procedures.obligation import Limit


@cache
def _read(name: str) -> Mapping[str, Any]:
    text = resources.files("services.documents").joinpath(name).read_text(encoding="utf-8")
    return tomllib.loads(text)


def say(key: str, language: Language, /, **values: object) -> str:
    """The words of an entry `section.name`, with values put into their places.

    Raises:
        KeyError: There is no such entry.
    """
    section, _, name = key.partition(".")
    chinese, english = _read("words.toml")[section][name]
    return str(chinese if language == "zh" else english).format(**values)


def act_texts(procedure: str, act: str) -> Mapping[str, tuple[str, str]]:
    """The texts of an act of its own: `subject`, `opening`, `closing`; empty where it has none."""
    found: Mapping[str, tuple[str, str]] = _read("texts.toml").get(procedure, {}).get(act, {})
    return found


def pick(title: Title, language: Language) -> str:
    """A title in a language, in the other where it has none."""
    return (title.zh or title.en) if language == "zh" else (title.en or title.zh)


def date(at: datetime, language: Language) -> str:
    """A date as documents write it: Arabic digits without leading zeros (GB/T 9704-2012, 7.3.5)."""
    local = at.astimezone(ZONE)
    if language == "zh":
        return f"{local.year}年{local.month}月{local.day}日"
    return f"{local.day} {local:%B} {local.year}"


def instant(at: datetime, language: Language) -> str:
    """A date and time to the minute; to the second where it has one."""
    if at >= NEVER:
        return say("sheet.open", language)
    local = at.astimezone(ZONE)
    exact = ":%S" if local.second else ""
    return f"{date(at, language)}{'' if language == 'zh' else ', '}{local.strftime('%H:%M' + exact)}"


def limit(each: Limit, language: Language) -> str:
    """A limit."""
    return say(f"limits.{each.unit.value}", language, value=each.value)


_DIGITS = "零一二三四五六七八九"


def ordinal(number: int, language: Language) -> str:
    """The number of a heading: 一, 十二, 二十 up to 99."""
    if language == "en":
        return str(number)
    tens, ones = divmod(number, 10)
    head = "" if tens == 0 else "十" if tens == 1 else f"{_DIGITS[tens]}十"
    return head + (_DIGITS[ones] if ones else "")
