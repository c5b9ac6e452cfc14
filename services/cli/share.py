"""`liandong share`: a department's information."""

import asyncio
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2
from liandong.sharing.v1 import sharing_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from services.cli import inputs
from services.cli.case_views import disposition_text
from services.cli.connection import Connection, connected
from services.cli.failures import Failed
from services.cli.output import facts, flag, moment, table
from services.cli.progress import moving
from services.cli.texts import pick, say
from services.exchange.evidence import chunks_of_file, manifest_of
from services.exchange.evidence_client import upload

app = typer.Typer(no_args_is_help=True, add_completion=False)

Category = Annotated[str, typer.Argument(metavar="CATEGORY")]
ItemId = Annotated[str, typer.Argument(metavar="ITEM")]
Title = Annotated[str, typer.Option()]
Text = Annotated[str, typer.Option(metavar="TEXT|@FILE")]
Attached = Annotated[list[Path] | None, typer.Option(metavar="PATH")]
Key = Annotated[str, typer.Option("--idempotency-key", metavar="KEY")]


@app.command("catalogue")
@connected
async def catalogue(link: Connection) -> None:
    """Categories and subscriptions."""
    found = await link.sharing.ListCatalogue(pb.ListCatalogueRequest())
    rows = table("category", "title", "subscribed", "by_hand")
    for each in found.entries:
        title = pick(each.title_zh, each.title_en)
        rows.add_row(each.category, title, flag(each.subscribed), flag(each.by_hand))
    link.output.show(found, lambda: rows)


@app.command("subscribe")
@connected
async def subscribe(
    link: Connection,
    category: Category,
    *,
    end: Annotated[bool, typer.Option("--end")] = False,
    idempotency_key: Key = "",
) -> None:
    """Subscribe to a category."""
    found = await link.sharing.Subscribe(
        pb.SubscribeRequest(
            category=category, subscribed=not end, idempotency_key=idempotency_key or str(uuid4())
        )
    )
    _finish(link, found.answer)


@app.command("publish")
@connected
async def publish(
    link: Connection,
    category: Category,
    *,
    title: Title,
    text: Text,
    formed_at: Annotated[str, typer.Option(metavar="TIME")] = "",
    to: Annotated[list[str] | None, typer.Option(metavar="DEPARTMENT")] = None,
    restricted: Annotated[bool, typer.Option("--restricted")] = False,
    attach: Attached = None,
    late_reason: Annotated[str, typer.Option()] = "",
    idempotency_key: Key = "",
) -> None:
    """Publish a bulletin."""
    bulletin = await _bulletin(link, title, text, attach, late_reason=late_reason)
    request = pb.PublishBulletinRequest(
        category=category,
        bulletin=bulletin,
        recipients=to or (),
        restricted=restricted,
        idempotency_key=idempotency_key or str(uuid4()),
    )
    if formed_at:
        request.formed_at.CopyFrom(inputs.moment(formed_at, option="--formed-at"))
    else:
        request.formed_at.FromDatetime(link.clock.now())
    _finish(link, (await link.sharing.PublishBulletin(request)).answer)


@app.command("correct")
@connected
async def correct(
    link: Connection,
    item_id: ItemId,
    *,
    title: Title,
    text: Text,
    note: Annotated[str, typer.Option()],
    attach: Attached = None,
    idempotency_key: Key = "",
) -> None:
    """Correct an own bulletin."""
    bulletin = await _bulletin(link, title, text, attach, note=note)
    found = await link.sharing.CorrectBulletin(
        pb.CorrectBulletinRequest(
            item_id=item_id, bulletin=bulletin, idempotency_key=idempotency_key or str(uuid4())
        )
    )
    _finish(link, found.answer)


@app.command("withdraw")
@connected
async def withdraw(
    link: Connection,
    item_id: ItemId,
    *,
    reason: Annotated[str, typer.Option()],
    idempotency_key: Key = "",
) -> None:
    """Withdraw an own bulletin."""
    found = await link.sharing.WithdrawBulletin(
        pb.WithdrawBulletinRequest(
            item_id=item_id, reason=reason, idempotency_key=idempotency_key or str(uuid4())
        )
    )
    _finish(link, found.answer)


