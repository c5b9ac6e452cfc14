"""Where bytes become messages: parsed and validated in one step, by us.

Handlers are registered without a deserialiser, so what cannot be parsed is answered `INVALID_ARGUMENT`,
`MALFORMED` with our details, and not with the framework's own words. A service writes

    async def GetCase(self, request: pb.GetCaseRequest, context: Context) -> pb.Case: ...

and gets messages that keep every rule of their proto. Streams of requests come as an async iterator;
streams of responses are an async generator, or a coroutine that calls `context.write`.
"""

import inspect
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import CompilationError, EvaluationError, Validator, Violation

from services.common.errors import FieldViolation, Internal, InvalidField, LimitExceeded, Malformed
from services.common.permissions import PermissionTable, missing_rows

M = TypeVar("M", bound=Message)

MESSAGE_LIMIT: Final = 2 * 1024 * 1024
FRAMEWORK_MESSAGE_LIMIT: Final = 4 * 1024 * 1024

_validator: Final = Validator()
_log = structlog.get_logger(__name__)


def parse(kind: type[M], data: bytes) -> M:
    """Parse bytes and check them against the rules of the message's proto.

    Raises:
        LimitExceeded: More than 2 MiB.
        Malformed: No message of this type: garbage, wrong UTF-8, nested too deeply.
        InvalidField: A rule is broken; the violations name fields and rules.
    """
    if len(data) > MESSAGE_LIMIT:
        raise LimitExceeded(f"A message of {len(data)} bytes, at most {MESSAGE_LIMIT}.")
    try:
        message = kind.FromString(data)
    except (DecodeError, RecursionError):
        raise Malformed from None
    validate(message)
    return message


def validate(message: Message) -> None:
    """Check a message against the rules of its proto.

    Raises:
        InvalidField: A rule is broken; `field` is the first, the violations name all.
    """
    try:
        found = _validator.collect_violations(message)
    except (CompilationError, EvaluationError) as error:
        _log.error("edge.rules", message=message.DESCRIPTOR.full_name, exc_info=error)
        raise Internal from error
    if found:
        violations = tuple(_violation(each) for each in found)
        first = violations[0]
        raise InvalidField(
            f"{first.field or message.DESCRIPTOR.name}: {first.message}",
            field=first.field,
            violations=violations,
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

    __slots__ = ("_kind", "_messages")

    def __init__(self, kind: type[Message], messages: AsyncIterator[bytes]) -> None:
        self._kind = kind
        self._messages = aiter(messages)

    async def __anext__(self) -> Any:
        return parse(self._kind, await anext(self._messages))


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
