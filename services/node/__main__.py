"""`python -m services.node`: run a node by environment and TOML until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from services.common import log, telemetry
from services.common.config import ConfigurationError, load
from services.node.bootstrap import Node, migrate_department
from services.node.settings import NodeSettings

_MIGRATE: Final = "--migrate"


async def serve(settings: NodeSettings) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    node = Node(settings)
    end = telemetry.start(settings.telemetry)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await node.start()
        await stop.wait()
        await node.stop()
    finally:
        end()


def run(settings: NodeSettings, config: Path | None = None) -> int:
    """Migrate, then serve; the exit code.

    Args:
        settings: What the operator says.
        config: The file it stands in, if not in the environment.
    """
    # in a process of its own: what migrations need stays out of the memory of a node that runs for months
    named = {"LIANDONG_CONFIG": str(config)} if config else {}
    command = [sys.executable, "-m", "services.node", _MIGRATE]
    migrated = subprocess.run(command, env={**os.environ, **named}, check=False)  # noqa: S603 - ours
    if migrated.returncode == 0:
        asyncio.run(serve(settings))
    return migrated.returncode


def main() -> int:
    """Run; 2 when the settings are wrong."""
    try:
        settings = load(NodeSettings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    log.configure(settings.log_level)
    if _MIGRATE in sys.argv[1:]:
        for each in settings.departments:
            migrate_department(each.database)
        return 0
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
