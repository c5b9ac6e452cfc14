"""How often one peer may ask on the enrolment port, which everyone can reach."""

import ipaddress
from collections import OrderedDict
from datetime import datetime
from typing import Final

from services.common.errors import LiandongError

PEERS: Final = 4096
_IPV6_PREFIX: Final = 64


class TooManyRequests(LiandongError):
    """Too many requests from this address; try again later."""

    reason = "QUOTA"
    code = "RESOURCE_EXHAUSTED"


class RateLimit:
    """A bucket of requests for each peer, filled at a steady rate.

    Args:
        burst: Requests that a peer may make at once.
        per_second: Requests that it may make lastingly.
        peers: Peers remembered; the one longest silent is forgotten first, so memory is bounded.
    """

    def __init__(self, burst: int = 100, per_second: float = 5.0, peers: int = PEERS) -> None:
        self._burst = burst
        self._per_second = per_second
        self._peers = peers
        self._buckets: OrderedDict[str, tuple[float, datetime]] = OrderedDict()

    def take(self, peer: str, now: datetime) -> None:
        """Counts a request.

        Args:
            peer: As grpc names it, such as `ipv4:10.1.2.3:41000`.
            now: The present.

        Raises:
            TooManyRequests: The peer's bucket is empty.
        """
        key = peer_key(peer)
        left, at = self._buckets.pop(key, (float(self._burst), now))
        left = min(self._burst, left + max(0.0, (now - at).total_seconds()) * self._per_second)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > self._peers:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooManyRequests(retry_after_ms=1 + int((1 - left) / self._per_second * 1000))


def peer_key(peer: str) -> str:
    """The address of a peer without its port; of IPv6 the network, of which a host has all addresses."""
    family, _, rest = peer.partition(":")
    host = rest.rpartition(":")[0].strip("[]") if family in ("ipv4", "ipv6") else rest
    try:
        address = ipaddress.ip_address(host.replace("%5B", "").replace("%5D", ""))
    except ValueError:
        return peer
    if address.version == 4 or address.is_loopback:  # noqa: PLR2004 - the protocol's own number
        return str(address)
    return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
