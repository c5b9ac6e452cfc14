"""`python -m services.node`: run a node by environment and TOML until SIGTERM."""

from __future__ import annotations

import asyncio
import signal
import sys

from services.common import log, telemetry
from services.common.config import ConfigurationError, load
from services.node.bootstrap import Node
from services.node.settings import NodeSettings


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


def main() -> int:
    """Run; 2 when the settings are wrong."""
    try:
        settings = load(NodeSettings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    log.configure(settings.log_level)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
