"""Which keys and certificates are believed, and at what time.

A letter is judged by the `sign` key that was valid at its admission, also years later and also after the
key was replaced or revoked. So keys are never forgotten here, only given an end.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.authority import CERTIFICATE_LIFETIME

_ROLES: Final = {
    "sign": pb.KEY_ROLE_SIGN,
    "seal": pb.KEY_ROLE_SEAL,
    "recovery": pb.KEY_ROLE_RECOVERY,
    "tls": pb.KEY_ROLE_TLS,
}


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key of the directory and the time it is valid for, `valid_until` exclusive."""

    holder: str
    key_id: str
    role: pb.KeyRole.ValueType
    public_key: bytes
    valid_from: datetime
    valid_until: datetime | None = None

    def valid(self, at: datetime) -> bool:
        """Whether a letter admitted at that time is judged with this key."""
        return self.valid_from <= at and (self.valid_until is None or at < self.valid_until)


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of all members and what was revoked; every value is the admitted-at of a revocation.

    `everything` are departments of which all keys and certificates of that moment were revoked: what is
    listed or issued after it is good again.
    """

    keys: Mapping[str, TrustedKey] = field(default_factory=dict)
    serials: Mapping[str, datetime] = field(default_factory=dict)
    key_ids: Mapping[str, datetime] = field(default_factory=dict)
    everything: Mapping[str, datetime] = field(default_factory=dict)

    def key(self, key_id: str, role: pb.KeyRole.ValueType, at: datetime) -> bytes | None:
        """The public key of that id and role if it was valid and not revoked at the time, else None."""
        known = self.keys.get(key_id)
        if known is None or known.role != role or not known.valid(at):
            return None
        revoked_at = self.key_ids.get(key_id)
        return None if revoked_at is not None and revoked_at <= at else known.public_key

    def revoked(self, name: str) -> bool:
        """Whether the serial number (hexadecimal) or key id was ever revoked."""
        return name in self.key_ids or serial_number(name) in self.serials

    def certificate_revoked(self, department: str, serial: str, not_after: datetime) -> bool:
        """Whether the certificate was revoked, by its serial number or with all of its department.

        Args:
            department: Whom it names.
            serial: Its serial number, hexadecimal.
            not_after: Its end; certificates live `CERTIFICATE_LIFETIME`, so this also says its beginning.
        """
        if serial_number(serial) in self.serials:
            return True
        revoked_at = self.everything.get(department)
        return revoked_at is not None and not_after - CERTIFICATE_LIFETIME <= revoked_at

    def with_keys(self, holder: str, listed: Iterable[pb.PublicKey], at: datetime) -> "Trust":
        """After an entry that lists the holder's keys: a key it leaves out is valid no longer.

        A key id names its holder (`keys.KeyId`); one that names another is ignored, so that no entry can
        put a key in a foreign department's place. Nor does an id ever come to mean other bytes.
        """
        keys = dict(self.keys)
        present: set[str] = set()
        for key in listed:
            known = keys.get(key.key_id)
            if not key.key_id.startswith(f"{holder}/{_role_word(key.role)}/"):
                continue
            if known is not None and known.public_key != key.public_key:
                continue
            present.add(key.key_id)
            since = moment(key, "valid_from") or (known.valid_from if known else at)
            until = moment(key, "valid_until")
            keys[key.key_id] = TrustedKey(holder, key.key_id, key.role, key.public_key, since, until)
        for known in self.keys.values():
            if known.holder == holder and known.key_id not in present and known.valid(at):
                keys[known.key_id] = replace(known, valid_until=at)
        return replace(self, keys=keys)

    def with_revocation(self, revocation: pb.Revocation, at: datetime) -> "Trust":
        """After a revocation; the first one of a key or certificate counts."""
        serials = {serial_number(serial): at for serial in revocation.serials} | dict(self.serials)
        key_ids = dict.fromkeys(revocation.key_ids, at) | dict(self.key_ids)
        everything = self.everything
        if not revocation.serials and not revocation.key_ids:
            held = [key.key_id for key in self.keys.values() if key.holder == revocation.department]
            key_ids = dict.fromkeys(held, at) | key_ids
            everything = {**everything, revocation.department: at}
        return replace(self, serials=serials, key_ids=key_ids, everything=everything)


def serial_number(text: str) -> str:
    """A certificate's serial number as `PeerIdentity` writes it: lowercase, no colons, no leading zeros."""
    return text.replace(":", "").lower().lstrip("0") or "0"


def moment(
    message: pb.PublicKey | pb.Authority | pb.RegionalLimit | pb.OfficerCertificate | pb.StandingDuty,
    name: str,
) -> datetime | None:
    """An optional timestamp field, None if it is absent or no time of the calendar."""
    if not message.HasField(name):  # type: ignore[arg-type]
        return None
    return instant(getattr(message, name))


def instant(stamp: Timestamp) -> datetime | None:
    """A timestamp as an aware datetime, None if it is no time of the calendar."""
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _role_word(role: pb.KeyRole.ValueType) -> str:
    return next((word for word, value in _ROLES.items() if value == role), "")
