"""Time as the services see it: an aware datetime in UTC, passed in, stored as whole microseconds.

Integers keep what floats lose: a time stored and read back is equal, on both databases and on the wire.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Clock(Protocol):
    """Where a service takes the time from."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved, forwards or backwards."""

    def __init__(self, start: datetime = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._now = _aware(start)

    def now(self) -> datetime:
        """The moment it was last set to."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move by a duration, which may be negative, and return the new moment."""
        self._now += by
        return self._now

    def set(self, moment: datetime) -> None:
        """Jump to a moment."""
        self._now = _aware(moment)


def microseconds(moment: datetime) -> int:
    """Whole microseconds since 1970-01-01T00:00:00Z.

    Raises:
        ValueError: The datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("A moment needs a time zone.")
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """The aware UTC datetime of `microseconds`; exact in both directions."""
    return _EPOCH + timedelta(microseconds=value)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("A moment needs a time zone.")
    return moment.astimezone(UTC)
