"""The way from the gateway to a department's node and to the registry: channels, calls, streams.

One object for each department that the gateway stands in front of. A channel keeps the certificate that
it was opened with; after a renewal new ones are opened, and the old ones end with a grace.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, Final

import grpc.aio
from google.protobuf.message import Message

from services.common.channel import open_channel, remote_errors
from services.common.errors import Unavailable
from services.common.tls_watch import TlsWatch
from services.gateway.settings import DepartmentSettings

Metadata = tuple[tuple[str, str], ...]

CALL_TIMEOUT_S: Final = 30.0
_GRACE_S: Final = 5.0
# people look on: a node that is back is found within seconds
_RECONNECTION: Final = (("grpc.max_reconnect_backoff_ms", 2_000),)


class Upstream:
    """Calls for one department.

    Args:
        settings: Which one, and where.

    Raises:
        OSError: A file of the gateway's identity cannot be read.
        ValueError: They do not fit together.
    """

    def __init__(self, settings: DepartmentSettings) -> None:
        self.settings = settings
        self._watch = TlsWatch(settings.tls)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def channel(self, *, registry: bool = False) -> grpc.aio.Channel:
        """The channel to the node, or to the registry.

        Raises:
            Unavailable: No registry is configured.
        """
        if self._watch.changed() is not None:
            for each in self._channels.values():
                closing = asyncio.ensure_future(each.close(_GRACE_S))
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            self._channels = {}
        settings = self.settings
        target = settings.registry if registry else settings.address
        if not target:
            raise Unavailable("This gateway does not know where the registry is.")
        found = self._channels.get(target)
        if found is None:
            name = settings.registry_server_name if registry else settings.server_name
            found = self._channels[target] = open_channel(
                target, settings.tls, server_name=name, options=_RECONNECTION
            )
        return found

    async def call(
        self,
        method: str,
        request: Message,
        answer: Callable[[bytes], Message],
        *,
        registry: bool = False,
        metadata: Metadata = (),
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Message:
        """One unary call.

        Raises:
            LiandongError: What the service said, or `Unavailable`.
        """
        callable_ = self.channel(registry=registry).unary_unary(
            method, request_serializer=_serialized, response_deserializer=answer
        )
        with remote_errors():
            return await callable_(request, metadata=metadata, timeout=timeout_s)

    async def send(
        self,
        method: str,
        requests: AsyncIterator[Message],
        answer: Callable[[bytes], Message],
        *,
        registry: bool = False,
        metadata: Metadata = (),
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> Message:
        """One call of a stream of requests.

        Raises:
            LiandongError: What the service said, what the requests' source raised, or `Unavailable`.
        """
        callable_ = self.channel(registry=registry).stream_unary(
            method, request_serializer=_serialized, response_deserializer=answer
        )
        call: Any = callable_(metadata=metadata, timeout=timeout_s)
        try:
            with remote_errors():
                async for each in requests:
                    try:
                        await call.write(each)
                    except asyncio.InvalidStateError:
                        break  # answered before the end: the answer says why
                else:
                    with contextlib.suppress(asyncio.InvalidStateError):
                        await call.done_writing()
                found: Message = await call
                return found
        finally:
            call.cancel()

    async def stream(
        self,
        method: str,
        request: Message,
        answer: Callable[[bytes], Message],
        *,
        registry: bool = False,
        metadata: Metadata = (),
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Message]:
        """One call that answers with a stream; leaving it ends the call.

        Raises:
            LiandongError: What the service said, or `Unavailable`.
        """
        callable_ = self.channel(registry=registry).unary_stream(
            method, request_serializer=_serialized, response_deserializer=answer
        )
        call: Any = callable_(request, metadata=metadata, timeout=timeout_s)
        try:
            with remote_errors():
                async for each in call:
                    yield each
        finally:
            call.cancel()

    async def close(self) -> None:
        """Close the channels."""
        channels, self._channels = self._channels, {}
        await asyncio.gather(*(each.close(_GRACE_S) for each in channels.values()), *self._closing)


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
