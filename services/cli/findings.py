"""What `liandong doctor` finds: each with what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from services.cli.texts import say


class Level(enum.StrEnum):
    """How bad it is: nothing to do, to be watched, to be mended now."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: How bad it is.
        about: Whose: a department, the registry.
        check: What was looked at, a name in the catalogue's section `checks`.
        found: What was seen.
        remedy: What to do; empty if nothing.
    """

    level: Level
    about: str
    check: str
    found: str
    remedy: str = ""


@dataclass(slots=True)
class Findings:
    """Findings about one process or department, in the order in which they were made."""

    about: str
    found: list[Finding] = field(default_factory=list)

    def green(self, check: str, found: str) -> None:
        """Note that something is well."""
        self.found.append(Finding(Level.GREEN, self.about, check, found))

    def yellow(self, check: str, found: str, remedy: str, **values: object) -> None:
        """Note what is to be watched; `remedy` is a name in the catalogue's section `remedies`."""
        self._bad(Level.YELLOW, check, found, remedy, values)

    def red(self, check: str, found: str, remedy: str, **values: object) -> None:
        """Note what is to be mended now."""
        self._bad(Level.RED, check, found, remedy, values)

    def _bad(self, level: Level, check: str, found: str, remedy: str, values: dict[str, object]) -> None:
        self.found.append(Finding(level, self.about, check, found, say(f"remedies.{remedy}", **values)))
