"""What people type after options: times, bodies, parties, materials."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import typer
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services import procedures
from services.cli.texts import say
from services.procedures.calendar import ZONE
from services.procedures.loader import load
from services.procedures.recurrence import parse_period

_BODIES: Final = pb.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields


def moment(text: str, *, option: str, ends_day: bool = False) -> Timestamp:
    """A time such as `2026-02-25 09:30` or `2026-02-25`, in the region's zone unless it names one.

    Args:
        text: As typed.
        option: Where, for the complaint.
        ends_day: A date alone means its end, 24:00, not its beginning.

    Raises:
        BadParameter: It is no time.
    """
    try:
        day = date.fromisoformat(text)
        found = datetime.combine(day, time(), ZONE) + timedelta(days=1 if ends_day else 0)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise typer.BadParameter(say("failures.time", value=text), param_hint=option) from None
    stamp = Timestamp()
    stamp.FromDatetime(found if found.tzinfo else found.replace(tzinfo=ZONE))
    return stamp


def served(text: str) -> envelopes.ServedDuty:
    """An occurrence of a standing duty, such as `supervision-bulletin/2026-02`.

    Raises:
        BadParameter: It is none.
    """
    duty, _, period = text.partition("/")
    if not duty or parse_period(period) is None:
        raise typer.BadParameter(say("failures.served", value=text), param_hint="--serves")
    return envelopes.ServedDuty(duty=duty, period=period)


def content(text: str) -> str:
    """What an option holds: itself, or with `@` before it the content of a file.

    Raises:
        OSError: The file cannot be read.
    """
    return Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text


def fill(message: Message, text: str, *, option: str) -> None:
    """Fill a message from its protobuf JSON.

    Raises:
        BadParameter: It is no JSON, or not that message's.
    """
    _fill(message, _object(text, option), option)


def fill_body(draft: pb.ActDraft, text: str) -> None:
    """Fill the body of a draft: `{"discovery": {...}}`, or its fields alone, which are then those of its act.

    Raises:
        BadParameter: It is no JSON, not the body's, or the act's body is not known here.
    """
    value = _object(text, "--body")
    names = [field.name for field in _BODIES]
    if len(value) == 1 and next(iter(value)) in names:
        _fill(draft, value, "--body")
        return
    name = body_field(draft.procedure, draft.act)
    if not name:
        raise typer.BadParameter(say("failures.body", names=", ".join(names)), param_hint="--body")
    _fill(draft, {name: value}, "--body")


@cache
def _bodies_of_acts() -> dict[tuple[str, str], str]:
    fields = {field.message_type.full_name: field.name for field in _BODIES if field.message_type is not None}
    found = {}
    for path in sorted(Path(procedures.__path__[0]).glob("*.yaml")):
        procedure = load(path)
        for name, act in procedure.acts.items():
            if act.body in fields:
                found[procedure.name, name] = fields[act.body]
                found.setdefault(("", name), fields[act.body])
    return found


def body_field(procedure: str, act: str) -> str:
    """The field of `ActDraft` that holds an act's body, by the procedures that come with the product."""
    return _bodies_of_acts().get((procedure, act), "")


def party(text: str) -> envelopes.Party:
    """A party from `role=department`.

    Raises:
        BadParameter: It is not of that form.
    """
    role, department = pair(text, "--party")
    return envelopes.Party(role=role, department=department)


def pair(text: str, option: str) -> tuple[str, str]:
    """Name and value of `name=value`.

    Raises:
        BadParameter: It is not of that form.
    """
    name, sign, value = text.partition("=")
    if not sign or not name or not value:
        raise typer.BadParameter(say("failures.pair", value=text), param_hint=option)
    return name.strip(), value.strip()


def _object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(content(text))
    except ValueError as error:
        raise typer.BadParameter(say("failures.json", problem=error), param_hint=option) from None
    if not isinstance(value, dict):
        raise typer.BadParameter(say("failures.json", problem="{…}"), param_hint=option)
    return value


def _fill(message: Message, value: dict[str, Any], option: str) -> None:
    try:
        ParseDict(value, message)
    except ParseError as error:
        raise typer.BadParameter(say("failures.json", problem=error), param_hint=option) from None
