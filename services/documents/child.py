"""The child that makes one file: a task on standard input, the file on standard output.

The file of a case lies in a folder that the task names; then standard output says what stands where.

Only this program imports the libraries for PDF and DOCX.
"""

from __future__ import annotations

import contextlib
import errno
import pickle
import resource
import sys
import traceback

from services.documents import fonts
from services.documents.pieces import LARGEST, Binding, TooLarge
from services.documents.rendering import MEMORY, NO_FONT, NO_ROOM, TOO_LARGE, Format, Task


def make(task: Task | Binding) -> bytes:
    """The file of a task; of a case that is bound, what stands where.

    Raises:
        NoFont: For a PDF, no font for Chinese is here.
    """
    if isinstance(task, Binding):
        from services.documents import book  # noqa: PLC0415 - a letter has no use for it

        return book.bind(task, fonts.find(task.fonts))
    if task.format is Format.PDF:
        from services.documents import pdf  # noqa: PLC0415 - one of the two is needed

        return pdf.render(task.document, fonts.find(task.fonts), task.made_at)
    from services.documents import docx  # noqa: PLC0415

    return docx.render(task.document, task.made_at)


def _widen() -> None:
    """As many files at once as are permitted, and none larger than the file of a case may be."""
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


def main() -> int:
    """Read, make, write."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    # the parent is the same program of the same user, and wrote it a moment ago
    task = pickle.load(sys.stdin.buffer)  # noqa: S301
    assert isinstance(task, Task | Binding)
    if isinstance(task, Binding):
        _widen()
    try:
        made = make(task)
    except fonts.NoFont:
        return NO_FONT
    except (MemoryError, RecursionError, TooLarge):
        return TOO_LARGE
    except OSError as error:
        code = {errno.EFBIG: TOO_LARGE, errno.ENOSPC: NO_ROOM, errno.EDQUOT: NO_ROOM}.get(error.errno or 0, 1)
        sys.stderr.write(f"{type(error).__name__} {error.errno}\n")
        return code
    except Exception as error:  # noqa: BLE001 - the parent logs it
        for frame in traceback.extract_tb(error.__traceback__):
            sys.stderr.write(f"{frame.filename}:{frame.lineno} {frame.name}\n")
        sys.stderr.write(f"{type(error).__name__}\n")
        return 1
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
