"""`python -m services.gateway`: run a gateway by environment and TOML until SIGTERM."""

from __future__ import annotations

import asyncio
import sys

from services.common import log, telemetry
from services.common.config import ConfigurationError, load
from services.gateway.bootstrap import Gateway
from services.gateway.settings import GatewaySettings


async def _serve(settings: GatewaySettings) -> None:
    gateway = Gateway(settings)
    end = telemetry.start(settings.telemetry)
    try:
        await gateway.serve()
    finally:
        end()


def main() -> int:
    """Run; 2 when the settings are wrong, 1 when the address cannot be listened on."""
    try:
        settings = load(GatewaySettings)
        log.configure(settings.log_level)
        asyncio.run(_serve(settings))
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
