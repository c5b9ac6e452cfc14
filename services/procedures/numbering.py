"""Number series (发文字号): which word a letter's number begins with, by section and kind of letter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.procedures.chain import Direction


@dataclass(frozen=True, slots=True)
class Series:
    """A series of numbers and what it is for; what is empty is for all.

    Attributes:
        id: Counts the department's series.
        word: What its numbers begin with, such as 清卫法监.
        direction: Of letters that go out, or of what arrived.
        procedure: Of the letter.
        act: Of the letter.
        section: Of whoever drafted it.
        since: From when.
        until: Until when, exclusive; None for no end.
    """

    id: int
    word: str
    direction: Direction
    procedure: str
    act: str
    section: str
    since: datetime
    until: datetime | None


def series_of(
    series: Iterable[Series], direction: Direction, procedure: str, act: str, section: str, at: datetime
) -> Series | None:
    """The most specific series in force, by act, procedure, section, then the newest; None if there is none."""
    fitting = [
        each
        for each in series
        if each.direction is direction
        and each.procedure in ("", procedure)
        and each.act in ("", act)
        and each.section in ("", section)
        and each.since <= at
        and (each.until is None or at < each.until)
    ]
    return max(
        fitting,
        key=lambda each: (bool(each.act), bool(each.procedure), bool(each.section), each.since, each.id),
        default=None,
    )
