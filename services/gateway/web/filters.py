"""How values are written on pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from google.protobuf.timestamp_pb2 import Timestamp

from services.common.titles import material_title, role_title
from services.gateway.languages import Language
from services.gateway.web.agents import named

_KIBI: Final = 1024
ZONE: Final = ZoneInfo("Asia/Shanghai")


def at(value: Timestamp | datetime | None) -> datetime | None:
    """A moment as local time; None for one that is not set."""
    if value is None or (isinstance(value, Timestamp) and not value.ByteSize()):
        return None
    moment = value.ToDatetime(UTC) if isinstance(value, Timestamp) else value
    return moment.astimezone(ZONE)


def moment(value: Timestamp | datetime | None) -> str:
    """Date and time to the minute, as people of the region write it."""
    found = at(value)
    return found.strftime("%Y-%m-%d %H:%M") if found else ""


def second(value: Timestamp | datetime | None) -> str:
    """The same to the second."""
    found = at(value)
    return found.strftime("%Y-%m-%d %H:%M:%S") if found else ""


def day(value: Timestamp | datetime | date | None) -> str:
    """The date alone."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    found = at(value)
    return found.date().isoformat() if found else ""


def iso(value: Timestamp | datetime | None) -> str:
    """For the attribute `datetime` of `<time>`."""
    found = at(value)
    return found.isoformat() if found else ""


def role(name: str, language: Language) -> str:
    """What a role of persons is called."""
    title = role_title(name)
    return title.zh if language == "zh" else title.en


def material(kind: str, language: Language) -> str:
    """What a kind of material is called."""
    title = material_title(kind)
    return title.zh if language == "zh" else title.en


def size(count: int) -> str:
    """So many bytes, as people say it."""
    if count < _KIBI:
        return f"{count} B"
    amount, unit = count / _KIBI, "KiB"
    for larger in ("MiB", "GiB"):
        if amount < _KIBI:
            break
        amount, unit = amount / _KIBI, larger
    return f"{amount:.1f} {unit}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "at": at,
    "moment": moment,
    "second": second,
    "day": day,
    "iso": iso,
    "browser": named,
    "role": role,
    "material": material,
    "size": size,
}
