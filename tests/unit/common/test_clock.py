"""Time as whole microseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.clock import ManualClock, SystemClock, from_microseconds, microseconds


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_stored_and_read_is_equal(moment: datetime) -> None:
    """Microseconds lose nothing, in any year."""
    assert from_microseconds(microseconds(moment)) == moment


def test_a_zone_changes_nothing() -> None:
    """The same moment told in Beijing time is the same number."""
    moment = datetime(2025, 6, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert microseconds(moment) == microseconds(datetime(2025, 6, 1, tzinfo=UTC))


def test_a_naive_moment_is_refused() -> None:
    """Nobody guesses a zone."""
    with pytest.raises(ValueError, match="time zone"):
        microseconds(datetime(2025, 6, 1))  # noqa: DTZ001 - the mistake itself


def test_a_manual_clock_stands_until_moved() -> None:
    """It moves only when told, also backwards."""
    clock = ManualClock()
    start = clock.now()
    assert clock.now() == start
    assert clock.advance(timedelta(hours=-1)) == start - timedelta(hours=1)


def test_the_system_clock_is_aware() -> None:
    """And in UTC."""
    assert SystemClock().now().utcoffset() == timedelta(0)
