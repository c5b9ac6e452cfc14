"""`python -m services.node`: run a node by environment and TOML until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys

from services.common import log, telemetry
from services.common.config import ConfigurationError, load
from services.node import migrating
from services.node.settings import NodeSettings


async def serve(settings: NodeSettings) -> None:
    """Run until SIGTERM or SIGINT, then drain."""
    from services.node.bootstrap import Node  # noqa: PLC0415 - see `run`

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


def run(settings: NodeSettings) -> int:
    """Migrate, then serve; the exit code."""
    migration = migrating.begin(each.database for each in settings.departments)
    # meanwhile: nearly everything that a node loads
    from services.node import bootstrap  # noqa: F401, PLC0415

    if migration.wait() == 0:
        asyncio.run(serve(settings))
    return migration.returncode


def main() -> int:
    """Run; 2 when the settings are wrong."""
    try:
        settings = load(NodeSettings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    log.configure(settings.log_level)
    return run(settings)


if __name__ == "__main__":
    sys.exit(main())
