"""A client's channel to a server of ours, and its errors as our own.

A channel keeps the certificate it was opened with: after a renewal open a new one and close the old one
with a grace. Reconnecting is the channel's own business, with a back-off of 0.5 to 20 s.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import DETAILS_KEY, DOMAIN, FieldViolation, LiandongError, Unavailable, error_for
from services.common.tls import TlsFiles

__all__ = ["TlsFiles", "liandong_error", "open_channel", "remote_errors"]

FRAMEWORK_MESSAGE_LIMIT: Final = 4 * 1024 * 1024
FRAMEWORK_METADATA_LIMIT: Final = 64 * 1024

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", FRAMEWORK_MESSAGE_LIMIT),
    ("grpc.max_send_message_length", FRAMEWORK_MESSAGE_LIMIT),
    ("grpc.max_metadata_size", FRAMEWORK_METADATA_LIMIT),
    ("grpc.absolute_max_metadata_size", FRAMEWORK_METADATA_LIMIT),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 20_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # retries are ours to decide: only we know whether a command may be sent twice
    ("grpc.enable_retries", 0),
    # one connection for each channel: two channels to one server do not silently share
    ("grpc.use_local_subchannel_pool", 1),
)

_STATUS_LOST: Final = "Internal error from Core"
"""What the framework says, in place of the status, where the server's answer crossed a write (grpc/grpc#36066)."""
ENDED_WHILE_WRITTEN: Final = "The server ended the call while it was being written to."
"""What we say then; the server lingers, so that it is rare. Whoever sends again is told the reason."""
# what to make of a status that none of our interceptors wrote: the framework's own, or a proxy's
_BARE_REASONS: Final = {
    "UNAVAILABLE": "UNAVAILABLE",
    "DEADLINE_EXCEEDED": "UNAVAILABLE",
    "CANCELLED": "UNAVAILABLE",
    "RESOURCE_EXHAUSTED": "LIMIT_EXCEEDED",
    "UNAUTHENTICATED": "UNKNOWN_CERTIFICATE",
    "PERMISSION_DENIED": "CALLER_NOT_PERMITTED",
    "NOT_FOUND": "NOT_FOUND",
    "INVALID_ARGUMENT": "MALFORMED",
}


def open_channel(
    target: str,
    tls: TlsFiles,
    *,
    server_name: str = "",
    present_certificate: bool = True,
    options: tuple[tuple[str, int | str], ...] = (),
) -> grpc.aio.Channel:
    """Open a channel with mutual TLS.

    Args:
        target: `host:port`.
        tls: Our identity and the authority that the server is checked against.
        server_name: The DNS name that the server's certificate must hold, where it is not the host.
        present_certificate: False for the enrolment port, by one who has no certificate yet.
        options: Further channel options.

    Raises:
        OSError: A file cannot be read.
        ValueError: The key does not belong to the certificate.
    """
    if present_certificate:
        material = tls.read()
        credentials = grpc.ssl_channel_credentials(material.ca, material.key, material.cert)
    else:
        credentials = grpc.ssl_channel_credentials(tls.ca.read_bytes())
    named = (("grpc.ssl_target_name_override", server_name),) if server_name else ()
    return grpc.aio.secure_channel(target, credentials, options=(*_OPTIONS, *named, *options))


def liandong_error(error: grpc.aio.AioRpcError) -> LiandongError:
    """What a server of ours meant by a status; a status of the framework becomes the nearest of ours."""
    code = error.code().name
    message = error.details() or ""
    if code == "INTERNAL" and message == _STATUS_LOST:
        return Unavailable(ENDED_WHILE_WRITTEN)
    status = _status(error)
    reason, field, request_id, retry_after_ms = "", "", "", 0
    violations: list[FieldViolation] = []
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason = info.reason
            field = info.metadata.get("field", "")
            request_id = info.metadata.get("request_id", "")
        elif detail.Unpack(request):
            violations += [
                FieldViolation(each.field, each.reason, each.description) for each in request.field_violations
            ]
        elif detail.Unpack(retry):
            retry_after_ms = retry.retry_delay.ToMilliseconds()
    found = error_for(
        reason or _BARE_REASONS.get(code, "INTERNAL"),
        code,
        message,
        field=field,
        retry_after_ms=retry_after_ms,
        violations=violations,
    )
    found.request_id = request_id
    return found


@contextmanager
def remote_errors() -> Iterator[None]:
    """Around awaited calls: raise a `LiandongError` where the framework raises its own error."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise liandong_error(error) from error


def _status(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
            except DecodeError:
                return None
    return None
