"""Numbers and codes by which somebody outside learns how a case stands, such as a complainant.

The code is random, shown once and kept as a digest; number and code are asked for together, and a wrong one of either is
answered alike and takes as long.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.cases import tables
from services.common.clock import microseconds
from services.common.errors import NotFound
from services.procedures.calendar import ZONE

_LETTERS: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Nothing that is taken for another when it is read out."""
_CODE: Final = 12
"""60 bits: at five tries a second none is found."""
_NOBODY: Final = bytes(32)
_t: Final = tables.status_codes.c


class CodeNotKnown(NotFound):
    """There is no such number with such a code."""


def issue(connection: Connection, case_id: str, now: datetime) -> tuple[str, str]:
    """A new number and code for a case; earlier ones stay good."""
    day = now.astimezone(ZONE).strftime("%Y%m%d")
    number = f"{day}-{secrets.randbelow(10**8):08d}"
    code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE))
    connection.execute(
        tables.status_codes.insert().values(
            number=number, digest=_digest(number, code), case_id=case_id, issued_at_us=microseconds(now)
        )
    )
    return number, code


def case_of(connection: Connection, number: str, code: str) -> str:
    """The case of a number and its code.

    Raises:
        CodeNotKnown: They do not belong together, or are not known.
    """
    number, code = number.strip(), code.strip().replace(" ", "").upper()
    row = connection.execute(sa.select(_t.digest, _t.case_id).where(_t.number == number)).first()
    right = hmac.compare_digest(row.digest if row else _NOBODY, _digest(number, code))
    if row is None or not right:
        raise CodeNotKnown
    return str(row.case_id)


def _digest(number: str, code: str) -> bytes:
    return sha256(f"liandong/status-code/v1\0{number}\0{code}".encode()).digest()
