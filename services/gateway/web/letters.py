"""One letter: what it says, who stands behind it, who has it, and what proves it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import complaint_bodies_pb2
from liandong.cases.v1 import subject_service_pb2 as subjects_pb
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.common.errors import LiandongError
from services.gateway import proofs
from services.gateway.web import masking
from services.gateway.web.access import SignedIn
from services.gateway.web.acts import LetterId
from services.gateway.web.bodies import body_in, parts
from services.gateway.web.case import STATES, evidence_of
from services.gateway.web.letter_files import rendered
from services.gateway.web.page import Page
from services.gateway.web.purposes import PURPOSES, purpose_of

router = APIRouter()
_ASK_S: Final = 10.0


@router.get("/letters/{letter_id}")
async def letter(page: SignedIn, letter_id: LetterId) -> Response:
    """The letter."""
    return await _shown(page, letter_id)


@router.post("/letters/{letter_id}/subjects")
async def reveal(page: SignedIn, letter_id: LetterId) -> Response:
    """The letter with what is masked of it, once it is said and noted what for."""
    purpose, wrong = purpose_of(page)
    if wrong:
        return await _shown(page, letter_id, wrong=wrong, status=400)
    case_id = _content(await _get(page, letter_id)).case_id
    request = subjects_pb.RevealSubjectsRequest(case_id=case_id, letter_id=letter_id, purpose=purpose)
    await page.ask(request, subjects_pb.RevealSubjectsResponse)
    return await _shown(page, letter_id, revealed=True)


@router.get("/letters/{letter_id}/document")
async def document(page: SignedIn, letter_id: LetterId) -> Response:
    """The letter as it is printed."""
    return await rendered(page, letter_id)


@router.get("/letters/{letter_id}/proof")
async def proof(page: SignedIn, letter_id: LetterId) -> Response:
    """What proves it, checked now."""
    found = await _get(page, letter_id)
    listed, inclusion, known = await asyncio.gather(
        page.ask(directory.GetDepartmentRequest(name=found.letter.author), directory.GetDepartmentResponse),
        _inclusion(page, found),
        page.ask(directory.ListRegistriesRequest(), directory.ListRegistriesResponse),
    )
    log_id = found.letter.position.log_id
    checked = proofs.check(
        found.envelope, found.leaf if found.HasField("leaf") else None, listed.department.keys, inclusion,
        log_id, [each.key.public_key for each in known.registries if each.log_id == log_id],
    )  # fmt: skip
    return page.render(
        "proof.html", letter=found.letter, proof=checked, steps=list(proofs.Step), asked=inclusion is not None
    )


async def _shown(
    page: Page, letter_id: str, *, revealed: bool = False, wrong: str = "", status: int = 200
) -> Response:
    found = await _get(page, letter_id)
    view, content = found.letter, _content(found)
    body = body_in(found.body) if found.HasField("body") else None
    if body is not None and not revealed:
        body = masking.masked(body)
    procedure = await page.site.procedures.version(page.caller, content.procedure, content.procedure_version)
    return page.render(
        "letter.html",
        status=status,
        letter=view,
        content=content,
        state=STATES.get(view.disposition, "recorded"),
        states=STATES,
        occurred_title=page.say(procedure.act(view.act).occurred_at),
        procedure=page.say(procedure.title),
        to=page.listed(page.name_of(each) for each in content.recipients),
        copies=page.listed(page.name_of(each.department) for each in content.copies),
        evidence=await evidence_of(page, [view]),
        body=parts(body, page.language) if body is not None else (),
        known=body is not None,
        from_public=view.author == page.caller.department and _from_public(body),
        sheets=_sheets(view, page),
        revealed=revealed,
        purposes=PURPOSES,
        purpose_wrong=wrong,
    )


def _sheets(view: pb.LetterView, page: Page) -> Sequence[str]:
    """The sheets that say something of this letter."""
    own = view.author == page.caller.department
    admitted = view.disposition == exchange.DISPOSITION_ADMITTED
    asked = {
        "letter": True,
        "official": True,
        "approval": own,
        "materials": bool(view.materials),
        "receipt": own,
        "service": admitted,
        "due-time": admitted,
    }
    return [name for name, offered in asked.items() if offered]


def _from_public(body: Message | None) -> bool:
    """Somebody wrote it on the public site; who, the node keeps beside the letter."""
    if not isinstance(body, complaint_bodies_pb2.ComplaintRecord):
        return False
    return body.channel == complaint_bodies_pb2.COMPLAINT_CHANNEL_PUBLIC_SITE


async def _get(page: Page, letter_id: str) -> pb.GetLetterResponse:
    return await page.ask(pb.GetLetterRequest(letter_id=letter_id), pb.GetLetterResponse)


def _content(found: pb.GetLetterResponse) -> envelopes.ActContent:
    """The clear content of an act."""
    header = envelopes.Header.FromString(found.envelope.header)
    return envelopes.ActContent.FromString(header.act.content)


async def _inclusion(page: Page, found: pb.GetLetterResponse) -> exchange.GetInclusionProofResponse | None:
    """The registry's proof; None where it is out of reach, or the letter is in no ledger yet."""
    if not found.HasField("leaf"):
        return None
    try:
        return await page.site.calls.inclusion(
            page.caller.department, found.leaf.position, page.request_id, _ASK_S
        )
    except LiandongError:
        return None
