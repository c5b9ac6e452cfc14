"""Who may call what of NotificationService: people each for itself, deliveries those who see to them."""

from __future__ import annotations

from typing import Final

from liandong.notices.v1 import notification_service_pb2

from services.common.permissions import PermissionTable, Rule

SERVICE: Final = notification_service_pb2.DESCRIPTOR.services_by_name["NotificationService"]

_CALLERS: Final = frozenset({"gateway", "system"})
_OPERATORS: Final = frozenset({"registry-clerk", "liaison", "system"})

RULES: Final[PermissionTable] = {
    f"/{SERVICE.full_name}/{method}": Rule(
        kinds=_CALLERS,
        same_department=True,
        actor="required",
        roles=_OPERATORS if method == "ListDeliveries" else frozenset(),
    )
    for method in ("ListMessages", "MarkRead", "GetPreferences", "SetPreferences", "ListDeliveries")
}
"""A row for each RPC."""
