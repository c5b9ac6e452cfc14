"""Shared items in a department's session: own ones are recorded, everybody's are folded.

A feature of the department's session for letters of kind `item`. Items are folded when the group is
written, from all their revisions at once, so a group that brings many letters reads and writes each
table once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from liandong.exchange.v1 import envelope_pb2 as pb

from services.common.bulk import Record
from services.common.clock import microseconds
from services.common.errors import Conflict, NotFound
from services.exchange.delivered import Delivered
from services.exchange.digests import Leaf
from services.exchange.evidence_transfer import Direction
from services.exchange.letters import Letter, moment
from services.exchange.session import RECORDED, Command, DepartmentSession, new_id
from services.sharing import attachments, store
from services.sharing.sharing import (
    ACT_NAMES,
    BULLETIN,
    Item,
    Request,
    Revision,
    Sharing,
    fold,
    heading_of,
    read_bulletin,
    searched_text,
)
from services.sharing.store import Answered, Subscription
from services.sharing.watching import Watchers
from services.sharing.words import index_terms

KIND: Final = "item"
"""The kind of letters, and the feature's key in `Department.features`."""

_SUBSCRIBE: Final = frozenset({pb.ITEM_ACT_SUBSCRIBE, pb.ITEM_ACT_UNSUBSCRIBE})


@dataclass(slots=True)
class Shelf:
    """What a department's shared items keep in memory between sessions.

    Attributes:
        pending: Own letters about items on their way; None until read. Only the writer's
            thread changes it. A receipt of any other kind of letter costs no query, thanks to it.
        watchers: Told of what changed after each commit.
        evidence_recorded: Called after a commit that asked for evidence to be moved.
    """

    pending: dict[str, pb.ItemHeader] | None = None
    watchers: Watchers = field(default_factory=Watchers)
    evidence_recorded: Callable[[], None] = lambda: None

    def feature(self, session: DepartmentSession) -> SharingFeature:
        """The shelf's part in a session."""
        return SharingFeature(self, session)


