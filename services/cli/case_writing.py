"""`liandong case`, what is written: drafts, approvals, letters."""

import asyncio
import mimetypes
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import evidence_service_pb2 as evidence_pb
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.cli import case_views, inputs
from services.cli.assertion import digest as parse_digest
from services.cli.connection import Connection, connected
from services.cli.failures import Failed
from services.cli.progress import moving
from services.cli.texts import say
from services.common.config import ConfigurationError
from services.common.errors import NotFound
from services.exchange.assertions import Purpose
from services.exchange.digests import DIGEST_SIZE
from services.exchange.evidence import chunks_of_file, manifest_of
from services.procedures.facts import Urgency

app = typer.Typer(add_completion=False)

ANNOUNCED: Final = "announced"
_ROOT: Final = "root:"
_POLL_S: Final = 0.25

Letter = Annotated[str, typer.Argument(metavar="LETTER")]
Act = Annotated[str, typer.Argument(metavar="ACT")]
Case = Annotated[str, typer.Option("--case", metavar="CASE")]
Body = Annotated[str, typer.Option(metavar="JSON|@FILE")]
Materials = Annotated[list[str] | None, typer.Option(metavar="KIND=PATH")]
Parties = Annotated[list[str] | None, typer.Option(metavar="ROLE=DEPARTMENT")]
Serves = Annotated[list[str] | None, typer.Option(metavar="DUTY/PERIOD")]
Wait = Annotated[float, typer.Option(metavar="SECONDS", min=0)]
Key = Annotated[str, typer.Option("--idempotency-key", metavar="KEY")]


@app.command("prepare")
@connected
async def prepare(
    link: Connection,
    act: Act,
    *,
    case_id: Case = "",
    body: Body = "{}",
    material: Materials = None,
    party: Parties = None,
    procedure: Annotated[str, typer.Option()] = "",
    urgency: Annotated[Urgency | None, typer.Option()] = None,
    occurred_at: Annotated[str, typer.Option(metavar="TIME")] = "",
    limit: Annotated[str, typer.Option(metavar="TIME")] = "",
    draft: Annotated[str, typer.Option(metavar="JSON|@FILE")] = "",
    serves: Serves = None,
    replaces: Annotated[str, typer.Option(metavar="LETTER")] = "",
    idempotency_key: Key = "",
) -> None:
    """Freeze an act as a draft."""
    asked = _asked(act, case_id, body, party, procedure, urgency, occurred_at, limit, draft)
    asked.serves.extend(inputs.served(each) for each in serves or ())
    await _attach(link, asked, material or [])
    found = await link.cases.PrepareLetter(
        pb.PrepareLetterRequest(draft=asked, replaces=replaces, idempotency_key=idempotency_key)
    )
    link.output.show(found.draft, lambda: case_views.draft(found.draft))


@app.command("act")
@connected
async def act_now(
    link: Connection,
    act: Act,
    *,
    case_id: Case = "",
    body: Body = "{}",
    material: Materials = None,
    party: Parties = None,
    procedure: Annotated[str, typer.Option()] = "",
    urgency: Annotated[Urgency | None, typer.Option()] = None,
    occurred_at: Annotated[str, typer.Option(metavar="TIME")] = "",
    limit: Annotated[str, typer.Option(metavar="TIME")] = "",
    draft: Annotated[str, typer.Option(metavar="JSON|@FILE")] = "",
    serves: Serves = None,
    wait: Wait = 0,
    idempotency_key: Key = "",
) -> None:
    """Prepare, sign and send an act that needs no approval."""
    asked = _asked(act, case_id, body, party, procedure, urgency, occurred_at, limit, draft)
    asked.serves.extend(inputs.served(each) for each in serves or ())
    await _attach(link, asked, material or [])
    key = idempotency_key or str(uuid4())
    if link.profile.actor is not None and link.profile.actor.service:
        sent = await link.cases.SendAct(pb.SendActRequest(draft=asked, idempotency_key=key))
        await _finish(link, sent.answer, wait)
        return
    prepared = await link.cases.PrepareLetter(pb.PrepareLetterRequest(draft=asked, idempotency_key=key))
    view = prepared.draft
    if view.missing_approvals or view.findings:
        link.output.show(view, lambda: case_views.draft(view))
        link.output.say("case.not_sent", letter=view.letter_id)
        raise Failed
    await _send(link, view.letter_id, view.content_digest, wait)


