"""Who may call what of SharingService: the department's own gateway and systems, always with an actor."""

from __future__ import annotations

from typing import Final

from liandong.sharing.v1 import sharing_service_pb2

from services.common.permissions import PermissionTable, Rule

SERVICE: Final = sharing_service_pb2.DESCRIPTOR.services_by_name["SharingService"]
PUBLISHERS: Final = frozenset({"clerk", "liaison", "registry-clerk", "system"})
"""Roles that may speak for the department to others; `system` is that of its service actors."""

_CALLERS: Final = frozenset({"gateway", "system"})
_WRITES: Final = frozenset({"PublishBulletin", "CorrectBulletin", "WithdrawBulletin", "Subscribe"})

RULES: Final[PermissionTable] = {
    f"/{SERVICE.full_name}/{method}": Rule(
        kinds=_CALLERS,
        same_department=True,
        actor="required",
        roles=PUBLISHERS if method in _WRITES else frozenset(),
    )
    for method in (
        *sorted(_WRITES),
        "ListCatalogue",
        "ListBulletins",
        "GetBulletin",
        "WatchBulletins",
    )
}
"""A row for each RPC; everybody of the department reads."""
