"""The OpenAPI document says what is served, and is what the contracts make of it."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from liandong.enrolment.v1 import enrolment_service_pb2

from services.gateway.rest.openapi import DOCUMENT
from services.gateway.rest.operations import operations
from services.gateway.rest.routes import NODE, PREFIX, REGISTRY, routes
from services.gateway.rest.schemas import Schemas
from services.gateway.rest.scopes import SCOPES, scope_of


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """As it is served."""
    found: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def references(node: Any) -> Iterator[str]:
    """Every reference in a part of the document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_route_is_described_and_nothing_else(document: dict[str, Any]) -> None:
    """By path, verb and the RPC's name, with the contract's own words."""
    described = {
        (path, verb.upper(), operation["operationId"])
        for path, item in document["paths"].items()
        for verb, operation in item.items()
    }
    by_hand = {(each.path, each.verb, each.name) for each in operations(Schemas({}))}
    assert described == by_hand | {
        (each.path, each.verb, each.operation.replace(".", "_")) for each in routes()
    }
    for item in document["paths"].values():
        for operation in item.values():
            assert operation["summary"], operation["operationId"]


def test_every_rpc_of_people_has_a_place() -> None:
    """All but those that are for another kind of caller, each with its reason."""
    streams_of_systems = {"CaseService.SendActs"}
    as_bytes = {"EvidenceService.PutChunk", "EvidenceService.GetChunk"}
    before_anybody_is_known = {
        f"EnrolmentService.{each.name}"
        for each in enrolment_service_pb2.DESCRIPTOR.services_by_name["EnrolmentService"].methods
    }
    served = {each.operation for each in routes()}
    known = {
        f"{service.name}.{method.name}"
        for file in (*NODE, *REGISTRY)
        for service in file.services_by_name.values()
        for method in service.methods
    }
    assert known - served == streams_of_systems | as_bytes | before_anybody_is_known


def test_no_two_routes_are_the_same() -> None:
    """A path and verb belong to one RPC, under one root, with a scope that can be given."""
    found = [(each.verb, each.path) for each in routes()]
    assert len(found) == len(set(found))
    assert all(path.startswith(PREFIX) for _, path in found)
    assert {scope_of(each) for each in routes()} <= set(SCOPES)


def test_variables_and_bodies_are_fields() -> None:
    """What a path or body names is there."""
    for route in routes():
        names = set(route.method.input_type.fields_by_name)
        assert set(route.variables) <= names, route.operation
        assert route.body in {"", "*"} | names, route.operation
        assert route.verb != "GET" or not route.body, route.operation


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Within the document."""
    for reference in set(references(document)):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
        assert place, reference


def test_every_schema_is_one(document: dict[str, Any]) -> None:
    """JSON Schema 2020-12."""
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
