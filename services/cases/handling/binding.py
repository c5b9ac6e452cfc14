"""The seam for whoever binds a closed case into one file of pages: what is handed over, and what comes back.

What lays letters out stands on a floor above this one; a node gives its binder to `HandlingHandlers`.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from liandong.cases.v1 import handling_service_pb2 as pb

from services.exchange.department import Department


class Kind(enum.StrEnum):
    """What a line of the contents list is."""

    LETTER = "letter"
    APPROVAL = "approval"
    HANDLING = "handling"
    ATTACHMENT = "attachment"
    MATERIAL = "material"


class Separate(enum.StrEnum):
    """Why something is not on pages and is kept separately."""

    MEDIA = "media"  # sound, film, a table: nothing that has pages
    ABSENT = "absent"  # its bytes are not here
    LEFT_OUT = "left-out"  # evidence was not asked for
    LARGE = "large"  # too large for the file, or for one page
    UNREADABLE = "unreadable"  # damaged, locked, or not what it says it is


@dataclass(frozen=True, slots=True)
class Beside:
    """A scan beside a step, or a material of the letter.

    Attributes:
        kind: ATTACHMENT or MATERIAL.
        what: The kind of attachment (`STAMPED_SCAN`) or of material (`source-material`).
        note: What whoever attached it said of it.
        author: Who attached it; empty of a material.
        at: When; None of a material.
        digest: SHA-256 of the file; empty where not even its manifest is here.
        path: Where its bytes lie to be put on pages; None if it is kept separately.
        separate: Why it is.
    """

    kind: Kind
    root: bytes
    what: str
    note: str
    file_name: str
    media_type: str
    size: int
    digest: bytes
    author: str = ""
    at: datetime | None = None
    path: Path | None = None
    separate: Separate | None = None


@dataclass(frozen=True, slots=True)
class ToBind:
    """One letter of the case with all that goes with it.

    Attributes:
        handled: How it was handled here; None where it is not known.
    """

    ordinal: int
    letter_id: str
    handled: pb.GetDocumentResponse | None
    beside: tuple[Beside, ...]


@dataclass(frozen=True, slots=True)
class About:
    """What stands on the cover.

    Attributes:
        retention: How long it is kept: `PERMANENT`, `30_YEARS`, `10_YEARS`.
        language: `zh` or `en`.
        letters: How many there are.
    """

    case_id: str
    title: str
    procedure: str
    retention: str
    language: str
    letters: int


@dataclass(frozen=True, slots=True)
class Filed:
    """A line of the contents list.

    Attributes:
        ordinal: Of the letter that it is or belongs to, from 1.
        first_page: Counted through the file from 1, cover and contents list not; 0 of what is kept separately.
        file: Where it stands in the package; empty of what is kept separately.
        digest: SHA-256, hexadecimal: of the letter as the ledger has it, or of the file's bytes.
        separate: Why it is kept separately; empty of what is on pages.
    """

    ordinal: int
    kind: Kind
    number: str
    author: str
    title: str
    date: str
    first_page: int
    last_page: int
    file: str
    digest: str
    separate: str = ""


@dataclass(frozen=True, slots=True)
class Bound:
    """A case in one file.

    Attributes:
        path: The file.
        before: Pages of cover and contents list, before page 1.
        pages: Pages from page 1 on.
    """

    path: Path
    before: int
    pages: int
    filed: tuple[Filed, ...]


class Binder(Protocol):
    """Binds a case into one file of pages."""

    async def bind(
        self, department: Department, about: About, letters: AsyncIterator[ToBind], folder: Path, name: str
    ) -> Bound:
        """Bind a case.

        Args:
            department: Whose.
            about: What stands on the cover.
            letters: In their order; each is asked for when the one before is laid out.
            folder: For its files; the caller removes it.
            name: Of the file in the package.

        Raises:
            LiandongError: It cannot be bound; the reason says why.
        """
        ...
