"""The services of all departments, called in a person's or a system's name: the one way for REST and for pages.

Which RPC is meant is read off the request: every RPC of the contracts has a request of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from functools import cache
from typing import Any, Final, TypeVar, cast

from google.protobuf.message import Message
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.common.errors import PermissionDenied, Unavailable
from services.gateway.callers import Caller, Issuer
from services.gateway.rest.routes import Route, routes
from services.gateway.upstream import CALL_TIMEOUT_S, Metadata, Upstream

R = TypeVar("R", bound=Message)


_EXCHANGE: Final = "/liandong.exchange.v1.ExchangeService"
_REMINDERS: Final = frozenset(
    {
        "liaison",
        "clerk",
        "section-head",
        "leader-in-charge",
        "principal",
        "director",
        "coordinator",
        "monitor",
    }
)
"""Roles in which people of an office remind departments of what they owe."""


class MayNotRemind(PermissionDenied):
    """This role does not send reminders."""


class Calls:
    """Calls in somebody's name.

    Args:
        upstreams: By department; the caller's decides where a call goes.
        issuers: By department.
    """

    def __init__(self, upstreams: Mapping[str, Upstream], issuers: Mapping[str, Issuer]) -> None:
        self._upstreams = upstreams
        self._issuers = issuers

    async def call(
        self,
        caller: Caller,
        request: Message,
        answer: type[R],
        *,
        request_id: str,
        route: Route | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> R:
        """One call.

        Args:
            caller: In whose name.
            request: What is asked; it says which RPC.
            answer: What the RPC answers with.
            request_id: For logs and the node's audit.
            route: The RPC, where it is known already.
            timeout_s: How long it may take.

        Raises:
            LiandongError: What the service said, or `Unavailable`.
        """
        route = route or route_of(request)
        in_the_name_of(caller, route, request)
        found = await self._upstream(caller.department).call(
            route.full_method,
            request,
            answer.FromString,
            registry=route.at_registry,
            metadata=self._metadata(route, request, caller, request_id),
            timeout_s=timeout_s,
        )
        return cast("R", found)

    async def send(
        self,
        caller: Caller,
        route: Route,
        requests: AsyncIterator[Message],
        answer: type[R],
        *,
        request_id: str,
        timeout_s: float,
    ) -> R:
        """One call of a stream of requests; the assertion is of none of them in particular.

        Raises:
            LiandongError: What the service said, what the requests' source raised, or `Unavailable`.
        """

        async def named() -> AsyncIterator[Message]:
            async for each in requests:
                in_the_name_of(caller, route, each)
                yield each

        found = await self._upstream(caller.department).send(
            route.full_method,
            named(),
            answer.FromString,
            registry=route.at_registry,
            metadata=self._metadata(route, None, caller, request_id),
            timeout_s=timeout_s,
        )
        return cast("R", found)

    async def stream(
        self,
        caller: Caller,
        request: Message,
        answer: type[R],
        *,
        request_id: str,
        route: Route | None = None,
        timeout_s: float | None = None,
    ) -> AsyncGenerator[R]:
        """One call that answers with a stream; leaving it ends the call.

        Raises:
            LiandongError: What the service said, or `Unavailable`.
        """
        route = route or route_of(request)
        in_the_name_of(caller, route, request)
        stream: Any = self._upstream(caller.department).stream(
            route.full_method,
            request,
            answer.FromString,
            registry=route.at_registry,
            metadata=self._metadata(route, request, caller, request_id),
            timeout_s=timeout_s,
        )
        try:
            async for each in stream:
                yield each
        finally:
            await stream.aclose()

    async def head(self, department: str) -> str:
        """The newest signed head of the ledger, as a note, asked of the registry in a department's name.

        Raises:
            LiandongError: What the registry said, or `Unavailable`.
        """
        found = await self._at_registry(
            department, "GetHead", exchange.GetHeadRequest(), exchange.GetHeadResponse, "public-head"
        )
        return found.checkpoint

    async def inclusion(
        self, department: str, position: int, request_id: str, timeout_s: float = CALL_TIMEOUT_S
    ) -> exchange.GetInclusionProofResponse:
        """That the newest head holds a leaf, asked likewise.

        Raises:
            LiandongError: What the registry said, or `Unavailable`.
        """
        return await self._at_registry(
            department, "GetInclusionProof", exchange.GetInclusionProofRequest(position=position),
            exchange.GetInclusionProofResponse, request_id, timeout_s,
        )  # fmt: skip

    def acting(self, caller: Caller, request_id: str) -> tuple[Upstream, Callable[[], Metadata]]:
        """The node of a caller's department, and what is said of the caller anew for each call: for files.

        Raises:
            Unavailable: This gateway is not the department's issuer.
        """
        upstream, issuer = self._upstream(caller.department), self._issuer(caller)
        return upstream, lambda: (
            ("liandong-request-id", request_id),
            ("liandong-actor", issuer.assertion(caller)),
        )

    @property
    def departments(self) -> Collection[str]:
        """In whose nodes this gateway can call."""
        return self._issuers.keys() & self._upstreams.keys()

    def has_registry(self, department: str) -> bool:
        """Whether the way to the registry is known, too."""
        return bool(self._upstream(department).settings.registry)

    async def _at_registry(
        self,
        department: str,
        method: str,
        request: Message,
        answer: type[R],
        request_id: str,
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> R:
        """What nobody is offered over REST: the registry's word on its ledger."""
        found = await self._upstream(department).call(
            f"{_EXCHANGE}/{method}", request, answer.FromString, registry=True,
            metadata=(("liandong-request-id", request_id),), timeout_s=timeout_s,
        )  # fmt: skip
        return cast("R", found)

    def _metadata(self, route: Route, request: Message | None, caller: Caller, request_id: str) -> Metadata:
        """What goes beside a call: its id and, to a node, who acts."""
        found: Metadata = (("liandong-request-id", request_id),)
        if route.at_registry:
            # the registry knows departments, not people
            return found
        operation = route.operation if request is not None else ""
        return (*found, ("liandong-actor", self._issuer(caller).assertion(caller, operation, request)))

    def _issuer(self, caller: Caller) -> Issuer:
        found = self._issuers.get(caller.department)
        if found is None:
            raise Unavailable("This gateway has no issuer of assertions for the department.")
        return found

    def _upstream(self, department: str) -> Upstream:
        found = self._upstreams.get(department)
        if found is None:
            raise Unavailable("This gateway does not stand before the department.")
        return found


def may_remind(caller: Caller) -> bool:
    """Whether somebody reminds in the name of an office: its people, not its auditors, and systems with a token."""
    return caller.service or not _REMINDERS.isdisjoint(caller.roles)


def in_the_name_of(caller: Caller, route: Route, request: Any) -> None:
    """The registry knows no people: what one of them may do there, and under which name, is seen to here.

    Raises:
        MayNotRemind: The role does not.
    """
    if route.operation != "OversightService.Remind":
        return
    if not may_remind(caller):
        raise MayNotRemind
    request.person = caller.name[:100]


def route_of(request: Message) -> Route:
    """The RPC that a request is of.

    Raises:
        KeyError: None that people or systems are offered.
    """
    return _by_request()[request.DESCRIPTOR.full_name]


@cache
def _by_request() -> dict[str, Route]:
    return {each.method.input_type.full_name: each for each in routes()}