class SharingFeature:
    """The shelf in one attempt of one commit group."""

    def __init__(self, shelf: Shelf, session: DepartmentSession) -> None:
        self._shelf = shelf
        self._session = session
        self._department = session.department.name
        self._loaded: dict[str, dict[str, Revision]] = {}
        self._changed: dict[str, dict[str, Revision]] = {}
        self._texts: dict[str, str] = {}
        self._subscriptions: dict[str, Subscription] | None = None
        self._resubscribed: dict[str, Subscription] = {}
        self._reads: list[Record] = []
        self._sent: dict[str, pb.ItemHeader] = {}
        self._settled: set[str] = set()
        self._answers: dict[str, Answered] = {}
        self._news: dict[str, str] = {}
        self._moves_evidence = False
        self._standing: list[Item] = []
        self._gone: list[str] = []
        self._terms: dict[str, set[str]] = {}

    def foresee(self, commands: Sequence[Command]) -> None:
        """People's requests come one by one."""

    # -- own letters ----------------------------------------------------------------------------

    def answered(self, request: Request) -> Answered | None:
        """What this request was answered before, None if it is new.

        Raises:
            Conflict: The key was used with another request.
        """
        key = request.key
        if key is None:
            return None
        known = self._answers.get(key) or store.answered(self._session.connection, key)
        if known is not None and known.request_digest != request.digest:
            raise Conflict(field="idempotency_key")
        return known

    def item(self, item_id: str) -> Item:
        """An item with own letters on their way.

        Raises:
            NotFound: It is not here.
        """
        found = fold(self._revisions(item_id).values())
        if found is None:
            raise NotFound("No item of that id is here.", field="item_id")
        return found

    def record(self, sharing: Sharing, request: Request) -> Answered:
        """Sign what is to be said about an item and put it on its way.

        Raises:
            ClockSkew: Our clock cannot be trusted to date a letter.
            AttachmentMissing: An attachment is not complete here, or not theirs to name.
        """
        connection = self._session.connection
        roots = attachments.roots_of(sharing.body)
        holder = ""
        if roots:
            holder = attachments.holder_of(
                connection, sharing.item_id, roots, request.actor.subject, self._department
            )
        payload = sharing.body.SerializeToString()
        header = self._header(sharing.header(), BULLETIN, payload, request)
        answer = self._send(header, payload, request, sharing.item_id, sharing.formed_at)
        letter_id = header.letter_id
        self._note(
            Revision(
                letter_id=letter_id,
                item_id=sharing.item_id,
                revision=sharing.revision,
                act=sharing.act,
                author=self._department,
                category=sharing.category,
                formed_at_us=microseconds(sharing.formed_at),
                signed_at_us=microseconds(self._session.now),
                restricted=sharing.restricted,
                recipients=sharing.recipients,
                heading=heading_of(sharing.body),
            )
        )
        self._texts[letter_id] = searched_text(sharing.body)
        if roots:
            attachments.move(connection, sharing.item_id, roots, holder, Direction.PUSH)
            self._moves_evidence = True
        return answer

    def subscribe(self, item: pb.ItemHeader, request: Request) -> Answered:
        """Sign a wish to get a category, or no longer, and put it on its way.

        Raises:
            ClockSkew: Our clock cannot be trusted to date a letter.
        """
        header = self._header(item, "", b"", request)
        # under its category, so that of two wishes the later one is the later there too
        answer = self._send(header, b"", request, item.category, None)
        before = self._subscription(item.category)
        wished = item.act == pb.ITEM_ACT_SUBSCRIBE
        self._resubscribed[item.category] = Subscription(wished, before.admitted, header.letter_id)
        return answer

    def read(self, item_id: str, revision: int, subject: str, name: str) -> None:
        """Note that a person reads an item."""
        self._reads.append((item_id, subject, name, revision, microseconds(self._session.now)))

    def _header(self, item: pb.ItemHeader, payload_type: str, payload: bytes, request: Request) -> pb.Header:
        header = self._session.header(new_id(), request.actor, payload_type, payload, request.assertions)
        header.item.CopyFrom(item)
        return header

    def _send(
        self, header: pb.Header, payload: bytes, request: Request, order: str, formed_at: datetime | None
    ) -> Answered:
        self._session.record(
            header,
            payload,
            request.assertions,
            case_id=order,
            occurred_at=formed_at,
            idempotency_key=request.key,
            request_digest=request.digest,
        )
        self._sent[header.letter_id] = header.item
        item_id = header.item.item_id
        answer = Answered(request.digest or b"", header.letter_id, item_id, RECORDED, None, "")
        if request.key is not None:
            self._answers[request.key] = answer
        return answer

    # -- everybody's letters --------------------------------------------------------------------

    def deliver(self, delivered: Delivered) -> None:
        """Fold an item of another department, or the receipt of an own letter.

        Raises:
            ValueError: The letter names no item.
            InvalidField: A time is outside 1970 to 2100.
        """
        if delivered.receipt is not None:
            self._receipt(delivered.receipt.letter_id, delivered.leaf)
        elif delivered.letter is not None and delivered.letter.kind == KIND:
            self._fold_letter(delivered.letter, delivered.leaf)

    def _fold_letter(self, letter: Letter, leaf: Leaf) -> None:
        header = letter.header
        item = header.item
        act = ACT_NAMES.get(item.act)
        if act is None:
            return
        if not item.item_id:
            raise ValueError("The letter names no item.")
        bulletin = read_bulletin(header, letter.envelope.payload)
        self._note(
            Revision(
                letter_id=header.letter_id,
                item_id=item.item_id,
                revision=item.revision,
                act=act,
                author=header.author,
                category=item.category,
                formed_at_us=microseconds(moment(item.formed_at, "item.formed_at")),
                signed_at_us=microseconds(moment(header.signed_at, "signed_at")),
                restricted=item.restricted,
                recipients=tuple(item.recipients),
                heading=None if bulletin is None else heading_of(bulletin),
                position=leaf.position,
                admitted_at_us=leaf.admitted_at_us,
            )
        )
        self._texts[header.letter_id] = "" if bulletin is None else searched_text(bulletin)
        roots = [] if bulletin is None else attachments.roots_of(bulletin)
        if roots and header.author != self._department:
            attachments.move(self._session.connection, item.item_id, roots, self._department, Direction.PULL)
            self._moves_evidence = True

    def _receipt(self, letter_id: str, leaf: Leaf) -> None:
        # not ours, or answered before: the acknowledgement was lost with the connection
        item = self._settle(letter_id)
        if item is None:
            return
        if item.act in _SUBSCRIBE:
            before = self._subscription(item.category)
            admitted = item.act == pb.ITEM_ACT_SUBSCRIBE
            self._resubscribed[item.category] = before._replace(admitted=admitted)
            return
        revision = self._revisions(item.item_id).get(letter_id)
        if revision is not None:
            self._note(replace(revision, position=leaf.position, admitted_at_us=leaf.admitted_at_us))

    def refused(self, letter_id: str, reason: str, not_submitted: frozenset[str]) -> None:
        """An own letter was refused: it is no part of its item, nor is what was built on it."""
        item = self._settle(letter_id)
        if item is None:
            return
        if item.act in _SUBSCRIBE:
            before = self._subscription(item.category)
            if before.letter_id == letter_id:
                self._resubscribed[item.category] = before._replace(subscribed=before.admitted)
            return
        revisions = self._revisions(item.item_id)
        revision = revisions.get(letter_id)
        if revision is None:
            return
        self._note(replace(revision, refused=True))
        later = [
            each
            for each in self._revisions(item.item_id).values()
            if each.revision > revision.revision and not each.refused and each.letter_id in not_submitted
        ]
        message = f"It followed {letter_id}, which was refused: {reason}."
        for each in sorted(later, key=lambda one: one.revision):
            self._session.refused(each.letter_id, "PREDECESSOR_REFUSED", message, not_submitted)

    def arrived(self, department: str, positions: Sequence[int], received_at: datetime) -> None:
        """No clock of an item starts on receipt."""

    def law_changed(self) -> None:
        """Due times are computed when they are shown."""

    # -- memory and disk ------------------------------------------------------------------------

    def _settle(self, letter_id: str) -> pb.ItemHeader | None:
        """Take an own letter off its way; None if it is not on it, or of another kind."""
        if letter_id in self._settled:
            return None
        shelf = self._shelf
        if shelf.pending is None:
            shelf.pending = store.pending(self._session.connection)
        found = self._sent.get(letter_id) or shelf.pending.get(letter_id)
        if found is not None:
            self._settled.add(letter_id)
        return found

    def _revisions(self, item_id: str) -> dict[str, Revision]:
        if item_id not in self._loaded:
            self._loaded.update({item_id: {}} | store.revisions(self._session.connection, [item_id]))
        return self._loaded[item_id] | self._changed.get(item_id, {})

    def _subscription(self, category: str) -> Subscription:
        if self._subscriptions is None:
            self._subscriptions = store.subscriptions(self._session.connection)
        none = Subscription(subscribed=False, admitted=False, letter_id="")
        return self._resubscribed.get(category) or self._subscriptions.get(category, none)

    def _note(self, revision: Revision) -> None:
        self._changed.setdefault(revision.item_id, {})[revision.letter_id] = revision

    def prepare(self) -> None:
        """Fold the items that changed, and see what was read anew."""
        connection = self._session.connection
        if self._changed:
            self._fold_items(list(self._changed))
        if self._reads:
            self._reads = store.new_reads(connection, self._reads)

    def _fold_items(self, item_ids: list[str]) -> None:
        connection = self._session.connection
        missing = [each for each in item_ids if each not in self._loaded]
        found = store.revisions(connection, missing)
        self._loaded.update({each: found.get(each, {}) for each in missing})
        stored = store.items(connection, item_ids)
        for item_id in item_ids:
            before = stored.get(item_id)
            item = fold(self._revisions(item_id).values(), before.seen_at_us if before else None)
            if item is not None:
                self._standing.append(item)
            elif before is not None:
                self._gone.append(item_id)
            shown = item or before
            self._news[item_id] = shown.category if shown else ""
        known = {each.letter_id for each in stored.values()}
        reworded = [each for each in self._standing if each.letter_id not in known]
        text_of = self._texts_of(reworded)
        self._terms = {each.item_id: index_terms(text_of(each.letter_id)) for each in reworded}
        self._terms.update({item_id: set() for item_id in self._gone})

    def flush(self) -> None:
        """Write."""
        connection = self._session.connection
        store.write_revisions(connection, [each for one in self._changed.values() for each in one.values()])
        store.write_items(connection, self._standing)
        store.delete_items(connection, self._gone)
        store.write_terms(connection, self._terms)
        store.write_subscriptions(connection, self._resubscribed)
        store.write_reads(connection, self._reads)

    def _texts_of(self, items: Iterable[Item]) -> Callable[[str], str]:
        """What is searched in the newest revisions of items; read where it did not come just now."""
        missing = [each.letter_id for each in items if each.letter_id not in self._texts]
        for letter_id, body in store.bodies(self._session.connection, missing).items():
            bulletin = read_bulletin(pb.Header.FromString(body.header), body.payload)
            self._texts[letter_id] = "" if bulletin is None else searched_text(bulletin)
        return lambda letter_id: self._texts.get(letter_id, "")

    def committed(self) -> None:
        """Publish what is durable, and tell those who watch."""
        pending = self._shelf.pending
        if pending is not None:
            pending.update(self._sent)
            for letter_id in self._settled:
                pending.pop(letter_id, None)
        if self._news:
            self._shelf.watchers.tell(self._news)
        if self._moves_evidence:
            self._shelf.evidence_recorded()

    def discard(self) -> None:
        """Nothing was kept, or nobody knows."""
        self._shelf.pending = None


def sharing_of(session: DepartmentSession) -> SharingFeature:
    """The feature in a session of a department that was wired with it."""
    feature = session.features[KIND]
    assert isinstance(feature, SharingFeature)
    return feature
