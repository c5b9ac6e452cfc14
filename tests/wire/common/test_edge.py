"""What the edge answers to bytes, metadata and mistakes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest
from google.protobuf.struct_pb2 import ListValue
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue
from liandong.exchange.v1 import envelope_pb2 as envelope
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.common import edge
from services.common.channel import liandong_error, remote_errors
from services.common.errors import (
    Internal,
    InvalidField,
    LiandongError,
    LimitExceeded,
    Malformed,
    Stale,
    Unavailable,
)
from services.common.permissions import Rule

from .conftest import Wire
from .echo import DESCRIPTOR, METHODS, RULES, Echo


@pytest.mark.parametrize("kind", METHODS)
async def test_every_kind_of_call_answers(wire: Wire, kind: str) -> None:
    """Messages arrive typed and leave typed, in all four kinds."""
    assert await wire.client.call(kind, "接报") == ["接报"] * (3 if kind == "Many" else 1)


@pytest.mark.parametrize("kind", METHODS)
async def test_a_typed_error_arrives_as_it_was_raised(wire: Wire, kind: str) -> None:
    """Class, reason, field, sentence and time to retry survive the wire, in all four kinds."""

    def refuse(_text: str) -> None:
        raise Stale("Somebody was faster.", field="revision", retry_after_ms=1500)

    wire.echo.on_call = refuse
    with pytest.raises(Stale) as caught, remote_errors():
        await wire.client.call(kind, "x")
    error = caught.value
    assert (error.code, error.field, error.message) == ("ABORTED", "revision", "Somebody was faster.")
    assert error.retry_after_ms == 1500
    assert len(error.request_id) == 32


async def test_a_stream_refused_while_it_is_sent_is_told_why(wire: Wire) -> None:
    """The server takes what is still under way before it ends the call, or clients would lose the status."""

    def refuse(_text: str) -> None:
        raise Stale("Somebody was faster.")

    async def slowly() -> AsyncIterator[StringValue]:
        for _ in range(20):
            await asyncio.sleep(0.0001)
            yield StringValue(value="x")

    wire.echo.on_call = refuse
    for _ in range(30):
        with pytest.raises(Stale), remote_errors():
            await wire.client.collect(slowly())


@pytest.mark.parametrize("kind", METHODS)
async def test_a_bug_shows_nothing_but_its_request_id(wire: Wire, kind: str) -> None:
    """INTERNAL, our sentence, and the id that finds the stack in the log."""

    def fail(_text: str) -> None:
        raise KeyError("password=hunter2")

    wire.echo.on_call = fail
    with pytest.raises(Internal) as caught, remote_errors():
        await wire.client.call(kind, "x")
    assert "hunter2" not in str(caught.value)
    assert caught.value.request_id


async def test_garbage_is_malformed(wire: Wire) -> None:
    """Bytes that are no message are answered by us, not by the framework."""
    for data in (b"\xff" * 10, b"\x0a\x02\xff\xfe"):
        with pytest.raises(Malformed), remote_errors():
            await wire.client.raw(data)


async def test_a_message_above_the_limit_is_refused_typed(wire: Wire) -> None:
    """Above 2 MiB, while the framework would still take it."""
    with pytest.raises(LimitExceeded, match="at most 2097152") as caught, remote_errors():
        await wire.client.raw(StringValue(value="x" * edge.MESSAGE_LIMIT).SerializeToString())
    assert caught.value.code == "INVALID_ARGUMENT"


async def test_metadata_above_the_limit_is_refused_typed(wire: Wire) -> None:
    """Above 16 KiB, while the framework would still take it."""
    with pytest.raises(LimitExceeded, match="Metadata"), remote_errors():
        await wire.client.one(StringValue(), metadata=(("x-long", "a" * 17_000),))


@pytest.mark.parametrize(
    ("sent", "kept"), [("order-66.retry_1", True), ("short", False), ("line break?!", False)]
)
async def test_a_well_formed_request_id_is_kept(wire: Wire, sent: str, kept: bool) -> None:
    """The caller's id goes through handler and answer; any other is replaced."""
    call = wire.client.one(StringValue(value="who"), metadata=(("liandong-request-id", sent),))
    seen = (await call).value.split()[-1]
    assert (seen == sent) is kept
    assert dict(await call.trailing_metadata())["liandong-request-id"] == seen


def test_a_broken_rule_is_named_with_its_path() -> None:
    """Field path with index, rule and sentence of every violation."""
    data = exchange.SubmitRequest(envelopes=[exchange.SubmitRequest().envelopes.add()]).SerializeToString()
    with pytest.raises(InvalidField) as caught:
        edge.parse(exchange.SubmitRequest, data)
    fields = {violation.field: violation.rule for violation in caught.value.violations}
    assert fields["sequence"] == "uint64.gte"
    assert any(name.startswith("envelopes[0].") for name in fields)
    assert caught.value.field in fields


