"""What people do with a document: agree, return, add, hand on, take calls, register, dispatch, send."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import handling_service_pb2 as handling
from starlette.datastructures import UploadFile

from services.common.errors import InvalidField, LiandongError, NotFound
from services.gateway.web import documents, sign_for
from services.gateway.web.access import SignedIn
from services.gateway.web.filters import ZONE
from services.gateway.web.page import Page, said
from services.gateway.web.people import staff_of, who_from
from services.gateway.web.sheet_uploads import WithFiles, brought, in_pieces

router = APIRouter(prefix="/documents/{document_id}")
_CHANGED: Final = frozenset({"CONTENT_MISMATCH", "STALE", "STEP_OPEN"})
"""Reasons that say: what was shown is not what is there."""
_NOTE: Final = 2000
_DIGEST: Final = 32
_KINDS: Final = {
    "stamped-scan": handling.ATTACHMENT_KIND_STAMPED_SCAN,
    "handwritten": handling.ATTACHMENT_KIND_HANDWRITTEN,
    "other": handling.ATTACHMENT_KIND_OTHER,
}
"""What may lie beside a step, as the form calls it."""


async def _done(
    page: Page, document_id: str, task: int, work: Callable[[], Awaitable[str]], place: str = ""
) -> Response:
    """Do something; the document is shown again, with what went wrong if it did."""
    try:
        text = await work()
    except NotFound:
        raise
    except LiandongError as error:
        if error.code == "UNAVAILABLE":
            raise
        changed = error.reason in _CHANGED
        typed = {name: value for name, value in page.form.items() if isinstance(value, str)}
        return await documents.show(
            page, document_id, status=409 if changed else 400, changed=changed, failed=page.why(error),
            wrong=_wrong(error, task), typed={**typed, "task": task},
        )  # fmt: skip
    return page.go(f"/documents/{document_id}{place}", text)


def _wrong(error: LiandongError, task: int) -> Mapping[str, str]:
    return {f"{name.split('.')[0]}-{task}": words for name, words in said(error).items() if name}


def _note(page: Page) -> str:
    return page.text_of("note")[:_NOTE]


def _digest(page: Page) -> bytes:
    """The content that was shown.

    Raises:
        InvalidField: The form names none.
    """
    try:
        found = bytes.fromhex(page.text_of("digest"))
    except ValueError:
        found = b""
    if len(found) != _DIGEST:
        raise InvalidField("The form does not say what was shown.", field="content_digest")
    return found


def _reason(page: Page, name: str = "reason") -> str:
    found = page.text_of(name)[:_NOTE]
    if not found:
        raise InvalidField(page.t("document.reason_wanted"), field=name)
    return found


@router.post("/{task}/complete")
async def complete(page: SignedIn, document_id: str, task: int) -> Response:
    """Do a task; what agrees to a content agrees to the one that was shown."""

    async def work() -> str:
        request = handling.CompleteStepRequest(document_id=document_id, task=task, note=_note(page))
        if page.text_of("agrees"):
            request.content_digest = _digest(page)
        chosen = [each for each in page.form.getlist("assigned") if isinstance(each, str)]
        for each in chosen[:32]:
            request.assigned.append(who_from(each))
        if page.text_of("dispatches") and not chosen:
            raise InvalidField(page.t("document.assigned_wanted"), field="assigned")
        request.electronic_seal = bool(page.text_of("electronic_seal"))
        await page.ask(request, handling.CompleteStepResponse)
        return "document.done_agreed" if page.text_of("agrees") else "document.done"

    return await _done(page, document_id, task, work)


@router.post("/{task}/return")
async def give_back(page: SignedIn, document_id: str, task: int) -> Response:
    """Return it, with a reason."""

    async def work() -> str:
        request = handling.ReturnDocumentRequest(
            document_id=document_id, task=task, reason=_reason(page), to_step=page.text_of("to_step")[:60]
        )
        await page.ask(request, handling.ReturnDocumentResponse)
        return "document.done_returned"

    return await _done(page, document_id, task, work)


@router.post("/{task}/add-signer")
async def add_signer(page: SignedIn, document_id: str, task: int) -> Response:
    """Ask one more to agree."""

    async def work() -> str:
        who = who_from(page.text_of("who"), page.text_of("as_role")[:40])
        request = handling.AddSignerRequest(document_id=document_id, task=task, who=who)
        await page.ask(request, handling.AddSignerResponse)
        return "document.done_added"

    return await _done(page, document_id, task, work)


@router.post("/{task}/hand-on")
async def hand_on(page: SignedIn, document_id: str, task: int) -> Response:
    """Give it to somebody else."""

    async def work() -> str:
        who = who_from(page.text_of("who"), page.text_of("as_role")[:40])
        request = handling.HandOnRequest(document_id=document_id, task=task, who=who, note=_note(page))
        await page.ask(request, handling.HandOnResponse)
        return "document.done_handed_on"

    return await _done(page, document_id, task, work)


@router.post("/{task}/take")
async def take(page: SignedIn, document_id: str, task: int) -> Response:
    """Take it up, so that nobody else does it."""

    async def work() -> str:
        request = handling.TakeStepRequest(document_id=document_id, task=task)
        await page.ask(request, handling.TakeStepResponse)
        return "document.done_taken"

    return await _done(page, document_id, task, work)


@router.post("/{task}/call")
async def call(page: SignedIn, document_id: str, task: int) -> Response:
    """Note that somebody agreed by telephone."""

    async def work() -> str:
        person = (await staff_of(page)).named(page.text_of("approver"))
        role = page.text_of("as_role")[:40]
        request = handling.RecordCallRequest(
            document_id=document_id,
            task=task,
            approver=handling.HandlingPerson(subject=person.subject, name=person.name, role=role),
            called_at=moment_of(page, "called_at"),
            words=_reason(page, "words"),
        )
        await page.ask(request, handling.RecordCallResponse)
        return "document.done_called"

    return await _done(page, document_id, task, work)


@router.post("/{task}/confirm")
async def confirm(page: SignedIn, document_id: str, task: int) -> Response:
    """Confirm, or deny, what was said on the telephone."""

    async def work() -> str:
        request = handling.ConfirmCallRequest(document_id=document_id, task=task)
        if page.text_of("deny"):
            request.denied = _reason(page)
        else:
            request.content_digest = _digest(page)
        await page.ask(request, handling.ConfirmCallResponse)
        return "document.done_denied" if request.denied else "document.done_confirmed"

    return await _done(page, document_id, task, work)


@router.post("/attachments")
async def attach(page: WithFiles, document_id: str) -> Response:
    """Put a scan or picture beside a step: it is shown to the people of the case, and sent to nobody."""

    async def work() -> str:
        file = page.form.get("file")
        if not isinstance(file, UploadFile) or not file.filename or not file.size:
            raise InvalidField(page.t("document.file_wanted"), field="file")
        kind = page.text_of("kind")
        if kind not in _KINDS:
            raise InvalidField(page.t("document.file_wanted"), field="file")
        await documents.whole(page, document_id)
        manifest = await brought(page, file.filename, file.size, in_pieces(file))
        request = handling.AttachToStepRequest(
            document_id=document_id, step=page.text_of("step")[:60], kind=_KINDS[kind],
            manifest_root=manifest.root, note=_note(page),
        )  # fmt: skip
        await page.ask(request, handling.AttachToStepResponse)
        return "document.done_attached"

    return await _done(page, document_id, 0, work, "#beside")


@router.post("/{task}/sign-for")
async def sign(page: SignedIn, document_id: str, task: int) -> Response:
    """Sign for what arrived: by the act where the case has one, else in the chain alone."""

    async def work() -> str:
        found = await documents.whole(page, document_id)
        case = (
            await page.ask(cases.GetCaseRequest(case_id=found.document.case_id), cases.GetCaseResponse)
        ).case
        if sign_for.may_sign(case):
            if await sign_for.send(page, found.document.case_id, "", f"sign-for-{document_id}"):
                return "sign_for.on_chain"
        else:
            request = handling.CompleteStepRequest(document_id=document_id, task=task)
            await page.ask(request, handling.CompleteStepResponse)
        return "sign_for.done"

    return await _done(page, document_id, task, work)


@router.post("/{task}/send")
async def send(page: SignedIn, document_id: str, task: int) -> Response:
    """Send the letter, exactly as it was shown."""

    async def work() -> str:
        found = await documents.whole(page, document_id)
        request = cases.SendLetterRequest(letter_id=found.document.letter_id, content_digest=_digest(page))
        await page.ask(request, cases.SendLetterResponse)
        return "document.done_sent"

    return await _done(page, document_id, task, work)


def moment_of(page: Page, name: str) -> Timestamp:
    """A local moment that was typed.

    Raises:
        InvalidField: It is none.
    """
    try:
        local = datetime.fromisoformat(page.text_of(name))
    except ValueError:
        raise InvalidField(page.t("document.moment_wanted"), field=name) from None
    found = Timestamp()
    found.FromDatetime(local.replace(tzinfo=ZONE).astimezone(UTC).replace(tzinfo=None))
    return found
