"""A service with one method of each kind, made without a .proto file."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc.aio
from google.protobuf import descriptor_pb2, descriptor_pool, wrappers_pb2
from google.protobuf.wrappers_pb2 import StringValue

from services.common.caller import actor_or_none, caller, request_id
from services.common.permissions import Rule

SERVICE = "liandong.test.v1.EchoService"
METHODS = {"One": (False, False), "Many": (False, True), "Collect": (True, False), "Talk": (True, True)}


def _describe() -> Any:
    pool = descriptor_pool.Default()
    file = descriptor_pb2.FileDescriptorProto(
        name="liandong/test/v1/echo.proto",
        package="liandong.test.v1",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    service = file.service.add(name="EchoService")
    for name, (client, server) in METHODS.items():
        service.method.add(
            name=name,
            input_type=".google.protobuf.StringValue",
            output_type=".google.protobuf.StringValue",
            client_streaming=client,
            server_streaming=server,
        )
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(SERVICE)


DESCRIPTOR = _describe()
RULES = {f"/{SERVICE}/{name}": Rule(kinds={"node"}) for name in METHODS}


class Echo:
    """Answers with what it got; what it does besides is set by the test."""

    def __init__(self) -> None:
        self.on_call: Callable[[str], None] = lambda _text: None
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()

    def _answer(self, request: StringValue) -> StringValue:
        self.entered.set()
        self.on_call(request.value)
        return request

    async def One(self, request: StringValue, context: Any) -> StringValue:  # noqa: N802 - an RPC's name
        """Who calls, for `who`; waits, for `wait`."""
        if request.value == "who":
            return StringValue(value=f"{caller().department} {caller().kind} {caller().name} {request_id()}")
        if request.value == "roles":
            actor = actor_or_none()
            return StringValue(value=",".join(sorted(actor.roles)) if actor else "nobody")
        if request.value == "wait":
            self.entered.set()
            await self.gate.wait()
        return self._answer(request)

    async def Many(self, request: StringValue, context: Any) -> AsyncIterator[StringValue]:  # noqa: N802
        """Three times, as an async generator."""
        for _ in range(3):
            yield self._answer(request)

    async def Collect(self, requests: AsyncIterator[StringValue], context: Any) -> StringValue:  # noqa: N802
        """All in one."""
        return StringValue(value="".join([self._answer(each).value async for each in requests]))

    async def Talk(self, requests: AsyncIterator[StringValue], context: Any) -> None:  # noqa: N802
        """Each at once, by `context.write`."""
        async for each in requests:
            await context.write(self._answer(each))


class Client:
    """Calls of all four kinds over one channel."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        forms: dict[str, Any] = {
            "request_serializer": StringValue.SerializeToString,
            "response_deserializer": StringValue.FromString,
        }
        self.one: Any = channel.unary_unary(f"/{SERVICE}/One", **forms)
        self.many: Any = channel.unary_stream(f"/{SERVICE}/Many", **forms)
        self.collect: Any = channel.stream_unary(f"/{SERVICE}/Collect", **forms)
        self.talk: Any = channel.stream_stream(f"/{SERVICE}/Talk", **forms)
        self.raw: Any = channel.unary_unary(f"/{SERVICE}/One")

    async def call(self, kind: str, text: str) -> list[str]:
        """Call the method with this text and collect all answers."""
        request = StringValue(value=text)
        if kind == "One":
            return [(await self.one(request)).value]
        if kind == "Collect":
            return [(await self.collect(iter([request]))).value]
        stream = self.many(request) if kind == "Many" else self.talk(iter([request]))
        return [answer.value async for answer in stream]
