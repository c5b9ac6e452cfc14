"""How officers' certificates stand (M13)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb

from services.exchange.trust import moment

MARKS: Final = (60, 30, 7)
"""Days before its end at which a department is warned."""
_DAY: Final = timedelta(days=1)


def officer_view(entry: entries.OfficerCertificate, now: datetime) -> pb.OfficerView:
    """A certificate and how it stands; one without readable times is over."""
    since, until = moment(entry, "valid_from"), moment(entry, "valid_until")
    left = timedelta(0) if until is None else max(until - now, timedelta(0))
    return pb.OfficerView(
        certificate=entry, state=_state(entry, since, until, now), days_left=-(-left // _DAY)
    )


def newest_mark(until: datetime, now: datetime) -> int | None:
    """The last mark that has come before a certificate ends, in days; None while none has, or long after its end."""
    if now >= until + MARKS[1] * _DAY:
        return None
    return min((days for days in MARKS if until - days * _DAY <= now), default=None)


def _state(
    entry: entries.OfficerCertificate, since: datetime | None, until: datetime | None, now: datetime
) -> pb.OfficerState.ValueType:
    if entry.suspended:
        return pb.OFFICER_STATE_SUSPENDED
    if since is None or until is None or now >= until:
        return pb.OFFICER_STATE_EXPIRED
    if now < since:
        return pb.OFFICER_STATE_AHEAD
    return pb.OFFICER_STATE_VALID if until - now > MARKS[0] * _DAY else pb.OFFICER_STATE_ENDING
