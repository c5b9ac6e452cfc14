"""What pages need of the directory at every turn, kept for a while: titles of departments and working days."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

import structlog
from liandong.directory.v1 import directory_service_pb2 as pb

from services.common.clock import Clock
from services.common.errors import LiandongError
from services.gateway.callers import Caller
from services.gateway.calls import Calls
from services.gateway.languages import LANGUAGES, Language

_KEPT: Final = timedelta(minutes=5)
_TIMEOUT_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Directory:
    """Titles and calendars, from whichever node is asked first.

    Args:
        calls: The services.
        clock: The time.
    """

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._titles: Mapping[str, tuple[str, str]] = {}
        self._sections: Mapping[tuple[str, str], tuple[str, str]] = {}
        self._calendars: dict[int, tuple[frozenset[date], frozenset[date]]] = {}
        self._again_at = clock.now() - _KEPT
        self._busy = asyncio.Lock()

    def title(self, department: str, language: Language) -> str:
        """What a department is called; its own name where it is not known."""
        pair = self._titles.get(department)
        return (pair and (pair[LANGUAGES.index(language)] or pair[0])) or department

    def section(self, department: str, section: str, language: Language) -> str:
        """What a section is called, likewise."""
        pair = self._sections.get((department, section))
        return (pair and (pair[LANGUAGES.index(language)] or pair[0])) or section

    @property
    def departments(self) -> tuple[str, ...]:
        """Names of all departments."""
        return tuple(self._titles)

    def is_working_day(self, day: date) -> bool:
        """Whether people work on a day; Monday to Friday in a year whose calendar is not known."""
        off, on = self._calendars.get(day.year, (frozenset(), frozenset()))
        return day in on or (day.weekday() < 5 and day not in off)  # noqa: PLR2004 - Saturday

    async def refresh(self, caller: Caller) -> None:
        """Ask again, if what is kept is old; a node that does not answer leaves it as it is."""
        if self._clock.now() < self._again_at:
            return
        async with self._busy:
            now = self._clock.now()
            if now < self._again_at:
                return
            try:
                await self._ask(caller, now.year)
            except LiandongError as error:
                _log.warning("directory.unanswered", department=caller.department, reason=error.reason)
                self._again_at = now + timedelta(seconds=10)
                return
            self._again_at = now + _KEPT

    async def _ask(self, caller: Caller, year: int) -> None:
        found = await self._calls.call(
            caller, pb.ListDepartmentsRequest(), pb.ListDepartmentsResponse,
            request_id="directory", timeout_s=_TIMEOUT_S,
        )  # fmt: skip
        self._titles = {each.name: (each.title.zh, each.title.en) for each in found.departments}
        self._sections = {
            (each.name, section.id): (section.title.zh, section.title.en)
            for each in found.departments
            for section in each.sections
        }
        for wanted in (year, year + 1):
            answer = await self._calls.call(
                caller, pb.GetCalendarRequest(year=wanted), pb.GetCalendarResponse,
                request_id="directory", timeout_s=_TIMEOUT_S,
            )  # fmt: skip
            listed = answer.calendar
            self._calendars[wanted] = (
                frozenset(date.fromisoformat(f"{wanted}-{each}") for each in listed.holidays),
                frozenset(date.fromisoformat(f"{wanted}-{each}") for each in listed.make_up_days),
            )
