"""What people are told, and when: pure rules over an event, a person's wishes, hours and the working calendar."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import Final

from services.procedures.calendar import ZONE, Calendar

LAST_PAUSE: Final = timedelta(hours=4)
_DAY: Final = timedelta(days=1)
_SUBJECT_AT_MOST: Final = 120
_LINES_AT_MOST: Final = 100


class Kind(enum.StrEnum):
    """What a message is about."""

    REMIND = "REMIND"
    WARN_LEADER = "WARN_LEADER"
    TELL_OFFICE = "TELL_OFFICE"
    PROPOSE_SUPERVISION = "PROPOSE_SUPERVISION"
    LINK_DOWN = "LINK_DOWN"
    CERTIFICATE = "CERTIFICATE"
    OFFICE_REMINDER = "OFFICE_REMINDER"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that people are told of once.

    Attributes:
        key: What makes it the same event, wherever and however often it is heard of.
        kind: What it is.
        urgent: It is told at once, also at night: a limit in hours, or at once.
        title_zh, title_en: What is owed.
        procedure: The mechanism; empty if none.
        case_id, duty: What it is about.
        subject: The department it is about.
        mark: Which mark was reached.
        person: A person of the department whom it concerns beside those in charge; empty if none.
        due_at: When it is due.
        raised_at: When it came about.
        said: What an office says in its own words; empty where the facts say it.
        owner_zh, owner_en: What the department is called; empty where that is not known.
    """

    key: str
    kind: Kind
    urgent: bool
    subject: str
    mark: str
    raised_at: datetime
    title_zh: str = ""
    title_en: str = ""
    procedure: str = ""
    case_id: str = ""
    duty: str = ""
    person: str = ""
    due_at: datetime | None = None
    said: str = ""
    owner_zh: str = ""
    owner_en: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a person wants to be told; the list has everything in any case.

    `channels` maps channel to address. `digest_at` None is the node's hour.
    """

    channels: Mapping[str, str] = field(default_factory=dict)
    digest_at: time | None = None
    language: str = "zh"


@dataclass(frozen=True, slots=True)
class Hours:
    """When the node tells people: the digest of a working day, and the quiet of the night."""

    digest_at: time
    quiet_from: time
    quiet_until: time

    def is_quiet(self, now: datetime) -> bool:
        """Whether only urgent matter goes out."""
        at = now.astimezone(ZONE).time()
        begin, end = self.quiet_from, self.quiet_until
        return begin <= at < end if begin <= end else at >= begin or at < end

    def loud_again(self, now: datetime) -> datetime:
        """When the quiet ends; now if it is not quiet."""
        if not self.is_quiet(now):
            return now
        local = now.astimezone(ZONE)
        end = datetime.combine(local.date(), self.quiet_until, ZONE)
        return end if end > local else end + _DAY

    def digest_time(self, wishes: Wishes, day: datetime) -> datetime:
        """When a person's digest of a day is made: at its hour, or when the quiet of that hour ends."""
        local = day.astimezone(ZONE)
        return self.loud_again(datetime.combine(local.date(), wishes.digest_at or self.digest_at, ZONE))


def is_mail_address(address: str) -> bool:
    """Whether a text can be one e-mail address, and nothing beside it."""
    local, at, domain = address.rpartition("@")
    return bool(local and at and "." in domain) and not any(
        each.isspace() or not each.isprintable() or each in "<>,;" for each in address
    )


def event_key(kind: Kind, subject: str, about: Sequence[str], mark: str) -> str:
    """What makes an event the same: its kind, the department it is about, what of it, and the mark."""
    return "/".join([kind.value, subject, *about, mark])


def message_id(event_key: str, person: str) -> str:
    """The id of an event's message to a person: the same wherever the event is heard of."""
    return sha256(f"liandong/message/v1\0{event_key}\0{person}".encode()).hexdigest()[:40]


