"""Joining gives a token's holder exactly one department; renewing asks for the `sign` key, nothing else."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.directory.v1 import common_entry_pb2 as pb

from services.common.clock import ManualClock
from services.common.errors import (
    CertificateExpired,
    CertificateRevoked,
    ClockSkew,
    InvalidField,
    Unavailable,
)
from services.exchange.authority import Authority, PeerKind, RequestInvalid, peer_identity, signing_request
from services.exchange.joining import InvitationInvalid, InvitationText, NotKeyHolder, TokenInvalid
from services.exchange.keys import BadSignature
from services.registry.diagnosis import diagnose
from services.registry.enrolment import DepartmentInactive, UnknownDepartment, token_digest
from services.registry.hosts import checked_hosts
from services.registry.membership import MAX_ENDED_KEYS, joined
from services.registry.rate_limit import RateLimit, TooManyRequests, peer_key
from tests.unit.registry.enrolment_world import HEALTH, POLICE, Node, World, database, new_world

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    with database(sqlite_url) as opened:
        yield new_world(opened, ManualClock(T0))


async def joined_node(world: World) -> Node:
    node = Node()
    await world.enrolment.join(node.join((await world.invite()).token))
    return node


async def test_joining_lists_the_key_and_certifies_the_node(world: World) -> None:
    """The directory shows the sign key and the department speaks; the certificate names both."""
    node = Node()
    issuer = pb.Issuer(issuer="https://login", public_key=b"i" * 32)
    request = node.join((await world.invite()).token, issuers=(issuer,))
    member = await world.enrolment.join(request)
    assert member.sign_key_id == node.sign_key_id
    assert member.registry.log_id == "liandong.qinghe"
    assert world.directory.active(HEALTH)
    assert world.directory.sign_key(node.sign_key_id, T0) == node.public
    assert world.directory.issuers(HEALTH) == {"https://login": b"i" * 32}
    identity = peer_identity(member.certificate)
    assert (identity.department, identity.kind) == (HEALTH, PeerKind.NODE)
    names = x509.load_pem_x509_certificate(member.certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["node.example.cn"]
    kept = world.store.newest_certificate(HEALTH, "node")
    assert kept is not None
    assert (kept.serial, kept.certificate) == (identity.serial, member.certificate)


async def test_the_secret_is_not_stored(world: World) -> None:
    """Of the token only the SHA-256 is kept, and no representation shows it."""
    invitation = await world.invite()
    (kept,) = await world.enrolment.invitations()
    assert kept.token_digest == token_digest(invitation.token)
    assert invitation.token not in repr(invitation)


async def test_a_token_is_good_for_one_key(world: World) -> None:
    """The same key may ask again and changes nothing; another is refused."""
    token = (await world.invite()).token
    node, thief = Node(), Node()
    await world.enrolment.join(node.join(token))
    again = await world.enrolment.join(node.join(token))
    assert again.sign_key_id == node.sign_key_id
    assert len(world.published) == 1
    with pytest.raises(TokenInvalid, match="used before"):
        await world.enrolment.join(thief.join(token))
    (kept,) = await world.enrolment.invitations()
    assert kept.redeemed_at == T0


async def test_of_two_that_redeem_at_once_one_gets_in(world: World) -> None:
    """The database decides, not the order of reads."""
    token = (await world.invite()).token
    nodes = [Node() for _ in range(4)]
    results = await asyncio.gather(
        *(world.enrolment.join(node.join(token)) for node in nodes), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in results) == ["Membership"] + ["TokenInvalid"] * 3


async def test_a_join_cut_off_in_the_middle_is_finished_by_repeating_it(world: World) -> None:
    """The ledger was not reached: the token stays the key's, and of no other."""
    token = (await world.invite()).token
    node = Node()
    world.failures.append(Unavailable())
    with pytest.raises(Unavailable):
        await world.enrolment.join(node.join(token))
    with pytest.raises(TokenInvalid):
        await world.enrolment.join(Node().join(token))
    await world.enrolment.join(node.join(token))
    assert world.directory.active(HEALTH)


async def test_an_expired_token_is_refused(world: World) -> None:
    """Its end is exclusive."""
    token = (await world.invite()).token
    world.clock.advance(timedelta(hours=72))
    with pytest.raises(TokenInvalid, match="2026-03-05 09:00 UTC"):
        await world.enrolment.join(Node().join(token))


