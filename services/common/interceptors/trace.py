"""Opens a span for every call, child of the caller's own; used only where traces are configured."""

from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from typing_extensions import override

from services.common.caller import request_id
from services.common.errors import LiandongError
from services.common.interceptors.around import Around, Context

_CARRIED: Final = ("traceparent", "tracestate")


class Trace(Around):
    """Opens a span for every call, child of the caller's own; used only where traces are configured."""

    def __init__(self) -> None:
        super().__init__()
        self._tracer = trace.get_tracer("liandong")

    @override
    def before(self, method: str, context: Context) -> Any:
        """Open the span and make it the current one."""
        carrier = {key: value for key, value in context.invocation_metadata() or () if key in _CARRIED}
        span = self._tracer.start_span(
            method.lstrip("/"),
            context=propagate.extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"rpc.system": "grpc", "liandong.request_id": request_id()},
        )
        return span, otel_context.attach(trace.set_span_in_context(span))

    @override
    async def after(self, method: str, context: Context, state: Any, error: BaseException | None) -> None:
        """Close the span, with the reason of a refusal."""
        span, token = state
        if error is not None:
            reason = error.reason if isinstance(error, LiandongError) else type(error).__name__
            span.set_status(Status(StatusCode.ERROR, reason))
        otel_context.detach(token)
        span.end()
