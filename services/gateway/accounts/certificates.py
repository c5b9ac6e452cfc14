"""Logging in by a certificate, which the browser has shown in the TLS of the proxy before the gateway.

The proxy proves that the browser holds the key; which certificate it was comes in a header. The gateway judges it
again: issued by an authority of the settings, for clients, valid now, not on its list of revoked ones. So a proxy
that was told to ask for a certificate but not to check it lets nobody in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from services.common.clock import Clock
from services.common.errors import InvalidField, Unauthenticated
from services.gateway.settings import CertificateSettings

_LARGEST: Final = 16 * 1024
_PURPOSES: Final = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
_END: Final = b"-----END X509 CRL-----"

_log = structlog.get_logger(__name__)


class CertificateRefused(Unauthenticated):
    """The certificate is not one that opens an account here."""

    reason = "CERTIFICATE_REFUSED"


@dataclass(frozen=True, slots=True)
class Shown:
    """A certificate, as accounts know it.

    Attributes:
        issuer: Its authority's name (RFC 4514).
        serial: Its number, lower-case hexadecimal.
        title: Whose it says it is.
    """

    issuer: str
    serial: str
    title: str


class Certificates:
    """Judges certificates.

    Args:
        settings: Which authorities.
        clock: The time.

    Raises:
        OSError: A file cannot be read.
        ValueError: It holds no certificate, or no list.
    """

    def __init__(self, settings: CertificateSettings, clock: Clock) -> None:
        self.header = settings.header.lower()
        self._clock = clock
        self._authorities = x509.load_pem_x509_certificates(settings.ca_file.read_bytes())
        self._crl_file = settings.crl_file
        self._lists: Mapping[str, x509.CertificateRevocationList] = {}
        self._lists_of: tuple[int, int] | None = None
        if self._crl_file is not None:
            self._read_lists(self._crl_file)

    def judge(self, escaped: str) -> Shown:
        """What the proxy's header holds, if it is good.

        Raises:
            CertificateRefused: It holds nothing, or a certificate that is not good here; the log says why.
        """
        try:
            certificate = parse(unquote(escaped, errors="strict").encode())
            self._check(certificate)
        except (InvalidField, UnicodeError) as error:
            raise _refused("unreadable") from error
        return shown(certificate)

    def _check(self, certificate: x509.Certificate) -> None:
        now = self._clock.now()
        authority = next((each for each in self._authorities if _issued(each, certificate)), None)
        if authority is None:
            raise _refused("authority", certificate)
        for each in (authority, certificate):
            if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
                raise _refused("expired", certificate)
        try:
            purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            purposes = None
        if purposes is not None and not any(each in purposes for each in _PURPOSES):
            raise _refused("purpose", certificate)
        if self._crl_file is not None:
            self._check_revoked(self._crl_file, authority, certificate, now)

    def _check_revoked(
        self, path: Path, authority: x509.Certificate, certificate: x509.Certificate, now: datetime
    ) -> None:
        try:
            self._read_lists(path)
        except (OSError, ValueError) as error:
            # what was read before holds on, and its own end is judged below
            _log.warning("certificates.list", error=repr(error)[:200])
        found = self._lists.get(authority.subject.rfc4514_string())
        if found is None or found.next_update_utc is None or found.next_update_utc < now:
            raise _refused("no current list", certificate)
        if found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
            raise _refused("revoked", certificate)

    def _read_lists(self, path: Path) -> None:
        state = path.stat()
        if (state.st_mtime_ns, state.st_size) == self._lists_of:
            return
        parts = [each + _END for each in path.read_bytes().split(_END)[:-1]]
        lists = {}
        for each in map(x509.load_pem_x509_crl, parts):
            for authority in self._authorities:
                if each.issuer == authority.subject and _signed(authority, each):
                    lists[each.issuer.rfc4514_string()] = each
        if not lists:
            raise ValueError("It holds no list of these authorities.")
        self._lists, self._lists_of = lists, (state.st_mtime_ns, state.st_size)


def parse(pem: bytes) -> x509.Certificate:
    """The certificate in a PEM text.

    Raises:
        InvalidField: It holds none, or several.
    """
    try:
        found = x509.load_pem_x509_certificates(pem) if len(pem) <= _LARGEST else []
    except ValueError:
        found = []
    if len(found) != 1:
        raise InvalidField("One certificate in PEM is expected.", field="certificate")
    return found[0]


def shown(certificate: x509.Certificate) -> Shown:
    """A certificate, as accounts know it."""
    return Shown(
        certificate.issuer.rfc4514_string(),
        f"{certificate.serial_number:x}",
        certificate.subject.rfc4514_string()[:200],
    )


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256 | hashes.SHA384 | hashes.SHA512):
        return False
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _signed(authority: x509.Certificate, found: x509.CertificateRevocationList) -> bool:
    try:
        return found.is_signature_valid(authority.public_key())  # type: ignore[arg-type] # refused by TypeError
    except (TypeError, UnsupportedAlgorithm):
        return False


def _refused(why: str, certificate: x509.Certificate | None = None) -> CertificateRefused:
    serial = "" if certificate is None else f"{certificate.serial_number:x}"
    _log.warning("certificates.refused", why=why, serial=serial)
    return CertificateRefused()
