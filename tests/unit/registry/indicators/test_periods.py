"""Periods are whole days of the region, and know the days they are compared with."""

from datetime import UTC, datetime

import pytest

from services.common.clock import microseconds
from services.common.errors import InvalidField
from services.registry.indicators.periods import Month, Period
from tests.unit.procedures.deadline_samples import at


def of(first: str, last: str) -> Period:
    return Period.of(first, last)


def test_a_period_is_its_days_in_the_region() -> None:
    """From 00:00 of the first to 24:00 of the last, in Shanghai, whatever the zone of the machine."""
    march = of("2026-03-01", "2026-03-31")
    assert march.begin_us == microseconds(datetime(2026, 2, 28, 16, tzinfo=UTC))
    assert march.end_us == microseconds(at("2026-04-01"))
    assert of("2026-03-05", "2026-03-05").end_us - of("2026-03-05", "2026-03-05").begin_us == 86_400_000_000


@pytest.mark.parametrize(
    ("period", "year", "before"),
    [
        (("2026-03-01", "2026-03-31"), ("2025-03-01", "2025-03-31"), ("2026-02-01", "2026-02-28")),
        (("2026-01-01", "2026-02-28"), ("2025-01-01", "2025-02-28"), ("2025-11-01", "2025-12-31")),
        (("2025-02-01", "2025-02-28"), ("2024-02-01", "2024-02-29"), ("2025-01-01", "2025-01-31")),
        (("2026-01-10", "2026-01-19"), ("2025-01-10", "2025-01-19"), ("2025-12-31", "2026-01-09")),
        (("2024-02-29", "2024-02-29"), ("2023-02-28", "2023-02-28"), ("2024-02-28", "2024-02-28")),
        (("2025-12-15", "2026-01-14"), ("2024-12-15", "2025-01-14"), ("2025-11-14", "2025-12-14")),
    ],
)
def test_periods_that_are_compared(
    period: tuple[str, str], year: tuple[str, str], before: tuple[str, str]
) -> None:
    """The same days a year before, leap days too; as many days, or whole months, just before."""
    assert of(*period).year_before() == of(*year)
    assert of(*period).before() == of(*before)


def test_a_base_year_takes_the_same_days() -> None:
    """Over the end of a year the first day decides."""
    assert of("2026-11-01", "2027-01-31").in_year(2023) == of("2023-11-01", "2024-01-31")


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-02-30", "2026-03-01"),
        ("2026-03-02", "2026-03-01"),
        ("1999-01-01", "2026-01-01"),
        ("2020-01-01", "2026-01-01"),
        ("heute", "2026-01-01"),
    ],
)
def test_what_is_no_period_is_refused(first: str, last: str) -> None:
    """No such day, turned round, outside what is kept, too long."""
    with pytest.raises(InvalidField) as refused:
        Period.of(first, last)
    assert refused.value.field == "period"


def test_months_follow_each_other() -> None:
    """Over the year's end, forwards and backwards; an instant belongs to the month of the region."""
    december = Month.parse("2025-12")
    assert str(december.shifted(1)) == "2026-01"
    assert december.shifted(-12) == Month(2024, 12)
    assert Month.numbered(december.number) == december
    assert Month.at(datetime(2025, 12, 31, 16, tzinfo=UTC)) == Month(2026, 1)
    assert december.end == at("2026-01-01")
    with pytest.raises(InvalidField):
        Month.parse("2026-13")
