"""The pages of one gateway: what they share, and where they are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined

from services.common.clock import Clock
from services.gateway.accounts.accounts import Accounts
from services.gateway.calls import Calls
from services.gateway.evidence.parts import Parts
from services.gateway.languages import Language
from services.gateway.sheets.sheets import Sheets
from services.gateway.status import DepartmentStatus
from services.gateway.web.directory import Directory
from services.gateway.web.filters import FILTERS
from services.gateway.web.live import Live
from services.gateway.web.procedures import Procedures


class Statuses(Protocol):
    """Where the pages learn how the departments are."""

    async def statuses(self) -> tuple[DepartmentStatus, ...]:
        """How all departments are."""

    async def close(self) -> None:
        """Let go of what is open."""


@dataclass(frozen=True)
class Site:
    """What all pages are made with.

    Attributes:
        statuses: How the departments are.
        clock: The time.
        language: Spoken to browsers that ask for none we have.
        accounts: None where only the status is shown.
        calls: The services; of no use without accounts.
        directory: Titles and calendars, kept for a while.
        live: Changes as they happen, for browsers.
        templates: Of the pages.
        procedures: Kept, since a version never changes.
        sheets: What people are still writing; None where only the status is shown.
        parts: Files on their way from browsers, likewise.
    """

    statuses: Statuses
    clock: Clock
    language: Language
    accounts: Accounts | None
    calls: Calls
    directory: Directory
    live: Live
    templates: Environment
    procedures: Procedures
    sheets: Sheets | None = None
    parts: Parts | None = None


def environment() -> Environment:
    """Templates that escape everything and fail at what is missing."""
    made = Environment(
        loader=PackageLoader("services.gateway.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(FILTERS)
    return made


def routers() -> Iterable[APIRouter]:
    """The routes of all areas."""
    from services.gateway.web import (  # noqa: PLC0415 - the areas know the site
        account,
        capture,
        live_events,
        new,
        sheet,
        sheet_check,
        sheet_files,
        status,
        work,
    )

    return (
        status.router,
        account.router,
        live_events.router,
        work.router,
        sheet.router,
        sheet_files.router,
        sheet_check.router,
        capture.router,
        new.router,
    )
