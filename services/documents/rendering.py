"""Rendering in a child process: the node stays small, and a document that takes too long is ended.

The child is a program of this package (`python -m services.documents.child`); it gets the document on its standard
input and answers with the file, or with an exit code that says why not.
"""

from __future__ import annotations

import asyncio
import enum
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from services.common.errors import Internal, LiandongError, StorageFailed, Unavailable
from services.documents.fonts import NoFont, find
from services.documents.model import Document, Face
from services.documents.pieces import Binding

_log = structlog.get_logger(__name__)

CHILD: Final = ("-m", "services.documents.child")
"""The program."""
NO_FONT: Final = 3
"""Exit code of a child that found no font for Chinese."""
TOO_LARGE: Final = 4
"""Exit code of a child that ran out of the memory that it may take."""
NO_ROOM: Final = 5
"""Exit code of a child for whose files the disk has no room."""
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of address space of a child."""
_RETRY_AFTER_MS: Final = 5_000
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")
"""Of the environment; the rest of it is none of the child's business."""


class Format(enum.StrEnum):
    """File formats."""

    PDF = "pdf"
    DOCX = "docx"

    @property
    def media_type(self) -> str:
        """What the file is."""
        if self is Format.PDF:
            return "application/pdf"
        return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class NotPrintable(LiandongError):
    """The document could not be made: it is too large, or took too long."""

    reason = "NOT_PRINTABLE"
    code = "RESOURCE_EXHAUSTED"


@dataclass(frozen=True, slots=True)
class Task:
    """What a child is to make."""

    document: Document
    format: Format
    fonts: tuple[Path, ...]
    made_at: datetime


class Renderer:
    """Makes files, a bounded number at once.

    Args:
        fonts: Folders of the operator's own fonts.
        at_once: So many children at most.
        waiting: So many documents wait at most for one; more are refused.
        limit_s: How long a child may take for a document.
        binding_s: How long it may take for the file of a case.
    """

    def __init__(
        self,
        fonts: Sequence[Path] = (),
        *,
        at_once: int = 2,
        waiting: int = 32,
        limit_s: float = 60.0,
        binding_s: float = 300.0,
    ) -> None:
        self.fonts = tuple(fonts)
        self._slots = asyncio.Semaphore(at_once)
        self._places = at_once + waiting
        self._taken = 0
        self._limit_s = limit_s
        self._binding_s = binding_s

    async def render(self, document: Document, form: Format, made_at: datetime) -> bytes:
        """A file.

        Raises:
            NoFont: This node has no font for Chinese.
            NotPrintable: The document is too large for the time or memory that it may take.
            Unavailable: Too many are waiting.
        """
        return await self._turn(Task(document, form, self.fonts, made_at), self._limit_s)

    async def stood_in_for(self) -> tuple[Face, ...]:
        """Faces that another font stands in for on this node, by the fonts that are there now.

        Raises:
            NoFont: This node has no font for Chinese.
        """
        return (await asyncio.to_thread(find, self.fonts)).missing()

    async def bind(self, binding: Binding) -> bytes:
        """Bind a case in its folder; what the child says of it, as JSON.

        Raises:
            NoFont, NotPrintable, Unavailable: As `render`.
            StorageFailed: The disk has no room for its files.
        """
        return await self._turn(binding, self._binding_s)

    async def _turn(self, task: Task | Binding, limit_s: float) -> bytes:
        if self._taken >= self._places:
            raise Unavailable("Too many documents are being made.", retry_after_ms=1_000)
        self._taken += 1
        try:
            async with self._slots:
                return await self._run(task, limit_s)
        finally:
            self._taken -= 1

    async def _run(self, task: Task | Binding, limit_s: float) -> bytes:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )
        try:
            async with asyncio.timeout(limit_s):
                made, told = await child.communicate(pickle.dumps(task))
        except TimeoutError:
            raise NotPrintable from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode == NO_FONT:
            raise NoFont
        if child.returncode == TOO_LARGE:
            raise NotPrintable
        if child.returncode == NO_ROOM:
            raise StorageFailed(retry_after_ms=_RETRY_AFTER_MS)
        if child.returncode:
            # a stack without the document's words: where it broke, not on what
            _log.error("documents.child", code=child.returncode, stack=told.decode(errors="replace")[-2_000:])
            raise Internal
        return made
