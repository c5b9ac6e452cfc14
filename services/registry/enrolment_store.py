"""Where invitations and issued certificates are kept."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.clock import from_microseconds, microseconds
from services.common.db import Database
from services.registry.tables import certificates, invitations


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time token, of which only the SHA-256 is kept."""

    token_digest: bytes
    department: str
    created_at: datetime
    expires_at: datetime
    redeemed_at: datetime | None = None
    redeemed_by_key: bytes | None = None


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate that the authority issued. `kind` is `node`, `gateway` or `system/NAME`."""

    serial: str
    department: str
    kind: str
    not_after: datetime
    certificate: bytes


class EnrolmentStore:
    """Invitations and certificates in the registry's database.

    Every method blocks and raises what `Database.read` and `Database.write` raise.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_invitation(self, invitation: Invitation) -> None:
        """Keeps a new invitation."""
        row = {
            "token_digest": invitation.token_digest,
            "department": invitation.department,
            "created_at_us": microseconds(invitation.created_at),
            "expires_at_us": microseconds(invitation.expires_at),
        }
        self._database.write(lambda connection: connection.execute(invitations.insert(), row) and None)

    def invitation(self, token_digest: bytes) -> Invitation | None:
        """The invitation of a token, None if there is none."""
        query = sa.select(invitations).where(invitations.c.token_digest == token_digest)
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else _invitation(row)

    def redeem(self, token_digest: bytes, sign_key: bytes, at: datetime) -> bool:
        """Gives an invitation to the first `sign` key that asks for it.

        Returns:
            Whether it is this key's, now or since an earlier call; of two that ask at once one gets it.
        """
        chosen = invitations.c.token_digest == token_digest
        claim = (
            invitations.update()
            .where(chosen, invitations.c.redeemed_by_key.is_(None))
            .values(redeemed_by_key=sign_key, redeemed_at_us=microseconds(at))
        )

        def work(connection: Connection) -> bool:
            connection.execute(claim)
            holder = connection.execute(sa.select(invitations.c.redeemed_by_key).where(chosen)).scalar()
            return holder is not None and bytes(holder) == sign_key

        return self._database.write(work)

    def invitations(self, limit: int = 1000) -> list[Invitation]:
        """The newest invitations, newest first."""
        query = sa.select(invitations).order_by(invitations.c.created_at_us.desc()).limit(limit)
        rows = self._database.read(lambda connection: connection.execute(query).all())
        return [_invitation(row) for row in rows]

    def add_certificate(self, issued: IssuedCertificate) -> None:
        """Keeps an issued certificate."""
        row = {
            "serial": issued.serial,
            "department": issued.department,
            "kind": issued.kind,
            "not_after_us": microseconds(issued.not_after),
            "certificate": issued.certificate,
        }
        self._database.write(lambda connection: connection.execute(certificates.insert(), row) and None)

    def newest_certificate(self, department: str, kind: str) -> IssuedCertificate | None:
        """The certificate of this kind that ends last, None if none was ever issued."""
        query = (
            sa.select(certificates)
            .where(certificates.c.department == department, certificates.c.kind == kind)
            .order_by(certificates.c.not_after_us.desc())
            .limit(1)
        )
        row = self._database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        return IssuedCertificate(
            row.serial, row.department, row.kind, from_microseconds(row.not_after_us), bytes(row.certificate)
        )


def _invitation(row: "sa.Row[tuple[object, ...]]") -> Invitation:
    return Invitation(
        token_digest=bytes(row.token_digest),
        department=row.department,
        created_at=from_microseconds(row.created_at_us),
        expires_at=from_microseconds(row.expires_at_us),
        redeemed_at=None if row.redeemed_at_us is None else from_microseconds(row.redeemed_at_us),
        redeemed_by_key=None if row.redeemed_by_key is None else bytes(row.redeemed_by_key),
    )
