"""A node joins, renews and asks over real TLS; who may not is told why."""

import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2, directory_service_pb2_grpc
from liandong.enrolment.v1 import enrolment_service_pb2 as pb
from liandong.enrolment.v1 import enrolment_service_pb2_grpc as rpc
from liandong.exchange.v1 import reason_pb2

from services.common.channel import open_channel, remote_errors
from services.common.clock import ManualClock
from services.common.errors import (
    CertificateExpired,
    CertificateRevoked,
    ClockSkew,
    InvalidField,
    LiandongError,
    PermissionDenied,
    Unavailable,
)
from services.common.server import Server, server_tls_only
from services.common.tls import TlsFiles
from services.exchange import keys
from services.exchange.authority import PeerKind, peer_identity
from services.exchange.directory_handlers import REGISTRY_RULES, DirectoryHandlers, LedgeredEntry
from services.exchange.enrolment_client import AlreadyJoined, EnrolmentClient, NotJoined, finish_replacement
from services.exchange.entry_check import completed
from services.exchange.joining import InvitationText, NotKeyHolder, TokenInvalid
from services.exchange.keys import BadSignature, KeyRole
from services.registry.handlers.enrolment import (
    ENROLMENT_RULES,
    INVITATION_RULES,
    EnrolmentHandlers,
    InvitationHandlers,
)
from services.registry.rate_limit import RateLimit, TooManyRequests
from tests.unit.registry.enrolment_world import HEALTH, POLICE, World, database, new_world, now

REGISTRY = "registry.qinghe"


@dataclass
class Port:
    """A registry with both its ports, and a folder for nodes."""

    world: World
    main: Server
    enrolment: Server
    folder: Path
    limit: RateLimit

    @property
    def address(self) -> str:
        return f"localhost:{self.enrolment.port}"

    async def invitation(self, department: str = HEALTH) -> str:
        text = await self.world.invite(department)
        return str(
            InvitationText(department, f"localhost:{self.main.port}", self.address, text.ca, text.token)
        )

    def client(self, name: str = "node") -> EnrolmentClient:
        return EnrolmentClient(self.folder / name, clock=self.world.clock)

    async def joined(self, name: str = "node") -> EnrolmentClient:
        client = self.client(name)
        await client.join(await self.invitation(), hosts=["localhost", "127.0.0.1"])
        return client

    def certificate(self, name: str, uri: str) -> TlsFiles:
        """Key and certificate for somebody whom the registry itself certifies."""
        key = keys.generate(KeyRole.TLS)
        files = TlsFiles(*(self.folder / f"{name}.{kind}" for kind in ("ca", "crt", "key")))
        keys.save_private_key(files.key, key)
        certificate = self.world.authority.issue(
            key.public_key(),  # type: ignore[arg-type]
            uri,
            self.world.clock.now(),
            ["localhost"],
        )
        files.cert.write_bytes(certificate)
        files.ca.write_bytes(self.world.authority.pem)
        return files

    def stub(self, files: TlsFiles) -> "rpc.EnrolmentServiceAsyncStub":
        return rpc.EnrolmentServiceStub(open_channel(self.address, files, present_certificate=False))


@pytest.fixture
async def port(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Port]:
    with database(sqlite_url) as opened:
        world = new_world(opened, ManualClock(now()))
        port = Port(world, None, None, tmp_path, RateLimit(burst=30))  # type: ignore[arg-type]
        tls = port.certificate("registry", f"liandong://{REGISTRY}/registry")
        port.main = Server(
            "127.0.0.1:0", tls, department=REGISTRY, rules={**REGISTRY_RULES, **INVITATION_RULES}
        )
        services = directory_service_pb2.DESCRIPTOR.services_by_name
        port.main.add(directory_handlers(world), services["DirectoryService"])
        enrolment = pb.DESCRIPTOR.services_by_name
        port.main.add(InvitationHandlers(world.enrolment), enrolment["InvitationService"])
        port.enrolment = server_tls_only("127.0.0.1:0", tls, department=REGISTRY, rules=ENROLMENT_RULES)
        port.enrolment.add(
            EnrolmentHandlers(
                world.enrolment, world.authority, lambda: world.directory, world.clock, port.limit
            ),
            enrolment["EnrolmentService"],
        )
        await port.main.start()
        await port.enrolment.start()
        try:
            yield port
        finally:
            await port.enrolment.stop(0)
            await port.main.stop(0)


