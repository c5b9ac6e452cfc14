"""Sheets as values: who holds one, what a stale save differs in, and what is refused about them.

A sheet is what a form holds before a letter is made of it. Each save makes a revision; a save that was begun on
an earlier one is compared with it three ways, so that nothing that somebody typed is overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from services.common.errors import InvalidField, LimitExceeded, NotFound, Stale

HELD_FOR: Final = timedelta(minutes=2)
"""A holder whose page was not heard of for so long holds it no more."""
BEAT_EVERY: Final = timedelta(seconds=20)
"""How often it is written down that the holder's page is there."""
KEPT_FOR: Final = timedelta(days=180)
"""A sheet that nobody changed for so long is thrown away."""
REVISIONS: Final = 30
"""How many earlier revisions are kept to compare with."""
MOST_SHEETS: Final = 300
"""Unfinished sheets of one department."""
MOST_FILES: Final = 100
"""Files of one sheet: as many materials as a letter can have."""
LARGEST: Final = 512 * 1024
"""Bytes of all fields of a sheet together."""

CAPTURE_FOR: Final = timedelta(minutes=15)
"""How long a link for photographs is good."""
CAPTURE_PHOTOS: Final = 20
"""How many photographs it takes."""

Fields = Mapping[str, tuple[str, ...]]
"""What a form holds, by the names of its fields."""


class NotHeld(Stale):
    """Somebody else has the draft in hand; take it over to go on."""


class CaptureOver(NotFound):
    """The link for photographs is not known, or no longer good."""


class CaptureTaken(NotFound):
    """Another telephone uses this link already."""

    code = "PERMISSION_DENIED"


class CaptureFull(LimitExceeded):
    """The link has taken all photographs that it takes."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes.

    Attributes:
        id: The account's.
        name: As others read it.
    """

    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What somebody is writing.

    Attributes:
        id: Its own.
        department: Whose; nobody else sees it.
        procedure: What it is to open.
        act: With which act.
        fields: What was typed.
        revision: Counts saves.
        begun_by: Who began it.
        begun_at: When.
        changed_by: Who saved last.
        changed_at: When.
        holder: Who has it in hand; None for nobody.
        holder_seen_at: When the holder's page was last heard of.
        taken_from: From whom the holder took it over; empty for nobody.
        case_id: The case, once it was opened.
        letter_id: The letter that was made of it.
        prepared: The revision that letter was made of; -1 for none.
        warnings: What the node warned of then, in Chinese and English.
        done: It was handed on.
    """

    id: str
    department: str
    procedure: str
    act: str
    fields: Fields
    revision: int
    begun_by: Person
    begun_at: datetime
    changed_by: Person
    changed_at: datetime
    holder: Person | None = None
    holder_seen_at: datetime | None = None
    taken_from: str = ""
    case_id: str = ""
    letter_id: str = ""
    prepared: int = -1
    warnings: tuple[tuple[str, str], ...] = ()
    done: bool = False

    def one(self, name: str) -> str:
        """What a field of one value holds; empty if nothing."""
        found = self.fields.get(name, ())
        return found[-1] if found else ""

    def all(self, name: str) -> tuple[str, ...]:
        """What a field of several values holds."""
        return tuple(each for each in self.fields.get(name, ()) if each)

    def held_by_other(self, person: Person, now: datetime) -> bool:
        """Whether somebody else has it in hand, with a page that is still there."""
        if self.holder is None or self.holder.id == person.id:
            return False
        return self.holder_seen_at is not None and now - self.holder_seen_at < HELD_FOR


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which two saves differ.

    Attributes:
        name: The field.
        before: What both began with.
        mine: What is on the page that came too late.
        theirs: What was saved meanwhile.
    """

    name: str
    before: str
    mine: str
    theirs: str


class Changed(Stale):
    """The draft was changed meanwhile; nothing was overwritten, choose what is to stand."""

    def __init__(self, sheet: Sheet, differences: tuple[Difference, ...]) -> None:
        super().__init__()
        self.sheet = sheet
        self.differences = differences