def digest_is_due(wishes: Wishes, hours: Hours, calendar: Calendar, now: datetime) -> str | None:
    """The day of the digest that is to be there by now, `2026-03-02`; None where none is made today."""
    day = now.astimezone(ZONE).date()
    if not calendar.is_working(day) or now < hours.digest_time(wishes, now):
        return None
    return day.isoformat()


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failures."""
    return min(timedelta(minutes=4 ** min(attempts - 1, 10)), LAST_PAUSE)


_LEAD: Final = re.compile(r"(\d+) ([dh]) before")
_WORDS: Final = {
    Kind.REMIND: ("提醒", "Reminder"),
    Kind.WARN_LEADER: ("请分管领导关注", "For the leader in charge"),
    Kind.TELL_OFFICE: ("报牵头办公室", "To the office"),
    Kind.PROPOSE_SUPERVISION: ("建议督办", "Supervision is proposed"),
    Kind.LINK_DOWN: ("节点失联", "Node not heard of"),
    Kind.CERTIFICATE: ("执法证件即将到期", "Certificate ends soon"),
    Kind.OFFICE_REMINDER: ("催办", "Reminder by the office"),
}


def texts(event: Event) -> tuple[str, str]:
    """What a message says, in Chinese and in English; no content of a letter is in it."""
    word_zh, word_en = _WORDS[event.kind]
    due = "" if event.due_at is None else event.due_at.astimezone(ZONE).strftime("%Y-%m-%d %H:%M")
    about = event.duty or event.case_id
    owner_zh = event.owner_zh or event.subject
    owner_en = event.owner_en or event.subject
    zh = [f"【{word_zh}】{event.title_zh or owner_zh}", f"责任部门 {owner_zh}"]
    en = [f"{word_en}: {event.title_en or owner_en}", f"owed by {owner_en}"]
    if due:
        zh.append(f"期限 {due}")
        en.append(f"due {due}")
    if event.mark:
        for said, word in zip((zh, en), _mark_words(event.mark), strict=True):
            said.append(word)
    if event.said:
        # its own words say what, whose and until when
        return f"【{word_zh}】{event.said}（{about}）", f"{word_en}: {event.said} ({about})"
    if about:
        zh.append(about)
        en.append(about)
    return "，".join(zh), ", ".join(en)


def _mark_words(mark: str) -> tuple[str, str]:
    """A mark such as `due`, `80%` or `30 d before`, in Chinese and in English; itself where it is none of these."""
    if mark == "due":
        return "已届满", "the limit is reached"
    if mark.endswith("%"):
        return f"期限已过{mark}", f"{mark} of the limit have passed"
    lead = _LEAD.fullmatch(mark)
    if lead is None:
        return mark, mark
    zh, en = {"d": ("日", "days"), "h": ("小时", "hours")}[lead[2]]
    return f"届满前{lead[1]}{zh}", f"{lead[1]} {en} before"


def digest_texts(lines: Sequence[tuple[str, str]], language: str, day: str) -> tuple[str, str]:
    """Subject and text of a digest of messages, each with its Chinese and English text."""
    chosen = [zh if language == "zh" else en for zh, en in lines]
    shown, rest = chosen[:_LINES_AT_MOST], len(chosen) - _LINES_AT_MOST
    if language == "zh":
        subject = f"联动 {day} 待办提醒：{len(chosen)} 项"
        more = [f"……另有 {rest} 项，请登录查看。"] if rest > 0 else []
    else:
        subject = f"Liandong {day}: {len(chosen)} reminders"
        more = [f"... and {rest} more in the list."] if rest > 0 else []
    return subject, "\n".join([*(f"{number}. {line}" for number, line in enumerate(shown, 1)), *more])


def urgent_texts(zh: str, en: str, language: str) -> tuple[str, str]:
    """Subject and text of an urgent message."""
    line = zh if language == "zh" else en
    head = "联动紧急提醒：" if language == "zh" else "Liandong, urgent: "
    return (head + line)[:_SUBJECT_AT_MOST], line
