"""Ports for servers of tests."""

import contextlib
import random
import socket
from typing import Final

from services.cli.demo.processes import ports

_HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A free port."""
    return next(ports(0))


def free_range(count: int) -> int:
    """The first of so many free ports, below those that outgoing connections take."""
    dice = random.SystemRandom()
    while True:
        first = dice.randrange(12_000, 31_000)
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind((_HOST, port))
            return first