@app.command("drafts")
@connected
async def drafts(
    link: Connection,
    *,
    case_id: Case = "",
    awaiting: Annotated[str, typer.Option(metavar="ROLE")] = "",
) -> None:
    """Drafts that wait."""
    found = await link.cases.ListDrafts(pb.ListDraftsRequest(case_id=case_id, awaiting_role=awaiting))
    link.output.show(found, *(lambda view=view: case_views.draft(view) for view in found.drafts))
    if not found.drafts:
        link.output.say("case.no_drafts")


@app.command("approve")
@connected
async def approve(
    link: Connection,
    letter_id: Letter,
    *,
    digest: Annotated[str, typer.Option(metavar="HEX|BASE64")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y")] = False,
) -> None:
    """Approve a draft."""
    if link.profile.actor is None:
        raise ConfigurationError([say("failures.as_whom")])
    content = await _content(link, letter_id, digest, confirm=not yes, question="case.confirm_approve")
    found = await link.bound(Purpose.APPROVE, content).ApproveLetter(
        pb.ApproveLetterRequest(letter_id=letter_id, content_digest=content, role=link.profile.actor.roles[0])
    )
    link.output.show(found.draft, lambda: case_views.draft(found.draft))


@app.command("return")
@connected
async def give_back(
    link: Connection, letter_id: Letter, reason: Annotated[str, typer.Argument(metavar="REASON")]
) -> None:
    """Return a draft to its drafter."""
    found = await link.cases.ReturnLetter(pb.ReturnLetterRequest(letter_id=letter_id, reason=reason))
    link.output.show(found.draft, lambda: case_views.draft(found.draft))


@app.command("discard")
@connected
async def discard(link: Connection, letter_id: Letter) -> None:
    """Drop a draft."""
    await link.cases.DiscardDraft(pb.DiscardDraftRequest(letter_id=letter_id))
    link.output.say("case.discarded", letter=letter_id)


@app.command("send")
@connected
async def send(
    link: Connection,
    letter_id: Letter,
    *,
    digest: Annotated[str, typer.Option(metavar="HEX|BASE64")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y")] = False,
    wait: Wait = 0,
) -> None:
    """Sign and send a draft."""
    content = await _content(link, letter_id, digest, confirm=not yes, question="case.confirm_send")
    await _send(link, letter_id, content, wait)


@app.command("retry")
@connected
async def retry(link: Connection, letter_id: Letter) -> None:
    """Try a parked letter again."""
    found = await link.cases.RetryParked(pb.RetryParkedRequest(letter_id=letter_id))
    link.output.show(found, lambda: say("case.resolved") if found.resolved else found.error)
    if not found.resolved:
        raise Failed


def _asked(
    act: str,
    case_id: str,
    body: str,
    party: list[str] | None,
    procedure: str,
    urgency: Urgency | None,
    occurred_at: str,
    limit: str,
    draft: str,
) -> pb.ActDraft:
    asked = pb.ActDraft()
    if draft:
        inputs.fill(asked, draft, option="--draft")
    asked.act = act
    asked.case_id = case_id or asked.case_id
    asked.procedure = procedure or asked.procedure
    asked.parties.extend(inputs.party(each) for each in party or ())
    if urgency is not None:
        asked.urgency = envelopes.Urgency.Value(f"URGENCY_{urgency.name}")
    if occurred_at:
        asked.occurred_at.CopyFrom(inputs.moment(occurred_at, option="--occurred-at"))
    if limit:
        asked.requested_limit.CopyFrom(inputs.moment(limit, option="--limit", ends_day=True))
    if not asked.WhichOneof("body") or body != "{}":
        inputs.fill_body(asked, body)
    return asked


async def _attach(link: Connection, asked: pb.ActDraft, materials: list[str]) -> None:
    for each in materials:
        kind, where = inputs.pair(each, "--material")
        asked.materials.append(await _material(link, kind, where))


async def _material(link: Connection, kind: str, where: str) -> envelopes.Material:
    """The material, its bytes brought to the node first.

    Args:
        link: To the node.
        kind: What it is.
        where: A file; `root:HEX` for evidence that is there; `announced` for what may follow.
    """
    if where == ANNOUNCED:
        nothing = bytes(DIGEST_SIZE)
        return envelopes.Material(kind=kind, manifest_root=nothing, digest=nothing)
    if where.startswith(_ROOT):
        root = parse_digest(where.removeprefix(_ROOT))
        known = (await link.evidence.GetManifest(evidence_pb.GetManifestRequest(root=root))).manifest
        return envelopes.Material(
            kind=kind, manifest_root=root, digest=known.digest, size=known.size, media_type=known.media_type
        )
    from services.exchange.evidence_client import upload  # noqa: PLC0415 - few acts bring files

    path = Path(where)
    manifest = await manifest_of(
        path, media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    )
    with moving(path.name) as moved:
        await upload(link.evidence, manifest, chunks_of_file(path), moved)
    return envelopes.Material(
        kind=kind,
        manifest_root=manifest.root,
        digest=manifest.digest,
        size=manifest.size,
        media_type=manifest.media_type,
    )


async def _content(link: Connection, letter_id: str, given: str, *, confirm: bool, question: str) -> bytes:
    """The digest that is approved or sent: the one given, else the draft's, shown before it is agreed to."""
    if given:
        return parse_digest(given)
    found = await link.cases.ListDrafts(pb.ListDraftsRequest())
    for view in found.drafts:
        if view.letter_id == letter_id:
            if confirm and not link.output.as_json:
                link.output.show(view, lambda view=view: case_views.draft(view))  # type: ignore[misc]
                if sys.stdin.isatty():
                    typer.confirm(say(question), abort=True)
            return view.content_digest
    raise NotFound(say("case.no_draft"), field="letter_id")


async def _send(link: Connection, letter_id: str, content: bytes, wait: float) -> None:
    sent = await link.bound(Purpose.SEND, content).SendLetter(
        pb.SendLetterRequest(letter_id=letter_id, content_digest=content)
    )
    await _finish(link, sent.answer, wait)


async def _finish(link: Connection, answer: pb.LetterAnswer, wait: float) -> None:
    """Show what became of a letter, once the registry has answered or the wait is over."""
    if answer.disposition == exchange.DISPOSITION_RECORDED and wait:
        try:
            async with asyncio.timeout(wait):
                answer = await _answered(link, answer)
        except TimeoutError:
            link.output.say("case.still_recorded")
    link.output.show(answer, lambda: case_views.answer(answer))
    if answer.disposition == exchange.DISPOSITION_REFUSED:
        raise Failed


async def _answered(link: Connection, answer: pb.LetterAnswer) -> pb.LetterAnswer:
    asking: Awaitable[pb.GetLetterResponse]
    while True:
        asking = link.cases.GetLetter(pb.GetLetterRequest(letter_id=answer.letter_id))
        view = (await asking).letter
        if view.disposition != exchange.DISPOSITION_RECORDED:
            return pb.LetterAnswer(
                letter_id=answer.letter_id,
                case_id=answer.case_id,
                disposition=view.disposition,
                position=view.position,
                reason=view.reason,
                number=view.number,
            )
        await asyncio.sleep(_POLL_S)
