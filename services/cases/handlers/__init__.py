"""CaseService on the wire."""

from __future__ import annotations

from services.cases.handlers.reading import ReadingHandlers
from services.cases.handlers.writing import WritingHandlers

__all__ = ["ReadingHandlers", "WritingHandlers"]
