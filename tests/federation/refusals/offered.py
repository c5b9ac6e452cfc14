"""What every port offers, and with which certificate it may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from google.protobuf.descriptor import ServiceDescriptor
from grpc_channelz.v1 import channelz_pb2
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import handling_service_pb2 as handling
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.enrolment.v1 import enrolment_service_pb2 as enrolment
from liandong.exchange.v1 import evidence_service_pb2 as evidence
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.sharing.v1 import sharing_service_pb2 as sharing

from tests.federation.district import HEALTH
from tests.federation.refusals.attacker import Attacker, Door


def service_of(module: Any, name: str) -> ServiceDescriptor:
    found = module.DESCRIPTOR.services_by_name[name]
    assert isinstance(found, ServiceDescriptor)
    return found


CASES: Final = service_of(cases, "CaseService")
HANDLING: Final = service_of(handling, "HandlingService")
SHARING: Final = service_of(sharing, "SharingService")
DIRECTORY: Final = service_of(directory, "DirectoryService")
EVIDENCE: Final = service_of(evidence, "EvidenceService")
EXCHANGE: Final = service_of(exchange, "ExchangeService")
OVERSIGHT: Final = service_of(oversight, "OversightService")
ENROLMENT: Final = service_of(enrolment, "EnrolmentService")
INVITATION: Final = service_of(enrolment, "InvitationService")
CHANNELZ: Final = service_of(channelz_pb2, "Channelz")
NODE: Final = (CASES, HANDLING, SHARING, EVIDENCE, DIRECTORY)
REGISTRY: Final = (EXCHANGE, EVIDENCE, DIRECTORY, INVITATION, OVERSIGHT)


def everywhere(attacker: Attacker) -> list[tuple[Door, Sequence[ServiceDescriptor]]]:
    """Every port with a certificate that may call there, and what it offers."""
    return [
        (attacker.node(HEALTH), NODE),
        (attacker.registry(HEALTH), REGISTRY),
        (attacker.operator(), REGISTRY),
        (attacker.enrolment(), (ENROLMENT,)),
    ]
