"""The demo's processes: started with their settings in the environment, ended by SIGTERM, never orphaned."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_READY_S: Final = 60.0
_END_S: Final = 15.0
# a killed demo must not leave servers behind; where the kernel has no such call they end with the session.
# said by the child itself: a function between fork and exec would fork all of gRPC's threads' locks
_RUN: Final = """
import contextlib, ctypes, runpy, signal, sys
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


class ProcessFailed(Exception):
    """A process of the demo ended by itself; its log says why."""


class Process:
    """One `python -m MODULE`.

    Args:
        name: For messages and the log file.
        module: What to run.
        environment: Settings, beside the inherited environment.
        log: Where it writes.
    """

    def __init__(self, name: str, module: str, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._module = module
        self._environment = environment
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Its process id, 0 before the start."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start it."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIANDONG_")}
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _RUN,
                self._module,
                env={**inherited, **self._environment},
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def listening(self, address: str) -> None:
        """Wait until it takes connections.

        Raises:
            ProcessFailed: It ended, or took none within a minute.
        """
        host, _, port = address.rpartition(":")
        deadline = asyncio.get_running_loop().time() + _READY_S
        while True:
            self.check()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                return
            if asyncio.get_running_loop().time() > deadline:
                raise ProcessFailed(f"{self.name} does not listen on {address}; see {self._log}")
            await asyncio.sleep(0.05)

    def check(self) -> None:
        """See that it runs.

        Raises:
            ProcessFailed: It ended.
        """
        if self._process is not None and self._process.returncode is not None:
            tail = "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
            raise ProcessFailed(f"{self.name} ended with {self._process.returncode}:\n{tail}")

    async def kill(self) -> None:
        """End it as a crash would: at once, with nothing tidied up."""
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def stop(self) -> None:
        """Ask it to end, then make it."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def ports(base: int) -> Iterator[int]:
    """Ports to listen on: counting from `base`, or free ones when it is 0."""
    if base:
        yield from range(base, 65536)
    # those that the system would give may be taken by an outgoing connection before they are listened on
    candidates = list(range(12_000, 31_000))
    random.SystemRandom().shuffle(candidates)
    yield from filter(_is_free, candidates)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
