"""EnrolmentService on the port without client certificates; InvitationService, for operators, on the main."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.enrolment.v1 import enrolment_service_pb2 as pb
from liandong.exchange.v1 import reason_pb2

from services.common.clock import Clock
from services.common.errors import InvalidField
from services.common.permissions import NOBODY, PermissionTable, Rule
from services.exchange.authority import Authority
from services.exchange.directory import Directory
from services.exchange.trust import instant
from services.registry.diagnosis import diagnose
from services.registry.enrolment import INVITATION_LIFETIME, Enrolment, Join, Renewal
from services.registry.rate_limit import RateLimit

ENROLMENT_RULES: Final[PermissionTable] = {
    f"/liandong.enrolment.v1.EnrolmentService/{method}": Rule(kinds=frozenset({NOBODY}))
    for method in ("Join", "Renew", "Diagnose")
}
"""The enrolment port: whoever asks proves itself by what is in the request."""

INVITATION_RULES: Final[PermissionTable] = {
    f"/liandong.enrolment.v1.InvitationService/{method}": Rule(kinds=frozenset({"operator"}))
    for method in ("CreateInvitation", "ListInvitations")
}

Context = grpc.aio.ServicerContext[Any, Any]


class EnrolmentHandlers:
    """Joining and staying on the wire; every call counts against its peer's rate.

    Args:
        enrolment: The domain.
        authority: This registry's, for diagnoses.
        current: The newest directory.
        clock: The registry's.
        limit: How often one address may ask.
    """

    def __init__(
        self,
        enrolment: Enrolment,
        authority: Authority,
        current: Callable[[], Directory],
        clock: Clock,
        limit: RateLimit | None = None,
    ) -> None:
        self._enrolment = enrolment
        self._authority = authority
        self._current = current
        self._clock = clock
        self._limit = limit or RateLimit()

    async def Join(self, request: pb.JoinRequest, context: Context) -> pb.JoinResponse:
        """Redeems a one-time token."""
        self._limit.take(context.peer(), self._clock.now())
        member = await self._enrolment.join(
            Join(
                token=request.token,
                department=request.department,
                tls_request=request.tls_request,
                sign_public_key=request.sign_public_key,
                proof=request.proof,
                issuers=tuple(request.issuers),
                hosts=tuple(request.hosts),
            )
        )
        return pb.JoinResponse(
            certificate=member.certificate,
            ca=member.ca,
            sign_key_id=member.sign_key_id,
            registry=member.registry,
            registry_address=member.registry_address,
        )

    async def Renew(self, request: pb.RenewRequest, context: Context) -> pb.RenewResponse:
        """Certifies a TLS key for a member."""
        self._limit.take(context.peer(), self._clock.now())
        requested_at = instant(request.requested_at)
        if requested_at is None:
            raise InvalidField("No time of the calendar.", field="requested_at")
        certificate, ca = await self._enrolment.renew(
            Renewal(
                department=request.department,
                tls_request=request.tls_request,
                kind=request.kind,
                requested_at=requested_at,
                sign_key_id=request.sign_key_id,
                proof=request.proof,
                hosts=tuple(request.hosts),
            )
        )
        return pb.RenewResponse(certificate=certificate, ca=ca)

    async def Diagnose(self, request: pb.DiagnoseRequest, context: Context) -> pb.DiagnoseResponse:
        """Says why a certificate is not accepted."""
        now = self._clock.now()
        self._limit.take(context.peer(), now)
        found = diagnose(request.certificate, self._authority, self._current(), now)
        return pb.DiagnoseResponse(
            accepted=found.accepted,
            reason=reason_pb2.Reason.Value(f"REASON_{found.reason or 'UNSPECIFIED'}"),
            message=found.message,
            department=found.department,
            not_after=_stamp(found.not_after),
            registry_time=_stamp(now),
        )


class InvitationHandlers:
    """Invitations on the wire."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment

    async def CreateInvitation(
        self, request: pb.CreateInvitationRequest, _context: Context
    ) -> pb.CreateInvitationResponse:
        """Makes a one-time token."""
        lifetime = timedelta(hours=request.valid_hours) if request.valid_hours else INVITATION_LIFETIME
        text, expires_at = await self._enrolment.invite(request.department, lifetime)
        return pb.CreateInvitationResponse(invitation=text, expires_at=_stamp(expires_at))

    async def ListInvitations(
        self, _request: pb.ListInvitationsRequest, _context: Context
    ) -> pb.ListInvitationsResponse:
        """The newest invitations and what became of them."""
        return pb.ListInvitationsResponse(
            invitations=[
                pb.Invitation(
                    department=each.department,
                    created_at=_stamp(each.created_at),
                    expires_at=_stamp(each.expires_at),
                    redeemed_at=_stamp(each.redeemed_at),
                )
                for each in await self._enrolment.invitations()
            ]
        )


def _stamp(moment: datetime | None) -> Timestamp | None:
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