async def test_a_token_is_good_for_its_department_only(world: World) -> None:
    """And an unknown one for nobody."""
    token = (await world.invite()).token
    with pytest.raises(TokenInvalid):
        await world.enrolment.join(Node(POLICE).join(token))
    with pytest.raises(TokenInvalid):
        await world.enrolment.join(Node().join("x" * 43))


async def test_what_is_refused_does_not_use_up_the_token(world: World) -> None:
    """A bad proof, request or host leaves the invitation to the right one."""
    token = (await world.invite()).token
    node = Node()
    with pytest.raises(BadSignature):
        await world.enrolment.join(node.join(token, proof=b"\0" * 64))
    with pytest.raises(BadSignature):
        await world.enrolment.join(node.join(token, tls_request=signing_request(Node().tls)))
    with pytest.raises(InvalidField):
        await world.enrolment.join(node.join(token, hosts=("*.example.cn",)))
    garbage = b"no request"
    proof = node.sign.sign(b"liandong/join/v1\0" + token.encode() + garbage)
    with pytest.raises(RequestInvalid):
        await world.enrolment.join(node.join(token, tls_request=garbage, proof=proof))
    assert world.published == []
    await world.enrolment.join(Node().join(token))


@pytest.mark.parametrize("status", [pb.DEPARTMENT_STATUS_SUSPENDED, pb.DEPARTMENT_STATUS_LEFT])
async def test_a_suspended_or_gone_department_cannot_join(
    world: World, status: pb.DepartmentStatus.ValueType
) -> None:
    """Else joining would undo what the operator did."""
    token = (await world.invite()).token
    world.enter(HEALTH, status)
    with pytest.raises(DepartmentInactive):
        await world.enrolment.join(Node().join(token))
    with pytest.raises(DepartmentInactive):
        await world.enrolment.invite(HEALTH)


async def test_only_departments_of_the_directory_are_invited(world: World) -> None:
    """A misspelt name is told, not invited."""
    with pytest.raises(UnknownDepartment):
        await world.enrolment.invite("nobody.qinghe")


async def test_joining_anew_ends_the_lost_key(world: World) -> None:
    """And the lost key cannot be put back by repeating the join that listed it."""
    first_token = (await world.invite()).token
    lost, new = Node(), Node()
    await world.enrolment.join(lost.join(first_token))
    world.clock.advance(timedelta(hours=1))
    await world.enrolment.join(new.join((await world.invite()).token))
    later = world.clock.advance(timedelta(seconds=1))
    assert world.directory.sign_key(lost.sign_key_id, T0) == lost.public
    assert world.directory.sign_key(lost.sign_key_id, later) is None
    assert world.directory.sign_key(new.sign_key_id, later) == new.public
    with pytest.raises(NotKeyHolder, match="replaced"):
        await world.enrolment.join(lost.join(first_token))
    with pytest.raises(NotKeyHolder):
        await world.enrolment.renew(lost.renewal(later))


async def test_a_revoked_key_does_not_join_again(world: World) -> None:
    """Whoever holds it may be the thief."""
    node = await joined_node(world)
    world.put(revocation=pb.Revocation(department=HEALTH, key_ids=[node.sign_key_id]))
    with pytest.raises(CertificateRevoked):
        await world.enrolment.join(node.join((await world.invite()).token))


def test_joining_keeps_other_roles_and_forgets_keys_ended_long_ago() -> None:
    """The entry stays within what its contract allows."""
    before = pb.Department(name=HEALTH, status=pb.DEPARTMENT_STATUS_ACTIVE)
    before.keys.add(key_id=f"{HEALTH}/seal/00000000", role=pb.KEY_ROLE_SEAL, public_key=b"s" * 32)
    after = before
    for number in range(MAX_ENDED_KEYS + 5):
        name = f"{HEALTH}/sign/{number:08x}"
        after = joined(after, name, b"k" * 32, (), T0 + timedelta(hours=number))
    assert [key.role for key in after.keys].count(pb.KEY_ROLE_SEAL) == 1
    assert len(after.keys) == MAX_ENDED_KEYS + 2
    assert [key.HasField("valid_until") for key in after.keys].count(False) == 2
    assert len(before.keys) == 1


async def test_renewing_asks_for_the_current_sign_key(world: World) -> None:
    """A foreign key, a foreign id, a changed kind or request: each is refused alike."""
    node = await joined_node(world)
    certificate, ca = await world.enrolment.renew(node.renewal(T0))
    assert ca == world.authority.pem
    assert peer_identity(certificate).department == HEALTH
    stranger = Node(POLICE)
    for request in (
        node.renewal(T0, signer=Ed25519PrivateKey.generate()),
        node.renewal(T0, sign_key_id=stranger.sign_key_id),
        node.renewal(T0, kind="gateway", proof=node.renewal(T0).proof),
        node.renewal(T0, tls_request=signing_request(stranger.tls)),
        node.renewal(T0, department=POLICE),
    ):
        with pytest.raises(NotKeyHolder):
            await world.enrolment.renew(request)


