"""What may be shared, and what a shared item is (M10): pure rules over letters and the directory.

An item is the fold of its revisions: the publication is revision 1, each correction and the withdrawal
one more. Folding sorts by revision, so the order in which letters come does not matter, and a department
that subscribed late folds what it has: a correction of something it never saw is the first it knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from google.protobuf.message import DecodeError
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb

from services.common.clock import from_microseconds
from services.common.errors import InvalidField, PermissionDenied
from services.exchange.directory import Directory
from services.exchange.letters import timestamp
from services.procedures.calendar import ZONE, Calendar
from services.procedures.deadlines import judge
from services.procedures.law import Law
from services.procedures.obligation import Outcome

BULLETIN: Final = sharing_pb.Bulletin.DESCRIPTOR.full_name

PUBLISH: Final = "publish"
CORRECT: Final = "correct"
WITHDRAW: Final = "withdraw"
ACTS: Final = {
    PUBLISH: pb.ITEM_ACT_PUBLISH,
    CORRECT: pb.ITEM_ACT_CORRECT,
    WITHDRAW: pb.ITEM_ACT_WITHDRAW,
}
ACT_NAMES: Final = {number: name for name, number in ACTS.items()}

_LATE: Final = frozenset({Outcome.LATE, Outcome.TRANSMITTED_LATE})


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, what stands behind it, and how a repetition is known.

    Attributes:
        actor: As the header names it.
        assertions: The actor's assertion, which travels with the letter.
        key: Idempotency key within its actor, None if none was given.
        digest: Of the request's bytes.
    """

    actor: pb.Actor
    assertions: tuple[bytes, ...]
    key: str | None = None
    digest: bytes | None = None


class GoesByHand(InvalidField):
    """Matter of this category is urgent, not yet public or classified: deliver it by hand (专报专人递送)."""


class CategoryUnknown(InvalidField):
    """The catalogue has no such category."""

    reason = "UNKNOWN_CATEGORY"


class ItemNotYours(PermissionDenied):
    """The item is another department's, or was withdrawn."""

    reason = "ITEM_NOT_YOURS"


class LateWithoutReason(InvalidField):
    """The information was formed more than a working day ago: say why it comes late."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One letter of an item.

    Attributes:
        act: `publish`, `correct` or `withdraw`.
        recipients: Departments named beside the subscribers.
        heading: The bulletin without its text, None if the body cannot be shown.
        refused: The registry refused it; it is no part of the item.
        position: Where it stands in the ledger, None while it is on its way.
    """

    letter_id: str
    item_id: str
    revision: int
    act: str
    author: str
    category: str
    formed_at_us: int
    signed_at_us: int
    restricted: bool
    recipients: tuple[str, ...]
    heading: bytes | None
    refused: bool = False
    position: int | None = None
    admitted_at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A shared item as it stands here, own letters on their way included.

    Attributes:
        seen_at_us: When it first came here; lists are ordered by it.
        letter_id: Letter of the newest revision, whose heading, position and admission follow.
        first_revision: The oldest revision that is here, whose signing and admission follow.
    """

    item_id: str
    category: str
    author: str
    seen_at_us: int
    letter_id: str
    revision: int
    withdrawn: bool
    heading: bytes | None
    position: int | None
    admitted_at_us: int | None
    formed_at_us: int
    restricted: bool
    recipients: tuple[str, ...]
    first_revision: int
    first_signed_at_us: int
    first_admitted_at_us: int | None


@dataclass(frozen=True, slots=True)
class Sharing:
    """What is to be said about an item.

    Attributes:
        act: `publish`, `correct` or `withdraw`.
        formed_at: When the information was formed.
        recipients: Departments it goes to beside the subscribers.
        body: The bulletin.
    """

    act: str
    item_id: str
    revision: int
    category: str
    formed_at: datetime
    recipients: tuple[str, ...]
    restricted: bool
    body: sharing_pb.Bulletin

    def header(self) -> pb.ItemHeader:
        """As the letter's header says it."""
        return pb.ItemHeader(
            act=ACTS[self.act],
            item_id=self.item_id,
            revision=self.revision,
            category=self.category,
            formed_at=timestamp(self.formed_at),
            recipients=self.recipients,
            restricted=self.restricted,
        )


