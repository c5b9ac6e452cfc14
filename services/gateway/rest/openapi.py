"""The OpenAPI 3.1 document of `/api/v1`, made from the contracts when the stubs are made.

    python -m services.gateway.rest.openapi DESCRIPTOR_SET

Descriptions are the contracts' comments, which the stubs do not have; so the document is made from a
descriptor set with source information (`make protos`) and kept, and the gateway serves the file.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

from services.gateway.accounts.callers import COOKIE, CSRF_HEADER, SECURE_COOKIE
from services.gateway.problems import MEDIA_TYPE as PROBLEM
from services.gateway.rest.entrance import LINES
from services.gateway.rest.examples import answer_example, path_example, request_example
from services.gateway.rest.operations import Operation, operations
from services.gateway.rest.routes import Kind, Route, routes
from services.gateway.rest.schemas import Schemas
from services.gateway.rest.scopes import SCOPES, scope_of
from services.gateway.rest.transcoding import MEDIA_TYPE

DOCUMENT: Final = Path(__file__).with_name("openapi.json")
_REFUSALS: Final = (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 501, 503, 504)
_FURTHER: Final = (408, 412, 416)
"""Of some operations only."""
_MESSAGE, _SERVICE, _ENUM = 4, 6, 5
_FIELD, _METHOD, _VALUE, _NESTED, _NESTED_ENUM = 2, 2, 2, 3, 4


def comments_of(files: Iterable[FileDescriptorProto]) -> dict[str, str]:
    """Comments by full name, of messages, fields, enums, values and RPCs; lines joined."""
    found: dict[str, str] = {}
    for file in files:
        names = dict(_paths(file))
        for location in file.source_code_info.location:
            name = names.get(tuple(location.path))
            if name is not None and location.leading_comments:
                found[name] = " ".join(location.leading_comments.split())
    return found


def _paths(file: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    for index, message in enumerate(file.message_type):
        yield from _of_message(message, (_MESSAGE, index), file.package)
    for index, enum in enumerate(file.enum_type):
        yield (_ENUM, index), f"{file.package}.{enum.name}"
        for at, value in enumerate(enum.value):
            yield (_ENUM, index, _VALUE, at), f"{file.package}.{enum.name}.{value.name}"
    for index, service in enumerate(file.service):
        yield (_SERVICE, index), f"{file.package}.{service.name}"
        for at, method in enumerate(service.method):
            yield (_SERVICE, index, _METHOD, at), f"{file.package}.{service.name}.{method.name}"


def _of_message(
    message: DescriptorProto, path: tuple[int, ...], before: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = f"{before}.{message.name}"
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _FIELD, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _of_message(nested, (*path, _NESTED, index), name)
    for index, enum in enumerate(message.enum_type):
        yield (*path, _NESTED_ENUM, index), f"{name}.{enum.name}"
        for at, value in enumerate(enum.value):
            yield (*path, _NESTED_ENUM, index, _VALUE, at), f"{name}.{enum.name}.{value.name}"


def document(comments: Mapping[str, str]) -> dict[str, Any]:
    """The whole document.

    Args:
        comments: As `comments_of` finds them.
    """
    schemas = Schemas(comments)
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes(), key=lambda each: (each.path, each.verb)):
        paths.setdefault(route.path, {})[route.verb.lower()] = _operation(route, schemas, comments)
    for each in operations(schemas):
        paths.setdefault(each.path, {})[each.verb.lower()] = _by_hand(each)
    tags = dict.fromkeys(each.method.containing_service.full_name for each in routes())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Liandong",
            "version": "1",
            "description": "What the services offer to people and systems of a department, over JSON. The "
            "contracts are those of the gRPC services; names are theirs in lowerCamelCase (the JSON mapping "
            "of protobuf). 64-bit integers are strings, bytes are Base64, times RFC 3339.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": each.rpartition(".")[2], "description": comments.get(each, "")} for each in tags],
        "paths": paths,
        "security": [{"token": []}, {"session": [], "word": []}],
        "components": {
            "schemas": {**schemas.components(), "Problem": _PROBLEM_SCHEMA},
            "responses": {
                str(status): {
                    "description": HTTPStatus(status).phrase,
                    "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
                }
                for status in (*_REFUSALS, *_FURTHER)
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"A token of a department's system. Scopes: {', '.join(SCOPES)}.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"The session of a browser; `{SECURE_COOKIE}` over HTTPS.",
                },
                "word": {
                    "type": "apiKey",
                    "in": "header",
                    "name": CSRF_HEADER,
                    "description": "The session's own word, which our pages know, where something is changed.",
                },
            },
        },
    }


_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457. Reasons are those of gRPC.",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for the reader."},
        "reason": {"type": "string", "description": "A value of Reason, without its prefix."},
        "field": {"type": "string", "description": "Path of the field that is wrong."},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "rule": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
        "retry_after_ms": {"type": "integer"},
        "request_id": {"type": "string"},
    },
}


def _operation(route: Route, schemas: Schemas, comments: Mapping[str, str]) -> dict[str, Any]:
    told = comments.get(route.method.full_name, "")
    summary, _, rest = told.partition(". ")
    found: dict[str, Any] = {
        "operationId": route.operation.replace(".", "_"),
        "summary": summary.rstrip("."),
        "description": f"{rest} Needs the scope `{scope_of(route)}`.".strip(),
        "tags": [route.method.containing_service.name],
        "parameters": [*_in_path(route, schemas), *_in_query(route, schemas), *_headers(route, schemas)],
        "responses": {
            "200": _answer(route, schemas),
            **{str(each): {"$ref": f"#/components/responses/{each}"} for each in _REFUSALS},
        },
    }
    if route.verb == "GET" and route.kind is Kind.MESSAGE:
        found["responses"]["304"] = {"description": "It is as the ETag says."}
    else:
        found["responses"]["412"] = {"$ref": "#/components/responses/412"}
    if route.body:
        content = (
            schemas.without(route.method.input_type, route.variables)
            if route.body == "*"
            else schemas.of_field(route.method.input_type.fields_by_name[route.body])
        )
        example = request_example(route.method.input_type)
        if route.body != "*":
            example = example[route.method.input_type.fields_by_name[route.body].json_name]
        for each in route.variables:
            example.pop(route.method.input_type.fields_by_name[each].json_name, None)
        found["requestBody"] = {
            "required": True,
            "content": {MEDIA_TYPE: {"schema": content, "example": example}},
        }
        if route.method.client_streaming:
            told = "Lines of JSON, each like the body of one message; they count together."
            found["requestBody"]["content"][LINES] = {"schema": {"type": "string", "description": told}}
    return found


def _by_hand(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"{operation.description} Needs the scope `{operation.scope}`.".strip(),
        "tags": [operation.tag],
        "parameters": [{"required": False, **each} for each in operation.parameters],
        "responses": {
            **operation.answers,
            **{
                str(each): {"$ref": f"#/components/responses/{each}"}
                for each in sorted((*_REFUSALS, *operation.refusals))
            },
        },
    }
    if operation.body:
        found["requestBody"] = {"required": not operation.may_be_empty, "content": operation.body}
    return found


def _in_path(route: Route, schemas: Schemas) -> Iterator[dict[str, Any]]:
    for name in route.variables:
        field = route.method.input_type.fields_by_name[name]
        schema = schemas.in_path(field)
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": schema.pop("description", ""),
            "schema": schema,
            "example": path_example(field),
        }


def _in_query(route: Route, schemas: Schemas) -> Iterator[dict[str, Any]]:
    for field in route.query:
        for name, schema, required in schemas.parameters(field):
            yield {
                "name": name,
                "in": "query",
                "required": required,
                "description": schema.pop("description", ""),
                "schema": schema,
            }


def _headers(route: Route, schemas: Schemas) -> Iterator[dict[str, Any]]:
    field = route.method.input_type.fields_by_name.get("idempotency_key")
    if field is not None:
        schema = schemas.of_field(field)
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": schema.pop("description", ""),
            "schema": schema,
        }


def _answer(route: Route, schemas: Schemas) -> dict[str, Any]:
    if route.kind is Kind.MESSAGE:
        return {
            "description": "Done.",
            "content": {
                MEDIA_TYPE: {
                    "schema": schemas.reference(route.method.output_type),
                    "example": answer_example(route.method.output_type),
                }
            },
        }
    if route.kind is Kind.EVENTS:
        told = f"Each event's data is a {route.method.output_type.name}."
        schemas.reference(route.method.output_type)
        return {"description": told, "content": {"text/event-stream": {"schema": {"type": "string"}}}}
    kind = "*/*" if "media_type" in route.method.output_type.fields_by_name else "application/octet-stream"
    return {"description": "The file.", "content": {kind: {"schema": {}}}}


def main() -> None:
    """Write the document made from a descriptor set."""
    files = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    text = json.dumps(document(comments_of(files.file)), ensure_ascii=False, indent=1)
    DOCUMENT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
