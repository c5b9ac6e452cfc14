"""Tokens of subjects in act headers: the same subject, the same token, for members alone to compare.

A token is HMAC-SHA-256 over a subject's identifier under the region's subject key. Members hold the key in a file that
the office hands out; the registry holds none, so it sees that two cases are about the same subject, never who it is.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

FILE_NAME: Final = "subject.keys"
"""In a node's folder."""
_CONTEXT: Final = b"liandong/subject/v1\0"
_KEY_BYTES: Final = 32
_MAX_VERSIONS: Final = 4


class SubjectKeysInvalid(ValueError):
    """The file of subject keys is malformed."""


@dataclass(frozen=True, slots=True)
class SubjectKeys:
    """The regional keys that a member holds, by version; of several the newest makes tokens, all are asked with."""

    versions: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The keys of a file, none if there is no file.

        Each line is a version and 64 hexadecimal digits.

        Raises:
            SubjectKeysInvalid: A line is not of that form, or there are too many.
            OSError: It cannot be read.
        """
        if not path.exists():
            return cls()
        versions: dict[int, bytes] = {}
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), start=1):
            words = line.split()
            try:
                version, key = int(words[0]), bytes.fromhex(words[1])
            except (ValueError, IndexError):
                raise SubjectKeysInvalid(
                    f"{path}, line {number}: a version and a key are expected."
                ) from None
            if len(key) != _KEY_BYTES or version < 1 or version in versions or len(words) != 2:  # noqa: PLR2004
                raise SubjectKeysInvalid(f"{path}, line {number}: no version with a key of 32 bytes.")
            versions[version] = key
        if len(versions) > _MAX_VERSIONS:
            raise SubjectKeysInvalid(f"{path}: at most {_MAX_VERSIONS} versions are held at once.")
        return cls(versions)

    @property
    def version(self) -> int:
        """The newest version; 0 without any."""
        return max(self.versions, default=0)

    def tokens(self, identifiers: Iterable[str]) -> list[bytes]:
        """Tokens of identifiers under the newest key, each once; none without a key."""
        key = self.versions.get(self.version)
        if key is None:
            return []
        return list(dict.fromkeys(token(key, each) for each in identifiers if each))

    def every_token(self, identifier: str) -> list[bytes]:
        """The tokens of one identifier under all versions: cases keep those that they were opened with."""
        return [token(key, identifier) for key in self.versions.values()]


def token(key: bytes, identifier: str) -> bytes:
    """HMAC-SHA-256 of the context and an identifier: upper case, no blanks."""
    normalised = "".join(identifier.split()).upper()
    return hmac.new(key, _CONTEXT + normalised.encode(), hashlib.sha256).digest()


def add_version(path: Path) -> int:
    """Add a fresh key to a file, or make the file; returns its version.

    Raises:
        SubjectKeysInvalid: The file is malformed, or is full: the oldest has to go first.
        OSError: It cannot be written.
    """
    keys = SubjectKeys.load(path)
    if len(keys.versions) == _MAX_VERSIONS:
        raise SubjectKeysInvalid(f"{path}: at most {_MAX_VERSIONS} versions are held at once.")
    version = keys.version + 1
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="ascii") as file:
        file.write(f"{version} {secrets.token_hex(_KEY_BYTES)}\n")
    return version