# -- the fold -------------------------------------------------------------------------------------


def fold(revisions: Iterable[Revision], seen_at_us: int | None = None) -> Item | None:
    """The item that these revisions add up to, in whatever order they are given.

    Args:
        revisions: Letters of one item; refused ones are left out here.
        seen_at_us: When the item first came here, if it is known already.

    Returns:
        None if nothing of it stands.
    """
    standing = sorted(
        (each for each in revisions if not each.refused), key=lambda each: (each.revision, each.letter_id)
    )
    if not standing:
        return None
    first = standing[0]
    # nobody speaks for another's item
    own = [each for each in standing if each.author == first.author]
    newest = own[-1]
    return Item(
        item_id=first.item_id,
        category=newest.category,
        author=first.author,
        seen_at_us=_seen(first) if seen_at_us is None else seen_at_us,
        letter_id=newest.letter_id,
        revision=newest.revision,
        withdrawn=any(each.act == WITHDRAW for each in own),
        heading=newest.heading,
        position=newest.position,
        admitted_at_us=newest.admitted_at_us,
        formed_at_us=first.formed_at_us,
        restricted=newest.restricted,
        recipients=newest.recipients,
        first_revision=first.revision,
        first_signed_at_us=first.signed_at_us,
        first_admitted_at_us=first.admitted_at_us,
    )


def _seen(revision: Revision) -> int:
    return revision.signed_at_us if revision.admitted_at_us is None else revision.admitted_at_us


def read_bulletin(header: pb.Header, payload: bytes) -> sharing_pb.Bulletin | None:
    """The bulletin that a letter carries, None if it carries something else or cannot be read."""
    if header.payload_type != BULLETIN or header.sealed:
        return None
    try:
        return sharing_pb.Bulletin.FromString(payload)
    except DecodeError:
        return None


def heading_of(bulletin: sharing_pb.Bulletin) -> bytes:
    """A bulletin without its text, for lists."""
    heading = sharing_pb.Bulletin()
    heading.CopyFrom(bulletin)
    heading.ClearField("text")
    return heading.SerializeToString()


def searched_text(bulletin: sharing_pb.Bulletin) -> str:
    """What of a bulletin people search in."""
    return f"{bulletin.title} {bulletin.text}"


# -- the working day ------------------------------------------------------------------------------


def due_at(formed_at: datetime, calendar: Calendar) -> datetime:
    """When information is to be shared: by the end of the first working day after its forming."""
    return calendar.end_of(calendar.add_working_days(formed_at.astimezone(ZONE).date(), 1))


def due_of(item: Item, law: Law) -> datetime:
    """When an item was or is due, by its author's calendar as it stood when the item was admitted."""
    calendar = law.calendar(item.author)
    if item.first_admitted_at_us is not None:
        calendar = calendar.as_of(from_microseconds(item.first_admitted_at_us))
    return due_at(from_microseconds(item.formed_at_us), calendar)


def is_late(item: Item, law: Law) -> bool:
    """Whether an item came later than due; a ledgered outage of its author's link excuses.

    While it is on its way it is judged by its signing. Of an item whose publication never came here only
    its author's word is known, the reason that corrections repeat.
    """
    if item.first_revision > 1:
        return bool(item.heading and sharing_pb.Bulletin.FromString(item.heading).late_reason)
    signed_at = from_microseconds(item.first_signed_at_us)
    admitted_at = (
        signed_at if item.first_admitted_at_us is None else from_microseconds(item.first_admitted_at_us)
    )
    return judge(due_of(item, law), signed_at, admitted_at, law.outages_of(item.author)) in _LATE


# -- what may be said -----------------------------------------------------------------------------


