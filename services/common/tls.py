"""The files of one TLS identity."""

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What the files held at one moment, in PEM."""

    ca: bytes
    cert: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths in PEM: the authority that peers are checked against, our certificate chain, our key."""

    ca: Path
    cert: Path
    key: Path

    def read(self) -> TlsMaterial:
        """Read the files.

        Raises:
            OSError: One cannot be read.
            ValueError: The key does not belong to the certificate, or one of them is no PEM.
        TypeError: The key is encrypted.
        """
        material = TlsMaterial(self.ca.read_bytes(), self.cert.read_bytes(), self.key.read_bytes())
        certificate = x509.load_pem_x509_certificate(material.cert)
        own = load_pem_private_key(material.key, None).public_key()
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if own.public_bytes(*form) != certificate.public_key().public_bytes(*form):
            raise ValueError(f"{self.key} is not the key of {self.cert}.")
        return material

    def stamp(self) -> tuple[int, ...]:
        """Something that differs when a file was replaced or rewritten."""
        return tuple(
            number
            for path in (self.ca, self.cert, self.key)
            for status in (path.stat(),)
            for number in (status.st_mtime_ns, status.st_ino, status.st_size)
        )
