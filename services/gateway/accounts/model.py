"""Accounts, sessions and tokens as values, and what is refused about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.common.errors import InvalidField, LiandongError, Unauthenticated

IDLE: Final = timedelta(minutes=30)
"""A session that nobody used for so long is over."""
LONGEST: Final = timedelta(hours=12)
"""A session is over after so long, however much it is used."""
FREE_FAILURES: Final = 5
"""Wrong passwords in a row before an account is locked."""
_FIRST_LOCK: Final = timedelta(minutes=1)
_LONGEST_LOCK: Final = timedelta(minutes=30)

DISPLAY: Final = "display"
"""The role of an account of a screen on a wall, which has no other and looks at nothing else."""
DISPLAY_IDLE: Final = timedelta(days=7)
DISPLAY_LONGEST: Final = timedelta(days=90)
"""A screen stays logged in, also over a week without power."""

MOST_NAME: Final = 100
"""Characters of a name, a user name or a person's id."""
PASSWORD_ACR: Final = "urn:liandong:acr:password"  # noqa: S105 - a name
TOTP_ACR: Final = "urn:liandong:acr:password-totp"
OPENID_ACR: Final = "urn:liandong:acr:openid"
CERTIFICATE_ACR: Final = "urn:liandong:acr:certificate"
TOKEN_ACR: Final = "urn:liandong:acr:token"  # noqa: S105 - a name


ADMINISTRATOR: Final = "system-administrator"
"""The role that keeps a department's accounts and tokens at the gateway; in cases it may do nothing."""
AUDITOR: Final = "auditor"
ROLES: Final = frozenset({
    "clerk", "registry-clerk", "section-head", "legal-reviewer", "duty-officer", "leader-in-charge", "principal",
    "liaison", "officer", "head", "deputy-head", "director", "coordinator", "monitor", "commander", AUDITOR,
    ADMINISTRATOR, DISPLAY,
})  # fmt: skip
"""Roles that an account can have."""


class NotKnown(Unauthenticated):
    """The user name or the password is not right."""


class CodeWanted(Unauthenticated):
    """The code of the authenticator is wanted, too."""

    reason = "CODE_WANTED"


class Locked(Unauthenticated):
    """Too many wrong passwords; the account is locked for a while."""

    reason = "ACCOUNT_LOCKED"


class SessionOver(Unauthenticated):
    """The session is over; log in again."""

    reason = "SESSION_OVER"


class WeakPassword(LiandongError):
    """The password is too easy to guess."""

    reason = "WEAK_PASSWORD"
    code = "INVALID_ARGUMENT"


class UsernameTaken(LiandongError):
    """Another account has this user name, or is this person's."""

    reason = "ALREADY_EXISTS"
    code = "ALREADY_EXISTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person's account.

    Attributes:
        id: Its own.
        username: What is typed; lower case, one for the whole gateway.
        department: In which the person acts.
        subject: The issuer's stable id of the person.
        name: As others read it.
        roles: Roles of the mechanisms: `clerk`, `leader-in-charge`, ...
        certificate: An officer's; empty for none.
        must_change: The password was given by somebody else.
        totp: Whether a code is wanted, too.
        locked_until: None if it is not locked.
        disabled: Nobody logs in.
        language: Chosen; empty for the browser's.
    """

    id: str
    username: str
    department: str
    subject: str
    name: str
    roles: tuple[str, ...]
    certificate: str
    must_change: bool
    totp: bool
    locked_until: datetime | None
    disabled: bool
    language: str

    @property
    def is_display(self) -> bool:
        """Whether it is that of a screen on a wall."""
        return self.roles == (DISPLAY,)

    @property
    def longest(self) -> timedelta:
        """After how long its sessions are over."""
        return DISPLAY_LONGEST if self.is_display else LONGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One log-in of a person.

    Attributes:
        id: For listing and ending; not what the cookie holds.
        account: Whose.
        acr: How it was authenticated.
        origin: The browser's address.
        agent: What the browser says it is.
        began_at: When.
        seen_at: When it was last used, to the minute.
    """

    id: str
    account: Account
    acr: str
    origin: str
    agent: str
    began_at: datetime
    seen_at: datetime

    @property
    def by_password(self) -> bool:
        """The password was typed."""
        return self.acr in {PASSWORD_ACR, TOTP_ACR}

    @property
    def must_change(self) -> bool:
        """Nothing else goes before the password is changed, which was typed and is known to somebody else."""
        return self.account.must_change and self.by_password


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a system of a department calls with.

    Attributes:
        id: For listing and revoking.
        department: Whose.
        title: Which system.
        scopes: What it is good for.
        created_by: User name.
        created_at: When.
        expires_at: Until when it is good.
        revoked_at: None if it was not revoked.
        seen_at: When it was last used, to the minute.
    """

    id: str
    department: str
    title: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    seen_at: datetime | None


def is_over(session: Session, now: datetime) -> bool:
    """Whether a session is over."""
    idle = DISPLAY_IDLE if session.account.is_display else IDLE
    return now - session.began_at >= session.account.longest or now - session.seen_at >= idle


def lock_after(failures: int) -> timedelta | None:
    """How long an account is locked after so many wrong passwords in a row; None for not at all.

    The lock doubles with each further failure, up to half an hour: guessing stays slow, and nobody is shut
    out for a day by somebody else's attempts.
    """
    beyond = failures - FREE_FAILURES
    if beyond < 0:
        return None
    doubled: timedelta = _FIRST_LOCK * 2 ** min(beyond, 10)
    return min(doubled, _LONGEST_LOCK)


def check_person(name: str, roles: Sequence[str]) -> None:
    """Check what an account says of a person.

    Raises:
        InvalidField: No name, or a role that is not known.
    """
    if not 0 < len(name.strip()) <= MOST_NAME or not name.isprintable():
        raise InvalidField("A person has a name.", field="name")
    unknown = sorted(set(roles) - ROLES)
    if unknown:
        raise InvalidField(f"There are no such roles: {', '.join(unknown)}", field="roles")
