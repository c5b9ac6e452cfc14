"""The form on which the public complains: what is typed, what is wrong with it, and the word that makes it fresh."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from liandong.cases.v1 import public_service_pb2 as pb

from services.common import edge
from services.common.errors import InvalidField, LimitExceeded
from services.gateway.evidence.kinds import kind_of_head
from services.gateway.languages import Language
from services.gateway.web.form_rules import wrong_by_name

PHOTOGRAPHS: Final = 5
PHOTOGRAPH_LIMIT: Final = 8 * 1024 * 1024
FORM_LIMIT: Final = PHOTOGRAPHS * PHOTOGRAPH_LIMIT + 256 * 1024
PHOTOGRAPH_KINDS: Final = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic"})
ACCEPT: Final = ",".join(sorted(PHOTOGRAPH_KINDS))
FIELDS: Final = ("facts", "place", "unit_name", "unit_code", "contact_name", "contact_phone")
_SHORTEST: Final = timedelta(seconds=2)
_LONGEST: Final = timedelta(hours=12)
_NONCE: Final = 16
_MAC: Final = 16


class NotFresh(Exception):
    """The word is of no form of ours, or of one that was shown long ago."""


class TooFast(Exception):
    """Nobody has read the form in that time."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Words that say when a form was shown, and which it is, so that sending it twice is sending it once.

    Nothing is kept of them: who shows one shows that it came from here.

    Attributes:
        key: Only this gateway's processes know it.
    """

    key: bytes

    def word(self, now: datetime) -> str:
        """For a form that is shown now."""
        said = int(now.timestamp()).to_bytes(8, "big") + secrets.token_bytes(_NONCE)
        return base64.urlsafe_b64encode(said + self._mac(said)).decode()

    def check(self, word: str, now: datetime) -> str:
        """Which form it is.

        Raises:
            NotFresh: None of ours, or one that is too old.
            TooFast: It was shown only now.
        """
        try:
            found = base64.b64decode(word.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            raise NotFresh from None
        said, mac = found[: 8 + _NONCE], found[8 + _NONCE :]
        if not hmac.compare_digest(mac, self._mac(said)):
            raise NotFresh
        age = now - datetime.fromtimestamp(int.from_bytes(said[:8], "big"), tz=now.tzinfo)
        if not timedelta(0) <= age <= _LONGEST:
            raise NotFresh
        if age < _SHORTEST:
            raise TooFast
        return said[8:].hex()

    def _mac(self, said: bytes) -> bytes:
        return hmac.new(self.key, b"liandong intake form\0" + said, sha256).digest()[:_MAC]


def typed(form: Mapping[str, object]) -> dict[str, str]:
    """What was typed, as it is shown again: lines end as everywhere, and nothing stands in it that cannot be seen."""
    found = {}
    for name in FIELDS:
        text = form.get(name, "")
        plain = text.replace("\r\n", "\n").strip() if isinstance(text, str) else ""
        found[name] = "".join(each for each in plain if each.isprintable() or each == "\n")
    found["may_pass_contact_on"] = "1" if form.get("may_pass_contact_on") else ""
    return found


def request_of(values: Mapping[str, str], item_code: str, key: str) -> pb.TakeComplaintRequest:
    """What is asked of the node."""
    return pb.TakeComplaintRequest(
        facts=values["facts"], place=values["place"], unit_name=values["unit_name"], unit_code=values["unit_code"],
        contact_name=values["contact_name"], contact_phone=values["contact_phone"],
        may_pass_contact_on=bool(values["may_pass_contact_on"]), item_code=item_code, idempotency_key=key,
    )  # fmt: skip


def wrong_in(request: pb.TakeComplaintRequest, language: Language) -> dict[str, str]:
    """What breaks the contract's rules, in words, by field."""
    try:
        edge.validate(request)
    except (InvalidField, LimitExceeded) as error:
        return wrong_by_name(request.DESCRIPTOR, error.violations, language)
    return {}


def photograph_kind(head: bytes) -> str:
    """What kind of photograph begins so, whatever it is called; empty for anything else."""
    kind = kind_of_head(head)
    return kind if kind in PHOTOGRAPH_KINDS else ""
