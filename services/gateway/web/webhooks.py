"""Which systems are told of what happens here: subscriptions, what became of posts, and sending again.

The pages call what REST calls, as the person in the session, an administrator.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from services.common.errors import InvalidField, LiandongError, LimitExceeded, NotFound, Unavailable
from services.gateway.accounts.model import ADMINISTRATOR
from services.gateway.web.access import Glancing, SignedIn
from services.gateway.web.accounts import only
from services.gateway.web.filters import ZONE, second
from services.gateway.web.page import Page
from services.gateway.web.tables import Action, Cell, Table, cells, page_url
from services.gateway.webhooks.model import (
    KEPT,
    MOST_WEBHOOKS,
    PING,
    TYPES,
    Delivery,
    State,
    TargetForbidden,
    Webhook,
)
from services.gateway.webhooks.targets import TargetUnknown
from services.gateway.webhooks.webhooks import Webhooks

router = APIRouter(prefix="/admin/webhooks")

_PAGE: Final = 50
_MOST_TITLE: Final = 100
_MOST_EVENT: Final = 100
_TONES: Final = {State.SENT: "good", State.WAITING: "wait", State.FAILED: "bad"}
_STATES: Final = tuple(each.value for each in State)


@router.get("")
async def webhooks(page: SignedIn) -> Response:
    """The department's subscriptions, and where one is added."""
    return await _list(page, {})


@router.post("")
async def add(page: SignedIn) -> Response:
    """Add one; its secret is shown once."""
    only(page, ADMINISTRATOR)
    try:
        made, secret = await _add(page)
    except (InvalidField, TargetForbidden, LimitExceeded, Unavailable) as error:
        return await _list(page, _wrong(page, error))
    return page.render("webhooks/secret.html", webhook=made, secret=secret)


@router.get("/{webhook_id}")
async def webhook(
    page: SignedIn,
    webhook_id: str,
    state: Annotated[str, Query(max_length=20)] = "",
    token: Annotated[str, Query(alias="page", max_length=400)] = "",
) -> Response:
    """One: where it is posted, of what it is told, what became of each post."""
    return await _one(page, webhook_id, {}, state=state, token=token)


@router.get("/{webhook_id}/deliveries")
async def deliveries(page: Glancing, webhook_id: str) -> Response:
    """What became of the newest posts, as the page asks by itself while some wait."""
    only(page, ADMINISTRATOR)
    table, waits = await _deliveries(page, webhook_id, "", "")
    return page.render("webhooks/deliveries.html", webhook_id=webhook_id, table=table, asks=waits)


@router.post("/{webhook_id}/rotate")
async def rotate(page: SignedIn, webhook_id: str) -> Response:
    """A new secret, shown once."""
    only(page, ADMINISTRATOR)
    found, secret = await _store(page).rotate(page.caller.department, webhook_id, by=page.by)
    return page.render("webhooks/secret.html", webhook=found, secret=secret)


@router.post("/{webhook_id}/disable")
async def disable(page: SignedIn, webhook_id: str) -> Response:
    """Switch it off."""
    only(page, ADMINISTRATOR)
    await _store(page).disable(page.caller.department, webhook_id, by=page.by)
    return page.go(f"/admin/webhooks/{webhook_id}", "webhooks.disabled")


@router.post("/{webhook_id}/enable")
async def enable(page: SignedIn, webhook_id: str) -> Response:
    """Switch it on."""
    only(page, ADMINISTRATOR)
    await _store(page).enable(page.caller.department, webhook_id, by=page.by)
    return page.go(f"/admin/webhooks/{webhook_id}", "webhooks.enabled")


@router.post("/{webhook_id}/remove")
async def remove(page: SignedIn, webhook_id: str) -> Response:
    """End it."""
    only(page, ADMINISTRATOR)
    await _store(page).remove(page.caller.department, webhook_id, by=page.by)
    return page.go("/admin/webhooks", "webhooks.removed")


@router.post("/{webhook_id}/ping")
async def ping(page: SignedIn, webhook_id: str) -> Response:
    """Send something, to see whether it arrives."""
    only(page, ADMINISTRATOR)
    await _store(page).ping(page.caller.department, webhook_id, by=page.by)
    return page.go(f"/admin/webhooks/{webhook_id}", "webhooks.pinged")


@router.post("/{webhook_id}/replay")
async def replay(page: SignedIn, webhook_id: str) -> Response:
    """Send one event again, or all from a time on."""
    only(page, ADMINISTRATOR)
    event_id, since = page.text_of("event")[:_MOST_EVENT], None
    if not event_id:
        since = _moment(page.text_of("since"))
        if since is None:
            return await _one(page, webhook_id, {"since": page.t("webhooks.wrong_since")})
    count = await _store(page).replay(
        page.caller.department, webhook_id, by=page.by, event_id=event_id, since=since
    )
    return page.go(f"/admin/webhooks/{webhook_id}", "webhooks.replayed", count=count)


