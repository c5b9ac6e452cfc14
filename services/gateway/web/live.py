"""Changes as they happen, from nodes and registry to browsers.

One stream upstream for each department's cases, for each office's oversight and for each person's work, however
many browsers look; it begins with the first and ends with the last. A browser is told that something of a kind
changed and asks for what it shows: many changes in a moment are one word to it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

import structlog
from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2, handling_service_pb2
from liandong.oversight.v1 import oversight_service_pb2

from services.common.errors import LiandongError
from services.gateway.accounts.model import TOKEN_ACR
from services.gateway.callers import Caller
from services.gateway.calls import Calls

M = TypeVar("M", bound=Message)

_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 15.0
PULSE_S: Final = 15.0
"""A silent stream says that it is there."""
_GATHER_S: Final = 0.1

_log = structlog.get_logger(__name__)


@dataclass
class _Source:
    """One stream upstream.

    Attributes:
        task: Reads it.
        listeners: Who is told.
    """

    task: asyncio.Task[None]
    listeners: set[Listener] = field(default_factory=set)


class Listener:
    """One browser: the kinds that changed since it was last told."""

    def __init__(self) -> None:
        self._changed: dict[str, str] = {}
        self._told = asyncio.Event()

    def tell(self, kind: str, what: str) -> None:
        """Something of a kind changed; of many only the last is named."""
        self._changed[kind] = what
        self._told.set()

    async def wait(self, timeout_s: float) -> dict[str, str]:
        """What changed since, by kind; empty if nothing did in that time."""
        try:
            await asyncio.wait_for(self._told.wait(), timeout_s)
        except TimeoutError:
            return {}
        # what comes together is told together
        await asyncio.sleep(_GATHER_S)
        self._told.clear()
        found, self._changed = self._changed, {}
        return found


class Live:
    """The streams upstream and who listens to them.

    Args:
        calls: The services.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._sources: dict[tuple[str, str], _Source] = {}

    @contextlib.asynccontextmanager
    async def listening(self, caller: Caller, *, oversight: bool) -> AsyncIterator[Listener]:
        """Listen in a person's name.

        Args:
            caller: Who looks.
            oversight: Also to what the department's offices see.
        """
        listener = Listener()
        kinds = [("cases", caller.department), ("work", caller.key)]
        if oversight:
            kinds.append(("oversight", caller.department))
        try:
            for kind in kinds:
                self._join(kind, caller, listener)
            yield listener
        finally:
            for kind in kinds:
                self._leave(kind, listener)

    async def close(self) -> None:
        """End all streams."""
        sources, self._sources = self._sources, {}
        for each in sources.values():
            each.task.cancel()
        await asyncio.gather(*(each.task for each in sources.values()), return_exceptions=True)

    def _join(self, key: tuple[str, str], caller: Caller, listener: Listener) -> None:
        source = self._sources.get(key)
        if source is None:
            source = self._sources[key] = _Source(asyncio.ensure_future(self._read(key, caller)))
        source.listeners.add(listener)

    def _leave(self, key: tuple[str, str], listener: Listener) -> None:
        source = self._sources.get(key)
        if source is None:
            return
        source.listeners.discard(listener)
        if not source.listeners:
            del self._sources[key]
            source.task.cancel()

    async def _read(self, key: tuple[str, str], caller: Caller) -> None:
        kind, _ = key
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                async for what in self._changes(kind, caller):
                    wait_s = _FIRST_WAIT_S
                    self._tell(key, what)
            except LiandongError as error:
                _log.info("live.ended", kind=kind, department=caller.department, reason=error.reason)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
            # what changed meanwhile was not heard
            self._tell(key, "")

    def _tell(self, key: tuple[str, str], what: str) -> None:
        source = self._sources.get(key)
        for each in source.listeners if source else ():
            each.tell(key[0], what)

    async def _changes(self, kind: str, caller: Caller) -> AsyncIterator[str]:
        if kind == "cases":
            system = Caller(
                department=caller.department, subject="gateway", name="gateway", roles=("system",),
                acr=TOKEN_ACR, service=True, scopes=frozenset(), key="gateway",
            )  # fmt: skip
            async for case in self._stream(
                system, case_service_pb2.WatchCasesRequest(), case_service_pb2.WatchCasesResponse
            ):
                yield case.case.case_id
        elif kind == "work":
            async for work in self._stream(
                caller, handling_service_pb2.WatchWorkRequest(), handling_service_pb2.WatchWorkResponse
            ):
                yield work.document.document_id
        else:
            async for change in self._stream(
                caller, oversight_service_pb2.WatchRequest(), oversight_service_pb2.WatchResponse
            ):
                yield change.act.case_id

    async def _stream(self, caller: Caller, request: Message, answer: type[M]) -> AsyncIterator[M]:
        stream = self._calls.stream(caller, request, answer, request_id=f"live-{caller.department}")
        async with contextlib.aclosing(stream):
            async for each in stream:
                yield each
