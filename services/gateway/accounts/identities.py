"""Ways into an account other than its password: an OpenID provider's subject, a certificate."""

from __future__ import annotations

import uuid_utils
from sqlalchemy import Connection

from services.common.errors import LiandongError, NotFound
from services.common.faults import ConstraintBroken
from services.gateway.accounts import identity_store, store
from services.gateway.accounts.claims import IdentityRefused, Person
from services.gateway.accounts.identity_store import Identity
from services.gateway.accounts.model import Account
from services.gateway.accounts.stored import Stored
from services.gateway.audit import OPERATOR, By


class IdentityTaken(LiandongError):
    """Another account has this identity."""

    reason = "ALREADY_EXISTS"
    code = "ALREADY_EXISTS"


class Identities(Stored):
    """The identities of one gateway."""

    async def account_of(self, issuer: str, subject: str) -> Account:
        """The account that an identity opens.

        Raises:
            IdentityRefused: None, or it is disabled.
        """
        found = await self._read(lambda connection: identity_store.find(connection, issuer, subject))
        if found is None or found[0].disabled:
            raise IdentityRefused
        return found[0]

    async def account_for(self, person: Person) -> Account:
        """The account of somebody whom a provider has authenticated.

        One that was made before is taken as it is. One that was made of claims follows them. Where there is none, it
        is made if they name a department of this gateway and a role that is known.

        Raises:
            IdentityRefused: None, and none can be made; or it is disabled.
        """
        try:
            account = await self._write(lambda connection: self._account_for(connection, person))
        except ConstraintBroken:
            # begun in two windows: the other one has made it
            account = await self._write(lambda connection: self._account_for(connection, person))
        if not account.roles:
            raise IdentityRefused("The provider names no department of this gateway, or no role known here.")
        return account

    def _account_for(self, connection: Connection, person: Person) -> Account:
        found = identity_store.find(connection, person.issuer, person.subject)
        if found is not None:
            account, identity = found
            if account.disabled:
                raise IdentityRefused
            return self._follow(connection, account, person) if identity.claimed else account
        if not person.department:
            raise IdentityRefused("The provider names no department of this gateway.")
        if not person.roles:
            raise IdentityRefused("The provider names no role that is known here.")
        now = self._clock.now()
        account = Account(
            id=uuid_utils.uuid7().hex, username=person.own_username, department=person.department,
            subject=person.own_subject, name=person.name, roles=person.roles, certificate="", must_change=False,
            totp=False, locked_until=None, disabled=False, language="",
        )  # fmt: skip
        store.add(connection, account, "", now)
        identity = Identity(
            issuer=person.issuer, subject=person.subject, account=account.id,
            title=person.username or person.subject, claimed=True, added_at=now,
        )  # fmt: skip
        identity_store.add(connection, identity)
        about = f"{account.username} {' '.join(account.roles)}"
        self.audit.note(connection, By(person.issuer).event("account.add", account.department, about))
        return account

    def _follow(self, connection: Connection, account: Account, person: Person) -> Account:
        """An account that was made of claims is what they say now, in every session."""
        department = person.department or account.department
        roles = person.roles if person.department else ()
        if (department, roles, person.name) == (account.department, account.roles, account.name):
            return account
        store.change(connection, account.id, department=department, roles=" ".join(roles), name=person.name)
        if department != account.department or not roles:
            store.end_sessions(connection, account.id)
        about = f"{account.username} {department} {' '.join(roles)}"
        self.audit.note(connection, By(person.issuer).event("account.change", account.department, about))
        found = store.get(connection, account.id)
        assert found is not None
        return found[0]

    async def add(
        self, department: str, account_id: str, issuer: str, subject: str, title: str, by: By = OPERATOR
    ) -> Identity:
        """Let an identity open an account.

        Args:
            department: Whose account.
            account_id: Which.
            issuer: A provider's URL, or the name of an authority.
            subject: Stable there.
            title: For people.
            by: Who says so.

        Raises:
            NotFound: The department has no such account.
            IdentityTaken: It opens another one, or this one already.
        """
        made = Identity(
            issuer=issuer, subject=subject, account=account_id, title=title, claimed=False,
            added_at=self._clock.now(),
        )  # fmt: skip

        def work(connection: Connection) -> None:
            username = _of(connection, department, account_id).username
            identity_store.add(connection, made)
            self.audit.note(connection, by.event("identity.add", department, f"{username} {title}"))

        try:
            await self._write(work)
        except ConstraintBroken:
            raise IdentityTaken(field="identity") from None
        return made

    async def remove(
        self, department: str, account_id: str, issuer: str, subject: str, by: By = OPERATOR
    ) -> None:
        """Let an identity no longer open an account; its sessions end.

        Raises:
            NotFound: The department has no such account, or the account no such identity.
        """

        def work(connection: Connection) -> None:
            username = _of(connection, department, account_id).username
            if not identity_store.remove(connection, account_id, issuer, subject):
                raise NotFound("There is no such identity.", field="identity")
            store.end_sessions(connection, account_id)
            self.audit.note(connection, by.event("identity.remove", department, f"{username} {subject}"))

        await self._write(work)

    async def of(self, account_id: str) -> list[Identity]:
        """What opens an account."""
        return await self._read(lambda connection: identity_store.of_account(connection, account_id))


def _of(connection: Connection, department: str, account_id: str) -> Account:
    found = store.get(connection, account_id)
    if found is None or found[0].department != department:
        raise NotFound("There is no such account.", field="account")
    return found[0]
