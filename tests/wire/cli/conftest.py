"""A registry and one node, set up and run by the command itself.

They are processes, and so are the commands that set them up. Most other commands run in the process of the test, over
the same TLS: an interpreter for each would take longer than what it does. `Command.process` is for those that show
what only a process has, in each family of commands: its exit code and what comes out of it.
"""

import contextlib
import contextvars
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import structlog
from typer import rich_utils
from typer.testing import CliRunner

from services.cli.main import main
from services.exchange import keys
from services.exchange.keys import KeyRole
from tests.builders.ports import free_port

HEALTH = "health.qinghe"
ISSUER = "issuer.health"
_REGION_FILE = Path(__file__).parents[3] / "services" / "cli" / "demo" / "qinghe.yaml"
_PATIENCE_S = 60


@dataclass
class Command:
    """The command in a folder, with an environment of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *arguments: str, code: int = 0, stdin: str = "", settings: Mapping[str, str] | None = None
    ) -> str:
        """Run it in this process; returns what it says, on either stream."""
        runner = CliRunner()
        logging = structlog.get_config()
        # what a command leaves to the process that ends with it
        panels = {name: value for name, value in vars(rich_utils).items() if name.endswith("_PANEL_TITLE")}
        environment = self._environment(settings or {})
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, environment, clear=True),
            mock.patch.multiple(rich_utils, **panels),
            runner.isolation(stdin) as (out, err, _),
        ):
            ended = contextvars.copy_context().run(_ended, arguments)
            sys.stdout.flush()
            sys.stderr.flush()
            said, complained = out.getvalue().decode(), err.getvalue().decode()
        structlog.configure(**logging)
        assert ended == code, f"{arguments}: {ended}\n{said}\n{complained}"
        return said + complained

    def process(
        self, *arguments: str, code: int = 0, stdin: str = "", settings: Mapping[str, str] | None = None
    ) -> str:
        """Run it as a process of its own; returns what it says, on either stream."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli.main", *arguments],
            cwd=self.folder,
            env=self._environment(settings or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        """Run it with --json; returns the last line."""
        return json.loads(self(*arguments, "--json").splitlines()[-1])

    def start(
        self, name: str, *arguments: str, ready: str, settings: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        """Start it and wait for a word in its log."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.cli.main", *arguments],
                cwd=self.folder,
                env=self._environment(settings or {}),
                stdout=file,
                stderr=file,
            )
        until = time.monotonic() + _PATIENCE_S
        while ready not in log.read_text(encoding="utf-8"):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < until, log.read_text(encoding="utf-8")
            time.sleep(0.1)
        return process

    def _environment(self, settings: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIANDONG_")}
        # wide, so that no table is wrapped: some runners set a width of their own
        fixed = {"LIANDONG_LANG": "en", "PYTHONUTF8": "1", "COLUMNS": "240"}
        return {**inherited, **fixed, **self.environment, **settings}


def _ended(arguments: Sequence[str]) -> int:
    """Run the command; its exit code."""
    try:
        return main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)


@dataclass
class World:
    """Where everything is."""

    run: Command
    folder: Path
    registry: dict[str, str]
    addresses: dict[str, str]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A district of one registry and the node of the health commission, as their operators set them up."""
    folder = tmp_path_factory.mktemp("cli")
    main, enrolment, node = (free_port() for _ in range(3))
    registry = {
        "LIANDONG_REGION": "qinghe",
        "LIANDONG_DATABASE_URL": f"sqlite:///{folder / 'registry.sqlite'}",
        "LIANDONG_DATA_DIR": str(folder / "registry"),
        "LIANDONG_LISTEN": f"127.0.0.1:{main}",
        "LIANDONG_ENROLMENT_LISTEN": f"127.0.0.1:{enrolment}",
        "LIANDONG_REPLICA": "a",
    }
    addresses = {"registry": f"127.0.0.1:{main}", "node": f"127.0.0.1:{node}"}
    run = Command(folder)
    running = []
    try:
        run.process(
            "registry", "init", "--region", str(_REGION_FILE), "--operator", "anna", settings=registry
        )
        running.append(run.start("registry", "registry", ready="registry.started", settings=registry))
        keys.save_private_key(folder / "issuer.key", keys.generate(KeyRole.SIGN))
        invited = run.process("invite", HEALTH, "--data-dir", "registry", "--registry", addresses["registry"])
        line = next(each for each in invited.splitlines() if each.startswith("liandong-invite:"))
        run.process(
            "enrol",
            "-",
            "--folder",
            "health",
            "--host",
            "127.0.0.1",
            "--issuer",
            f"{ISSUER}=issuer.key",
            stdin=line,
        )
        run.process("renew", "--folder", "health", "--client", "system/cli", "--out", "health/system")
        (folder / "node.toml").write_text(
            f'[[departments]]\nname = "{HEALTH}"\nfolder = "health"\nlisten = "{addresses["node"]}"\n',
            encoding="utf-8",
        )
        running.append(run.start("node", "node", "--config", "node.toml", ready="link.up"))
        _describe(folder, addresses, f"127.0.0.1:{enrolment}")
        run.environment = {"LIANDONG_FEDERATION": "federation.json", "LIANDONG_AS": f"{HEALTH}:clerk"}
        until = time.monotonic() + _PATIENCE_S
        # the link is up before the entries that came over it are applied
        while "STATUS_ACTIVE" not in json.dumps(run.json("directory", "list")):
            assert time.monotonic() < until
        yield World(run, folder, registry, addresses)
    finally:
        for process in reversed(running):
            process.terminate()
        for process in reversed(running):
            process.wait(_PATIENCE_S)


def _describe(folder: Path, addresses: dict[str, str], enrolment: str) -> None:
    actors = [
        {"role": role, "name": name, "issuer": ISSUER, "key": "issuer.key"}
        for role, name in (
            ("clerk", "王芳"),
            ("leader-in-charge", "陈慧"),
            ("auditor", "周宁"),
            ("section-head", "周宁"),
            ("registry-clerk", "赵敏"),
            ("system", "系统"),
        )
    ]
    department = {
        "name": HEALTH,
        "title": "卫健局",
        "address": addresses["node"],
        "certificate": "health/system/tls.crt",
        "key": "health/system/tls.key",
        "actors": actors,
    }
    content = {
        "ca": "health/ca.crt",
        "registry": {"address": addresses["registry"], "enrolment_address": enrolment},
        "departments": [department],
        "gateway": {},
    }
    (folder / "federation.json").write_text(json.dumps(content), encoding="utf-8")