def publication(
    item_id: str,
    category: str,
    bulletin: sharing_pb.Bulletin,
    formed_at: datetime,
    recipients: Sequence[str],
    *,
    restricted: bool,
    author: str,
    directory: Directory,
    now: datetime,
) -> Sharing:
    """A new item.

    Raises:
        GoesByHand: The category's matter is delivered by hand.
        LateWithoutReason: It is late and gives no reason.
        CategoryUnknown: The catalogue has no such category.
        InvalidField: A recipient is unknown, the category takes other bodies, the
            information is not formed yet, or it is restricted to nobody.
    """
    _check_category(category, directory)
    if formed_at > now:
        raise InvalidField(
            "Information is formed before it is shared.", reason="OCCURRED_AFTER_SIGNED", field="formed_at"
        )
    named = tuple(dict.fromkeys(name for name in recipients if name != author))
    for name in named:
        if directory.department(name) is None:
            raise InvalidField(
                f"No department is called {name}.", reason="UNKNOWN_DEPARTMENT", field="recipients"
            )
    if restricted and not named:
        raise InvalidField("A restricted bulletin names its recipients.", field="recipients")
    if now >= due_at(formed_at, directory.law.calendar(author)) and not bulletin.late_reason.strip():
        raise LateWithoutReason(reason="FIELD_REQUIRED", field="bulletin.late_reason")
    return Sharing(PUBLISH, item_id, 1, category, formed_at, named, restricted, bulletin)


def correction(item: Item, bulletin: sharing_pb.Bulletin, *, author: str, directory: Directory) -> Sharing:
    """The next revision of an own item, to whom it went before.

    Raises:
        ItemNotYours: The item is another's, or withdrawn.
        GoesByHand: The category's matter is delivered by hand by now.
        InvalidField: The category takes other bodies by now.
    """
    _check_own(item, author)
    _check_category(item.category, directory)
    return _next(item, CORRECT, bulletin)


def withdrawal(item: Item, reason: str, *, author: str) -> Sharing:
    """The end of an own item; it repeats the title and says why, not what.

    Allowed also in a category that goes by hand by now: then more than ever.

    Raises:
        ItemNotYours: The item is another's, or withdrawn.
    """
    _check_own(item, author)
    title = sharing_pb.Bulletin.FromString(item.heading).title if item.heading else ""
    # every body is a valid Bulletin, also for those who check it against its rules
    return _next(
        item, WITHDRAW, sharing_pb.Bulletin(title=title or reason[:200], text=reason, change_note=reason)
    )


def subscription(category: str, *, subscribed: bool, directory: Directory) -> pb.ItemHeader:
    """A wish to get a category from now on, or no longer.

    Raises:
        CategoryUnknown: The category is unknown.
        GoesByHand: Nothing of this category will ever come this way.
    """
    if subscribed:
        _check_category(category, directory, any_body=True)
    elif directory.category(category) is None:
        raise CategoryUnknown(f"The catalogue has no {category}.", field="category")
    act = pb.ITEM_ACT_SUBSCRIBE if subscribed else pb.ITEM_ACT_UNSUBSCRIBE
    return pb.ItemHeader(act=act, category=category)


def _next(item: Item, act: str, bulletin: sharing_pb.Bulletin) -> Sharing:
    if item.heading and not bulletin.late_reason:
        # who subscribes later gets this letter alone, and is to know that the item was late
        stated = sharing_pb.Bulletin.FromString(item.heading).late_reason
        if stated:
            own = sharing_pb.Bulletin()
            own.CopyFrom(bulletin)
            own.late_reason = stated
            bulletin = own
    formed_at = from_microseconds(item.formed_at_us)
    return Sharing(
        act,
        item.item_id,
        item.revision + 1,
        item.category,
        formed_at,
        item.recipients,
        item.restricted,
        bulletin,
    )


def _check_own(item: Item, author: str) -> None:
    if item.author != author:
        raise ItemNotYours(f"The item is {item.author}'s.", field="item_id")
    if item.withdrawn:
        raise ItemNotYours("The item was withdrawn.", field="item_id")


def _check_category(name: str, directory: Directory, *, any_body: bool = False) -> None:
    category = directory.category(name)
    if category is None:
        raise CategoryUnknown(f"The catalogue has no {name}.", field="category")
    if category.by_hand:
        raise GoesByHand(
            f"{category.title.zh} ({name}) goes by hand (专报专人递送): bring it to the office yourself. "
            "Only a docket may be kept here, never its content.",
            field="category",
        )
    if category.body_type not in ("", BULLETIN) and not any_body:
        raise InvalidField(f"{name} takes bodies of {category.body_type}.", field="category")
