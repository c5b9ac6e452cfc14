"""Where bytes become messages: parsed and validated in one step, by us.

Handlers are registered without a deserialiser, so what cannot be parsed is answered `INVALID_ARGUMENT`,
`MALFORMED` with our details, and not with the framework's own words. A service writes

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.Case: ...

and gets messages that keep every rule of their proto. Streams of requests come as an async iterator;
streams of responses are an async generator, or a coroutine that calls `context.write`.
"""

import inspect
from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import CompilationError, EvaluationError, Validator, Violation

from services.common.errors import FieldViolation, Internal, InvalidField, LimitExceeded, Malformed
from services.common.permissions import PermissionTable, missing_rows

M = TypeVar("M", bound=Message)

MESSAGE_LIMIT: Final = 2 * 1024 * 1024
_LIMITS: Final = frozenset({"bytes.max_len", "repeated.max_items"})
"""Rules that are a size or count of the contract; what people write too long is a field's fault."""

_validator: Final = Validator()
_log = structlog.get_logger(__name__)


def parse(kind: type[M], data: bytes) -> M:
    """Parse bytes and check them against the rules of the message's proto.

    Raises:
        LimitExceeded: More than 2 MiB, or a size or count of the contract is exceeded.
        Malformed: No message of this type: garbage, wrong UTF-8, nested too deeply.
        InvalidField: A rule is broken; the violations name fields and rules. A text holds a NUL.
    """
    if len(data) > MESSAGE_LIMIT:
        raise LimitExceeded(f"A message of {len(data)} bytes, at most {MESSAGE_LIMIT}.")
    try:
        message = kind.FromString(data)
    except (DecodeError, RecursionError):
        raise Malformed from None
    validate(message)
    if b"\0" in data:
        _check_texts(message)
    return message


def validate(message: Message) -> None:
    """Check a message against the rules of its proto.

    Raises:
        InvalidField: A rule is broken; `field` is the first, the violations name all.
        LimitExceeded: Likewise, where the first is a size or count of the contract.
    """
    try:
        found = _validator.collect_violations(message)
    except (CompilationError, EvaluationError) as error:
        _log.error("edge.rules", message=message.DESCRIPTOR.full_name, exc_info=error)
        raise Internal from error
    if found:
        violations = tuple(_violation(each) for each in found)
        first = violations[0]
        kind = LimitExceeded if first.rule in _LIMITS else InvalidField
        raise kind(
            f"{first.field or message.DESCRIPTOR.name}: {first.message}",
            field=first.field,
            violations=violations,
        )


def _check_texts(message: Message, path: str = "") -> None:
    """Refuse a NUL in any text: no text of a person holds one, and of our databases one keeps it, one not."""
    for field, is_text, is_repeated in _with_texts(message.DESCRIPTOR):
        name = path + field
        if is_repeated:
            values = [(f"{name}[{index}]", value) for index, value in enumerate(getattr(message, field))]
        elif is_text or message.HasField(field):
            values = [(name, getattr(message, field))]
        else:
            continue
        for where, value in values:
            if not is_text:
                _check_texts(value, f"{where}.")
            elif "\0" in value:
                violation = FieldViolation(where, "string.nul", "A text holds no NUL.")
                raise InvalidField(f"{where}: a text holds no NUL.", field=where, violations=[violation])


@cache
def _with_texts(kind: Descriptor) -> tuple[tuple[str, bool, bool], ...]:
    """Fields that are texts or hold messages: name, whether a text, whether repeated; no contract has maps."""
    return tuple(
        (field.name, field.type == FieldDescriptor.TYPE_STRING, field.is_repeated)
        for field in kind.fields
        if field.type == FieldDescriptor.TYPE_STRING
        or (field.message_type is not None and not field.message_type.GetOptions().map_entry)
    )


def register(
    server: grpc.aio.Server, servicer: object, service: ServiceDescriptor, rules: PermissionTable
) -> None:
    """Offer a service on a server.

    Args:
        server: The server, not yet started.
        servicer: Has an async method for each RPC, under the RPC's name.
        service: The service's descriptor, such as `DESCRIPTOR.services_by_name["CaseService"]`.
        rules: The permission table that the server's interceptor asks.

    Raises:
        TypeError: The servicer lacks a method, or an RPC has no row in the table.
    """
    lacking = [method.name for method in service.methods if not hasattr(servicer, method.name)]
    if lacking:
        raise TypeError(
            f"{type(servicer).__name__} has no method {', '.join(lacking)} of {service.full_name}."
        )
    if missing := missing_rows(rules, [service]):
        raise TypeError(f"No permission row for {', '.join(missing)}.")
    handlers = {method.name: _handler(method, getattr(servicer, method.name)) for method in service.methods}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, handlers),))


def _handler(method: MethodDescriptor, behaviour: Any) -> Any:
    kind = GetMessageClass(method.input_type)
    serialise = GetMessageClass(method.output_type).SerializeToString
    wrap = _wrap_requests if method.client_streaming else _wrap_request
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.client_streaming, method.server_streaming]
    return make(wrap(kind, behaviour), request_deserializer=None, response_serializer=serialise)


def _wrap_request(kind: type[Message], behaviour: Any) -> Any:
    if inspect.isasyncgenfunction(behaviour):

        async def stream(data: bytes, context: Any) -> AsyncIterator[Any]:
            async for response in behaviour(parse(kind, data), context):
                yield response

        return stream

    async def call(data: bytes, context: Any) -> Any:
        return await behaviour(parse(kind, data), context)

    return call


def _wrap_requests(kind: type[Message], behaviour: Any) -> Any:
    if inspect.isasyncgenfunction(behaviour):

        async def stream(messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[Any]:
            async for response in behaviour(_Requests(kind, messages), context):
                yield response

        return stream

    async def call(messages: AsyncIterator[bytes], context: Any) -> Any:
        return await behaviour(_Requests(kind, messages), context)

    return call


class _Requests(AsyncIterator[Any]):
    """A stream of requests, each parsed as it is taken."""

    __slots__ = ("_kind", "_messages", "_reader")

    def __init__(self, kind: type[Message], messages: AsyncIterator[bytes]) -> None:
        self._kind = kind
        self._messages = messages
        self._reader: AsyncIterator[bytes] | None = None

    async def __anext__(self) -> Any:
        if self._reader is None:
            # only now: the framework warns of a reader of a call that is refused before anything is read
            self._reader = aiter(self._messages)
        return parse(self._kind, await anext(self._reader))


def _violation(found: Violation) -> FieldViolation:
    shown = found.proto
    return FieldViolation(
        field=_path(shown.field.elements) if shown.field is not None else "",
        rule=shown.rule_id or "",
        message=shown.message or shown.rule_id or "",
    )


def _path(elements: Iterable[Any]) -> str:
    path = ""
    for element in elements:
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value!r}]"
    return path
