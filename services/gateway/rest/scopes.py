"""What a token is good for: an area and whether it may write there, such as `cases:read`."""

from __future__ import annotations

from typing import Final

from services.common.errors import LiandongError
from services.gateway.callers import Caller
from services.gateway.rest.routes import Route

_AREAS: Final = {
    "CaseService": "cases",
    "SubjectService": "cases",
    "PublicService": "public",
    "DutyService": "cases",
    "ImportService": "cases",
    "DocumentService": "documents",
    "HandlingService": "documents",
    "EvidenceService": "evidence",
    "SharingService": "sharing",
    "NotificationService": "messages",
    "DirectoryService": "directory",
    "CodeService": "directory",
    "InvitationService": "directory",
    "OversightService": "oversight",
    "IndicatorService": "oversight",
    "WebhookService": "webhooks",
}
AREAS: Final = tuple(dict.fromkeys(_AREAS.values()))
SCOPES: Final = tuple(f"{area}:{right}" for area in AREAS for right in ("read", "write"))


class ScopeMissing(LiandongError):
    """The token is not good for this."""

    reason = "CALLER_NOT_PERMITTED"
    code = "PERMISSION_DENIED"


def scope_of(route: Route) -> str:
    """The scope that a route needs."""
    area = _AREAS[route.method.containing_service.name]
    return f"{area}:{'read' if route.verb == 'GET' else 'write'}"


def check_scope(needed: str, caller: Caller) -> None:
    """Check a caller's scopes.

    Raises:
        ScopeMissing: It has not the one that is needed; the message names it.
    """
    if needed not in caller.scopes:
        raise ScopeMissing(f"The token has not the scope {needed}.")
