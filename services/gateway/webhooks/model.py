"""What is told to whom, how it is signed, when it is tried again, and where a post may go. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from services.common.errors import InvalidField, LiandongError

Network = IPv4Network | IPv6Network

TYPES: Final[Mapping[str, str]] = {
    "liandong.letter.arrived": "cases:read",
    "liandong.letter.admitted": "cases:read",
    "liandong.alert": "oversight:read",
    "liandong.bulletin": "sharing:read",
}
"""Types of events, and the scope that whoever wants to be told of them must have."""
PING: Final = "liandong.ping"
MEDIA_TYPE: Final = "application/cloudevents+json"
KEPT: Final = timedelta(days=30)
"""How long events and what became of their deliveries stay, to be looked at and replayed."""
MOST_WAITING: Final = 10_000
"""Deliveries of one webhook that wait; with more it is switched off, and what it missed can be replayed."""
MOST_WEBHOOKS: Final = 50
"""Of one department."""
ATTEMPTS: Final = 12
OVERLAP: Final = timedelta(days=1)
"""How long posts are signed under the secret of before, too, once there is a new one."""
_PAUSES: Final = (5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
"""Seconds after each failure; together a little over two days."""
_SECRET_BYTES: Final = 32
_LONGEST_URL: Final = 500
_MOST_PORT: Final = 65535


class State(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class Off(StrEnum):
    """Why a webhook is switched off."""

    BY_HAND = "by-hand"
    GONE = "gone"
    BEHIND = "behind"


class TargetForbidden(LiandongError):
    """The address is inside of a network that the operator does not name."""

    reason = "CALLER_NOT_PERMITTED"
    code = "PERMISSION_DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One subscription.

    Attributes:
        id: Its id.
        department: Whose events.
        title: Which system.
        url: Where it is posted.
        types: Of which types it is told.
        created_by: Who made it.
        created_at: When.
        disabled: Why it is switched off; None: it is not.
        old_secret_until: Until when posts are signed under the secret of before, too.
    """

    id: str
    department: str
    title: str
    url: str
    types: tuple[str, ...]
    created_by: str
    created_at: datetime
    disabled: Off | None = None
    old_secret_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        id: The same whenever it is told, so that a receiver knows it again.
        type: One of `TYPES`, or `PING`.
        subject: What it is about: a case, an item.
        at: When it happened.
        body: The CloudEvent as it is posted.
    """

    id: str
    type: str
    subject: str
    at: datetime
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An event on its way to a webhook.

    Attributes:
        webhook: Which.
        event: Its id.
        type: Its type.
        state: What became of it.
        attempts: How often it was tried since it was asked for.
        created_at: When it was first to be sent.
        next_at: When it is tried next; None once it ended.
        ended_at: When it ended.
        status: The last answer's HTTP status; 0 for none.
        error: What was wrong last; empty for nothing.
    """

    webhook: str
    event: str
    type: str
    state: State
    attempts: int
    created_at: datetime
    next_at: datetime | None
    ended_at: datetime | None
    status: int
    error: str


def event(
    department: str, event_id: str, kind: str, subject: str, at: datetime, data: Mapping[str, Any]
) -> Event:
    """An event as CloudEvents 1.0 has it, structured."""
    content = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"liandong://{department}",
        "type": kind,
        "subject": subject,
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    return Event(id=event_id, type=kind, subject=subject, at=at, body=orjson.dumps(content))


def headers_of(secrets: Sequence[str], event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a post: id, time and, under each secret, a signature of Standard Webhooks."""
    timestamp = str(int(now.timestamp()))
    return {
        "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(signature(each, event_id, timestamp, body) for each in secrets),
    }


def signature(secret: str, event_id: str, timestamp: str, body: bytes) -> str:
    """`v1,` and the Base64 of HMAC-SHA-256 over `id.timestamp.body` (Standard Webhooks)."""
    signed = b".".join([event_id.encode(), timestamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(_key_of(secret), signed, sha256).digest()).decode()


def new_secret(random: bytes) -> str:
    """A secret as Standard Webhooks writes it, from 32 random bytes."""
    if len(random) != _SECRET_BYTES:
        raise ValueError(f"{_SECRET_BYTES} bytes make a secret")
    return f"whsec_{base64.b64encode(random).decode()}"


def _key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def check_secret(secret: str) -> None:
    """Check a secret that a system brings.

    Raises:
        InvalidField: It is not `whsec_` and 24 to 64 bytes in Base64.
    """
    try:
        size = len(_key_of(secret)) if secret.startswith("whsec_") else 0
    except binascii.Error:
        size = 0
    if not 24 <= size <= 64:  # noqa: PLR2004 - as Standard Webhooks says it
        raise _invalid("secret", "A secret is `whsec_` and 24 to 64 bytes in Base64.")


def check_types(types: Iterable[str]) -> None:
    """Check types of events.

    Raises:
        InvalidField: One is unknown.
    """
    for index, each in enumerate(types):
        if each not in TYPES:
            raise _invalid(f"types[{index}]", f"Types are {', '.join(TYPES)}.")


def check_url(url: str, *, plain: bool) -> None:
    """Check the form of a target.

    Args:
        url: As it was given.
        plain: Also `http`: where the operator names networks.

    Raises:
        InvalidField: It is none, or has an account or a fragment.
    """
    told = "A target is an https URL without account and fragment, in ASCII."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid("url", told) from None
    printable = url.isascii() and url.isprintable() and " " not in url and len(url) <= _LONGEST_URL
    if not printable or not parts.hostname or parts.username is not None or parts.password is not None:
        raise _invalid("url", told)
    if parts.fragment or port == 0 or parts.scheme not in ({"https", "http"} if plain else {"https"}):
        raise _invalid("url", told)


def networks_of(names: Iterable[str]) -> tuple[Network, ...]:
    """Networks as an operator names them.

    Raises:
        ValueError: One is none.
    """
    return tuple(ip_network(each) for each in names)


def check_address(address: str, networks: Iterable[Network], *, plain: bool) -> None:
    """Whether a post may go to an address: to the internet, or into a network that the operator names.

    Args:
        address: What the name in the URL resolved to.
        networks: Those named.
        plain: The post goes without TLS, which is for the networks named only.

    Raises:
        TargetForbidden: It may not.
    """
    found = _true(ip_address(address.partition("%")[0]))
    if any(found.version == each.version and found in each for each in networks):
        return
    inside = not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified
    if inside or plain:
        raise TargetForbidden(f"{address} is in no network that the operator names.", field="url")


def _true(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address where an IPv6 one only wraps it."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


_NAT64: Final = IPv6Network("64:ff9b::/96")


def pause_after(attempts: int) -> timedelta | None:
    """How long to wait after so many failures; None: it is given up."""
    if attempts >= ATTEMPTS:
        return None
    return timedelta(seconds=_PAUSES[min(attempts, len(_PAUSES)) - 1])


def _invalid(field: str, told: str) -> InvalidField:
    return InvalidField(f"{field}: {told}", field=field)