@app.command("list")
@connected
async def list_bulletins(
    link: Connection,
    *,
    category: Annotated[str, typer.Option()] = "",
    author: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    words: Annotated[str, typer.Option()] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """Bulletins, newest first."""
    found = await link.sharing.ListBulletins(
        pb.ListBulletinsRequest(category=category, author=author, query=words, page_size=limit)
    )
    rows = table("item", "category", "author", "title", "formed", "note")
    for each in found.bulletins:
        rows.add_row(
            each.item_id,
            each.category,
            each.author,
            escape(each.bulletin.title),
            moment(each.formed_at),
            _notes(each),
        )
    link.output.show(found, lambda: rows)


@app.command("read")
@connected
async def read(link: Connection, item_id: ItemId) -> None:
    """Read a bulletin."""
    found = await link.sharing.GetBulletin(pb.GetBulletinRequest(item_id=item_id))
    link.output.show(found, lambda: _rendered(found.bulletin), lambda: _revisions(found.earlier))


@app.command("watch")
@connected
async def watch(
    link: Connection, category: Annotated[str, typer.Argument(metavar="[CATEGORY]")] = ""
) -> None:
    """Bulletins as they come."""
    async for change in link.sharing.WatchBulletins(pb.WatchBulletinsRequest(category=category)):
        view = change.bulletin
        if link.output.as_json:
            link.output.show(change)
            continue
        at = moment(view.admitted_at if view.HasField("admitted_at") else view.formed_at)
        words = say(
            "share.arrived",
            at=at,
            author=view.author,
            category=view.category,
            title=view.bulletin.title,
            id=view.item_id,
        )
        link.output.console.print(words, markup=False)


async def _bulletin(
    link: Connection,
    title: str,
    text: str,
    attached: list[Path] | None,
    *,
    late_reason: str = "",
    note: str = "",
) -> pb.Bulletin:
    body = await asyncio.to_thread(inputs.content, text)
    bulletin = pb.Bulletin(title=title, text=body, late_reason=late_reason, change_note=note)
    for path in attached or ():
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        manifest = await manifest_of(path, media_type=kind)
        with moving(path.name) as moved:
            await upload(link.evidence, manifest, chunks_of_file(path), moved)
        bulletin.attachments.append(manifest.root)
    return bulletin


def _finish(link: Connection, answer: pb.SharingAnswer) -> None:
    name = exchange.Disposition.Name(answer.disposition).removeprefix("DISPOSITION_")
    reason = reason_pb2.Reason.Name(answer.reason).removeprefix("REASON_") if answer.reason else ""
    link.output.show(
        answer,
        lambda: facts(
            [
                ("outcome", disposition_text("disposition", name, f" {reason}" if reason else "")),
                ("position", str(answer.position) if name == "ADMITTED" else ""),
                ("item", answer.item_id),
                ("letter", answer.letter_id),
            ]
        ),
    )
    if answer.disposition == exchange.DISPOSITION_REFUSED:
        raise Failed


def _rendered(view: pb.BulletinView) -> RenderableType:
    about = facts(
        [
            ("title", f"[bold]{escape(view.bulletin.title)}[/]"),
            ("category", view.category),
            ("author", view.author),
            ("formed", f"{moment(view.formed_at)} ({say('share.due', due=moment(view.due_at))})"),
            (
                "admitted",
                f"{moment(view.admitted_at)} {view.position}" if view.HasField("admitted_at") else "",
            ),
            ("revision", str(view.revision)),
            ("note", _notes(view)),
            ("attachments", "\n".join(root.hex() for root in view.bulletin.attachments)),
            ("why", escape(view.bulletin.late_reason or view.bulletin.change_note)),
        ]
    )
    return Group(about, "", escape(view.bulletin.text))


def _revisions(views: Sequence[pb.BulletinView]) -> Table | None:
    if not views:
        return None
    rows = table("revision", "title", "admitted", "note")
    for view in views:
        rows.add_row(
            str(view.revision),
            escape(view.bulletin.title),
            moment(view.admitted_at),
            escape(view.bulletin.change_note),
        )
    return rows


def _notes(view: pb.BulletinView) -> str:
    return " ".join(
        said
        for said in (
            f"[red]{say('share.withdrawn')}[/]" if view.withdrawn else "",
            f"[yellow]{say('share.late')}[/]" if view.late else "",
            "" if view.read else f"[bold]{say('share.unread')}[/]",
        )
        if said
    )
