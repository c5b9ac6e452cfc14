"""Letter numbers (发文字号) that were issued before their letter: each ends as a letter's, or void with a reason.

The counter is `DepartmentSession.issue_number`; what is issued is written in the same transaction, so that a
number is either nowhere or accounted for. Every number of a series from 1 to the last is in one of three
places: with a letter (or whatever arrived under it), reserved, or void.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.common.clock import microseconds
from services.exchange import tables

if TYPE_CHECKING:
    from services.exchange.session import DepartmentSession


def number_text(series: str, year: int, running: int) -> str:
    """A letter number as it stands on the letter: 清卫法监〔2026〕11号."""
    return f"{series}〔{year}〕{running}号"


def reserve(session: DepartmentSession, series: str, owner: str) -> str:
    """Issue a number for something that is no letter yet.

    Args:
        session: The department's.
        series: What the number begins with.
        owner: What has it.
    """
    number = session.issue_number(series)
    session.connection.execute(
        tables.reserved_numbers.insert().values(
            number=number, owner=owner, issued_at_us=microseconds(session.now)
        )
    )
    return number


def release(session: DepartmentSession, number: str) -> None:
    """A reserved number is now a letter's."""
    reserved = tables.reserved_numbers
    session.connection.execute(reserved.delete().where(reserved.c.number == number))


def void(session: DepartmentSession, number: str, owner: str, reason: str) -> None:
    """A reserved number becomes nothing's; it stays visible and is never issued again."""
    release(session, number)
    session.connection.execute(
        tables.void_numbers.insert().values(
            number=number, letter_id=owner, reason=reason, voided_at_us=microseconds(session.now)
        )
    )
