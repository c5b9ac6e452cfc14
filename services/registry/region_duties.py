"""The standing duties of a region's file."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

import yaml
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as pb

from services.procedures import defects
from services.procedures.source import At, Fields, Text

KEYS: Final = frozenset([
    "title", "source", "mechanism", "owed_by", "departments", "except", "every", "starting", "on", "at", "otherwise",
    "lead", "discharged_by", "marks", "from", "until", "default",
])  # fmt: skip

_OWNERS: Final = {
    "listed": pb.DUTY_OWNER_LISTED,
    "every member": pb.DUTY_OWNER_EVERY_MEMBER,
    "office": pb.DUTY_OWNER_OFFICE,
}
_CYCLES: Final = {
    "week": pb.DUTY_CYCLE_WEEKS,
    "month": pb.DUTY_CYCLE_MONTHS,
    "year": pb.DUTY_CYCLE_YEARS,
}
_SHIFTS: Final = {
    "next": pb.DUTY_SHIFT_NEXT,
    "previous": pb.DUTY_SHIFT_PREVIOUS,
    "stays": pb.DUTY_SHIFT_STAYS,
}
_EVERY: Final = re.compile(r"([1-9]\d{0,2}) (week|month|year)")
_DAY: Final = re.compile(r"(?:(day|working day) ([1-9]\d?))|(last day)|(last working day)")
_LEAD: Final = re.compile(r"([1-9]\d{0,2}) d")
_HOUR: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class UnknownRecurrence(defects.Defect):
    """The text is no recurrence: `every: 2 month`, `on: last working day`, `at: '17:00'`, `lead: 15 d`."""


def standing_duty(text: Text, fields: Fields, at: At, dates: Iterable[Timestamp | None]) -> pb.StandingDuty:
    """One duty from its mapping.

    Args:
        text: Takes what is wrong.
        fields: The mapping, its keys known.
        at: Where it stands.
        dates: Beginning and end of its validity.
    """
    title = text.title(fields.get("title"), (*at, "title"))
    valid_from, valid_until = dates
    duty = pb.StandingDuty(
        id=at[-1],
        title=pb.Title(zh=title.zh, en=title.en),
        source=text.text(fields, "source", at),
        mechanism=text.text(fields, "mechanism", at),
        departments=text.words(fields, "except" if "except" in fields else "departments", at),
        valid_from=valid_from,
        valid_until=valid_until,
        default_figure=text.flag(fields, "default", at),
    )
    owner = text.text(fields, "owed_by", at)
    duty.owner = _OWNERS.get(owner, pb.DUTY_OWNER_UNSPECIFIED)
    if owner and owner not in _OWNERS:
        text.complain(UnknownRecurrence, (*at, "owed_by"), f"{owner}; one of {', '.join(_OWNERS)}")
    _recur(text, fields, at, duty)
    duty.discharged_by.extend(_discharges(text, fields, at))
    duty.marks.extend(_marks(text, fields, at))
    return duty


def _recur(text: Text, fields: Fields, at: At, duty: pb.StandingDuty) -> None:
    starting = fields.get("starting")
    duty.starting = (
        text.scalar(starting, (*at, "starting"), "timestamp", "a date") if starting else ""
    ) or ""
    if not duty.starting:
        text.complain(defects.MissingKey, at, "starting")
    duty.cycle, duty.every = pb.DUTY_CYCLE_ONCE, 1
    if match := _matched(text, fields, "every", at, _EVERY):
        duty.cycle, duty.every = _CYCLES[match[2]], int(match[1])
    if match := _matched(text, fields, "on", at, _DAY):
        if match[1]:
            duty.day = pb.DUTY_DAY_OF_MONTH if match[1] == "day" else pb.DUTY_DAY_WORKING
            duty.number = int(match[2])
        else:
            duty.day = pb.DUTY_DAY_LAST if match[3] else pb.DUTY_DAY_LAST_WORKING
    if match := _matched(text, fields, "at", at, _HOUR):
        duty.minute = int(match[1]) * 60 + int(match[2])
    if match := _matched(text, fields, "lead", at, _LEAD, required=True):
        duty.lead_days = int(match[1])
    shift = text.text(fields, "otherwise", at, required=False)
    if shift:
        duty.shift = _SHIFTS.get(shift, pb.DUTY_SHIFT_UNSPECIFIED)
        if shift not in _SHIFTS:
            text.complain(UnknownRecurrence, (*at, "otherwise"), f"{shift}; one of {', '.join(_SHIFTS)}")


def _matched(
    text: Text, fields: Fields, key: str, at: At, pattern: re.Pattern[str], *, required: bool = False
) -> re.Match[str] | None:
    word = text.text(fields, key, at, required=required)
    match = pattern.fullmatch(word)
    if word and match is None:
        text.complain(UnknownRecurrence, (*at, key), f"{key}: {word}")
    return match


def _discharges(text: Text, fields: Fields, at: At) -> Iterator[pb.DutyDischarge]:
    here = (*at, "discharged_by")
    if "discharged_by" not in fields:
        text.complain(defects.MissingKey, at, "discharged_by")
        return
    procedures = text.mapping(fields["discharged_by"], here)
    for procedure in procedures:
        yield pb.DutyDischarge(procedure=procedure, acts=text.words(procedures, procedure, here))


def _marks(text: Text, fields: Fields, at: At) -> Iterator[pb.DutyMark]:
    node: yaml.Node | None = fields.get("marks")
    marks = text.mapping(node, (*at, "marks")) if node is not None else {}
    for name in marks:
        yield pb.DutyMark(name=name, actions=text.words(marks, name, (*at, "marks")))
