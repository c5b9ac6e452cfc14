"""Turns every error into a `google.rpc.Status`: the only place that does."""

import asyncio
import contextlib
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from typing_extensions import override

from services.common.caller import request_id
from services.common.errors import DETAILS_KEY, DOMAIN, Internal, LiandongError
from services.common.interceptors.around import Around, Context, Handler
from services.common.interceptors.request_id import METADATA_KEY

VIOLATIONS_SENT: Final = 32
"""Trailing metadata is bounded, so a message with a thousand mistakes names the first ones."""
_TEXT_SENT: Final = 300
LINGER_S: Final = 0.5
"""How long the requests of a stream that is refused are still taken, unread, before its status is sent."""

_log = structlog.get_logger(__name__)


class Errors(Around):
    """Turns every error into a `google.rpc.Status`: the only place that does."""

    def __init__(self) -> None:
        super().__init__()
        self._request_streams: set[str] = set()

    @override
    def _wrap(self, method: str, handler: Handler) -> Handler:
        if handler.request_streaming:
            self._request_streams.add(method)
        return super()._wrap(method, handler)

    @override
    def before(self, method: str, context: Context) -> Any:
        """Nothing to prepare."""

    @override
    async def after(self, method: str, context: Context, state: Any, error: BaseException | None) -> None:
        """End the call with the status of the error."""
        if error is None or isinstance(error, (grpc.aio.AbortError, asyncio.CancelledError, GeneratorExit)):
            return
        if not isinstance(error, LiandongError):
            _log.error("call.failed", method=method, exc_info=error)
            error = Internal()
        if method in self._request_streams:
            await _linger(context)
        status = status_of(error, request_id())
        context.set_trailing_metadata(
            ((METADATA_KEY, request_id()), (DETAILS_KEY, status.SerializeToString()))
        )
        await context.abort(grpc.StatusCode[error.code], status.message)


async def _linger(context: Context) -> None:
    """Take what the client still sends, until it has sent all or a moment is over.

    A status that crosses a request on its way is lost in clients of grpc's asyncio package: the failed write
    overwrites it (grpc/grpc#36066). What is read here is thrown away, as the call is over.
    """
    # a client that is gone, or a reader of the handler's that has not ended yet: there is nothing to wait for
    with contextlib.suppress(
        TimeoutError, grpc.aio.BaseError, grpc.aio.UsageError, asyncio.InvalidStateError
    ):
        async with asyncio.timeout(LINGER_S):
            while await context.read() is not grpc.aio.EOF:
                pass


def status_of(error: LiandongError, identifier: str) -> status_pb2.Status:
    """The status of an error, with its reason, its field violations and when to try again."""
    metadata = {"request_id": identifier}
    if error.field:
        metadata["field"] = error.field
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)]
    if error.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(
                        field=violation.field[:_TEXT_SENT],
                        reason=violation.rule[:_TEXT_SENT],
                        description=violation.message[:_TEXT_SENT],
                    )
                    for violation in error.violations[:VIOLATIONS_SENT]
                ]
            )
        )
    if error.retry_after_ms > 0:
        delay = Duration()
        delay.FromMilliseconds(error.retry_after_ms)
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=grpc.StatusCode[error.code].value[0], message=error.message[:_TEXT_SENT])
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status
