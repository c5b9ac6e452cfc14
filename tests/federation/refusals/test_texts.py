"""Texts that are not what they should be: with NUL, as a path, too long, with a wrong check digit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.enrolment.v1 import enrolment_service_pb2 as enrolment
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import evidence_service_pb2 as evidence

from services.exchange.authority import signing_request
from services.exchange.digests import manifest_root, sha256
from services.exchange.joining import InvitationText, join_message
from tests.federation.district import HEALTH, JUSTICE, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import reason_of, refusal
from tests.federation.refusals.attacker import EVERYONE, Attacker
from tests.federation.refusals.case_letters import Case, altered, discovery, opening, sent, transfer
from tests.federation.refusals.offered import DIRECTORY, ENROLMENT, EVIDENCE, INVITATION

pytestmark = MARKS

UNIT: Final = "91110000600037341L"
CITIZEN: Final = "11010519491231002X"


async def test_a_nul_is_refused_in_every_text(attacker: Attacker, case: Case) -> None:
    """Whatever database stands behind: in titles, names, searches and behind the node's back."""

    def draft(**changes: Any) -> cases.PrepareLetterRequest:
        return cases.PrepareLetterRequest(draft=transfer(case, **changes))

    letter = bodies.TransferLetter(title="案\0件", facts="x", competence="x")
    subject = bodies.Subject(kind=bodies.SUBJECT_KIND_UNKNOWN, name="\0")
    tries = [
        ("PrepareLetter", draft(transfer_letter=letter), "draft.transfer_letter.title"),
        (
            "PrepareLetter",
            draft(
                transfer_letter=bodies.TransferLetter(
                    title="x", facts="x", competence="x", subjects=[subject]
                )
            ),
            "draft.transfer_letter.subjects[0].name",
        ),
        ("PrepareLetter", draft(recipients=[MARKET, "a\0b"]), "draft.recipients[1]"),
        ("SearchCases", cases.SearchCasesRequest(query="\0"), "query"),
        ("GetCase", cases.GetCaseRequest(case_id="\0" * 36), "case_id"),
        ("ListAudit", cases.ListAuditRequest(subject="\0"), "subject"),
    ]
    signer, auditor = attacker.signer(HEALTH), attacker.token(HEALTH, roles=EVERYONE)

    def name(header: envelopes.Header, _content: object, _tokens: object) -> None:
        header.actor.name = "\0"

    def code(_header: object, content: envelopes.ActContent, _tokens: object) -> None:
        content.item_code = "\0"

    async with attacker.unchanged():
        for method, request, field in tries:
            answer = await attacker.case_call(HEALTH, method, request, auditor)
            assert refusal(answer) == ("INVALID_FIELD", field)
        for alter, field in ((name, "actor.name"), (code, "item_code")):
            wrong = altered(signer, sent(signer, case), alter)
            assert await attacker.refused(HEALTH, wrong) == ("INVALID_FIELD", field)


TRICKS: Final = (
    "../../etc/passwd",
    "..",
    ".",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "C:\\x",
    "a\0b",
    "a\nb",
    "a\x7fb",
    "\u202egpj.exe",
    "x" * 254,
)


async def test_no_name_is_a_path(attacker: Attacker, case: Case) -> None:
    """File names, hosts and departments that would lead elsewhere, or look like something else, are refused."""
    clerk, system = attacker.token(HEALTH), attacker.token(HEALTH, "system", service=True)
    operator, digest = attacker.operator(), sha256(b"")
    put = EVIDENCE.methods_by_name["PutManifest"]
    join, invite = ENROLMENT.methods_by_name["Join"], INVITATION.methods_by_name["CreateInvitation"]
    publish = DIRECTORY.methods_by_name["PublishEntry"]
    title = entries.Title(zh="部门", en="Department")
    async with attacker.unchanged():
        for trick in TRICKS:
            manifest = evidence.Manifest(root=manifest_root(0, digest, []), digest=digest, file_name=trick)
            request = evidence.PutManifestRequest(manifest=manifest)
            answer = await attacker.call(attacker.node(HEALTH), put, request, clerk)
            assert refusal(answer) == ("INVALID_FIELD", "manifest.file_name"), trick
            for name in (trick, f"{trick}.qinghe"):
                department = entries.Department(
                    name=name,
                    title=title,
                    level=entries.LEVEL_DISTRICT,
                    status=entries.DEPARTMENT_STATUS_LISTED,
                )
                entry = directory.PublishEntryRequest(entry=entries.CommonEntry(department=department))
                answer = await attacker.call(operator, publish, entry)
                assert refusal(answer) == ("INVALID_FIELD", "entry.department.name"), name
                invitation = enrolment.CreateInvitationRequest(department=name)
                answer = await attacker.call(operator, invite, invitation)
                assert reason_of(answer) in ("INVALID_FIELD", "UNKNOWN_DEPARTMENT"), name
            party = envelopes.Party(role="receiver", department=trick)
            draft = opening(parties=[party], recipients=[trick])
            act = cases.SendActRequest(draft=draft, idempotency_key="trick")
            answer = await attacker.case_call(HEALTH, "SendAct", act, system)
            assert reason_of(answer) in ("INVALID_FIELD", "UNKNOWN_DEPARTMENT", "PARTY_INVALID"), trick
    token = await invited(attacker)
    async with attacker.unchanged():
        for trick in (*TRICKS, "*.qinghe", "a b", "health..qinghe", "\u0445ost.qinghe"):
            asked = join_request(token, ["localhost", trick])
            answer = await attacker.call(attacker.enrolment(), join, asked)
            assert refusal(answer) == ("INVALID_FIELD", "hosts[1]"), trick


