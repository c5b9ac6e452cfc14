"""What joining changes in a department's directory entry."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.trust import moment

MAX_ENDED_KEYS: Final = 16
"""Ended keys that an entry still lists; directories remember the older ones by themselves."""


def joined(
    before: pb.Department, sign_key_id: str, public_key: bytes, issuers: Iterable[pb.Issuer], now: datetime
) -> pb.Department:
    """The department's entry after a node joined with a `sign` key.

    The key becomes the only current one of its role: who joins anew has lost the old key, and a lost key
    must not speak on. Listed issuers are replaced if the node names any.

    Args:
        before: The entry so far; it is not changed.
        sign_key_id: Id of the new key.
        public_key: Its 32 bytes.
        issuers: Issuers of actor assertions that the node names.
        now: The end of the keys that it takes the place of.
    """
    after = pb.Department()
    after.CopyFrom(before)
    after.status = pb.DEPARTMENT_STATUS_ACTIVE
    del after.keys[:]
    ended: list[pb.PublicKey] = []
    for key in before.keys:
        if key.key_id == sign_key_id:
            continue
        kept = pb.PublicKey()
        kept.CopyFrom(key)
        if kept.role == pb.KEY_ROLE_SIGN and not _has_ended(kept, now):
            kept.valid_until.CopyFrom(_stamp(now))
        (ended if _has_ended(kept, now) else after.keys).append(kept)
    after.keys.extend(ended[-MAX_ENDED_KEYS:])
    after.keys.append(pb.PublicKey(key_id=sign_key_id, role=pb.KEY_ROLE_SIGN, public_key=public_key))
    named = list(issuers)
    if named:
        del after.issuers[:]
        after.issuers.extend(named)
    return after


def _has_ended(key: pb.PublicKey, now: datetime) -> bool:
    until = moment(key, "valid_until")
    return until is not None and until <= now


def _stamp(moment_: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment_)
    return stamp
