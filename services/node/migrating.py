"""`python -m services.node.migrating`: bring the databases named on stdin, a URL a line, to this version.

A process of its own: what migrations need stays out of the memory of a node that runs for months, and what a node
needs is not loaded for them. On stdin, because a URL may hold a password.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_AREAS: Final = ("exchange", "cases", "sharing", "notices")
_SERVICES: Final = Path(__file__).parent.parent


def migrate_department(url: str) -> None:
    """Bring a department's database to this version: exchange, evidence, cases, sharing, notices.

    To be done before a `HostedDepartment` is made.
    """
    from services.common.migrations import migrate  # noqa: PLC0415 - a running node has no use for it

    for area in _AREAS:
        migrate(url, _SERVICES / area / "migrations", version_table=f"{area}_version")


def begin(urls: Iterable[str]) -> subprocess.Popen[str]:
    """Start it; its exit code is 0 when all databases are of this version."""
    child = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, text=True)  # noqa: S603 - ours
    assert child.stdin is not None
    with child.stdin as stdin:
        stdin.writelines(f"{url}\n" for url in urls)
    return child


if __name__ == "__main__":
    for line in sys.stdin:
        migrate_department(line.strip())
