"""Progress of long work, on standard error: a bar for people, silence where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

Moved = Callable[[int, int], None]
"""Told how much is done and how much there is."""


@contextmanager
def moving(what: str) -> Iterator[Moved]:
    """A bar for bytes; goes back where some have to be sent again."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with _bar(Progress(*columns, TimeRemainingColumn(), console=_console()), what) as moved:
        yield moved


@contextmanager
def counting(what: str) -> Iterator[Moved]:
    """A bar for things."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with _bar(Progress(*columns, TimeRemainingColumn(), console=_console()), what) as moved:
        yield moved


@contextmanager
def _bar(progress: Progress, what: str) -> Iterator[Moved]:
    with progress:
        task = progress.add_task(what, total=None)

        def moved(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield moved


def _console() -> Console:
    # a log file gets no bar: it would be one line of control characters
    return Console(stderr=True, quiet=not sys.stderr.isatty())


async def saved(path: Path, frames: AsyncIterable[Any]) -> int:
    """Write a stream of frames to a file, which is there only when it is whole; returns its bytes."""
    draft, written = path.with_name(f".{path.name}.part"), 0
    try:
        with counting(path.name) as moved, draft.open("wb") as file:
            async for response in frames:
                written += file.write(response.frame)
                moved(written, written)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return written
