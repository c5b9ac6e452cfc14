"""How a due time came about, in a form that people print: days counted, days skipped and why, pauses."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from services.procedures.calendar import NEVER, ZONE
from services.procedures.obligation import Extension, Limit, Unit

Language = Literal["zh", "en"]


class StartedBy(enum.StrEnum):
    """Which of the four times of a letter started the clock (docs/time.md, Four times)."""

    OCCURRED = "occurred"
    ADMITTED = "admitted"
    RECEIVED = "received"
    SILENCE = "silence"  # the recipient's node was silent for more than one working day
    FIXED = "fixed"  # no clock: the letter or the procedure names the date and hour


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause of the clock; overlapping requests are one.

    `last_date` is the last date that it costs: the date of resumption. An `end` of NEVER is not in sight.
    """

    since: datetime
    end: datetime
    last_date: date


@dataclass(frozen=True, slots=True)
class Day:
    """One date of the count.

    `why` is a reason of `Calendar.reason`, or `suspended`, or `rolled` (the last day moved here).
    `ordinal` is the place in the count, None for a date that does not count.
    """

    date: date
    counted: bool
    why: str
    ordinal: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A due time and all it was computed from.

    `days` is empty for limits in hours and fixed ones; for months and years it holds only the dates
    suspended and the last day. `ineffective` are the requests made at or after the due time.
    `computed` differs from `due` only where a new notice moved the due time earlier and the floor holds
    it. `versions` names year and calendar version of the years counted through, None for provisional.
    """

    limit: Limit
    started_by: StartedBy
    start: datetime
    start_date: date
    days: tuple[Day, ...]
    pauses: tuple[Pause, ...]
    ineffective: tuple[datetime, ...]
    extensions: tuple[Extension, ...]
    computed: datetime
    due: datetime
    versions: tuple[tuple[int, int | None], ...]
    frozen: bool

    @property
    def provisional(self) -> bool:
        """Whether a year without a notice was counted through, so that the due time may still move."""
        return any(version is None for _, version in self.versions)

    def lines(self, language: Language) -> list[str]:
        """The explanation as lines of plain text."""
        words = _WORDS[language]
        start = str(self.start_date) if self.limit.unit in _DATED else _instant(self.start, words)
        lines = [
            words["start"].format(start, words[self.started_by]),
            words["limit"].format(self._limit(words)),
        ]
        if self.started_by is StartedBy.FIXED:
            lines = [words["fixed"].format(start)]
        lines += [_day_line(day, words) for day in self.days]
        lines += [
            words["pause"].format(_instant(p.since, words), _instant(p.end, words)) for p in self.pauses
        ]
        lines += [words["ineffective"].format(_instant(at, words)) for at in self.ineffective]
        lines += [
            words["extension"].format(
                _limit(extension.limit, words), _instant(extension.admitted_at, words), extension.reason_code
            )
            for extension in self.extensions
        ]
        if self.computed != self.due:
            lines.append(words["held"].format(_instant(self.computed, words)))
        for year, version in self.versions:
            lines.append(
                words["provisional"].format(year)
                if version is None
                else words["version"].format(year, version)
            )
        lines.append(words["due"].format(_instant(self.due, words)))
        if self.frozen:
            lines.append(words["frozen"])
        return lines

    def _limit(self, words: dict[str, str]) -> str:
        return " + ".join(_limit(part, words) for part in (self.limit, *(e.limit for e in self.extensions)))


_DATED = (Unit.WORKING_DAYS, Unit.DAYS, Unit.MONTHS, Unit.YEARS)

_WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "start": "起算：{}（{}）",
        "limit": "期限：{}",
        "fixed": "期限：固定时点 {}",
        "occurred": "事项发生之时",
        "admitted": "中心登记之时",
        "received": "接收方节点收到之时",
        "silence": "接收方节点逾一个工作日未收，视为送达",
        "counted": "{} {} 第 {} 日（{}）",
        "skipped": "{} {} 不计（{}）",
        "working": "工作日",
        "make-up": "调休上班",
        "provisional-day": "工作日，暂定",
        "weekend": "周末",
        "holiday": "节假日",
        "suspended": "暂停计时",
        "moved": "{} {} 末日顺延至此",
        "pause": "暂停计时：{} 至 {}",
        "ineffective": "期限届满后提出，不暂停计时：{}",
        "extension": "延长：{}，{} 登记，理由 {}",
        "held": "按新历法应为 {}；新通知发布后不得早于其下一工作日终了",
        "version": "历法：{} 年，第 {} 版",
        "provisional": "历法：{} 年尚无放假通知，暂按周一至周五计",
        "due": "届满：{}（在此之前登记为按时）",
        "frozen": "已办结，按办结时的历法确定，不再变动",
        "never": "未定",
        "wd": "{} 个工作日",
        "d": "{} 日",
        "h": "{} 小时",
        "month": "{} 个月",
        "year": "{} 年",
        "at once": "立即（宽限 {} 小时）",
        "weekdays": "周一 周二 周三 周四 周五 周六 周日",
    },
    "en": {
        "start": "Start: {} ({})",
        "limit": "Limit: {}",
        "fixed": "Limit: fixed at {}",
        "occurred": "when the matter occurred",
        "admitted": "when the registry admitted it",
        "received": "when the recipient's node received it",
        "silence": "the recipient's node stayed silent for more than one working day",
        "counted": "{} {} day {} ({})",
        "skipped": "{} {} not counted ({})",
        "working": "working day",
        "make-up": "make-up working day",
        "provisional-day": "working day, provisional",
        "weekend": "weekend",
        "holiday": "public holiday",
        "suspended": "clock suspended",
        "moved": "{} {} the last day moves here",
        "pause": "Clock suspended: {} to {}",
        "ineffective": "Requested at or after the due time, suspends nothing: {}",
        "extension": "Extended by {}, admitted {}, reason {}",
        "held": "By the new calendar {}, but a notice moves nothing before the end of the next working day",
        "version": "Calendar: {}, version {}",
        "provisional": "Calendar: {} has no notice yet, Monday to Friday are counted",
        "due": "Due: {} (admitted before it is on time)",
        "frozen": "Discharged: fixed by the calendar of that moment",
        "never": "open",
        "wd": "{} working days",
        "d": "{} days",
        "h": "{} hours",
        "month": "{} months",
        "year": "{} years",
        "at once": "at once (grace of {} hours)",
        "weekdays": "Mon Tue Wed Thu Fri Sat Sun",
    },
}


def _instant(instant: datetime, words: dict[str, str]) -> str:
    if instant >= NEVER:
        return words["never"]
    local = instant.astimezone(ZONE)
    # A rounded-down due time would name a minute in which an act can still be on time.
    exact = local.second or local.microsecond
    return local.replace(tzinfo=None).isoformat(" ") if exact else local.strftime("%Y-%m-%d %H:%M")


def _limit(limit: Limit, words: dict[str, str]) -> str:
    return words[limit.unit].format(limit.value)


def _day_line(day: Day, words: dict[str, str]) -> str:
    weekday = words["weekdays"].split()[day.date.weekday()]
    if day.why == "rolled":
        return words["moved"].format(day.date, weekday)
    why = words["provisional-day" if day.why == "provisional" else day.why]
    if day.ordinal is None:
        return words["skipped"].format(day.date, weekday, why)
    return words["counted"].format(day.date, weekday, day.ordinal, why)
