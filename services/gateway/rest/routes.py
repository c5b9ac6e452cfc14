"""Which path of `/api/v1` is which RPC: read from the contracts, where it stands beside each RPC.

The options are those of `google/api/http.proto`, so that other transcoders (Envoy, grpc-gateway) serve
the same paths. Used of them: a verb with a path whose variables are whole segments, and `body`, which
is `*`, one field, or absent. What is neither in path nor body is a parameter of the query.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from google.api import annotations_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor
from google.protobuf.message import Message
from liandong.cases.v1 import (
    case_service_pb2,
    document_service_pb2,
    duty_service_pb2,
    handling_service_pb2,
    import_service_pb2,
    public_service_pb2,
    subject_service_pb2,
)
from liandong.directory.v1 import code_service_pb2, directory_service_pb2
from liandong.enrolment.v1 import enrolment_service_pb2
from liandong.exchange.v1 import evidence_service_pb2
from liandong.gateway.v1 import webhook_service_pb2
from liandong.notices.v1 import notification_service_pb2
from liandong.oversight.v1 import indicator_service_pb2, oversight_service_pb2
from liandong.sharing.v1 import sharing_service_pb2

PREFIX: Final = "/api/v1"
_VERBS: Final = ("get", "post", "put", "patch", "delete")
_VARIABLE: Final = re.compile(r"\{(\w+)\}")

NODE: Final[tuple[FileDescriptor, ...]] = tuple(
    module.DESCRIPTOR
    for module in (
        case_service_pb2,
        handling_service_pb2,
        document_service_pb2,
        public_service_pb2,
        subject_service_pb2,
        duty_service_pb2,
        import_service_pb2,
        evidence_service_pb2,
        sharing_service_pb2,
        notification_service_pb2,
        directory_service_pb2,
        code_service_pb2,
    )
)
"""Contracts whose services the department's node serves."""
REGISTRY: Final[tuple[FileDescriptor, ...]] = tuple(
    module.DESCRIPTOR for module in (oversight_service_pb2, indicator_service_pb2, enrolment_service_pb2)
)
"""Contracts whose services the registry serves."""
HERE: Final[tuple[FileDescriptor, ...]] = (webhook_service_pb2.DESCRIPTOR,)
"""Contracts whose services the gateway serves itself."""
AT_REGISTRY: Final = frozenset(
    {
        "liandong.directory.v1.DirectoryService.PublishEntry",
        "liandong.directory.v1.DirectoryService.PublishEntries",
    }
)
"""RPCs of services that both serve, which only the registry does."""


class Kind(enum.Enum):
    """What an RPC answers with."""

    MESSAGE = "message"
    EVENTS = "events"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Route:
    """One RPC's place.

    Attributes:
        verb: The HTTP method, in capitals.
        path: Below the root, with variables in braces.
        body: `*`, the name of the field that is the body, or empty.
        method: The RPC.
        kind: What it answers with.
        at_registry: The registry serves it, not the node.
        here: The gateway serves it itself.
        variables: Names of the fields in the path.
    """

    verb: str
    path: str
    body: str
    method: MethodDescriptor
    kind: Kind
    at_registry: bool
    here: bool
    variables: tuple[str, ...]

    @property
    def operation(self) -> str:
        """The RPC's name, unique over all services: `CaseService.GetCase`."""
        return f"{self.method.containing_service.name}.{self.method.name}"

    @property
    def full_method(self) -> str:
        """As gRPC names it: `/package.Service/Method`."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    @property
    def request(self) -> type[Message]:
        """The class of its request."""
        return message_factory.GetMessageClass(self.method.input_type)

    @property
    def response(self) -> type[Message]:
        """The class of its response, or of each part of it."""
        return message_factory.GetMessageClass(self.method.output_type)

    @property
    def query(self) -> tuple[FieldDescriptor, ...]:
        """Fields that are parameters of the query."""
        if self.body == "*":
            return ()
        return tuple(
            each for each in self.method.input_type.fields if each.name not in {*self.variables, self.body}
        )


def routes() -> tuple[Route, ...]:
    """All of them; a path with a verb of its own before the one that it would be taken for."""
    found = [*_of(NODE), *_of(REGISTRY, at_registry=True), *_of(HERE, here=True)]
    return tuple(sorted(found, key=lambda each: (-each.path.count("/"), ":" not in each.path, each.path)))


def _of(files: Iterable[FileDescriptor], *, at_registry: bool = False, here: bool = False) -> Iterator[Route]:
    for file in files:
        for service in file.services_by_name.values():
            for method in service.methods:
                options = method.GetOptions()
                if not options.HasExtension(annotations_pb2.http):
                    continue
                rule = options.Extensions[annotations_pb2.http]
                verb = rule.WhichOneof("pattern")
                if verb not in _VERBS:
                    raise ValueError(f"{method.full_name}: {verb} is no verb that is served.")
                path = getattr(rule, verb)
                yield Route(
                    verb=verb.upper(),
                    path=path,
                    body=rule.body,
                    method=method,
                    kind=_kind(method),
                    at_registry=at_registry or method.full_name in AT_REGISTRY,
                    here=here,
                    variables=tuple(_VARIABLE.findall(path)),
                )


def _kind(method: MethodDescriptor) -> Kind:
    if not method.server_streaming:
        return Kind.MESSAGE
    return Kind.FILE if pieces(method.output_type) is not None else Kind.EVENTS


def pieces(response: Descriptor) -> FieldDescriptor | None:
    """The field that holds the bytes of a part of a file, None where a response is no part of a file."""
    for name in ("frame", "chunk"):
        field = response.fields_by_name.get(name)
        if field is not None and field.type == FieldDescriptor.TYPE_BYTES:
            return field
    return None
