"""What happens at a department's node and concerns it at the registry, read into the gateway's store.

Letters and bulletins are read in ledger order from where the last reading ended, so that none is missed
while the gateway is down; the node's own watches only say that there is something. What they bring by
themselves, such as a letter that was parked and comes late, is noted, too: what is known is noted once.
Alerts are read from the registry by their number, with some before, since its processes write side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, Final, TypeVar

import structlog
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import exchange_service_pb2
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.sharing.v1 import sharing_service_pb2 as sharing
from sqlalchemy import Connection

from services.common.clock import Clock
from services.common.db import Database
from services.common.errors import LiandongError
from services.gateway.accounts.model import TOKEN_ACR
from services.gateway.callers import Caller
from services.gateway.calls import Calls
from services.gateway.webhooks import store
from services.gateway.webhooks.model import Event, event
from services.gateway.webhooks.store import Read

M = TypeVar("M", bound=Message)
T = TypeVar("T")

LOOK_S: Final = 30.0
"""How often is looked though nothing was told; each time is in the node's audit."""
_AGAIN_S: Final = 5.0
_GATHER_S: Final = 0.2
_PAGE: Final = 100
_PAGES: Final = 50
_OVERLAP: Final = 200

_log = structlog.get_logger(__name__)


class Feed:
    """Reads one department.

    Args:
        department: Which.
        calls: The way to its node and to the registry.
        database: The gateway's own.
        clock: The time.
    """

    def __init__(self, department: str, calls: Calls, database: Database, clock: Clock) -> None:
        self._department = department
        self._calls = calls
        self._database = database
        self._clock = clock
        self._began = clock.now()
        self._told = asyncio.Event()
        self._reading = asyncio.Lock()
        self._caller = Caller(
            department=department, subject="gateway-webhooks", name="网关订阅", roles=("system",), acr=TOKEN_ACR,
            service=True, scopes=frozenset(), key="",
        )  # fmt: skip

    async def run(self) -> None:
        """Read until cancelled."""
        watches = [
            asyncio.create_task(self._watch(cases.WatchCasesRequest(), cases.WatchCasesResponse)),
            asyncio.create_task(self._watch(sharing.WatchBulletinsRequest(), sharing.WatchBulletinsResponse)),
        ]
        try:
            while True:
                self._told.clear()
                try:
                    await self.step()
                except LiandongError as error:
                    _log.warning("webhook.feed", department=self._department, reason=error.reason)
                    await asyncio.sleep(_AGAIN_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._told.wait()
                # what happens together is read together
                await asyncio.sleep(_GATHER_S)
        finally:
            for each in watches:
                each.cancel()
            await asyncio.gather(*watches, return_exceptions=True)

    async def step(self) -> None:
        """Read what is new; the first time only where new begins.

        Raises:
            LiandongError: The node is out of reach, or the store.
        """
        # a new webhook asks for a reading of its own
        async with self._reading:
            await self._step()

    async def _step(self) -> None:
        read = await self._database_read(lambda each: store.read_until(each, self._department))
        if read is None:
            await self._begin()
            return
        read = await self._letters(read)
        read = await self._bulletins(read)
        if self._calls.has_registry(self._department):
            try:
                await self._alerts(read)
            except LiandongError as error:
                # offline is normal: the department's own letters do not wait for it
                _log.info("webhook.alerts", department=self._department, reason=error.reason)

    async def _begin(self) -> None:
        self._began = self._clock.now()
        node = await self._call(cases.GetNodeStateRequest(), cases.GetNodeStateResponse)
        newest = await self._call(sharing.ListBulletinsRequest(page_size=1), sharing.ListBulletinsResponse)
        alerts = 0
        if self._calls.has_registry(self._department):
            asked = oversight.ListAlertsRequest(addressee=self._department, page_size=1)
            found = await self._call(asked, oversight.ListAlertsResponse)
            alerts = max((each.id for each in found.alerts), default=0)
        letters = max(0, node.cursor.at, node.cursor.position)
        position = max((each.position for each in newest.bulletins), default=0)
        await self._note([], Read(letters, position, alerts))

    async def _letters(self, read: Read) -> Read:
        while True:
            asked = cases.ListLettersRequest(after_position=read.letters, page_size=_PAGE)
            found = await self._call(asked, cases.ListLettersResponse)
            if not found.letters:
                return read
            read = Read(found.next_position, read.bulletins, read.alerts)
            await self._note([self._letter(each.case, each.letter, each) for each in found.letters], read)

    async def _bulletins(self, read: Read) -> Read:
        found: list[Any] = []
        asked = sharing.ListBulletinsRequest(page_size=_PAGE)
        for _ in range(_PAGES):
            answer = await self._call(asked, sharing.ListBulletinsResponse)
            fresh = [each for each in answer.bulletins if each.position > read.bulletins]
            found += fresh
            placed = any(0 < each.position <= read.bulletins for each in answer.bulletins)
            if placed or not answer.next_page_token:
                break
            asked.page_token = answer.next_page_token
        if not found:
            return read
        read = Read(read.letters, max(each.position for each in found), read.alerts)
        await self._note(
            [self._bulletin(each) for each in sorted(found, key=lambda each: each.position)], read
        )
        return read

    async def _alerts(self, read: Read) -> None:
        found: list[Any] = []
        asked = oversight.ListAlertsRequest(addressee=self._department, page_size=_PAGE)
        for _ in range(_PAGES):
            answer = await self._call(asked, oversight.ListAlertsResponse)
            found += [each for each in answer.alerts if each.id > max(0, read.alerts - _OVERLAP)]
            if len(found) < len(answer.alerts) or not answer.next_page_token:
                break
            asked.page_token = answer.next_page_token
        newest = max((each.id for each in found), default=read.alerts)
        # of those with a number of before only what fired since this process, or the reading, began: else it is known
        fresh = [
            each for each in found if each.id > read.alerts or each.fired_at.ToDatetime(UTC) >= self._began
        ]
        await self._note(
            [self._alert(each) for each in fresh[::-1]], Read(read.letters, read.bulletins, newest)
        )

    async def _watch(self, request: Message, kind: type[Message]) -> None:
        """Listen; whatever comes says that there is something to be read."""
        while True:
            try:
                stream = self._calls.stream(self._caller, request, kind, request_id=self._request_id)
                async with contextlib.aclosing(stream):
                    async for each in stream:
                        await self._late(each)
                        self._told.set()
            except LiandongError as error:
                _log.info("webhook.watch", department=self._department, reason=error.reason)
            await asyncio.sleep(_AGAIN_S)

    async def _late(self, found: Any) -> None:
        """Note a letter that comes with a position of before; others are found by reading on."""
        if not isinstance(found, cases.WatchCasesResponse):
            return
        if found.letter.disposition != exchange_service_pb2.DISPOSITION_ADMITTED:
            return
        read = await self._database_read(lambda each: store.read_until(each, self._department))
        if read is not None and found.letter.position.position <= read.letters:
            data = cases.CaseLetter(case=found.case, letter=found.letter)
            await self._note([self._letter(found.case, found.letter, data)], None)

    def _letter(self, case: Any, letter: Any, data: Message) -> Event:
        kind = "admitted" if letter.author == self._department else "arrived"
        return event(
            self._department,
            f"letter-{letter.letter_id}",
            f"liandong.letter.{kind}",
            case.case_id,
            letter.admitted_at.ToDatetime(UTC),
            _json(data),
        )

    def _bulletin(self, found: Any) -> Event:
        state = "-withdrawn" if found.withdrawn else ""
        return event(
            self._department,
            f"bulletin-{found.item_id}-{found.revision}{state}",
            "liandong.bulletin",
            found.item_id,
            found.admitted_at.ToDatetime(UTC),
            _json(found),
        )

    def _alert(self, found: Any) -> Event:
        subject = found.obligation.case_id or found.subject_department or self._department
        at = found.fired_at.ToDatetime(UTC)
        return event(self._department, f"alert-{found.id}", "liandong.alert", subject, at, _json(found))

    async def _note(self, found: Sequence[Event], read: Read | None) -> None:
        """Note events and how far was read, in one transaction."""
        now = self._clock.now()

        def work(connection: Connection) -> None:
            store.note(connection, self._department, found, now)
            if read is not None:
                store.note_read(connection, self._department, read)

        await asyncio.to_thread(self._database.write, work)

    async def _call(self, request: Message, kind: type[M]) -> M:
        return await self._calls.call(self._caller, request, kind, request_id=self._request_id)

    @property
    def _request_id(self) -> str:
        """In the node's audit."""
        return f"webhooks-{self._department}"[:64]

    async def _database_read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._database.read, work)


def _json(found: Message) -> dict[str, Any]:
    """As the REST interface would say it."""
    return MessageToDict(found, always_print_fields_with_no_presence=True)