def test_a_nul_in_a_text_is_refused_with_its_path() -> None:
    """Wherever the text stands; bytes may hold what they want. One database would keep it, the other not."""
    header = envelope.Header(
        letter_id="019a0000-0000-7000-8000-000000000000",
        author="health.qinghe",
        suite=envelope.SUITE_ED25519_SHA256_AES256GCM,
        payload_digest=bytes(32),
        actor=envelope.Actor(name="张三", subject="1", role="clerk"),
        signed_at=Timestamp(seconds=1),
        act=envelope.ActHeader(content=bytes(3)),
    )
    assert edge.parse(envelope.Header, header.SerializeToString()) == header
    header.act.approvals.add(
        role="a", name="b\0", subject="c", assertion_digest=bytes(32)
    ).approved_at.seconds = 1
    with pytest.raises(InvalidField) as caught:
        edge.parse(envelope.Header, header.SerializeToString())
    assert caught.value.field == "act.approvals[0].name"
    with pytest.raises(InvalidField) as caught:
        edge.parse(StringValue, StringValue(value="\0").SerializeToString())
    assert (caught.value.field, caught.value.violations[0].rule) == ("value", "string.nul")


def test_a_size_or_count_of_the_contract_is_a_limit() -> None:
    """More envelopes or bytes than fit are LIMIT_EXCEEDED, a text that is too long is its field's fault."""
    proof = envelope.AuthorProof(
        suite=envelope.SUITE_ED25519_SHA256_AES256GCM,
        key_id="k",
        tree_size=1,
        root=bytes(32),
        signature=bytes(64),
    )
    batch = exchange.SubmitRequest(sequence=1, proof=proof, envelopes=[envelope.Envelope(header=b"h")] * 257)
    with pytest.raises(LimitExceeded) as caught:
        edge.validate(batch)
    assert (caught.value.field, caught.value.violations[0].rule) == ("envelopes", "repeated.max_items")
    with pytest.raises(InvalidField) as long_text:
        edge.validate(envelope.KeyWrap(department="x" * 121, key_id="k"))
    assert long_text.value.field == "department"


async def test_violations_survive_the_wire(wire: Wire) -> None:
    """A thousand mistakes are answered with the first thirty-two."""

    def refuse(_text: str) -> None:
        rows = [exchange.SubmitRequest().envelopes.add() for _ in range(100)]
        edge.validate(exchange.SubmitRequest(envelopes=rows))

    wire.echo.on_call = refuse
    with pytest.raises(InvalidField) as caught, remote_errors():
        await wire.client.call("One", "x")
    assert len(caught.value.violations) == 32
    assert caught.value.violations[0].rule


@pytest.mark.parametrize(("depth", "fits"), [(20, True), (2000, False)])
def test_nesting_without_end_is_malformed(depth: int, fits: bool) -> None:
    """A message nested deeper than the parser allows is refused, and nothing overflows."""
    data = b""
    for _ in range(depth):
        listed = b"\x32" + _varint(len(data)) + data  # Value.list_value
        data = b"\x0a" + _varint(len(listed)) + listed  # ListValue.values
    if fits:
        assert edge.parse(ListValue, data).values
    else:
        with pytest.raises(Malformed):
            edge.parse(ListValue, data)


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def test_a_service_is_offered_whole_or_not() -> None:
    """A missing method or a missing row stops the start and names what is missing."""
    never_reached: Any = None

    class Half:
        One = Echo.One

    with pytest.raises(TypeError, match="Many, Collect, Talk"):
        edge.register(never_reached, Half(), DESCRIPTOR, RULES)
    rows: dict[str, Rule] = {name: rule for name, rule in RULES.items() if not name.endswith("Talk")}
    with pytest.raises(TypeError, match="EchoService/Talk"):
        edge.register(never_reached, Echo(), DESCRIPTOR, rows)


async def test_an_unknown_method_is_the_frameworks_answer(wire: Wire) -> None:
    """Translated all the same."""
    call: Any = wire.client.channel.unary_unary("/liandong.test.v1.EchoService/None")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(b"")
    error = liandong_error(caught.value)
    assert (type(error), error.code) == (Internal, "UNIMPLEMENTED")
    assert isinstance(error, LiandongError)


async def test_an_answer_that_crosses_a_write_is_no_fault_of_the_server() -> None:
    """The framework loses the status then; what is left says only that the call is over."""
    none = grpc.aio.Metadata()
    crossed = grpc.aio.AioRpcError(grpc.StatusCode.INTERNAL, none, none, "Internal error from Core")
    assert isinstance(liandong_error(crossed), Unavailable)
