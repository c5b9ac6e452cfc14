"""NotificationService: wire to domain, nothing else. Everybody sees and sets what is its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import time
from typing import Any, Final, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.notices.v1 import notification_service_pb2 as pb
from sqlalchemy import Connection

from services.common import page_tokens
from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import InvalidField
from services.exchange import actors
from services.notices import store
from services.notices.model import Wishes, is_mail_address

T = TypeVar("T")

_PAGE: Final = 50
_MAIL: Final = "mail"


class NotificationHandlers:
    """What people are told.

    Args:
        database: The department's.
        channels: Names of the channels that the operator set up.
        clock: The time.
        audit: Notes that the caller did something.
    """

    def __init__(
        self,
        database: Database,
        channels: tuple[str, ...],
        clock: Clock,
        audit: Callable[[str], Awaitable[None]],
    ) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock
        self._audit = audit

    async def ListMessages(  # noqa: N802 - named by the contract
        self, request: pb.ListMessagesRequest, _context: Any
    ) -> pb.ListMessagesResponse:
        """The caller's messages."""
        person = actors.current().subject
        size = request.page_size or _PAGE
        kind = pb.MessageKind.Name(request.kind).removeprefix("MESSAGE_KIND_") if request.kind else ""
        after: Any = page_tokens.decode(request.page_token, ((int,), (str,)))

        def read(connection: Connection) -> tuple[Any, int]:
            rows = store.page(
                connection, person, unread=request.unread, kind=kind, after=after, limit=size + 1
            )
            return rows, store.count_unread(connection, person)

        rows, unread = await self._read(read)
        response = pb.ListMessagesResponse(unread=unread, messages=[_message(row) for row in rows[:size]])
        if len(rows) > size:
            last = rows[size - 1]
            response.next_page_token = page_tokens.encode((last.raised_at_us, last.id))
        return response

    async def MarkRead(  # noqa: N802 - named by the contract
        self, request: pb.MarkReadRequest, _context: Any
    ) -> pb.MarkReadResponse:
        """Note what the caller has read."""
        person, now = actors.current().subject, self._clock.now()

        def work(connection: Connection) -> tuple[int, int]:
            marked = store.mark_read(connection, person, request.ids, now)
            return marked, store.count_unread(connection, person)

        marked, unread = await asyncio.to_thread(self._database.write, work)
        return pb.MarkReadResponse(marked=marked, unread=unread)

    async def GetPreferences(  # noqa: N802 - named by the contract
        self, _request: pb.GetPreferencesRequest, _context: Any
    ) -> pb.GetPreferencesResponse:
        """How the caller wants to be told."""
        person = actors.current().subject
        wishes = await self._read(lambda connection: store.wishes(connection, person))
        return pb.GetPreferencesResponse(preferences=_preferences(wishes), channels=self._channels)

    async def SetPreferences(  # noqa: N802 - named by the contract
        self, request: pb.SetPreferencesRequest, _context: Any
    ) -> pb.SetPreferencesResponse:
        """Keep how the caller wants to be told."""
        person, wanted = actors.current().subject, request.preferences
        channels: dict[str, str] = {}
        for index, each in enumerate(wanted.channels):
            field = f"preferences.channels[{index}]"
            if each.channel not in self._channels:
                raise InvalidField("This node has no such channel.", field=f"{field}.channel")
            if each.channel in channels:
                raise InvalidField("A channel stands twice.", field=f"{field}.channel")
            if each.channel == _MAIL and not is_mail_address(each.address):
                raise InvalidField("This is no e-mail address.", field=f"{field}.address")
            channels[each.channel] = each.address
        minute = wanted.digest_minute
        at = time(minute // 60, minute % 60) if wanted.HasField("digest_minute") else None
        wishes = Wishes(channels, at, wanted.language or "zh")
        await self._audit("SetPreferences")
        await asyncio.to_thread(
            self._database.write, lambda connection: store.set_wishes(connection, person, wishes)
        )
        return pb.SetPreferencesResponse(preferences=_preferences(wishes))

    async def ListDeliveries(  # noqa: N802 - named by the contract
        self, request: pb.ListDeliveriesRequest, _context: Any
    ) -> pb.ListDeliveriesResponse:
        """What went out, and what did not."""
        size = request.page_size or _PAGE
        state = pb.DeliveryState.Name(request.state).removeprefix("DELIVERY_STATE_") if request.state else ""
        after: Any = page_tokens.decode(request.page_token, ((int,), (str,), (str,)))

        def read(connection: Connection) -> tuple[Any, dict[str, list[str]]]:
            rows = store.deliveries(connection, state, request.person, after, size + 1)
            return rows, store.messages_in(connection, {row.id for row in rows})

        rows, inside = await self._read(read)
        response = pb.ListDeliveriesResponse(
            deliveries=[_delivery(row, inside.get(row.id, [])) for row in rows[:size]]
        )
        if len(rows) > size:
            last = rows[size - 1]
            response.next_page_token = page_tokens.encode((last.created_at_us, last.id, last.channel))
        return response

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)


def _message(row: Any) -> pb.Message:
    message = pb.Message(
        id=row.id,
        kind=pb.MessageKind.Value(f"MESSAGE_KIND_{row.kind}"),
        urgent=row.urgent,
        text_zh=row.text_zh,
        text_en=row.text_en,
        case_id=row.case_id,
        duty=row.duty,
        subject_department=row.subject_department,
        raised_at=_stamp(row.raised_at_us),
    )
    if row.due_at_us is not None:
        message.due_at.CopyFrom(_stamp(row.due_at_us))
    if row.read_at_us is not None:
        message.read_at.CopyFrom(_stamp(row.read_at_us))
    return message


def _delivery(row: Any, messages: list[str]) -> pb.Delivery:
    delivery = pb.Delivery(
        id=row.id,
        channel=row.channel,
        person=row.person,
        state=pb.DeliveryState.Value(f"DELIVERY_STATE_{row.state}"),
        attempts=row.attempts,
        created_at=_stamp(row.created_at_us),
        error=row.error,
        messages=messages,
    )
    if row.next_at_us is not None:
        delivery.next_at.CopyFrom(_stamp(row.next_at_us))
    if row.ended_at_us is not None:
        delivery.ended_at.CopyFrom(_stamp(row.ended_at_us))
    return delivery


def _preferences(wishes: Wishes) -> pb.Preferences:
    at = wishes.digest_at
    return pb.Preferences(
        channels=[
            pb.ChannelAddress(channel=channel, address=address)
            for channel, address in sorted(wishes.channels.items())
        ],
        digest_minute=None if at is None else at.hour * 60 + at.minute,
        language=wishes.language,
    )


def _stamp(microseconds_: int) -> Timestamp:
    seconds, rest = divmod(microseconds_, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1000)
