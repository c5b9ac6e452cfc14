"""`liandong messages`: what the caller is told, and how."""

import enum
import re
from typing import Annotated

import typer
from liandong.notices.v1 import notification_service_pb2 as pb
from rich.markup import escape

from services.cli import inputs
from services.cli.connection import Connection, connected
from services.cli.output import moment, table, word
from services.cli.texts import pick, say

app = typer.Typer(no_args_is_help=True, add_completion=False)

Limit = Annotated[int, typer.Option(min=1, max=200)]
_HOUR = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class State(enum.StrEnum):
    """States of a delivery, as they are typed."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Kind(enum.StrEnum):
    """Kinds of messages, as they are typed."""

    REMIND = "remind"
    WARN_LEADER = "warn-leader"
    TELL_OFFICE = "tell-office"
    PROPOSE_SUPERVISION = "propose-supervision"
    LINK_DOWN = "link-down"
    CERTIFICATE = "certificate"


@app.command("list")
@connected
async def list_messages(
    link: Connection,
    *,
    unread: Annotated[bool, typer.Option("--unread")] = False,
    kind: Annotated[Kind | None, typer.Option()] = None,
    limit: Limit = 50,
) -> None:
    """The caller's messages."""
    asked = pb.ListMessagesRequest(unread=unread, page_size=limit)
    if kind is not None:
        asked.kind = pb.MessageKind.Value(f"MESSAGE_KIND_{kind.name}")
    found = await link.notices.ListMessages(asked)
    rows = table("message", "raised", "body", "read")
    for each in found.messages:
        when = moment(each.read_at) if each.HasField("read_at") else ""
        rows.add_row(each.id[:12], moment(each.raised_at), escape(pick(each.text_zh, each.text_en)), when)
    link.output.show(found, lambda: rows)
    link.output.say("messages.unread", count=found.unread)


@app.command("read")
@connected
async def read(
    link: Connection, message: Annotated[list[str] | None, typer.Argument(metavar="MESSAGE")] = None
) -> None:
    """Note messages as read."""
    unread = await link.notices.ListMessages(pb.ListMessagesRequest(unread=True, page_size=200))
    # ids are shown short
    ids = [
        each.id
        for each in unread.messages
        if message is None or any(each.id.startswith(one) for one in message)
    ]
    marked = 0
    if ids:
        marked = (await link.notices.MarkRead(pb.MarkReadRequest(ids=ids))).marked
    link.output.say("messages.marked", count=marked)


@app.command("preferences")
@connected
async def preferences(
    link: Connection,
    *,
    channel: Annotated[list[str] | None, typer.Option(metavar="CHANNEL=ADDRESS")] = None,
    digest_at: Annotated[str, typer.Option(metavar="HH:MM")] = "",
    language: Annotated[str, typer.Option(metavar="zh|en")] = "",
) -> None:
    """How the caller wants to be told."""
    found = await link.notices.GetPreferences(pb.GetPreferencesRequest())
    wanted = found.preferences
    if channel or digest_at or language:
        channels = {each.channel: each.address for each in wanted.channels}
        channels |= dict(inputs.pair(each, "--channel") for each in channel or ())
        del wanted.channels[:]
        wanted.channels.extend(
            pb.ChannelAddress(channel=name, address=address)
            for name, address in channels.items()
            if address != "-"
        )
        if digest_at:
            hour = _HOUR.fullmatch(digest_at)
            if hour is None:
                raise typer.BadParameter(say("failures.time", value=digest_at), param_hint="--digest-at")
            wanted.digest_minute = int(hour[1]) * 60 + int(hour[2])
        wanted.language = language or wanted.language
        answer = await link.notices.SetPreferences(pb.SetPreferencesRequest(preferences=wanted))
        found.preferences.CopyFrom(answer.preferences)
    rows = table("channel", "address")
    for each in found.preferences.channels:
        rows.add_row(each.channel, escape(each.address))
    minute = found.preferences.digest_minute
    at = say("messages.default")
    if found.preferences.HasField("digest_minute"):
        at = f"{minute // 60:02d}:{minute % 60:02d}"
    link.output.show(found, lambda: rows)
    link.output.say("messages.digest", at=at, language=found.preferences.language)
    link.output.say("messages.channels", names=", ".join(found.channels) or "—")


@app.command("deliveries")
@connected
async def deliveries(
    link: Connection,
    *,
    state: Annotated[State | None, typer.Option()] = None,
    person: Annotated[str, typer.Option(metavar="ID")] = "",
    limit: Limit = 50,
) -> None:
    """What went out, and what did not."""
    asked = pb.ListDeliveriesRequest(person=person, page_size=limit)
    if state is not None:
        asked.state = pb.DeliveryState.Value(f"DELIVERY_STATE_{state.name}")
    found = await link.notices.ListDeliveries(asked)
    rows = table("opened", "person", "channel", "state", ">attempts", "why")
    for each in found.deliveries:
        name = pb.DeliveryState.Name(each.state).removeprefix("DELIVERY_STATE_")
        rows.add_row(
            moment(each.created_at),
            each.person,
            each.channel,
            word("delivery", name),
            str(each.attempts),
            escape(each.error),
        )
    link.output.show(found, lambda: rows)
