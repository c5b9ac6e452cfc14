"""The pages of one gateway: what they share, and where they are put together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final, Protocol

from fastapi import APIRouter
from google.protobuf.message import Message
from jinja2 import Environment, PackageLoader, StrictUndefined
from liandong.cases.v1.subject_service_pb2 import FindCasesElsewhereResponse
from liandong.oversight.v1.indicator_service_pb2 import GetFiguresResponse

from services.common.clock import Clock, SystemClock
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.parts import Parts
from services.gateway.accounts.ways import Ways
from services.gateway.calls import Calls
from services.gateway.evidence.bringing import Uploads
from services.gateway.evidence.parts import Spool
from services.gateway.languages import Language
from services.gateway.letter_templates.templates import LetterTemplates
from services.gateway.phrases import Phrases
from services.gateway.rest.limits import RateLimit, Streams
from services.gateway.sheets.sheets import Sheets
from services.gateway.static_files import static
from services.gateway.status import DepartmentStatus
from services.gateway.web.directory import Directory
from services.gateway.web.filters import FILTERS
from services.gateway.web.intake_form import Freshness
from services.gateway.web.kept import Kept
from services.gateway.web.live import Live
from services.gateway.web.procedures import Procedures
from services.gateway.webhooks.webhooks import Webhooks

_FORMS: Final = 16


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
        elsewhere: What drafters were told of cases elsewhere, so that a sheet that is looked at again asks nothing again.
        templates: Of the pages.
        parts: What keeps the accounts; None where only the status is shown.
        ways: To log in beside a password.
        public_url: Where browsers reach this gateway; empty: wherever they say.
        served: The departments.
        visits: How often one person may look at pages.
        streams: How many streams one person may hold open.
        public_departments: Whose publications everybody may read.
        public_answers: What they said, kept for a moment.
        public_visits: How often one address may look at them.
        public_tries: How often one address may try a number and code.
        public_intake: Which department takes in what the public complains of; empty: none.
        public_intake_code: Class under which it is registered.
        public_complaints: How often one address may complain.
        public_all_complaints: How often all together may.
        public_photographs: What brings their photographs to the node.
        public_forms: How many such forms are read at a time.
        public_words: What makes such a form fresh.
        phrases: What people say again and again; None without accounts.
        letter_templates: Texts for acts that departments and people keep; likewise.
        sheets: What people are still writing; None where only the status is shown.
        spool: Files on their way from browsers, likewise.
        webhooks: What systems are told; likewise.
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
    elsewhere: Kept[FindCasesElsewhereResponse]
    templates: Environment
    parts: Parts | None = None
    ways: Ways = field(default_factory=Ways)
    public_url: str = ""
    served: frozenset[str] = frozenset()
    visits: RateLimit = field(default_factory=lambda: RateLimit(20.0, 120))
    streams: Streams = field(default_factory=lambda: Streams(24))
    public_departments: tuple[str, ...] = ()
    public_answers: Kept[Message] = field(default_factory=lambda: Kept(SystemClock()))
    public_visits: RateLimit = field(default_factory=lambda: RateLimit(2.0, 120))
    public_tries: RateLimit = field(default_factory=lambda: RateLimit(1 / 60, 10))
    public_intake: str = ""
    public_intake_code: str = ""
    public_complaints: RateLimit = field(default_factory=lambda: RateLimit(1 / 600, 5))
    public_all_complaints: RateLimit = field(default_factory=lambda: RateLimit(1 / 10, 120))
    public_photographs: Uploads | None = None
    public_forms: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_FORMS))
    public_words: Freshness = field(default_factory=lambda: Freshness(secrets.token_bytes(32)))
    phrases: Phrases | None = None
    letter_templates: LetterTemplates | None = None
    sheets: Sheets | None = None
    spool: Spool | None = None
    webhooks: Webhooks | None = None


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
    "webhooks",
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
    "letter_templates",
    "guide",
    "sharing",
    "subjects",
    "registers",
    "intake",
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