async def test_one_departments_key_gets_no_certificate_of_another(world: World) -> None:
    """Even where the request is signed correctly for the other department's name."""
    node = await joined_node(world)
    posing = Node(POLICE, sign=node.sign, tls=node.tls)
    with pytest.raises(NotKeyHolder):
        await world.enrolment.renew(posing.renewal(T0, sign_key_id=node.sign_key_id))


@pytest.mark.parametrize("kind", ["gateway", "system/his-lab"])
async def test_further_clients_get_certificates_of_their_kind(world: World, kind: str) -> None:
    """They serve nothing, so they name no hosts."""
    node = await joined_node(world)
    certificate, _ = await world.enrolment.renew(node.renewal(T0, kind=kind))
    identity = peer_identity(certificate)
    assert "/".join(filter(None, (identity.kind, identity.name))) == kind
    kept = world.store.newest_certificate(HEALTH, kind)
    assert kept is not None
    assert kept.serial == identity.serial
    with pytest.raises(InvalidField):
        await world.enrolment.renew(node.renewal(T0, kind=kind, hosts=("a.example.cn",)))


@pytest.mark.parametrize(
    "kind", ["operator", "registry", "system", "node/x", "gateway/x", "system/../node", "x"]
)
async def test_members_get_no_other_kind(world: World, kind: str) -> None:
    """An operator's certificate is not had by renewing."""
    node = await joined_node(world)
    with pytest.raises(InvalidField):
        await world.enrolment.renew(node.renewal(T0, kind=kind))


@pytest.mark.parametrize("off", [timedelta(minutes=5, seconds=1), -timedelta(minutes=5, seconds=1)])
async def test_a_request_is_made_now(world: World, off: timedelta) -> None:
    """Five minutes either way, so that a recorded request is worthless soon."""
    node = await joined_node(world)
    with pytest.raises(ClockSkew):
        await world.enrolment.renew(node.renewal(T0 + off))
    await world.enrolment.renew(node.renewal(T0 + timedelta(minutes=5)))


async def test_renewing_is_possible_for_thirty_days_after_the_end(world: World) -> None:
    """A department may be cut off for that long."""
    node = await joined_node(world)
    now = world.clock.advance(timedelta(days=60))
    await world.enrolment.renew(node.renewal(now))
    now = world.clock.advance(timedelta(days=60, seconds=1))
    with pytest.raises(CertificateExpired, match="join again"):
        await world.enrolment.renew(node.renewal(now))


async def test_what_was_revoked_is_not_renewed(world: World) -> None:
    """Neither the key, nor the node's certificate, nor all of the department."""
    node = await joined_node(world)
    kept = world.store.newest_certificate(HEALTH, "node")
    assert kept is not None
    before = world.directory
    for revocation in (
        pb.Revocation(department=HEALTH, key_ids=[node.sign_key_id]),
        pb.Revocation(department=HEALTH, serials=[kept.serial]),
        pb.Revocation(department=HEALTH),
    ):
        world.directory = before
        world.put(revocation=revocation)
        with pytest.raises(CertificateRevoked):
            await world.enrolment.renew(node.renewal(T0))


async def test_a_suspended_department_stays_reachable_and_a_gone_one_does_not(world: World) -> None:
    """Suspension refuses letters; it must be able to end."""
    node = await joined_node(world)
    world.enter(HEALTH, pb.DEPARTMENT_STATUS_SUSPENDED)
    await world.enrolment.renew(node.renewal(T0))
    world.enter(HEALTH, pb.DEPARTMENT_STATUS_LEFT)
    with pytest.raises(DepartmentInactive):
        await world.enrolment.renew(node.renewal(T0))


