"""The text of a procedure while it is read: typed values, their lines, and what is wrong with them.

Reading works on the parser's nodes, because only they know their lines: every value that a later check
may complain about leaves its line in `Text.lines` under its path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import yaml

from services.common import yaml_text
from services.common.title import Title
from services.procedures import defects
from services.procedures.facts import Urgency
from services.procedures.obligation import Limit, Unit

_LIMIT: Final = re.compile(r"([1-9]\d{0,4}) (wd|d|h|month|year)")
_URGENCIES: Final = frozenset(each.value for each in Urgency)

AT_ONCE_HOURS: Final = 1
"""What `at once` means where a procedure does not say: a grace of one hour."""

Fields = dict[str, yaml.Node]
At = tuple[str, ...]


def parse_limit(text: str, at_once_hours: int = AT_ONCE_HOURS) -> Limit | None:
    """A limit such as `3 wd`, `24 h`, `1 month`, `at once`; None if it is none."""
    if text == Unit.AT_ONCE:
        return Limit(at_once_hours, Unit.AT_ONCE)
    match = _LIMIT.fullmatch(text)
    return Limit(int(match[1]), Unit(match[2])) if match else None


def root_of(source: str, file: str) -> yaml.Node | None:
    """The root of a text; None if it is empty.

    Raises:
        DefectiveProcedure: the text is no YAML.
    """
    try:
        return yaml_text.nodes(source)
    except yaml.MarkedYAMLError as error:
        # the end of a text is on a line of its own for libyaml, also where there is none
        line = min(error.problem_mark.line, source.count("\n")) + 1 if error.problem_mark else 1
        raise defects.DefectiveProcedure([defects.NotYaml(file, line, error.problem or "")]) from error
    except yaml.YAMLError as error:
        raise defects.DefectiveProcedure([defects.NotYaml(file, 1)]) from error


@dataclass(slots=True)
class Text:
    """A procedure's text while it is read: where each value stands, and what is wrong so far."""

    file: str
    lines: dict[At, int] = field(default_factory=dict)
    found: list[defects.Defect] = field(default_factory=list)

    def line(self, at: At) -> int:
        """The line of a path, or of the nearest part of it that has one."""
        while at and at not in self.lines:
            at = at[:-1]
        return self.lines.get(at, 1)

    def complain(self, kind: type[defects.Defect], at: At, detail: str = "") -> None:
        """Notes a defect at a path."""
        self.found.append(kind(self.file, self.line(at), detail or ".".join(at)))

    def mapping(self, node: yaml.Node, at: At, known: frozenset[str] | None = None) -> Fields:
        """The fields of a mapping; notes duplicate and unknown keys."""
        if not isinstance(node, yaml.MappingNode):
            self.complain(defects.WrongType, at, f"{_path(at)} must be a mapping")
            return {}
        fields: Fields = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            line = key.start_mark.line + 1
            if name in fields:
                self.found.append(defects.DuplicateKey(self.file, line, _path((*at, name))))
                continue
            self.lines[(*at, name)] = line
            if known is not None and name not in known:
                self.complain(defects.UnknownKey, (*at, name))
                continue
            fields[name] = value
        return fields

    def scalar(self, node: yaml.Node, at: At, tag: str, expected: str) -> str | None:
        """The text of a scalar of one YAML type."""
        if not isinstance(node, yaml.ScalarNode) or node.tag != f"tag:yaml.org,2002:{tag}":
            self.complain(defects.WrongType, at, f"{_path(at)} must be {expected}")
            return None
        return str(node.value)

    def text(self, fields: Fields, key: str, at: At, *, required: bool = True) -> str:
        """A word; empty if it is missing."""
        if key not in fields:
            if required:
                self.complain(defects.MissingKey, at, _path((*at, key)))
            return ""
        return self.scalar(fields[key], (*at, key), "str", "text") or ""

    def number(self, fields: Fields, key: str, at: At) -> int | None:
        """A positive whole number, None if it is missing."""
        if key not in fields:
            return None
        value = self.scalar(fields[key], (*at, key), "int", "a whole number")
        if value is not None and (not value.isdecimal() or int(value) < 1):
            self.complain(defects.WrongType, (*at, key), f"{_path((*at, key))} must be 1 or more")
            return None
        return int(value) if value is not None else None

    def flag(self, fields: Fields, key: str, at: At, *, default: bool = False) -> bool:
        """A truth value."""
        if key not in fields:
            return default
        value = self.scalar(fields[key], (*at, key), "bool", "true or false")
        return default if value is None else value.lower() in ("true", "yes", "on")

    def words(self, fields: Fields, key: str, at: At, *, repeated: bool = False) -> tuple[str, ...]:
        """A list of words; a single word stands for a list of one. None stands twice, unless `repeated`."""
        if key not in fields:
            return ()
        node, here = fields[key], (*at, key)
        if not isinstance(node, yaml.SequenceNode):
            word = self.scalar(node, here, "str", "a word or a list of words")
            return () if word is None else (word,)
        words: list[str] = []
        for item in node.value:
            word = self.scalar(item, here, "str", "a list of words")
            if word is not None:
                self.lines[(*here, word)] = item.start_mark.line + 1
                if word in words and not repeated:
                    self.complain(defects.DuplicateKey, (*here, word))
                words.append(word)
        return tuple(words)

    def title(self, node: yaml.Node | None, at: At) -> Title:
        """A pair of Chinese and English text."""
        if isinstance(node, yaml.SequenceNode) and len(node.value) == len(("zh", "en")):
            pair = [item.value if isinstance(item, yaml.ScalarNode) else "" for item in node.value]
            if all(isinstance(text, str) and text.strip() for text in pair):
                return Title(*pair)
        self.complain(defects.MissingTranslation, at, _path(at))
        return Title("", "")

    def titles(self, fields: Fields, key: str, at: At) -> dict[str, Title]:
        """A mapping of names to titles."""
        if key not in fields:
            self.complain(defects.MissingKey, at, key)
            return {}
        here = (*at, key)
        return {
            name: self.title(node, (*here, name)) for name, node in self.mapping(fields[key], here).items()
        }

    def limit(self, text: str, at: At, at_once_hours: int) -> Limit:
        """A limit, or a stand-in of an hour where it cannot be read."""
        limit = parse_limit(text, at_once_hours)
        if limit is None:
            self.complain(defects.UnknownUnit, at, f"{_path(at)}: {text}")
        return limit or Limit(1, Unit.HOURS)

    def choice(self, fields: Fields, key: str, at: At, choices: tuple[str, ...]) -> str:
        """One of several words; empty if it is missing."""
        value = self.text(fields, key, at, required=False)
        if value and value not in choices:
            detail = f"{key}: {value}; one of {', '.join(choices)}"
            self.complain(defects.NotAHeaderField, (*at, key), detail)
        return value

    def urgency(self, word: str, at: At) -> Urgency:
        """An urgency by its word."""
        if word not in _URGENCIES:
            self.complain(defects.UnknownUrgency, at, word)
            return Urgency.ORDINARY
        return Urgency(word)


def _path(at: At) -> str:
    return ".".join(at)
