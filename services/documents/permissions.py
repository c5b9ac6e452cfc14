"""Who may call what of DocumentService: the department's own gateway and systems, always with an actor."""

from __future__ import annotations

from typing import Final

from liandong.cases.v1 import document_service_pb2

from services.common.permissions import PermissionTable, Rule

SERVICE: Final = document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"]

RULES: Final[PermissionTable] = {
    f"/{SERVICE.full_name}/RenderLetter": Rule(
        kinds=frozenset({"gateway", "system"}), same_department=True, actor="required"
    ),
}
"""Everybody of the department who may read a letter may print it."""
