"""What happens around every call, outermost first.

The order is part of the contract between them:

1. `RequestId`: every other one names the request, in its log lines or in the answer.
2. `Errors`: maps what any of those below raises, so it stands outside them all.
3. `Observe`: inside `Errors`, to see the typed error and not the status; outside the rest, to count refusals.
4. `Limits`: before any work is done for the call.
5. `Identify`: the table is asked about a caller.
6. `Authorise`: last before the bytes are parsed, so that nobody makes us parse who may not call.

`Trace`, where traces are configured, stands beside `Observe`, for the same reasons.
"""

from collections.abc import Callable, Sequence

from services.common.caller import Caller
from services.common.clock import Clock
from services.common.interceptors.around import Around
from services.common.interceptors.authorise import Authorise, VerifyActor
from services.common.interceptors.errors import Errors
from services.common.interceptors.identify import Identify
from services.common.interceptors.limits import Limits
from services.common.interceptors.observe import Observe
from services.common.interceptors.request_id import RequestId
from services.common.permissions import PermissionTable

__all__ = ["ORDER", "Around", "VerifyActor", "check_order", "stack"]

ORDER: tuple[type[Around], ...] = (RequestId, Errors, Observe, Limits, Identify, Authorise)


def stack(
    table: PermissionTable,
    *,
    department: str,
    verify_actor: VerifyActor | None = None,
    is_revoked: Callable[[Caller], bool] | None = None,
    clock: Clock | None = None,
    certificates: bool = True,
    traces: bool = False,
) -> list[Around]:
    """The interceptors of a server, in order.

    Args:
        table: A row for each method.
        department: The department that is served here.
        verify_actor: How actor assertions are verified.
        is_revoked: Whether a caller's certificate or key was revoked.
        clock: To judge certificates by.
        certificates: False on the port that asks for no client certificates.
        traces: Whether to open a span for each call.
    """
    spans: list[Around] = []
    if traces:
        # imported here: needs the extra `telemetry`
        from services.common.interceptors.trace import Trace  # noqa: PLC0415

        spans.append(Trace())
    return [
        RequestId(),
        Errors(),
        *spans,
        Observe(),
        Limits(),
        Identify(clock=clock, is_revoked=is_revoked, certificates=certificates),
        Authorise(table, department=department, verify_actor=verify_actor),
    ]


def check_order(interceptors: Sequence[object]) -> None:
    """Refuse to start with the interceptors in another order; further ones may stand between.

    Raises:
        ValueError: One is missing, doubled, or out of its place.
    """
    ours = tuple(type(each) for each in interceptors if isinstance(each, ORDER))
    if ours != ORDER:
        raise ValueError(f"Interceptors stand as {[each.__name__ for each in ours]}, not as in ORDER.")
