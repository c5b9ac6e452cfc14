"""Asks nodes and the registry how they are, over mutual TLS, with the gateway's certificate."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.oversight.v1 import oversight_service_pb2_grpc as oversight_rpc

from services.common.channel import remote_errors
from services.common.errors import LiandongError
from services.gateway.status import DepartmentStatus, Link, LinkState, NodeState
from services.gateway.upstream import Upstream

KEPT_S: Final = 2.0
"""How long an answer is good for: visitors of the page must not become load on the nodes."""

_log = structlog.get_logger(__name__)


class Probe:
    """Asks about one department.

    Args:
        upstream: The way to it.
        timeout_s: How long an answer may take.
    """

    def __init__(self, upstream: Upstream, timeout_s: float) -> None:
        self._upstream = upstream
        self._settings = upstream.settings
        self._timeout_s = timeout_s
        self._titles = ("", "")

    async def status(self) -> DepartmentStatus:
        """Ask node and registry."""
        node, link = await asyncio.gather(self._node(), self._link())
        return DepartmentStatus(self._settings.name, self._titles, node, link)

    async def close(self) -> None:
        """Close the channels; they are opened anew when needed."""
        await self._upstream.close()

    async def _node(self) -> NodeState:
        settings = self._settings
        stub: Any = health_pb2_grpc.HealthStub(self._upstream.channel())
        try:
            with remote_errors():
                answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=self._timeout_s)
        except LiandongError as error:
            _log.warning("gateway.node", department=settings.name, reason=error.reason)
            return NodeState.UNREACHABLE if error.code == "UNAVAILABLE" else NodeState.REFUSING
        serving = answer.status == health_pb2.HealthCheckResponse.SERVING
        return NodeState.SERVING if serving else NodeState.STOPPING

    async def _link(self) -> Link:
        settings = self._settings
        if not settings.registry:
            return Link(LinkState.NOT_ASKED)
        channel = self._upstream.channel(registry=True)
        stub: oversight_rpc.OversightServiceAsyncStub = oversight_rpc.OversightServiceStub(channel)
        try:
            with remote_errors():
                answer = await stub.ListDepartmentStates(
                    oversight.ListDepartmentStatesRequest(), timeout=self._timeout_s
                )
        except LiandongError as error:
            _log.warning("gateway.link", department=settings.name, reason=error.reason)
            unreachable = error.code == "UNAVAILABLE"
            return Link(LinkState.REGISTRY_UNREACHABLE if unreachable else LinkState.REFUSED)
        # an office's certificate is shown others too
        for state in answer.departments:
            if state.department == settings.name:
                return self._told(state)
        return Link(LinkState.REFUSED)

    def _told(self, state: oversight.DepartmentState) -> Link:
        self._titles = (state.title_zh, state.title_en)
        seen = state.last_seen_at.ToDatetime(UTC) if state.HasField("last_seen_at") else None
        link = LinkState.CONNECTED if state.connected else LinkState.DISCONNECTED
        return Link(link, seen, state.waiting)


class Probes:
    """Asks about all departments, at most once in two seconds however many want to know.

    Args:
        probes: One for each department.
    """

    def __init__(self, probes: Sequence[Probe]) -> None:
        self._probes = tuple(probes)
        self._asking = asyncio.Lock()
        self._known: tuple[DepartmentStatus, ...] = ()
        self._asked_at = -KEPT_S

    async def statuses(self) -> tuple[DepartmentStatus, ...]:
        """How all departments are, in the order of the settings."""
        async with self._asking:
            if time.monotonic() - self._asked_at >= KEPT_S:
                self._known = tuple(await asyncio.gather(*(each.status() for each in self._probes)))
                self._asked_at = time.monotonic()
            return self._known

    async def close(self) -> None:
        """Close all channels."""
        await asyncio.gather(*(each.close() for each in self._probes))
