"""SharingService: wire to domain, nothing else. Every reading and writing of an item is audited."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import Callable
from typing import Any, Final

import grpc.aio
from google.protobuf.message import Message
from liandong.exchange.v1 import exchange_service_pb2, reason_pb2
from liandong.sharing.v1 import sharing_service_pb2 as pb

from services.common.errors import InvalidField, LiandongError, NotFound
from services.exchange import actors
from services.exchange.actors import ActorFacts
from services.exchange.department import Department
from services.exchange.digests import sha256
from services.exchange.letters import moment
from services.exchange.session import DepartmentSession, new_id
from services.sharing import sharing, store, views
from services.sharing.feature import SharingFeature, Shelf, sharing_of
from services.sharing.permissions import PUBLISHERS
from services.sharing.sharing import Request
from services.sharing.store import Answered, Wanted
from services.sharing.watching import WatcherTooSlow
from services.sharing.words import query_terms

Context = grpc.aio.ServicerContext[Any, Any]
Say = Callable[[SharingFeature, DepartmentSession, Request], Answered]

_PAGE: Final = 50
_WRITE_TIMEOUT_S: Final = 30


class PageTokenInvalid(InvalidField):
    """The page token is not one of this list; begin again without it."""


class WasRefused(LiandongError):
    """The registry refused this item."""

    code = "FAILED_PRECONDITION"


class SharingHandlers:
    """What a department publishes and reads.

    Args:
        department: Whose items these are.
        shelf: The shelf whose feature the department was wired with.
    """

    def __init__(self, department: Department, shelf: Shelf) -> None:
        self._department = department
        self._shelf = shelf

    # -- the catalogue --------------------------------------------------------------------------

    async def ListCatalogue(  # noqa: N802 - named by the contract, as all below
        self, _request: pb.ListCatalogueRequest, _context: Context
    ) -> pb.ListCatalogueResponse:
        """The region's categories, by name."""
        own = await self._department.read(store.subscriptions)
        categories = self._department.directory.categories
        return pb.ListCatalogueResponse(
            entries=[
                pb.CatalogueEntry(
                    category=name,
                    title_zh=category.title.zh,
                    title_en=category.title.en,
                    subscribed=name in own and own[name].subscribed,
                    by_hand=category.by_hand,
                )
                for name, category in sorted(categories.items())
            ]
        )

    async def Subscribe(self, request: pb.SubscribeRequest, _context: Context) -> pb.SubscribeResponse:  # noqa: N802
        """Record a subscription or its end."""

        def say(feature: SharingFeature, session: DepartmentSession, asked: Request) -> Answered:
            item = sharing.subscription(
                request.category, subscribed=request.subscribed, directory=session.directory
            )
            return feature.subscribe(item, asked)

        answer = await self._record("Subscribe", request, request.idempotency_key, say)
        return pb.SubscribeResponse(answer=answer)

    # -- publishing -----------------------------------------------------------------------------

    async def PublishBulletin(  # noqa: N802
        self, request: pb.PublishBulletinRequest, _context: Context
    ) -> pb.PublishBulletinResponse:
        """Record a bulletin."""
        formed_at = moment(request.formed_at, "formed_at")

        def say(feature: SharingFeature, session: DepartmentSession, asked: Request) -> Answered:
            return feature.record(
                sharing.publication(
                    new_id(),
                    request.category,
                    request.bulletin,
                    formed_at,
                    request.recipients,
                    restricted=request.restricted,
                    author=self._department.name,
                    directory=session.directory,
                    now=session.now,
                ),
                asked,
            )

        answer = await self._record("PublishBulletin", request, request.idempotency_key, say)
        return pb.PublishBulletinResponse(answer=answer)

    async def CorrectBulletin(  # noqa: N802
        self, request: pb.CorrectBulletinRequest, _context: Context
    ) -> pb.CorrectBulletinResponse:
        """Record a correction."""

        def say(feature: SharingFeature, session: DepartmentSession, asked: Request) -> Answered:
            item = feature.item(request.item_id)
            own = sharing.correction(
                item, request.bulletin, author=self._department.name, directory=session.directory
            )
            return feature.record(own, asked)

        answer = await self._record("CorrectBulletin", request, request.idempotency_key, say)
        return pb.CorrectBulletinResponse(answer=answer)

    async def WithdrawBulletin(  # noqa: N802
        self, request: pb.WithdrawBulletinRequest, _context: Context
    ) -> pb.WithdrawBulletinResponse:
        """Record a withdrawal."""

        def say(feature: SharingFeature, _session: DepartmentSession, asked: Request) -> Answered:
            item = feature.item(request.item_id)
            own = sharing.withdrawal(item, request.reason, author=self._department.name)
            return feature.record(own, asked)

        answer = await self._record("WithdrawBulletin", request, request.idempotency_key, say)
        return pb.WithdrawBulletinResponse(answer=answer)

    async def _record(self, method: str, message: Message, key: str, say: Say) -> pb.SharingAnswer:
        asked = _request(actors.current(), method, message, key)

        def command(session: DepartmentSession) -> Answered:
            feature = sharing_of(session)
            known = feature.answered(asked)
            answer = known or say(feature, session, asked)
            session.audit(
                method, object_id=answer.item_id or answer.letter_id, result="repeated" if known else "ok"
            )
            return answer

        return _answer(await self._department.run(command))

    # -- reading --------------------------------------------------------------------------------

    async def ListBulletins(  # noqa: N802
        self, request: pb.ListBulletinsRequest, _context: Context
    ) -> pb.ListBulletinsResponse:
        """What is here, the last seen first."""
        actor = actors.current()
        filters = [request.category, request.author, request.query]
        wanted = Wanted(
            request.category,
            request.author,
            frozenset(query_terms(request.query)),
            _key(request.page_token, filters),
        )
        size = request.page_size or _PAGE
        if request.query.strip() and not wanted.terms:
            found = []
        else:
            found = await self._department.read(
                lambda each: store.page(each, actor.subject, wanted, size + 1)
            )
        await self._department.run(lambda session: session.audit("ListBulletins"))
        shown = views.page(found, size, self._department.directory.law)
        response = pb.ListBulletinsResponse(bulletins=shown)
        if len(found) > len(shown):
            last = found[len(shown) - 1][0]
            response.next_page_token = _token((last.seen_at_us, last.item_id), filters)
        return response

    async def GetBulletin(self, request: pb.GetBulletinRequest, _context: Context) -> pb.GetBulletinResponse:  # noqa: N802
        """One bulletin with its revisions; it is answered once the reading is recorded."""
        actor = actors.current()
        item_id = request.item_id
        shown = await self._department.read(lambda each: views.load(each, actor.subject, item_id))
        if shown is None:
            raise await self._missing(item_id)

        def command(session: DepartmentSession) -> None:
            sharing_of(session).read(item_id, shown.item.revision, actor.subject, actor.name)
            session.audit("GetBulletin", object_id=item_id)

        await self._department.run(command)
        now_read = shown._replace(read_revision=max(shown.read_revision, shown.item.revision))
        return views.full_view(now_read, self._department.directory.law)

    async def _missing(self, item_id: str) -> LiandongError:
        refused = await self._department.read(lambda each: store.refusal(each, item_id))
        if refused is None:
            return NotFound("No bulletin of that id is here.", field="item_id")
        reason, message = refused
        return WasRefused(f"The registry refused it. {message}".strip(), reason=reason, field="item_id")

    async def WatchBulletins(self, request: pb.WatchBulletinsRequest, context: Context) -> None:  # noqa: N802
        """Bulletins as they come, change or are withdrawn, without their text.

        The initial metadata say that from then on nothing is missed.

        Raises:
            WatcherTooSlow: The reader did not take what changed.
        """
        actor = actors.current()
        with self._shelf.watchers.watch(request.category) as watcher:
            await self._department.run(
                lambda session: session.audit("WatchBulletins", object_id=request.category)
            )
            await context.send_initial_metadata(())
            while True:
                for item_id in await watcher.take():
                    await self._tell(item_id, actor.subject, context)

    async def _tell(self, item_id: str, subject: str, context: Context) -> None:
        found = await self._department.read(lambda each: store.item(each, subject, item_id))
        if found is None:
            return
        response = pb.WatchBulletinsResponse(bulletin=views.view(*found, self._department.directory.law))
        try:
            await asyncio.wait_for(context.write(response), _WRITE_TIMEOUT_S)
        except TimeoutError:
            raise WatcherTooSlow(reason="SLOW_READER") from None


