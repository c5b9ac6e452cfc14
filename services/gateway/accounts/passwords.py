"""Passwords: argon2id (RFC 9106), and what is too easy to guess.

Length counts, not kinds of characters (NIST SP 800-63B, 5.1.1.2): what is long enough and not among the
well-known is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from typing import Final, ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from services.common.errors import Unavailable
from services.gateway.accounts.model import WeakPassword

P = ParamSpec("P")
T = TypeVar("T")

MIN_LENGTH: Final = 10
MAX_LENGTH: Final = 200
_FEW: Final = 5
"""So many different characters at least: `aaaaaaaaaa` is long and no secret."""
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 50
_KNOWN: Final = (
    "password",
    "1234567890",
    "qwertyuiop",
    "liandong",
    "admin",
    "abcdefghij",
    "iloveyou",
    "11111111",
)


class Turns:
    """Hashing and comparing, few at once: a flood of log-ins takes neither the memory nor the threads of others."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._asked = 0

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it beside the event loop when it is its turn.

        Raises:
            Unavailable: Too many wait already.
        """
        if self._asked >= _MOST_WAITING:
            raise Unavailable("Too many log in at once; try again.", retry_after_ms=1000)
        self._asked += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._asked -= 1


class Passwords:
    """Hashes and compares. Slow on purpose: call it off the event loop.

    Args:
        hasher: With its costs.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()

    def hashed(self, password: str) -> str:
        """What is stored of a password."""
        return self._hasher.hash(password)

    def matches(self, stored: str, password: str) -> bool:
        """Whether it is the password; takes as long where there is none to compare with."""
        try:
            return self._hasher.verify(stored or self._nobody(), password) and bool(stored)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    @cache  # noqa: B019 - one for each process
    def _nobody(self) -> str:
        return self._hasher.hash("nobody has this password")


def check_password(password: str, username: str, name: str) -> None:
    """Check a new password.

    Raises:
        WeakPassword: Says what is wrong with it.
    """
    lowered = password.lower()
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"A password has at least {MIN_LENGTH} characters.", field="password")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"A password has at most {MAX_LENGTH} characters.", field="password")
    if len(set(password)) < _FEW:
        raise WeakPassword("The password repeats itself.", field="password")
    parts = [username.partition("@")[0], name, *_KNOWN]
    if any(each and each.lower() in lowered for each in parts):
        raise WeakPassword("The password holds a name or a well-known word.", field="password")
