"""Invitations and certificates are kept alike on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from services.registry.enrolment_store import EnrolmentStore, Invitation, IssuedCertificate
from tests.unit.registry.enrolment_world import HEALTH, POLICE, database

T0 = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[EnrolmentStore]:
    with database(database_url) as opened:
        yield EnrolmentStore(opened)


def invitation(number: int) -> Invitation:
    created = T0 + timedelta(hours=number)
    return Invitation(bytes([number]) * 32, HEALTH, created, created + timedelta(hours=72))


def test_an_invitation_is_found_by_its_digest_and_listed_newest_first(store: EnrolmentStore) -> None:
    """Times come back to the microsecond."""
    for number in (1, 3, 2):
        store.add_invitation(invitation(number))
    assert store.invitation(bytes([2]) * 32) == invitation(2)
    assert store.invitation(b"x" * 32) is None
    assert store.invitations() == [invitation(3), invitation(2), invitation(1)]
    assert store.invitations(limit=1) == [invitation(3)]


def test_an_invitation_is_redeemed_by_the_first_key(store: EnrolmentStore) -> None:
    """Also by many at once; its time is the first one's; an unknown one is nobody's."""
    store.add_invitation(invitation(1))
    digest = bytes([1]) * 32
    keys = [bytes([number]) * 32 for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda key: store.redeem(digest, key, T0), keys))
    won = [key for key, mine in zip(keys, answers, strict=True) if mine]
    assert len(won) == 1
    assert store.redeem(digest, won[0], T0 + timedelta(hours=1))
    kept = store.invitation(digest)
    assert kept is not None
    assert (kept.redeemed_by_key, kept.redeemed_at) == (won[0], T0)
    assert not store.redeem(b"x" * 32, won[0], T0)


def test_the_newest_certificate_of_a_kind_is_the_one_that_ends_last(store: EnrolmentStore) -> None:
    """Other kinds and other departments do not count."""
    rows = [
        IssuedCertificate("a1", HEALTH, "node", T0 + timedelta(days=30), b"1"),
        IssuedCertificate("a2", HEALTH, "node", T0 + timedelta(days=45), b"2"),
        IssuedCertificate("a3", HEALTH, "gateway", T0 + timedelta(days=60), b"3"),
        IssuedCertificate("a4", POLICE, "node", T0 + timedelta(days=60), b"4"),
    ]
    for row in rows:
        store.add_certificate(row)
    assert store.newest_certificate(HEALTH, "node") == rows[1]
    assert store.newest_certificate(POLICE, "gateway") is None
