"""Writes one log line and one measurement for every call."""

import asyncio
import time
from typing import Any, Final

import structlog
from prometheus_client import Counter, Gauge, Histogram
from typing_extensions import override

from services.common.errors import LiandongError
from services.common.interceptors.around import Around, Context

DURATION: Final = Histogram(
    "liandong_grpc_duration_seconds",
    "Time from the first byte to the status, by method and code.",
    ("method", "code"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
REFUSED: Final = Counter(
    "liandong_grpc_refused_total", "Calls refused, by method and reason.", ("method", "reason")
)
OPEN: Final = Gauge("liandong_grpc_open_calls", "Calls in progress, by method.", ("method",))

_log = structlog.get_logger(__name__)


class Observe(Around):
    """Writes one log line and one measurement for every call."""

    def __init__(self) -> None:
        super().__init__()
        self._ok: dict[str, tuple[Any, Any]] = {}

    @override
    def before(self, method: str, context: Context) -> Any:
        """Note the time; count the call as open."""
        known = self._ok.get(method)
        if known is None:
            # finding the child of a labelled metric costs more than using it
            known = self._ok[method] = (OPEN.labels(method), DURATION.labels(method, "OK"))
        known[0].inc()
        return time.perf_counter()

    @override
    async def after(self, method: str, context: Context, state: Any, error: BaseException | None) -> None:
        """Measure, and write the line: quiet for success, with the reason for a refusal."""
        elapsed = time.perf_counter() - state
        is_open, succeeded = self._ok[method]
        is_open.dec()
        if error is None:
            succeeded.observe(elapsed)
            _log.debug("call", method=method, code="OK", ms=round(elapsed * 1000, 3))
            return
        code, reason = _outcome(error, context)
        DURATION.labels(method, code).observe(elapsed)
        if reason:
            REFUSED.labels(method, reason).inc()
        _log.info("call", method=method, code=code, reason=reason, ms=round(elapsed * 1000, 3))


def _outcome(error: BaseException, context: Context) -> tuple[str, str]:
    if isinstance(error, LiandongError):
        return error.code, error.reason
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        remaining = context.time_remaining()
        expired = remaining is not None and remaining <= 0
        return ("DEADLINE_EXCEEDED" if expired else "CANCELLED"), ""
    return "INTERNAL", "INTERNAL"
