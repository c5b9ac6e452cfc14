"""One case: what it is, what is owed in it, what happened, what may be done next and why not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import handling_service_pb2 as handling
from liandong.cases.v1 import subject_service_pb2 as subjects_pb
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2

from services.common.errors import LiandongError
from services.common.titles import material_title
from services.gateway.evidence.reading import look, name_of
from services.gateway.web import masking
from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page
from services.gateway.web.procedures import Procedure
from services.gateway.web.purposes import PURPOSES, purpose_of

router = APIRouter()

ID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
CaseId = Annotated[str, Path(pattern=f"^{ID}$")]
PRIMARY: Final = 3
_LETTERS: Final = 500
_NAMED: Final = 24
"""Files whose names are asked for; the others go by their kind."""
_ROOT: Final = 32
_NEVER: Final = 2**40
OPEN: Final = ("OPEN", "OVERDUE")
STATES: Final = {
    exchange.DISPOSITION_RECORDED: "recorded",
    exchange.DISPOSITION_ADMITTED: "admitted",
    exchange.DISPOSITION_REFUSED: "refused",
    exchange.DISPOSITION_RETRY: "recorded",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An act as a button.

    Attributes:
        act: Its name.
        title: What it is called.
        why_not: Why it cannot be done now, in words; empty if it can.
        href: Where it is done: in its form, or on with a draft of it.
    """

    act: str
    title: str
    why_not: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """The acts of a case: up to three as buttons, the others in a menu, at last what cannot be done now."""

    first: tuple[Choice, ...]
    more: tuple[Choice, ...]
    forbidden: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Attached:
    """A file in a case.

    Attributes:
        name: In addresses; empty while it was only announced.
        kind: Of material, by its title.
        file_name: As whoever brought it called it; its kind where that is not known.
        media_type: As they say.
        size: Bytes.
        letters: Ids of the letters that have it.
        material: As it is attached.
    """

    name: str
    kind: str
    file_name: str
    media_type: str
    size: int
    letters: tuple[str, ...]
    material: envelopes.Material


@router.get("/cases/{case_id}")
async def case(page: SignedIn, case_id: CaseId) -> Response:
    """The case."""
    return await _shown(page, case_id)


@router.post("/cases/{case_id}/subjects")
async def reveal(page: SignedIn, case_id: CaseId) -> Response:
    """The case with what is masked of its subjects, once it is said and noted what for."""
    purpose, wrong = purpose_of(page)
    if wrong:
        return await _shown(page, case_id, wrong=wrong, status=400)
    request = subjects_pb.RevealSubjectsRequest(case_id=case_id, purpose=purpose)
    found = await page.ask(request, subjects_pb.RevealSubjectsResponse)
    return await _shown(page, case_id, revealed=found.subjects)


async def _shown(
    page: Page, case_id: str, *, revealed: Sequence[Any] | None = None, wrong: str = "", status: int = 200
) -> Response:
    answered, timeline, drafts, documents, node = await asyncio.gather(
        page.ask(pb.GetCaseRequest(case_id=case_id), pb.GetCaseResponse),
        page.ask(pb.GetTimelineRequest(case_id=case_id, limit=_LETTERS), pb.GetTimelineResponse),
        page.ask(pb.ListDraftsRequest(case_id=case_id), pb.ListDraftsResponse),
        page.ask(handling.ListDocumentsRequest(case_id=case_id), handling.ListDocumentsResponse),
        page.ask(pb.GetNodeStateRequest(), pb.GetNodeStateResponse),
    )
    view = answered.case
    procedure = await page.site.procedures.version(page.caller, view.procedure, view.procedure_version)
    evidence = await evidence_of(page, timeline.letters)
    letters = list(timeline.letters)
    return page.render(
        "case.html",
        status=status,
        case=view,
        title=masking.words(view.title) or page.say(procedure.title),
        procedure=procedure,
        choices=choices(view, procedure, page, {each.content.act: each.letter_id for each in drafts.drafts}),
        letters=letters[::-1],
        states=STATES,
        evidence=evidence,
        files={each.material.manifest_root: each for each in evidence},
        drafts=drafts.drafts,
        documents={each.letter_id: each for each in documents.documents},
        subjects=revealed if revealed is not None else [masking.masked(each) for each in view.subjects],
        offline=not node.connected,
        revealed=revealed is not None,
        purposes=PURPOSES,
        purpose_wrong=wrong,
        open_states=OPEN,
        urgency=envelopes.Urgency.Name(view.urgency).removeprefix("URGENCY_").lower(),
    )


