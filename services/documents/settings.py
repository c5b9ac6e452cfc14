"""What an operator may say about documents."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.common.config import Section


class DocumentSettings(Section):
    """How a node prints.

    Attributes:
        fonts: Folders with fonts, looked through before those of the system.
        at_once: So many documents are made at once.
        limit_s: How long making one may take, in seconds.
        binding_s: How long the PDF of an archived case may take.
    """

    fonts: tuple[Path, ...] = ()
    at_once: int = Field(default=2, ge=1, le=16)
    limit_s: float = Field(default=60.0, gt=0, le=600)
    binding_s: float = Field(default=300.0, gt=0, le=3600)
