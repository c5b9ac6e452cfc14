"""Which host names and addresses a node may have in its certificate."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

from services.common.errors import InvalidField

MAX_NAME: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def checked_hosts(hosts: Iterable[str], *, reserved: Iterable[str] = ()) -> tuple[str, ...]:
    """Host names in lower case and addresses in their short form, each once, in order.

    A name is what RFC 1123, 2.1 permits, and nothing that a client would match against more than one
    host: no wildcard, no port, no path, no trailing dot, nothing that could be read as an address.

    Args:
        hosts: As the node asks for them.
        reserved: Hosts of the registry. A node with a certificate for one of them could pass for the
            registry; only loopback, where everything is on one machine, is free to all.

    Raises:
        InvalidField: One of them is refused; `field` says which.
    """
    taken = {name.lower() for name in reserved}
    result: dict[str, None] = {}
    for index, host in enumerate(hosts):
        name = _address(host) or _name(host)
        if name is None:
            raise InvalidField(f"{host[:80]!r} is no host name and no address.", field=f"hosts[{index}]")
        if name in taken and not _is_loopback(name):
            raise InvalidField(f"{name} is a host of the registry.", field=f"hosts[{index}]")
        result[name] = None
    return tuple(result)


def host_of(address: str) -> str:
    """The host of `host:port`, without the brackets of an IPv6 address."""
    return address.rpartition(":")[0].removeprefix("[").removesuffix("]").lower()


def _address(text: str) -> str | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # a scope names an interface of one machine; a certificate cannot hold it
    if getattr(address, "scope_id", None) or address.is_unspecified or address.is_multicast:
        return None
    return str(address)


def _name(text: str) -> str | None:
    name = text.lower()
    labels = name.split(".")
    if not name.isascii() or len(name) > MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    # 127.1 or 0x7f.1 is an address to some resolvers, a name to others
    return None if labels[-1].isdigit() or labels[-1].startswith("0x") else name


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    address = _address(name)
    return address is not None and ipaddress.ip_address(address).is_loopback