def directory_handlers(world: World) -> DirectoryHandlers:
    async def watch(from_version: int) -> AsyncIterator[LedgeredEntry]:
        for number, entry in enumerate(world.published, start=1):
            if number >= from_version:
                yield LedgeredEntry(number, number - 1, entry)

    async def publish(entry: entries.CommonEntry, idempotency_key: str = "") -> tuple[int, int]:
        del idempotency_key
        # as the registry does under its ledger's lock
        return world.apply(completed(entry, world.directory))

    return DirectoryHandlers(lambda: world.directory, watch, world.clock, publish)


async def test_a_node_joins_and_is_a_member(port: Port) -> None:
    """Five files, the private ones for their owner only; the key is in the directory."""
    client = await port.joined()
    names = {path.name: stat.S_IMODE(path.stat().st_mode) for path in client.folder.iterdir()}
    assert names == {
        "tls.key": 0o600, "sign.key": 0o600, "tls.crt": 0o644, "ca.crt": 0o644, "node.json": 0o644
    }  # fmt: skip
    assert stat.S_IMODE(client.folder.stat().st_mode) == 0o700
    member = client.membership
    assert (member.department, member.registry_name, member.log_id) == (HEALTH, REGISTRY, "liandong.qinghe")
    assert member.registry == port.world.registry_address
    assert port.world.directory.active(HEALTH)
    sign_key = keys.load_sign_key(client.folder / "sign.key")
    assert port.world.directory.sign_key(member.sign_key_id, now()) == keys.public_key_bytes(sign_key)
    assert member.registry_key == port.world.directory.registry().key.public_key.hex()  # type: ignore[union-attr]
    assert client.tls.read()


async def test_a_token_is_used_once(port: Port) -> None:
    """A second node with the same invitation stays outside; the first may ask again."""
    invitation = await port.invitation()
    first = port.client("first")
    await first.join(invitation)
    with pytest.raises(TokenInvalid, match="used before"):
        await port.client("second").join(invitation)
    (first.folder / "node.json").unlink()
    again = await port.client("first").join(invitation)
    assert again.sign_key_id == first.membership.sign_key_id
    with pytest.raises(AlreadyJoined):
        await first.join(invitation)