@dataclass(frozen=True, slots=True)
class Merged:
    """Two saves put together.

    Attributes:
        fields: What only one side changed, taken from that side; what both changed, as it was saved.
        differences: What both changed, and not to the same.
    """

    fields: Fields
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a sheet, on its way or there.

    Attributes:
        id: Its own.
        sheet: Whose.
        kind: Of material.
        name: Harmless.
        size: Bytes of the whole.
        media_type: By its content, once it is there.
        root: Of its manifest, once it is there; empty before.
        digest: SHA-256 of the whole, likewise.
        added_by: Who added it.
        by_phone: It came from a telephone.
        added_at: When.
    """

    id: str
    sheet: str
    kind: str
    name: str
    size: int
    media_type: str = ""
    root: bytes = b""
    digest: bytes = b""
    added_by: Person
    by_phone: bool = False
    added_at: datetime

    @property
    def is_there(self) -> bool:
        """All of it is at the node, verified."""
        return bool(self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A link by which one telephone adds photographs to one sheet, without a log-in.

    Attributes:
        id: Its own.
        sheet: Where they go.
        kind: Of material.
        made_by: The account in whose name they are brought.
        acr: How that person was authenticated.
        session: In which session; when that is over, so is the link.
        expires_at: Until when.
        device: Digest of what the first telephone holds; empty before.
        photos: How many came.
        closed: It was closed.
    """

    id: str
    sheet: str
    kind: str
    made_by: str
    acr: str
    session: str
    expires_at: datetime
    device: bytes = b""
    photos: int = 0
    closed: bool = False

    def is_over(self, now: datetime) -> bool:
        """Nothing more can come."""
        return self.closed or now >= self.expires_at


@dataclass(frozen=True, slots=True)
class Lists:
    """Unfinished sheets.

    Attributes:
        own: That the person began or has in hand.
        others: Of colleagues.
    """

    own: tuple[Sheet, ...] = field(default=())
    others: tuple[Sheet, ...] = field(default=())


def merge(before: Fields, mine: Fields, theirs: Fields, insisted: Collection[str] = ()) -> Merged:
    """Put two saves together that began with the same fields.

    Args:
        before: What both began with.
        mine: What came too late.
        theirs: What was saved meanwhile.
        insisted: Fields that stand as they are in `mine`.
    """
    fields: dict[str, tuple[str, ...]] = {}
    differences = []
    for name in dict.fromkeys((*theirs, *mine)):
        was, ours, other = (_plain(each.get(name, ())) for each in (before, mine, theirs))
        fields[name] = ours if other == was or name in insisted else other
        if ours not in (was, other) and other != was and name not in insisted:
            differences.append(Difference(name, *("\n".join(each) for each in (was, ours, other))))
    return Merged({name: found for name, found in fields.items() if found}, tuple(differences))


def together(before: Fields | None, mine: Fields, theirs: Fields, insisted: Collection[str] = ()) -> Merged:
    """The same where what both began with may not be known any more: then every field that differs is told."""
    if before is not None:
        return merge(before, mine, theirs, insisted)
    return merge(dict.fromkeys((*mine, *theirs), ("\x00",)), mine, theirs, insisted)


def unsaved(before: Fields, mine: Fields, theirs: Fields) -> tuple[Difference, ...]:
    """What a page changed that is not saved so."""
    found = []
    for name in dict.fromkeys((*mine, *theirs)):
        was, ours, other = (_plain(each.get(name, ())) for each in (before, mine, theirs))
        if ours not in (was, other):
            found.append(Difference(name, *("\n".join(each) for each in (was, ours, other))))
    return tuple(found)


def checked(fields: Mapping[str, tuple[str, ...]]) -> Fields:
    """What is kept of a form: fields that hold something, line ends made one kind.

    Raises:
        LimitExceeded: They are too many or too large for any letter.
        InvalidField: A character that no letter can hold.
    """
    found = {
        name: _plain(tuple(each.replace("\r\n", "\n") for each in said)) for name, said in fields.items()
    }
    size = sum(len(name) + sum(len(each.encode()) for each in said) for name, said in found.items())
    if size > LARGEST:
        raise LimitExceeded("What was typed is larger than any letter.")
    for name, said in found.items():
        if any("\0" in each for each in said):
            raise InvalidField("A text holds a character that cannot be printed.", field=name)
    return {name: said for name, said in found.items() if said}


def _plain(said: tuple[str, ...]) -> tuple[str, ...]:
    """Several empty values are none."""
    return said if any(said) else ()
