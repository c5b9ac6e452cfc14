"""Log lines: JSON to stderr for machines, readable on a terminal.

A line names its request, case, letter and department through bound context, not through its text. What a
letter says, keys, tokens and assertions never stand in a line: bytes are shown as their length, and values
under telling names are left out, whoever puts them there.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

# structlog loads rich wherever it is installed, 5 MiB, for tracebacks that we show plain; so this module comes
# first in every server
_loaded = sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
import structlog  # noqa: E402

if _loaded is None:
    del sys.modules["rich"]

_HIDDEN: Final = frozenset(
    {
        "actor_assertion", "assertion", "authorization", "body", "content", "cookie", "key", "passphrase",
        "password", "payload", "private_key", "secret", "subject", "text_body", "token", "url",
    }
)  # fmt: skip
_LONGEST: Final = 2000
# without local variables: those of a handler hold the letter
_STACKS: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)

Event = MutableMapping[str, Any]


class _Lines:
    """Writes to whatever stderr is at that moment: loggers are kept for good, a redirected stderr is not."""

    def __init__(self, *_arguments: object) -> None:
        pass

    def msg(self, line: str) -> None:
        """Write one line."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the log

    debug = info = warning = warn = error = critical = exception = fatal = failure = log = err = msg


def configure(level: str = "INFO", *, json: bool | None = None) -> None:
    """Set up logging for the process; lines of libraries take the same form.

    Args:
        level: The lowest level written.
        json: True for JSON, False for a terminal; without, whatever stderr is.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        hide,
    ]
    renderer: list[Any] = (
        [
            structlog.processors.ExceptionRenderer(_STACKS),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.INFO))


@contextmanager
def bound(*, case_id: str = "", letter_id: str = "", department: str = "") -> Iterator[None]:
    """Name the case, letter or department in every line written inside."""
    given = {"case_id": case_id, "letter_id": letter_id, "department": department}
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in given.items() if value}):
        yield


def hide(_logger: object, _method: str, event: Event) -> Event:
    """Leave out what must not stand in a log; a processor of structlog."""
    for name, value in event.items():
        if name in _HIDDEN:
            event[name] = "(hidden)"
        elif isinstance(value, (bytes, bytearray, memoryview)):
            event[name] = f"({len(value)} bytes)"
        elif isinstance(value, str) and len(value) > _LONGEST:
            event[name] = value[:_LONGEST] + "…"
    return event
