"""Whom the claims of an OpenID provider mean here: never more than the operator's mapping says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from services.common.errors import Unauthenticated
from services.gateway.accounts.model import ROLES

_MOST_TEXT: Final = 100
MOST_SUBJECT: Final = 255
"""Of `sub`, by OpenID Connect Core 1.0, section 2."""
_MOST_VALUES: Final = 500
_SHORT: Final = 12


class IdentityRefused(Unauthenticated):
    """You were authenticated, but no account here is yours."""

    reason = "IDENTITY_REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """Where claims stand, and what their values mean here.

    Attributes:
        name: The claim with the person's name.
        username: The claim with the name typed at the provider.
        department: The claim that names the department.
        roles: The claim that names the roles.
        departments: What its values mean; a value that is a department of this gateway means it without being named.
        role_names: What its values mean; others mean nothing.
    """

    name: str
    username: str
    department: str
    roles: str
    departments: Mapping[str, str]
    role_names: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody whom a provider has authenticated.

    Attributes:
        issuer: The provider.
        subject: Its stable id of the person.
        name: As others read it; the subject if it tells no name.
        username: What the provider calls them; empty if nothing.
        department: Of this gateway; empty if the claims name none, or several.
        roles: Known here; empty if the claims name none.
    """

    issuer: str
    subject: str
    name: str
    username: str
    department: str
    roles: tuple[str, ...]

    @property
    def own_subject(self) -> str:
        """Their id in assertions: no local one is the same by chance or by a provider's wish."""
        return "openid-" + hashlib.sha256(f"{self.issuer}\0{self.subject}".encode()).hexdigest()[:32]

    @property
    def own_username(self) -> str:
        """A user name that nobody else has."""
        told = "".join(each for each in self.username.lower() if not each.isspace())[:_MOST_TEXT]
        return f"{told}#{self.own_subject.removeprefix('openid-')[:_SHORT]}"


def person_of(claims: Mapping[str, Any], names: ClaimNames, served: AbstractSet[str]) -> Person:
    """Whom checked claims mean.

    Args:
        claims: Of an ID token that was checked.
        names: Where they stand and what they mean.
        served: The departments of this gateway.

    Raises:
        IdentityRefused: They name nobody.
    """
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not isinstance(issuer, str) or not isinstance(subject, str) or not 0 < len(subject) <= MOST_SUBJECT:
        raise IdentityRefused("The provider names nobody.")
    meant = {
        department
        for each in _values(claims, names.department)
        if (department := names.departments.get(each, each)) in served
    }
    roles = {names.role_names[each] for each in _values(claims, names.roles) if each in names.role_names}
    return Person(
        issuer=issuer,
        subject=subject,
        name=_text(claims, names.name) or subject[:_MOST_TEXT],
        username=_text(claims, names.username),
        department=meant.pop() if len(meant) == 1 else "",
        roles=tuple(sorted(roles & ROLES)),
    )


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim of this name, or the one that a path such as `realm_access.roles` leads to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    found = _found(claims, name)
    if isinstance(found, str):
        return [found, *found.split()] if " " in found else [found]
    listed = found[:_MOST_VALUES] if isinstance(found, list) else []
    return [each for each in listed if isinstance(each, str)]


def _text(claims: Mapping[str, Any], name: str) -> str:
    found = _found(claims, name)
    return found.strip()[:_MOST_TEXT] if isinstance(found, str) else ""
