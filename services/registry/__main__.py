"""`python -m services.registry`: run a registry; `init`, `migrate` and `operator` prepare one."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from services.common import config, log, telemetry
from services.common.clock import SystemClock
from services.common.errors import LiandongError
from services.common.migrations import migrate
from services.registry.bootstrap import MIGRATIONS, VERSION_TABLE, Registry, init
from services.registry.credentials import Credentials
from services.registry.region import DefectiveRegion, load_region
from services.registry.settings import RegistrySettings


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m services.registry", description=__doc__)
    parser.add_argument(
        "--config", type=Path, help="settings, TOML; else LIANDONG_CONFIG and the environment"
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run until SIGTERM (default)")
    making = commands.add_parser("init", help="make keys, tables and ledger; publish a region's file")
    making.add_argument("--region-file", type=Path)
    commands.add_parser("migrate", help="bring the tables to this version")
    naming = commands.add_parser("operator", help="issue an operator's client certificate")
    naming.add_argument("name")
    options = parser.parse_args(arguments)
    try:
        settings = config.load(RegistrySettings, options.config)
        log.configure(settings.log_level)
        _do(options, settings)
    except (config.ConfigurationError, DefectiveRegion, LiandongError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _do(options: argparse.Namespace, settings: RegistrySettings) -> None:
    match options.command:
        case "init":
            region = load_region(options.region_file) if options.region_file else None
            init(settings, region.entries if region else ())
        case "migrate":
            migrate(settings.database_url, MIGRATIONS, version_table=VERSION_TABLE)
        case "operator":
            credentials = Credentials.load(settings.data_dir, settings.name)
            files = credentials.operator(options.name, SystemClock().now())
            sys.stdout.write(f"{files.cert}\n{files.key}\n")
        case _:
            end = telemetry.start(settings.telemetry)
            try:
                asyncio.run(Registry(settings).serve())
            finally:
                end()


if __name__ == "__main__":
    sys.exit(main())
