"""Calls of the oversight service, as whoever asks."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from services.common.caller import Caller, set_caller
from tests.unit.procedures.deadline_samples import at

NOW = at("2026-03-05 12:00")
CONTEXT: Any = SimpleNamespace()
"""Handlers get one and make nothing of it."""


def caller(department: str, kind: str) -> Caller:
    """Somebody with a certificate of a department."""
    return Caller(department, kind, "", "01", datetime(2027, 1, 1, tzinfo=UTC))


def call_as(department: str, kind: str = "node") -> None:
    """Make every call that follows as a department."""
    set_caller(caller(department, kind))
