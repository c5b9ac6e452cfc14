"""The pages of one gateway: what they share, and where they are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol

from fastapi import APIRouter
from jinja2 import Environment, PackageLoader, StrictUndefined
from liandong.oversight.v1.indicator_service_pb2 import GetFiguresResponse

from services.common.clock import Clock
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.parts import Parts
from services.gateway.accounts.ways import Ways
from services.gateway.calls import Calls
from services.gateway.evidence.parts import Spool
from services.gateway.languages import Language
from services.gateway.phrases import Phrases
from services.gateway.rest.limits import RateLimit
from services.gateway.sheets.sheets import Sheets
from services.gateway.static_files import static
from services.gateway.status import DepartmentStatus
from services.gateway.web.directory import Directory
from services.gateway.web.filters import FILTERS
from services.gateway.web.kept import Kept
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
        procedures: What acts need, kept by version.
        live: Changes as they happen, for browsers.
        figures: Of months, for trends, kept for a while.
        templates: Of the pages.
        parts: What keeps the accounts; None where only the status is shown.
        ways: To log in beside a password.
        public_url: Where browsers reach this gateway; empty: wherever they say.
        served: The departments.
        public_department: Whose publications everybody may read; empty: nobody's.
        public_visits: How often one address may look at them.
        public_tries: How often one address may try a number and code.
        phrases: What people say again and again; None without accounts.
        sheets: What people are still writing; None where only the status is shown.
        spool: Files on their way from browsers, likewise.
    """

    statuses: Statuses
    clock: Clock
    language: Language
    accounts: Accounts | None
    calls: Calls
    directory: Directory
    procedures: Procedures
    live: Live
    figures: Kept[GetFiguresResponse]
    templates: Environment
    parts: Parts | None = None
    ways: Ways = field(default_factory=Ways)
    public_url: str = ""
    served: frozenset[str] = frozenset()
    public_department: str = ""
    public_visits: RateLimit = field(default_factory=lambda: RateLimit(2.0, 120))
    public_tries: RateLimit = field(default_factory=lambda: RateLimit(1 / 60, 10))
    phrases: Phrases | None = None
    sheets: Sheets | None = None
    spool: Spool | None = None


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
    made.globals["static"] = static
    return made


AREAS: Final = (
    "status",
    "login",
    "account",
    "accounts",
    "live_events",
    "work",
    "search",
    "case_list",
    "sign_for",
    "messages",
    # `/documents/batch` before `/documents/{document_id}`
    "document_batch",
    "documents",
    "document_steps",
    "delegations",
    "phrases",
    "guide",
    "sharing",
    "subjects",
    "registers",
    "public",
    "picture_wall",
    "picture_register",
    "picture",
    "administration",
    "directory_pages",
    "handling_rules",
    "case",
    "acts",
    "drafts",
    "letters",
    "due_times",
    "case_evidence",
    "sheet",
    "sheet_files",
    "sheet_check",
    "capture",
    "new",
)
"""Modules of pages; where two have a path that fits, the first serves it."""


def routers() -> Iterable[APIRouter]:
    """The routes of all areas."""
    # at this time, not above: the areas know the site
    return tuple(import_module(f"services.gateway.web.{each}").router for each in AREAS)
