"""What a person was told, and how they want to be told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response
from liandong.notices.v1 import notification_service_pb2 as notices

from services.common.errors import LiandongError
from services.gateway.web.access import SignedIn
from services.gateway.web.page import said
from services.gateway.web.texts import catalogue

router = APIRouter()
_SIZE: Final = 30
_CHANNEL: Final = "channel."
_MOST: Final = 99


@router.get("/messages")
async def messages(
    page: SignedIn,
    unread: Annotated[bool, Query()] = False,
    after: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The person's messages, newest first, and how they want to be told."""
    request = notices.ListMessagesRequest(unread=unread, page_size=_SIZE, page_token=after)
    found, preferences = await asyncio.gather(
        page.ask(request, notices.ListMessagesResponse),
        page.ask(notices.GetPreferencesRequest(), notices.GetPreferencesResponse),
    )
    query = {"unread": "1"} if unread else {}
    token = found.next_page_token
    return page.render(
        "messages.html",
        messages=found.messages,
        kind_of=_kind,
        unread=unread,
        count=found.unread,
        more=f"/messages?{urlencode({**query, 'after': token})}" if token else "",
        begins=not after,
        **_preferences(preferences),
    )


@router.get("/messages/unread")
async def unread(page: SignedIn) -> Response:
    """How many the person has not read, for the head of every page."""
    request = notices.ListMessagesRequest(unread=True, page_size=1)
    found = await page.ask(request, notices.ListMessagesResponse)
    return page.render("messages_unread.html", count=found.unread, most=_MOST)


@router.post("/messages/read")
async def mark_read(page: SignedIn) -> Response:
    """These have been read."""
    ids = [each for each in page.form.getlist("id") if isinstance(each, str)][:_SIZE]
    if ids:
        await page.ask(notices.MarkReadRequest(ids=ids), notices.MarkReadResponse)
    return page.go("/messages", "messages.marked")


@router.post("/messages/preferences")
async def set_preferences(page: SignedIn) -> Response:
    """How the person wants to be told."""
    known = await page.ask(notices.GetPreferencesRequest(), notices.GetPreferencesResponse)
    wanted, wrong = notices.Preferences(language=page.text_of("language")), {}
    for channel in known.channels:
        address = page.text_of(f"{_CHANNEL}{channel}")
        if address:
            wanted.channels.add(channel=channel, address=address)
    digest = page.text_of("digest")
    if digest:
        minute = _minute(digest)
        if minute is None:
            wrong["digest"] = page.t("messages.no_time")
        else:
            wanted.digest_minute = minute
    if not wrong:
        try:
            await page.ask(notices.SetPreferencesRequest(preferences=wanted), notices.SetPreferencesResponse)
        except LiandongError as error:
            wrong = {_field(name, wanted): words for name, words in said(error).items()}
        else:
            return page.go("/messages", "messages.set")
    typed = notices.GetPreferencesResponse(preferences=wanted, channels=known.channels)
    return page.render("messages_preferences.html", status=400, **_preferences(typed, wrong))


def _preferences(
    found: notices.GetPreferencesResponse, wrong: Mapping[str, str] | None = None
) -> dict[str, Any]:
    given = {each.channel: each.address for each in found.preferences.channels}
    minute = found.preferences.digest_minute if found.preferences.HasField("digest_minute") else None
    return {
        "channels": [(each, given.get(each, "")) for each in found.channels],
        "digest": "" if minute is None else f"{minute // 60:02d}:{minute % 60:02d}",
        "told_in": found.preferences.language,
        "wrong": wrong or {},
    }


def _kind(message: notices.Message) -> str:
    number = message.kind
    name = notices.MessageKind.Name(number) if number in notices.MessageKind.values() else ""
    found = f"messages.kind_{name.removeprefix('MESSAGE_KIND_').lower()}"
    return found if found in catalogue() else "messages.kind_unspecified"


def _minute(text: str) -> int | None:
    hours, _, minutes = text.partition(":")
    if not (hours.isdecimal() and minutes.isdecimal() and len(hours) <= 2 and len(minutes) == 2):  # noqa: PLR2004 - HH:MM
        return None
    found = int(hours) * 60 + int(minutes)
    return found if int(hours) < 24 and int(minutes) < 60 else None  # noqa: PLR2004 - HH:MM


def _field(name: str, wanted: notices.Preferences) -> str:
    """The field of the form that a field of the request stands in."""
    for index, each in enumerate(wanted.channels):
        if f"channels[{index}]" in name or name == f"channels.{index}":
            return f"{_CHANNEL}{each.channel}"
    return "digest" if "digest" in name else ""