async def test_two_processes_that_join_with_one_folder_leave_one_key(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one whose key came second is told, and asks for nothing."""
    invitation = await port.invitation()
    client, generate = port.client("one"), keys.generate
    first = generate(KeyRole.SIGN)

    def overtaken(role: KeyRole) -> keys.PrivateKey:
        if role is KeyRole.SIGN:
            keys.save_private_key(client.folder / "sign.key", first)
        return generate(role)

    monkeypatch.setattr(keys, "generate", overtaken)
    with pytest.raises(AlreadyJoined, match="Another process"):
        await client.join(invitation)
    member = await port.client("one").join(invitation)
    assert member.sign_key_id == keys.key_id(HEALTH, KeyRole.SIGN, keys.public_key_bytes(first))


async def test_an_expired_token_and_a_foreign_department_are_refused(port: Port) -> None:
    """The reason is the contract's, whatever the sentence."""
    text = InvitationText.parse(await port.invitation())
    moved = InvitationText(POLICE, text.registry, text.enrolment, text.ca, text.token)
    with pytest.raises(TokenInvalid) as caught:
        await port.client("police").join(str(moved))
    assert (caught.value.reason, caught.value.code) == ("TOKEN_INVALID", "PERMISSION_DENIED")
    port.world.clock.advance(timedelta(hours=72))
    with pytest.raises(TokenInvalid):
        await port.client().join(str(text))


async def test_a_registry_that_the_invitation_does_not_vouch_for_is_not_told_the_token(port: Port) -> None:
    """The trust root comes with the invitation and holds from the first byte."""
    text = InvitationText.parse(await port.invitation())
    other = type(port.world.authority).create("other", now())
    forged = InvitationText(HEALTH, text.registry, text.enrolment, other.pem.decode(), text.token)
    with pytest.raises(Unavailable):
        await port.client().join(str(forged))
    (kept,) = await port.world.enrolment.invitations()
    assert kept.redeemed_at is None


@pytest.mark.parametrize("host", ["*.example.cn", "../registry", "a b", "127.1"])
async def test_hosts_with_tricks_are_refused(port: Port, host: str) -> None:
    """Before the token is taken."""
    invitation = await port.invitation()
    with pytest.raises(InvalidField) as caught:
        await port.client("trick").join(invitation, hosts=[host])
    assert caught.value.field == "hosts[0]"
    await port.client().join(invitation)


async def test_a_bad_proof_is_refused(port: Port) -> None:
    """A signature by another key, and one of a wrong length, which the contract itself refuses."""
    client = await port.joined()
    text = InvitationText.parse(await port.invitation(POLICE))
    request = pb.JoinRequest(
        token=text.token, department=POLICE, tls_request=b"x", sign_public_key=b"k" * 32, proof=b"p" * 64
    )
    with pytest.raises(BadSignature), remote_errors():
        await port.stub(client.tls).Join(request)
    request.proof = b"short"
    with pytest.raises(InvalidField), remote_errors():
        await port.stub(client.tls).Join(request)


async def test_renewal_is_due_at_half_of_its_life(port: Port) -> None:
    """The new pair takes the place of the old one and fits."""
    client = await port.joined()
    before = client.tls.read()
    assert not await client.renew_if_due()
    port.world.clock.advance(timedelta(days=15))
    assert await client.renew_if_due()
    after = client.tls.read()
    assert before.cert != after.cert
    assert before.key != after.key
    assert not await client.renew_if_due()
    issued = peer_identity(after.cert)
    assert (issued.department, issued.kind) == (HEALTH, PeerKind.NODE)


async def test_a_foreign_key_renews_nothing(port: Port) -> None:
    """Nor does a revoked one, nor one whose certificate ended too long ago."""
    client = await port.joined()
    port.world.clock.advance(timedelta(days=15))
    sign_key = client.folder / "sign.key"
    genuine = sign_key.read_bytes()
    sign_key.unlink()
    keys.save_private_key(sign_key, keys.generate(KeyRole.SIGN))
    with pytest.raises(NotKeyHolder):
        await client.renew_if_due()
    sign_key.write_bytes(genuine)
    port.world.clock.advance(timedelta(days=46))
    with pytest.raises(CertificateExpired):
        await client.renew_if_due()
    port.world.put(revocation=entries.Revocation(department=HEALTH))
    with pytest.raises(CertificateRevoked):
        await client.renew_if_due()


async def test_a_node_whose_clock_is_off_is_told_so(port: Port) -> None:
    """The request is dated by the node's own clock."""
    client = await port.joined()
    slow = EnrolmentClient(client.folder, clock=ManualClock(now() - timedelta(minutes=6)))
    with pytest.raises(ClockSkew):
        await slow.client_certificate("gateway", port.folder / "gateway")


@pytest.mark.parametrize("kind", ["gateway", "system/his"])
async def test_the_node_gets_certificates_for_its_clients(port: Port, kind: str) -> None:
    """With a key of their own, in a folder of their own."""
    client = await port.joined()
    files = await client.client_certificate(kind, port.folder / "client")
    peer = peer_identity(files.read().cert)
    assert (peer.department, "/".join(filter(None, (peer.kind, peer.name)))) == (HEALTH, kind)
    with pytest.raises(InvalidField):
        await client.client_certificate("operator", port.folder / "operator")
    assert not (port.folder / "operator").exists()


async def test_a_diagnosis_tells_what_a_handshake_cannot(port: Port) -> None:
    """Each reason is a value of the contract."""
    client = await port.joined()
    accepted = await client.diagnose()
    assert (accepted.accepted, accepted.department) == (True, HEALTH)

    async def reason(certificate: bytes | None = None) -> str:
        found = await client.diagnose(certificate)
        assert found.message
        assert not found.accepted
        return reason_pb2.Reason.Name(found.reason).removeprefix("REASON_")

    assert await reason(b"garbage") == "UNKNOWN_CERTIFICATE"
    port.world.enter(HEALTH, entries.DEPARTMENT_STATUS_SUSPENDED)
    assert await reason() == "DEPARTMENT_INACTIVE"
    port.world.clock.advance(timedelta(days=31))
    assert await reason() == "CERTIFICATE_EXPIRED"
    serial = peer_identity(client.tls.read().cert).serial
    port.world.put(revocation=entries.Revocation(department=HEALTH, serials=[serial]))
    assert await reason() == "CERTIFICATE_REVOKED"


async def test_the_port_answers_one_address_so_often(port: Port) -> None:
    """Past its rate it is told when to come back."""
    client = await port.joined()
    for _ in range(29):
        await client.diagnose()
    with pytest.raises(TooManyRequests) as caught:
        await client.diagnose()
    assert caught.value.retry_after_ms > 0
    assert caught.value.code == "RESOURCE_EXHAUSTED"


async def test_a_folder_without_membership_says_so(port: Port) -> None:
    """And a damaged one is not taken for an empty one."""
    client = port.client("empty")
    with pytest.raises(NotJoined):
        await client.renew_if_due()
    client.folder.mkdir()
    (client.folder / "node.json").write_text(json.dumps({"department": HEALTH}))
    with pytest.raises(ValueError, match="damaged"):
        _ = client.membership


async def test_a_renewal_cut_off_between_two_files_is_finished(port: Port) -> None:
    """A new key beside the old certificate would keep the node from starting."""
    client = await port.joined()
    tls = client.tls
    old = tls.read()
    other = await client.client_certificate("gateway", port.folder / "other")
    new = other.read()
    (client.folder / ".tls.crt.next").write_bytes(new.cert)
    finish_replacement(client.folder)
    assert tls.read() == old
    (client.folder / ".tls.crt.next").write_bytes(new.cert)
    tls.key.write_bytes(new.key)
    EnrolmentClient(client.folder)
    assert tls.read().cert == new.cert
    assert not (client.folder / ".tls.crt.next").exists()


async def test_only_operators_invite_and_publish(port: Port) -> None:
    """A node reads the directory; an operator publishes, invites and lists."""
    client = await port.joined()
    address = f"localhost:{port.main.port}"
    title = entries.Title(zh="新闻", en="News")
    entry = entries.CommonEntry(category=entries.Category(name="bulletin.news", title=title))
    async with open_channel(address, client.tls) as channel:
        directory = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        listed = await directory.ListDepartments(directory_service_pb2.ListDepartmentsRequest())
        assert [each.name for each in listed.departments] == [HEALTH, POLICE]
        with pytest.raises(PermissionDenied), remote_errors():
            await directory.PublishEntry(directory_service_pb2.PublishEntryRequest(entry=entry))
        with pytest.raises(PermissionDenied), remote_errors():
            await rpc.InvitationServiceStub(channel).ListInvitations(pb.ListInvitationsRequest())
    operator = port.certificate("operator", f"liandong://{REGISTRY}/operator/lin")
    async with open_channel(address, operator) as channel:
        directory = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        published = await directory.PublishEntry(directory_service_pb2.PublishEntryRequest(entry=entry))
        assert published.version == port.world.directory.version
        invitations = rpc.InvitationServiceStub(channel)
        made = await invitations.CreateInvitation(
            pb.CreateInvitationRequest(department=POLICE, valid_hours=1)
        )
        assert InvitationText.parse(made.invitation).department == POLICE
        shown = await invitations.ListInvitations(pb.ListInvitationsRequest())
        assert {each.department for each in shown.invitations} == {HEALTH, POLICE}
        assert [each.HasField("redeemed_at") for each in shown.invitations].count(True) == 1


async def test_publishing_a_department_again_keeps_its_keys(port: Port) -> None:
    """An operator's file of departments knows no keys; a nonsensical entry is refused with its field."""
    await port.joined()
    operator = port.certificate("operator", f"liandong://{REGISTRY}/operator/lin")
    title = entries.Title(zh="卫生健康委员会", en="Health Commission")
    again = entries.Department(name=HEALTH, title=title, status=entries.DEPARTMENT_STATUS_LISTED)
    async with open_channel(f"localhost:{port.main.port}", operator) as channel:
        directory = directory_service_pb2_grpc.DirectoryServiceStub(channel)
        request = directory_service_pb2.PublishEntryRequest(entry=entries.CommonEntry(department=again))
        await directory.PublishEntry(request)
        known = await directory.GetDepartment(directory_service_pb2.GetDepartmentRequest(name=HEALTH))
        assert known.department.title.en == "Health Commission"
        assert known.department.status == entries.DEPARTMENT_STATUS_ACTIVE
        assert len(known.department.keys) == 1
        office = entries.CommonEntry(office=entries.Office(procedure="x", department="nobody.qinghe"))
        with pytest.raises(LiandongError) as caught, remote_errors():
            await directory.PublishEntry(directory_service_pb2.PublishEntryRequest(entry=office))
    assert (caught.value.reason, caught.value.field) == ("INVALID_FIELD", "office.department")