def _request(actor: ActorFacts, method: str, message: Message, key: str) -> Request:
    role = next((role for role in actor.assertion.roles if role in PUBLISHERS), "")
    digest = sha256(method.encode() + b"\0" + message.SerializeToString(deterministic=True))
    own_key = f"item:{actor.subject}:{key}" if key else None
    return Request(actor.header(role), (actor.token,), own_key, digest)


def _answer(answered: Answered) -> pb.SharingAnswer:
    answer = pb.SharingAnswer(
        letter_id=answered.letter_id,
        item_id=answered.item_id,
        disposition=exchange_service_pb2.Disposition.Value(f"DISPOSITION_{answered.disposition}"),
        position=answered.position or 0,
    )
    name = f"REASON_{answered.reason}"
    # a registry newer than this program may know more reasons
    if name in reason_pb2.Reason.keys():  # noqa: SIM118 - an enum wrapper, not a dict
        answer.reason = reason_pb2.Reason.Value(name)
    return answer


def _token(key: tuple[int, str], filters: list[str]) -> str:
    parts = [*key, _mark(filters)]
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode()


def _key(token: str, filters: list[str]) -> tuple[int, str] | None:
    """The key after which a page begins; None for the first.

    Raises:
        PageTokenInvalid: It is no token of ours, or one of a list with other filters.
    """
    if not token:
        return None
    try:
        parts = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise PageTokenInvalid(field="page_token") from None
    match parts:
        case [int(seen_at_us), str(item_id), str(mark)] if (
            abs(seen_at_us) < 1 << 62 and "\0" not in item_id and mark == _mark(filters)
        ):
            return seen_at_us, item_id
        case _:
            raise PageTokenInvalid(field="page_token")


def _mark(filters: list[str]) -> str:
    return sha256(json.dumps(filters).encode()).hex()[:8]
