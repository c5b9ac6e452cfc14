"""Who may call what on the registry's main port."""

from __future__ import annotations

from typing import Final

from liandong.directory.v1 import directory_service_pb2
from liandong.enrolment.v1 import enrolment_service_pb2
from liandong.exchange.v1 import evidence_service_pb2, exchange_service_pb2
from liandong.oversight.v1 import indicator_service_pb2, oversight_service_pb2

from services.common.permissions import ANY, PermissionTable, Rule
from services.exchange.directory_handlers import REGISTRY_RULES
from services.registry.handlers.enrolment import ENROLMENT_RULES, INVITATION_RULES

_NODE: Final = Rule(kinds=frozenset({"node"}))
_MEMBER: Final = Rule(kinds=frozenset({ANY}))
_WATCHER: Final = Rule(kinds=frozenset({"node", "gateway", "system", "operator"}))

_EXCHANGE: Final = "/liandong.exchange.v1.ExchangeService"
_EVIDENCE: Final = "/liandong.exchange.v1.EvidenceService"
_OVERSIGHT: Final = "/liandong.oversight.v1.OversightService"
_INDICATORS: Final = "/liandong.oversight.v1.IndicatorService"

MAIN_SERVICES: Final = (
    exchange_service_pb2.DESCRIPTOR.services_by_name["ExchangeService"],
    evidence_service_pb2.DESCRIPTOR.services_by_name["EvidenceService"],
    directory_service_pb2.DESCRIPTOR.services_by_name["DirectoryService"],
    enrolment_service_pb2.DESCRIPTOR.services_by_name["InvitationService"],
    oversight_service_pb2.DESCRIPTOR.services_by_name["OversightService"],
    indicator_service_pb2.DESCRIPTOR.services_by_name["IndicatorService"],
)
"""What the main port offers."""

ENROLMENT_SERVICES: Final = (enrolment_service_pb2.DESCRIPTOR.services_by_name["EnrolmentService"],)
"""What the enrolment port offers."""

MAIN_RULES: Final[PermissionTable] = {
    f"{_EXCHANGE}/Submit": _NODE,
    f"{_EXCHANGE}/Deliver": _NODE,
    # leaves and proofs hold digests only; auditors and witnesses are members too
    **{
        f"{_EXCHANGE}/{method}": _MEMBER
        for method in ("GetHead", "GetInclusionProof", "GetConsistencyProof", "ListLeaves")
    },
    **{f"{_EVIDENCE}/{method}": _NODE for method in ("PutManifest", "GetManifest", "PutChunk", "GetChunk")},
    **REGISTRY_RULES,
    **INVITATION_RULES,
    **{
        f"{_OVERSIGHT}/{method.name}": _WATCHER
        for method in oversight_service_pb2.DESCRIPTOR.services_by_name["OversightService"].methods
    },
    **{
        f"{_INDICATORS}/{method.name}": _WATCHER
        for method in indicator_service_pb2.DESCRIPTOR.services_by_name["IndicatorService"].methods
    },
}
"""A row for each RPC of the main port."""

__all__ = ["ENROLMENT_RULES", "ENROLMENT_SERVICES", "MAIN_RULES", "MAIN_SERVICES"]
