"""A department's way to its registry: the link goes from replica to replica, and what is asked beside it follows."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import grpc.aio
import structlog
from liandong.exchange.v1 import evidence_service_pb2_grpc, exchange_service_pb2, exchange_service_pb2_grpc
from liandong.oversight.v1 import (
    oversight_service_pb2_grpc,
    subject_index_service_pb2,
    subject_index_service_pb2_grpc,
)

from services.common.channel import open_channel, remote_errors
from services.common.errors import LiandongError
from services.exchange.enrolment_client import EnrolmentClient

_RENEWAL_CHECK: Final = timedelta(hours=1)
_PROOF_S: Final = 10.0
_QUESTION_S: Final = 2.0
"""How long a drafter waits to hear of cases elsewhere."""
_GRACE_S: Final = 600.0
"""As long as one chunk of evidence may take on a channel that is given up."""

_log = structlog.get_logger(__name__)


class Upstream:
    """Channels to the registry's replicas, and what is asked over them.

    Args:
        enrolment: The department's identity.
        server_name: The DNS name in the registry's certificate, where it is not the host.
        addresses: Of the replicas.
    """

    def __init__(self, enrolment: EnrolmentClient, server_name: str, addresses: Sequence[str]) -> None:
        self._enrolment = enrolment
        self._server_name = server_name
        self._address, self._addresses = addresses[0], itertools.cycle(addresses)
        self._channel: grpc.aio.Channel | None = None
        self._closing: set[asyncio.Future[None]] = set()

    def connect(self) -> grpc.aio.Channel:
        """A channel for the link; each to the next replica, and evidence goes where the link goes."""
        address = next(self._addresses)
        if address != self._address:
            self._address = address
            self._let_go()
        return self._open()

    def evidence(self) -> Any:
        """EvidenceService of the registry."""
        return evidence_service_pb2_grpc.EvidenceServiceStub(self._shared())

    def oversight(self) -> Any:
        """OversightService of the registry."""
        return oversight_service_pb2_grpc.OversightServiceStub(self._shared())

    async def prove(self, position: int, size: int) -> tuple[list[bytes], str]:
        """The path of a leaf under a size of the ledger, and the signed head of it."""
        stub = exchange_service_pb2_grpc.ExchangeServiceStub(self._shared())
        answer = await stub.GetInclusionProof(
            exchange_service_pb2.GetInclusionProofRequest(position=position, tree_size=size), timeout=_PROOF_S
        )
        return list(answer.path), answer.checkpoint

    async def open_cases(self, tokens: Sequence[bytes]) -> list[tuple[int, str, str]]:
        """Open cases anywhere on these subjects: number of the token, department, procedure.

        Raises:
            LiandongError: The registry does not answer in time, or refuses.
        """
        stub = subject_index_service_pb2_grpc.SubjectIndexServiceStub(self._shared())
        request = subject_index_service_pb2.FindOpenCasesRequest(tokens=tokens)
        with remote_errors():
            answer = await stub.FindOpenCases(request, timeout=_QUESTION_S)
        return [(each.token, each.department, each.procedure) for each in answer.cases]

    async def renew(self) -> None:
        """Keep the certificate young until cancelled; a channel with the old one is given up."""
        while True:
            department = self._enrolment.membership.department
            try:
                if await self._enrolment.renew_if_due():
                    _log.info("node.renewed", department=department)
                    self._let_go()
            except (LiandongError, OSError) as error:
                # a full disk too: what was asked for is not asked for again at once
                reason = error.reason if isinstance(error, LiandongError) else type(error).__name__
                _log.warning("node.renewal", department=department, reason=reason)
            await asyncio.sleep(_RENEWAL_CHECK.total_seconds())

    async def close(self) -> None:
        """Close the channels, also those that were given up."""
        if self._channel is not None:
            await self._channel.close(None)
        for closing in self._closing:
            closing.cancel()

    def _open(self) -> grpc.aio.Channel:
        return open_channel(self._address, self._enrolment.tls, server_name=self._server_name)

    def _shared(self) -> grpc.aio.Channel:
        if self._channel is None:
            self._channel = self._open()
        return self._channel

    def _let_go(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            closing = asyncio.ensure_future(channel.close(_GRACE_S))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
