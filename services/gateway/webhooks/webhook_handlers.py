"""WebhookService: wire to domain, nothing else. The gateway serves it itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.gateway.v1 import webhook_service_pb2 as pb

from services.common.errors import RoleNotPermitted
from services.gateway.accounts.model import ADMINISTRATOR
from services.gateway.audit import By
from services.gateway.callers import Caller
from services.gateway.webhooks.model import Delivery, State, Webhook
from services.gateway.webhooks.webhooks import Webhooks

_PAGE: Final = 50
_STATES: Final = {
    State.WAITING: pb.WEBHOOK_DELIVERY_STATE_WAITING,
    State.SENT: pb.WEBHOOK_DELIVERY_STATE_SENT,
    State.FAILED: pb.WEBHOOK_DELIVERY_STATE_FAILED,
}


class WebhookHandlers:
    """The service, for systems that have the scope and for administrators.

    A webhook carries what a department reads to a place outside: no officer's own business.

    Args:
        webhooks: The gateway's.
    """

    def __init__(self, webhooks: Webhooks) -> None:
        self._webhooks = webhooks

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, caller: Caller) -> Message:
        """Subscribe."""
        _check(caller)
        scopes: Collection[str] = caller.scopes
        made, secret = await self._webhooks.create(
            caller.department, by=By(caller.who), title=request.title, url=request.url,
            types=list(request.types), scopes=scopes, secret=request.secret,
        )  # fmt: skip
        return pb.CreateWebhookResponse(webhook=_webhook(made), secret=secret)

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, caller: Caller) -> Message:
        """All of the department."""
        _check(caller)
        found = await self._webhooks.of_department(caller.department)
        return pb.ListWebhooksResponse(webhooks=[_webhook(each) for each in found])

    async def GetWebhook(self, request: pb.GetWebhookRequest, caller: Caller) -> Message:
        """One."""
        _check(caller)
        found = await self._webhooks.get(caller.department, request.webhook_id)
        return pb.GetWebhookResponse(webhook=_webhook(found))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, caller: Caller) -> Message:
        """End one."""
        _check(caller)
        await self._webhooks.remove(caller.department, request.webhook_id, by=By(caller.who))
        return pb.DeleteWebhookResponse()

    async def DisableWebhook(self, request: pb.DisableWebhookRequest, caller: Caller) -> Message:
        """Switch one off."""
        _check(caller)
        found = await self._webhooks.disable(caller.department, request.webhook_id, by=By(caller.who))
        return pb.DisableWebhookResponse(webhook=_webhook(found))

    async def RotateWebhookSecret(self, request: pb.RotateWebhookSecretRequest, caller: Caller) -> Message:
        """Give one a new secret."""
        _check(caller)
        found, secret = await self._webhooks.rotate(
            caller.department, request.webhook_id, by=By(caller.who), secret=request.secret
        )
        return pb.RotateWebhookSecretResponse(webhook=_webhook(found), secret=secret)

    async def EnableWebhook(self, request: pb.EnableWebhookRequest, caller: Caller) -> Message:
        """Switch one on."""
        _check(caller)
        found = await self._webhooks.enable(caller.department, request.webhook_id, by=By(caller.who))
        return pb.EnableWebhookResponse(webhook=_webhook(found))

    async def PingWebhook(self, request: pb.PingWebhookRequest, caller: Caller) -> Message:
        """Send something."""
        _check(caller)
        event_id = await self._webhooks.ping(caller.department, request.webhook_id, by=By(caller.who))
        return pb.PingWebhookResponse(event_id=event_id)

    async def ReplayWebhook(self, request: pb.ReplayWebhookRequest, caller: Caller) -> Message:
        """Send again."""
        _check(caller)
        since = request.since.ToDatetime(UTC) if request.HasField("since") else None
        count = await self._webhooks.replay(
            caller.department, request.webhook_id, by=By(caller.who), event_id=request.event_id, since=since
        )
        return pb.ReplayWebhookResponse(count=count)

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, caller: Caller
    ) -> Message:
        """What became of deliveries."""
        _check(caller)
        state = next((each.value for each, value in _STATES.items() if value == request.state), "")
        found, token = await self._webhooks.deliveries(
            caller.department, request.webhook_id, state=state, page_size=request.page_size or _PAGE,
            page_token=request.page_token,
        )  # fmt: skip
        return pb.ListWebhookDeliveriesResponse(
            deliveries=[_delivery(each) for each in found], next_page_token=token
        )


def _check(caller: Caller) -> None:
    if not caller.service and ADMINISTRATOR not in caller.roles:
        raise RoleNotPermitted("Webhooks are the business of systems and administrators.")


def _webhook(found: Webhook) -> pb.Webhook:
    return pb.Webhook(
        webhook_id=found.id, title=found.title, url=found.url, types=found.types, created_by=found.created_by,
        created_at=_moment(found.created_at), disabled=found.disabled or "",
        old_secret_until=_moment(found.old_secret_until),
    )  # fmt: skip


def _delivery(found: Delivery) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        event_id=found.event, type=found.type, state=_STATES[found.state], attempts=found.attempts,
        created_at=_moment(found.created_at), next_at=_moment(found.next_at), ended_at=_moment(found.ended_at),
        status=found.status, error=found.error,
    )  # fmt: skip


def _moment(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    found = Timestamp()
    found.FromDatetime(at)
    return found