@pytest.mark.parametrize(
    "host",
    [
        "*.example.cn", "*", "a..b", ".a", "a.", "-a.cn", "a-.cn", "a_b.cn", "a b", "a/b", "../etc", "a:443",
        "http://a.cn", "a.cn\0", "a.cn\n", "é.cn", "а.cn",
        "127.1", "1.2.3", "1.2.3.4.5", "0x7f.0x1", "0.0.0.0",
        "::", "ff02::1", "fe80::1%eth0", "224.0.0.1", "[::1]", "1.2.3.4/24",
        "x" * 64 + ".cn", "",
        "registry.example.cn", "REGISTRY.example.cn", "10.0.0.1",
    ],
)  # fmt: skip
def test_hosts_with_tricks_are_refused(host: str) -> None:
    """No wildcard, path, port, look-alike or odd address, and nothing of the registry's."""
    with pytest.raises(InvalidField) as caught:
        checked_hosts(["ok.example.cn", host], reserved=["registry.example.cn", "10.0.0.1"])
    assert caught.value.field == "hosts[1]"


def test_plain_hosts_are_normalised() -> None:
    """Lower case, short form, each once; loopback is free to all."""
    given = ["Node.Example.CN", "node.example.cn", "10.1.2.3", "2001:DB8:0:0::1", "localhost", "127.0.0.1"]
    assert checked_hosts(given, reserved=["localhost", "127.0.0.1"]) == (
        "node.example.cn", "10.1.2.3", "2001:db8::1", "localhost", "127.0.0.1",
    )  # fmt: skip


async def test_a_diagnosis_names_the_reason(world: World) -> None:
    """What a failed handshake cannot say: foreign, expired, revoked, inactive, or fine."""
    member = await world.enrolment.join(Node().join((await world.invite()).token))

    def reason(certificate: bytes = member.certificate, at: datetime = T0) -> str:
        return diagnose(certificate, world.authority, world.directory, at).reason

    assert reason() == ""
    assert reason(b"garbage") == "UNKNOWN_CERTIFICATE"
    foreign = Authority.create("liandong.qinghe", T0)
    key = Node().tls
    assert reason(foreign.issue(key.public_key(), f"liandong://{HEALTH}/node", T0)) == "UNKNOWN_CERTIFICATE"
    assert reason(world.authority.pem) == "UNKNOWN_CERTIFICATE"
    assert reason(at=T0 + timedelta(days=30)) == "CERTIFICATE_EXPIRED"
    operator = world.authority.issue(key.public_key(), "liandong://registry.qinghe/operator", T0)
    assert reason(operator) == ""
    unlisted = world.authority.issue(key.public_key(), "liandong://gone.qinghe/node", T0)
    assert reason(unlisted) == "UNKNOWN_DEPARTMENT"
    world.enter(HEALTH, pb.DEPARTMENT_STATUS_SUSPENDED)
    assert reason() == "DEPARTMENT_INACTIVE"
    world.put(revocation=pb.Revocation(department=HEALTH, serials=[peer_identity(member.certificate).serial]))
    assert reason() == "CERTIFICATE_REVOKED"


def test_an_invitation_survives_mail() -> None:
    """Line breaks and spaces that mail programs put in do not matter; anything else is refused."""
    text = InvitationText(HEALTH, "r:1", "e:2", "PEM 证", "secret")
    line = str(text)
    assert "\n" not in line
    assert InvitationText.parse(f"  {line[:50]}\r\n {line[50:]} \n") == text
    for broken in (
        "",
        "hello",
        line[:-3],
        line + "!",
        "liandong-invite:",
        "liandong-invite:e30",
        "liandong-invite:W10",
    ):
        with pytest.raises(InvitationInvalid):
            InvitationText.parse(broken)


def test_one_peer_cannot_use_up_the_port() -> None:
    """Its requests are limited, others' are not, and memory is bounded."""
    limit = RateLimit(burst=2, per_second=1, peers=3)
    limit.take("ipv4:10.0.0.1:1000", T0)
    limit.take("ipv4:10.0.0.1:1001", T0)
    with pytest.raises(TooManyRequests) as caught:
        limit.take("ipv4:10.0.0.1:1002", T0)
    assert caught.value.retry_after_ms == 1001
    limit.take("ipv4:10.0.0.2:1000", T0)
    limit.take("ipv4:10.0.0.1:1000", T0 + timedelta(milliseconds=caught.value.retry_after_ms))
    for number in range(10):
        limit.take(f"ipv4:10.0.1.{number}:1", T0)
    assert len(limit._buckets) == 3


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("ipv4:10.1.2.3:5000", "10.1.2.3"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:5000", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2::9%5D:5000", "2001:db8:1:2::/64"),
        ("ipv6:[::1]:5000", "::1"),
        ("unix:/run/x", "unix:/run/x"),
    ],
)
def test_peers_are_told_apart_by_address(peer: str, key: str) -> None:
    """An IPv6 host owns a whole network; ports say nothing."""
    assert peer_key(peer) == key