def choices(
    view: pb.CaseView, procedure: Procedure, page: Page, drafts: Mapping[str, str] | None = None
) -> Choices:
    """The acts of a case as buttons; an act of which there is a draft, its letter id, goes on with that."""
    titles = {each.act: page.title(each) for each in view.acts}
    begun = drafts or {}
    chosen = [
        Choice(name, page.t("case.go_on", act=titles[name]), href=f"/drafts/{begun[name]}")
        if name in begun
        else Choice(name, titles[name], href=f"/cases/{view.case_id}/acts/{name}")
        for name in fitting(view, procedure, page.caller.department)
    ]
    forbidden = tuple(
        Choice(each.act, titles[each.act], _why_not(each, procedure, page))
        for each in view.acts
        if not each.permitted
    )
    return Choices(tuple(chosen[:PRIMARY]), tuple(chosen[PRIMARY:]), forbidden)


def _why_not(each: pb.PermittedAct, procedure: Procedure, page: Page) -> str:
    """Why an act cannot be done now; where it is another's to do, whose."""
    if each.reason == reason_pb2.REASON_NOT_PERMITTED_FOR_ROLE and each.act in procedure.acts:
        roles = [
            page.say(procedure.roles[name]) for name in procedure.acts[each.act].by if name in procedure.roles
        ]
        if roles:
            return page.t("case.for_role", roles=("或" if page.language == "zh" else " or ").join(roles))
    return page.why_not(each.reason)


def fitting(view: pb.CaseView, procedure: Procedure, department: str) -> list[str]:
    """The acts that may be done, those first by which the department meets what it owes, by when that is due."""
    order = list(procedure.acts)
    ranks: dict[str, tuple[int, int, int]] = {}
    for each in view.obligations:
        if each.owed_by != department or each.state not in OPEN:
            continue
        due = each.due_at.seconds if each.HasField("due_at") else _NEVER
        for index, name in enumerate(procedure.discharges.get(each.rule, ())):
            ranks[name] = min(ranks.get(name, (1, 0, 0)), (0, due, index))
    permitted = [each.act for each in view.acts if each.permitted]
    return sorted(
        permitted,
        key=lambda name: (*ranks.get(name, (1, 0, 0)), order.index(name) if name in order else len(order)),
    )


async def evidence_of(page: Page, letters: Sequence[pb.LetterView]) -> list[Attached]:
    """The files of a case, each once with all kinds of material that it serves as, in the order in which they came."""
    found: dict[bytes, tuple[envelopes.Material, dict[str, None], dict[str, None]]] = {}
    for letter in letters:
        for material in letter.materials:
            key = material.manifest_root if any(material.manifest_root) else material.kind.encode()
            _, kinds, ids = found.setdefault(key, (material, {}, {}))
            kinds[page.say(material_title(material.kind))] = None
            ids[letter.letter_id] = None
    names = await asyncio.gather(
        *(_file_name(page, root) for root in list(found)[:_NAMED] if len(root) == _ROOT)
    )
    named = dict(names)
    return [
        Attached(
            name=name_of(root) if len(root) == _ROOT else "",
            kind=page.listed(kinds),
            file_name=named.get(root) or page.say(material_title(material.kind)),
            media_type=material.media_type,
            size=material.size,
            letters=tuple(ids),
            material=material,
        )
        for root, (material, kinds, ids) in found.items()
    ]


async def _file_name(page: Page, root: bytes) -> tuple[bytes, str]:
    """What a file is called; empty where its manifest is not here yet."""
    upstream, acting = page.site.calls.acting(page.caller, page.request_id)
    try:
        return root, (await look(upstream, acting, root)).manifest.file_name
    except LiandongError:
        return root, ""