async def invited(attacker: Attacker) -> str:
    """A join token, as only an invited department has it."""
    invite = INVITATION.methods_by_name["CreateInvitation"]
    request = enrolment.CreateInvitationRequest(department=JUSTICE)
    answer = await attacker.call(attacker.operator(), invite, request)
    assert isinstance(answer, bytes)
    return InvitationText.parse(enrolment.CreateInvitationResponse.FromString(answer).invitation).token


def join_request(token: str, hosts: Sequence[str]) -> enrolment.JoinRequest:
    """A request to join that is in order, but for its hosts."""
    key, request = Ed25519PrivateKey.generate(), signing_request(ec.generate_private_key(ec.SECP256R1()))
    return enrolment.JoinRequest(
        token=token,
        department=JUSTICE,
        tls_request=request,
        sign_public_key=key.public_key().public_bytes_raw(),
        proof=key.sign(join_message(token, request)),
        hosts=hosts,
    )


async def test_names_have_a_length(attacker: Attacker, case: Case) -> None:
    """One character more than the contract allows is refused by its field."""
    tries = [
        (transfer(case, act="a" * 61), "draft.act"),
        (transfer(case, sub_unit="x" * 121), "draft.sub_unit"),
        (
            transfer(case, parties=[envelopes.Party(role="receiver", department="x" * 121)]),
            "draft.parties[0].department",
        ),
        (
            transfer(case, transfer_letter=bodies.TransferLetter(title="题" * 201, facts="x")),
            "draft.transfer_letter.title",
        ),
        (transfer(case, item_code="x" * 41), "draft.item_code"),
    ]
    async with attacker.unchanged():
        for draft, field in tries:
            answer = await attacker.case_call(
                HEALTH, "PrepareLetter", cases.PrepareLetterRequest(draft=draft)
            )
            assert refusal(answer) == ("INVALID_FIELD", field)


@pytest.mark.parametrize(
    ("kind", "identifier"),
    [
        (bodies.SUBJECT_KIND_UNIT, UNIT[:-1] + "M"),
        (bodies.SUBJECT_KIND_UNIT, UNIT[:-1]),
        (bodies.SUBJECT_KIND_UNIT, CITIZEN),
        (bodies.SUBJECT_KIND_UNIT, UNIT.translate({ord("6"): "\uff16"})),
        (bodies.SUBJECT_KIND_CITIZEN, CITIZEN[:-1] + "1"),
        (bodies.SUBJECT_KIND_CITIZEN, "110105194913310021"),
        (bodies.SUBJECT_KIND_CITIZEN, UNIT),
        (bodies.SUBJECT_KIND_CITIZEN, "١" * 18),
    ],
)
async def test_a_wrong_identifier_is_refused(
    attacker: Attacker, kind: bodies.SubjectKind.ValueType, identifier: str
) -> None:
    """Check digit, length, date, kind, script: by the subject's field."""
    subjects = [
        bodies.Subject(kind=bodies.SUBJECT_KIND_UNIT, name="正确", identifier=UNIT),
        bodies.Subject(kind=kind, name="某", identifier=identifier),
    ]
    request = cases.PrepareLetterRequest(draft=opening(discovery=discovery(subjects=subjects)))
    async with attacker.unchanged():
        answer = await attacker.case_call(HEALTH, "PrepareLetter", request)
        assert refusal(answer) == ("IDENTIFIER_INVALID", "draft.discovery.subjects[1].identifier")
