"""Refuses procedures that cannot work."""

from __future__ import annotations

from services.procedures.model import Procedure
from services.procedures.source import Text


def check(procedure: Procedure, text: Text) -> None:
    """Adds to `text.found` what is wrong with the meaning of a procedure."""
