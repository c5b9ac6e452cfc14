"""A registry's keys and certificates, in one folder.

    ca.key ca.crt             the certificate authority of all members
    sign.key                  signs heads and common entries
    server-<replica>.key .crt what a replica shows on its ports, made anew when half of its life is over
    operator-<name>.key .crt  client certificates of operators

Files appear whole or not at all; keys are readable by their owner only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.config import ConfigurationError
from services.common.errors import LiandongError
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.authority import CERTIFICATE_LIFETIME, Authority, PeerKind, PeerName, validity
from services.exchange.keys import KeyRole

_RENEW_WHEN_LEFT: Final = CERTIFICATE_LIFETIME / 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """The keys of one registry.

    Attributes:
        folder: Where their files are.
        registry: Its name, such as `registry.qinghe`.
        authority: Issues the members' certificates.
        sign_key: Signs heads and common entries.
        sign_key_id: The id of that key in the directory.
    """

    folder: Path
    registry: str
    authority: Authority
    sign_key: Ed25519PrivateKey
    sign_key_id: str

    @classmethod
    def create(cls, folder: Path, registry: str, now: datetime) -> Self:
        """Make what is missing; what is there stays, so that an interrupted creation can be repeated.

        Raises:
            OSError: The folder cannot be written.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / "ca.crt").exists():
            (folder / "ca.key").unlink(missing_ok=True)
            authority = Authority.create(registry, now)
            keys.save_private_key(folder / "ca.key", authority.key)
            # last: its presence says that the pair is complete
            _write(folder / "ca.crt", authority.pem)
        if not (folder / "sign.key").exists():
            keys.save_private_key(folder / "sign.key", keys.generate(KeyRole.SIGN))
        return cls.load(folder, registry)

    @classmethod
    def load(cls, folder: Path, registry: str) -> Self:
        """Read the keys.

        Raises:
            ConfigurationError: They are not there, or not usable.
        """
        try:
            authority = Authority.load((folder / "ca.crt").read_bytes(), keys.load_tls_key(folder / "ca.key"))
            sign_key = keys.load_sign_key(folder / "sign.key")
        except FileNotFoundError as error:
            raise ConfigurationError([f"{error.filename}: missing; run `init` first."]) from None
        except (OSError, ValueError, LiandongError) as error:
            raise ConfigurationError([f"{folder}: {error}"]) from None
        sign_key_id = keys.key_id(registry, KeyRole.SIGN, keys.public_key_bytes(sign_key))
        return cls(folder, registry, authority, sign_key, sign_key_id)

    def server(self, replica: str, hosts: Iterable[str], now: datetime) -> TlsFiles:
        """The files of a replica's server certificate; made anew if missing or past half of its life."""
        files = self._files(f"server-{replica}")
        if _is_due(files, now):
            self._issue(files, PeerName(self.registry, PeerKind.REGISTRY), now, hosts)
        return files

    def operator(self, name: str, now: datetime) -> TlsFiles:
        """The files of an operator's client certificate, always with a new key."""
        files = self._files(f"operator-{name}")
        self._issue(files, PeerName(self.registry, PeerKind.OPERATOR, name), now, ())
        return files

    def _files(self, stem: str) -> TlsFiles:
        folder = self.folder
        return TlsFiles(folder / "ca.crt", folder / f"{stem}.crt", folder / f"{stem}.key")

    def _issue(self, files: TlsFiles, peer: PeerName, now: datetime, hosts: Iterable[str]) -> None:
        key = keys.generate(KeyRole.TLS)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        certificate = self.authority.issue(key.public_key(), peer.uri, now, hosts)
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        # one after the other: whoever reads in between sees that they do not fit and keeps the old pair
        _write(files.key, encoded, 0o600)
        _write(files.cert, certificate)


def _is_due(files: TlsFiles, now: datetime) -> bool:
    try:
        material = files.read()
        _, not_after = validity(material.cert)
    except (OSError, ValueError):
        return True
    return not_after - now < _RENEW_WHEN_LEFT


def _write(path: Path, content: bytes, mode: int = 0o644) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
