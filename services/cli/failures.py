"""What a failed command prints, and the code it ends with.

0: done. 1: refused, by this program's rules or by a server's. 2: wrong use or configuration. 3: a server is
not reachable. 130: interrupted.
"""

from __future__ import annotations

from typing import Final

import grpc.aio
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from services.cli.texts import known, say
from services.common.channel import liandong_error
from services.common.config import ConfigurationError
from services.common.errors import LiandongError

OK: Final = 0
REFUSED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
INTERRUPTED: Final = 130

EXPECTED: Final = (
    LiandongError,
    ConfigurationError,
    ValidationError,
    grpc.aio.AioRpcError,
    OSError,
    ExceptionGroup,
)
"""What a command may end with, and still be understood."""


class Failed(Exception):
    """The command did its work, and what it found is not well; it has said so itself."""


def report(error: BaseException, console: Console | None = None) -> int:
    """Print what went wrong and what to do; returns the exit code."""
    out = console or Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(error, ExceptionGroup):
        return report(error.exceptions[0], out)
    if isinstance(error, Failed):
        return REFUSED
    if isinstance(error, grpc.aio.AioRpcError):
        error = liandong_error(error)
    if isinstance(error, LiandongError):
        return _refused(error, out)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        out.print(f"[bold red]{say('failures.file')}[/] {escape(f'{name}{error.strerror or error}')}")
        return USAGE
    lines = error.mistakes if isinstance(error, ConfigurationError) else str(error).splitlines()
    out.print(f"[bold red]{say('failures.configuration')}[/]")
    for line in lines:
        out.print(f"  {escape(line)}")
    return USAGE


def _refused(error: LiandongError, out: Console) -> int:
    unreachable = error.reason == "UNAVAILABLE"
    heading = say("failures.unreachable" if unreachable else "failures.refused")
    # an error of this program's own has no reason of the wire
    reason = "" if error.reason == "INTERNAL" != error.code else error.reason
    out.print(f"[bold red]{heading}[/] [bold]{escape(reason)}[/]")
    out.print(f"  {escape(error.message)}")
    if error.field:
        out.print(f"  {say('failures.field')} [bold]{escape(error.field)}[/]")
    for each in error.violations:
        out.print(f"  {say('failures.field')} [bold]{escape(each.field)}[/]: {escape(each.message)}")
    advice = known(f"advice.{reason}")
    if advice:
        out.print(f"  {say('failures.advice')} {escape(advice)}")
    if error.retry_after_ms:
        out.print(f"  {say('failures.retry', seconds=-(-error.retry_after_ms // 1000))}")
    if error.request_id:
        out.print(f"  {say('failures.request')} {escape(error.request_id)}")
    return UNREACHABLE if unreachable else REFUSED
