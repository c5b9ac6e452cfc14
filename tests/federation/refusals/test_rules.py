"""What the rules of a procedure do not permit, at the registry and at the node."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services.exchange.letters import timestamp
from tests.builders.departments import Sent, Signer, new_id
from tests.federation.district import HEALTH, MARKET
from tests.federation.refusals import MARKS
from tests.federation.refusals.answers import reason_of, refusal
from tests.federation.refusals.attacker import Attacker
from tests.federation.refusals.case_letters import MATERIALS, Case, opening, sent, transfer

pytestmark = MARKS


async def test_the_registry_refuses_what_the_rules_do_not_permit(attacker: Attacker, case: Case) -> None:
    """Whatever a department's own node let pass: state, role, material, approval, parties, dates."""
    health, market = attacker.signer(HEALTH), attacker.signer(MARKET)
    now = datetime.now(UTC)
    plain: dict[str, Any] = {"materials": (), "approved_by": (), "parties": {}, "recipients": ()}
    announced = [health.material(kind, bytes(32)) for kind in MATERIALS]
    unknown = "nobody.qinghe"
    copy = envelopes.Copy(department=unknown, clause="第一条")
    tries: list[tuple[Signer, Sent, str, str]] = [
        (health, sent(health, case, act="recall", **plain), "NOT_PERMITTED_IN_STATE", "act.content.act"),
        (health, sent(health, case, act="accept", **plain), "NOT_PERMITTED_FOR_ROLE", "author"),
        (market, sent(market, case, act="sign-for", **plain), "NOT_PERMITTED_FOR_ROLE", "author"),
        (health, sent(health, case, act="invented", **plain), "UNKNOWN_ACT", "act.content.act"),
        (health, sent(health, case, procedure="invented"), "UNKNOWN_PROCEDURE", "act.content.procedure"),
        (health, sent(health, case, case_id=new_id()), "UNKNOWN_CASE", "act.content.case_id"),
        (
            health,
            sent(health, case, materials=case.materials[1:]),
            "MATERIAL_MISSING",
            "act.content.materials",
        ),
        (health, sent(health, case, materials=announced), "MATERIAL_MISSING", "act.content.materials"),
        (health, sent(health, case, materials=MATERIALS), "EVIDENCE_PENDING", "act.content.materials"),
        (health, sent(health, case, approved_by=()), "APPROVAL_MISSING", "act.approvals"),
        (health, sent(health, case, approved_by=["section-head"]), "APPROVAL_MISSING", "act.approvals"),
        (
            health,
            sent(health, case, sub_unit="supervision"),
            "SUB_UNIT_NOT_PERMITTED",
            "act.content.sub_unit",
        ),
        (
            health,
            sent(health, case, parties={unknown: "receiver"}),
            "UNKNOWN_DEPARTMENT",
            "act.content.parties",
        ),
        (health, sent(health, case, recipients=[unknown]), "UNKNOWN_DEPARTMENT", "act.content.recipients"),
        (health, sent(health, case, copies=[copy]), "UNKNOWN_DEPARTMENT", "act.content.copies"),
        (health, sent(health, case, recipients=["water.qinghe"]), "PARTY_INVALID", "act.content.recipients"),
        (
            health,
            sent(health, case, occurred_at=now + timedelta(seconds=5), signed_at=now),
            "OCCURRED_AFTER_SIGNED",
            "act.content.occurred_at",
        ),
        (
            health,
            sent(health, case, occurred_at=now, signed_at=now + timedelta(minutes=6)),
            "CLOCK_AHEAD",
            "signed_at",
        ),
        (health, sent(health, case, predecessor=new_id()), "PREDECESSOR_PENDING", "act.predecessor"),
    ]
    async with attacker.unchanged():
        for signer, letter, reason, field in tries:
            assert await attacker.refused(signer.name, letter) == (reason, field)


async def test_the_node_refuses_what_the_rules_do_not_permit(attacker: Attacker, case: Case) -> None:
    """Before anything is recorded, with the field of the draft; a draft shows the same as a finding."""
    soon = timestamp(datetime.now(UTC) + timedelta(minutes=2))
    unknown = envelopes.Party(role="receiver", department="nobody.qinghe")
    announced = [
        envelopes.Material(kind=kind, manifest_root=bytes(32), digest=bytes(32)) for kind in MATERIALS
    ]
    stranger = envelopes.Material(kind="further", manifest_root=bytes([7]) * 32, digest=bytes(32))
    approved = "APPROVAL_MISSING", "draft.approvals"
    tries: list[tuple[cases.ActDraft, str, str]] = [
        (transfer(case), *approved),
        (
            transfer(case, act="recall", recall=bodies.Recall(reason="x")),
            "NOT_PERMITTED_IN_STATE",
            "draft.act",
        ),
        (
            transfer(case, act="accept", acceptance_notice=bodies.AcceptanceNotice()),
            "NOT_PERMITTED_FOR_ROLE",
            "draft.author",
        ),
        (transfer(case, act="invented"), "UNKNOWN_ACT", "draft.act"),
        (transfer(case, procedure="invented"), "UNKNOWN_PROCEDURE", "draft.procedure"),
        (transfer(case, case_id=new_id()), "UNKNOWN_CASE", "draft.case_id"),
        (transfer(case, recall=bodies.Recall(reason="x")), "INVALID_FIELD", "draft.body"),
        (transfer(case, materials=case.materials[1:]), "MATERIAL_MISSING", "draft.materials"),
        (transfer(case, materials=announced), "MATERIAL_MISSING", "draft.materials"),
        (transfer(case, sub_unit="supervision"), "SUB_UNIT_NOT_PERMITTED", "draft.sub_unit"),
        (opening(parties=[unknown]), "UNKNOWN_DEPARTMENT", "draft.parties"),
        (opening(recipients=["nobody.qinghe"]), "PARTY_INVALID", "draft.recipients"),
        (transfer(case, occurred_at=soon), "OCCURRED_AFTER_SIGNED", "draft.occurred_at"),
        (
            cases.ActDraft(
                case_id=case.case_id,
                act="immediate-notice",
                parties=[envelopes.Party(role="receiver", department=MARKET)],
                materials=[*announced, stranger],
                immediate_notice=bodies.ImmediateNotice(facts="x", stop_order="x"),
            ),
            "MATERIAL_MISSING",
            "draft.materials",
        ),
    ]
    system = attacker.token(HEALTH, "system", service=True)
    async with attacker.unchanged():
        for number, (draft, reason, field) in enumerate(tries):
            request = cases.SendActRequest(draft=draft, idempotency_key=f"rules-{number}")
            assert refusal(await attacker.case_call(HEALTH, "SendAct", request, system)) == (reason, field)
        request = cases.SendActRequest(draft=transfer(case), idempotency_key="p")
        assert reason_of(await attacker.case_call(HEALTH, "SendAct", request)) == "ROLE_NOT_PERMITTED"
        auditor, prepare = attacker.token(HEALTH, "auditor"), cases.PrepareLetterRequest(draft=transfer(case))
        answer = await attacker.case_call(HEALTH, "PrepareLetter", prepare, auditor)
        assert reason_of(answer) == "ROLE_NOT_PERMITTED"