async def _add(page: Page) -> tuple[Webhook, str]:
    title, types = (
        page.text_of("title"),
        [each for each in page.form.getlist("type") if isinstance(each, str)],
    )
    if not title or len(title) > _MOST_TITLE:
        raise InvalidField("A webhook says for which system it is.", field="title")
    if not types:
        raise InvalidField("A webhook is told of something.", field="types")
    return await _store(page).create(
        page.caller.department, by=page.by, title=title, url=page.text_of("url"), types=types,
        scopes=page.caller.scopes,
    )  # fmt: skip


def _wrong(page: Page, error: LiandongError) -> Mapping[str, str]:
    match error:
        case TargetForbidden():
            return {"url": page.t("webhooks.wrong_inside")}
        case TargetUnknown():
            return {"url": page.t("webhooks.wrong_unknown")}
        case LimitExceeded():
            return {"": page.t("webhooks.wrong_many", most=MOST_WEBHOOKS)}
        case InvalidField():
            field = error.field.partition("[")[0]
            return {field: page.t(f"webhooks.wrong_{field}")}
        case _:
            return {"": page.why(error)}


def _moment(typed: str) -> datetime | None:
    """A local time as a browser sends it; None for one that is none."""
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return found.replace(tzinfo=ZONE) if found.tzinfo is None and found.year > 1970 else None  # noqa: PLR2004 - what clocks count from


async def _list(page: Page, wrong: Mapping[str, str]) -> Response:
    only(page, ADMINISTRATOR)
    found = await _store(page).of_department(page.caller.department)
    return page.render(
        "webhooks/webhooks.html",
        status=400 if wrong else 200,
        webhooks=found,
        types=tuple(TYPES),
        wrong=wrong,
    )


async def _one(
    page: Page, webhook_id: str, wrong: Mapping[str, str], *, state: str = "", token: str = ""
) -> Response:
    only(page, ADMINISTRATOR)
    found = await _store(page).get(page.caller.department, webhook_id)
    chosen = state if state in _STATES else ""
    table, waits = await _deliveries(page, webhook_id, chosen, token)
    return page.render(
        "webhooks/webhook.html", status=400 if wrong else 200, webhook=found, wrong=wrong, table=table,
        # a list that is filtered or turned over stays as it is
        asks=waits and not found.disabled and not (chosen or token),
        webhook_id=webhook_id, states=_STATES, state=chosen, days=KEPT.days,
    )  # fmt: skip


async def _deliveries(page: Page, webhook_id: str, state: str, token: str) -> tuple[Table, bool]:
    """A page of the log, and whether something of it waits."""
    found, following = await _store(page).deliveries(
        page.caller.department, webhook_id, state=state, page_size=_PAGE, page_token=token
    )
    path = f"/admin/webhooks/{webhook_id}"
    table = Table(
        page.t("webhooks.log"),
        [
            page.t(f"webhooks.{each}")
            for each in ("at", "event", "state", "answer", "attempts", "next", "act")
        ],
        [
            cells(
                second(each.created_at),
                Cell(_kind(page, each.type), under=each.event),
                Cell(page.t(f"webhooks.state_{each.state.value}"), tone=_TONES[each.state]),
                _answer(page, each),
                Cell(str(each.attempts), tone="number"),
                second(each.next_at),
                Cell(
                    actions=(Action(page.t("webhooks.again"), f"{path}/replay", (("event", each.event),)),)
                    if each.state is not State.WAITING
                    else ()
                ),
            )
            for each in found
        ],
        page.t("webhooks.nothing_sent"),
        page_url(path, following, state=state),
    )
    return table, any(each.state is State.WAITING for each in found)


def _kind(page: Page, kind: str) -> str:
    known = kind in TYPES or kind == PING
    return page.t(f"webhooks.type_{kind.removeprefix('liandong.').replace('.', '_')}") if known else kind


def _answer(page: Page, delivery: Delivery) -> Cell:
    """What the target answered last."""
    if delivery.status:
        return Cell(f"HTTP {delivery.status}")
    return Cell(page.t("webhooks.no_answer"), under=delivery.error) if delivery.error else Cell()


def _store(page: Page) -> Webhooks:
    if page.site.webhooks is None:
        raise NotFound("This gateway keeps no webhooks.")
    return page.site.webhooks
