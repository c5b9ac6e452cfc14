"""Who may call what on the registry's main port."""

from __future__ import annotations

from typing import Final

from liandong.oversight.v1 import indicator_service_pb2, oversight_service_pb2

from services.common.permissions import ANY, PermissionTable, Rule
from services.exchange.code_handlers import REGISTRY_RULES as CODE_RULES
from services.exchange.directory_handlers import REGISTRY_RULES
from services.registry.handlers.enrolment import ENROLMENT_RULES, INVITATION_RULES

_NODE: Final = Rule(kinds=frozenset({"node"}))
_MEMBER: Final = Rule(kinds=frozenset({ANY}))
_WATCHER: Final = Rule(kinds=frozenset({"node", "gateway", "system", "operator"}))

_EXCHANGE: Final = "/liandong.exchange.v1.ExchangeService"
_EVIDENCE: Final = "/liandong.exchange.v1.EvidenceService"
_OVERSIGHT: Final = "/liandong.oversight.v1.OversightService"
_INDICATORS: Final = "/liandong.oversight.v1.IndicatorService"

MAIN_RULES: Final[PermissionTable] = {
    f"{_EXCHANGE}/Submit": _NODE,
    f"{_EXCHANGE}/Deliver": _NODE,
    # leaves and proofs hold digests only; auditors and witnesses are members too
    **{
        f"{_EXCHANGE}/{method}": _MEMBER
        for method in ("GetHead", "GetInclusionProof", "GetConsistencyProof", "ListLeaves")
    },
    **{f"{_EVIDENCE}/{method}": _NODE for method in ("PutManifest", "GetManifest", "PutChunk", "GetChunk")},
    "/liandong.oversight.v1.SubjectIndexService/FindOpenCases": _NODE,
    **REGISTRY_RULES,
    **CODE_RULES,
    **INVITATION_RULES,
    **{
        f"{_OVERSIGHT}/{method.name}": _WATCHER
        for method in oversight_service_pb2.DESCRIPTOR.services_by_name["OversightService"].methods
    },
    # an operator is no department's office
    f"{_OVERSIGHT}/Remind": Rule(kinds=frozenset({"node", "gateway", "system"})),
    **{
        f"{_INDICATORS}/{method.name}": _WATCHER
        for method in indicator_service_pb2.DESCRIPTOR.services_by_name["IndicatorService"].methods
    },
}
"""A row for each RPC of the main port."""

__all__ = ["ENROLMENT_RULES", "MAIN_RULES"]
