"""Routes that are no RPC, as the OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from liandong.exchange.v1 import evidence_service_pb2

from services.gateway.rest import evidence
from services.gateway.rest.schemas import Schemas
from services.gateway.rest.transcoding import MEDIA_TYPE

_TEXT: Final = {"type": "string"}
_BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
_ROOT: Final[dict[str, Any]] = {
    "name": "root",
    "in": "path",
    "required": True,
    "description": "The root of the manifest, in Base64 for URLs without padding.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"},
    "example": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route.

    Attributes:
        verb: In capitals.
        path: Below the root.
        name: Unique over all operations.
        tag: Under which it is listed.
        scope: What a token needs.
        summary: A few words.
        description: What else is to be said.
        parameters: As OpenAPI has them.
        body: Content by media type; empty for none.
        may_be_empty: Without a body it means something, too.
        answers: By status, beside the refusals that all have.
        refusals: Statuses of problems beside those that all have.
    """

    verb: str
    path: str
    name: str
    tag: str
    scope: str
    summary: str
    description: str = ""
    parameters: tuple[Mapping[str, Any], ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)
    may_be_empty: bool = False
    answers: Mapping[str, Any] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()


def operations(schemas: Schemas) -> tuple[Operation, ...]:
    """All of them."""
    return _evidence(schemas)


def _evidence(schemas: Schemas) -> tuple[Operation, ...]:
    service = evidence_service_pb2.DESCRIPTOR.services_by_name["EvidenceService"]
    found = schemas.reference(service.methods_by_name["GetManifest"].output_type)
    put = schemas.reference(service.methods_by_name["PutChunk"].output_type)
    told = tuple(
        {"name": name, "in": "query", "description": words, "schema": schema, "example": example}
        for name, (words, schema, example) in {
            "fileName": (
                "What it is called; path and control characters are taken out.",
                _most("fileName"),
                "照片.jpg",
            ),
            "collectedBy": ("Who collected it.", _most("collectedBy"), "李雷"),
            "collectedAt": ("When.", {"type": "string", "format": "date-time"}, "2026-03-02T09:00:00+08:00"),
            "collectedPlace": ("Where.", _most("collectedPlace"), "清河区人民路1号"),
        }.items()
    )
    digest = {
        "name": "Content-Digest",
        "in": "header",
        "description": "`sha-256=:BASE64:` (RFC 9530): what came is compared with it.",
        "schema": _TEXT,
    }
    ranged = tuple(
        {"name": name, "in": "header", "description": words, "schema": _TEXT}
        for name, words in {
            "Range": "One range of bytes, `bytes=0-1023`; of several the whole is answered.",
            "If-Range": "The ETag of what was begun: if the file is another one, it comes whole.",
            "If-None-Match": "The ETag of what the caller has.",
        }.items()
    )
    headers = {
        name: {"description": words, "schema": _TEXT}
        for name, words in {
            "ETag": "The SHA-256 of the whole, in hexadecimal.",
            "Accept-Ranges": "`bytes`.",
            "Content-Disposition": "`inline` for pictures, sound, films and PDF; else `attachment`.",
        }.items()
    }
    part = {"Content-Range": {"description": "Which bytes of how many.", "schema": _TEXT}}
    return (
        Operation(
            verb="POST",
            path=evidence.FILES,
            name="EvidenceService_Upload",
            tag=service.name,
            scope=evidence.WRITE,
            summary="Uploads a file in one request",
            description="The bytes are the body, their kind its Content-Type. The manifest is made on the way, and "
            "answered when all of it is durable and verified. The same file again is harmless. No body is an empty file.",
            parameters=(*told, digest),
            body={"application/octet-stream": _BYTES, "image/*": _BYTES, "*/*": _BYTES},
            may_be_empty=True,
            answers={
                "201": {
                    "description": "All of it is there.",
                    "headers": {"Location": {"description": "Its place.", "schema": _TEXT}},
                    "content": {MEDIA_TYPE: {"schema": found}},
                }
            },
            refusals=(408,),
        ),
        Operation(
            verb="PUT",
            path=evidence.CHUNK,
            name="EvidenceService_PutChunk",
            tag=service.name,
            scope=evidence.WRITE,
            summary="Uploads one chunk of a manifest",
            description="The body is 8 MiB of the file, of the last chunk the rest. Durable when it is answered; "
            "repeating it is harmless. The manifest itself says which are missing.",
            parameters=(
                _ROOT,
                {
                    "name": "index",
                    "in": "path",
                    "required": True,
                    "description": "The chunk, from 0.",
                    "schema": {"type": "integer", "minimum": 0, "maximum": 8191},
                    "example": 0,
                },
            ),
            body={"application/octet-stream": _BYTES},
            answers={"200": {"description": "It is durable.", "content": {MEDIA_TYPE: {"schema": put}}}},
            refusals=(408,),
        ),
        Operation(
            verb="GET",
            path=evidence.CONTENT,
            name="EvidenceService_Download",
            tag=service.name,
            scope=evidence.READ,
            summary="Downloads a file, whole or a part of it",
            description="Kinds that could run something at this address come as `application/octet-stream`.",
            parameters=(_ROOT, *ranged),
            answers={
                "200": {"description": "The whole.", "headers": headers, "content": {"*/*": _BYTES}},
                "206": {"description": "The part.", "headers": headers | part, "content": {"*/*": _BYTES}},
                "304": {"description": "It is as the ETag says."},
            },
            refusals=(416,),
        ),
    )


def _most(name: str) -> dict[str, Any]:
    return {"type": "string", "maxLength": evidence.TOLD[name]}
