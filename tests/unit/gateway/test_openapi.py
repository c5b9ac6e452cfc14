"""The OpenAPI document says what is served, and is what the contracts make of it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from liandong.enrolment.v1 import enrolment_service_pb2

from services.common.edge import validate
from services.gateway.rest import schemas
from services.gateway.rest.examples import check_example
from services.gateway.rest.openapi import DOCUMENT
from services.gateway.rest.operations import operations
from services.gateway.rest.routes import NODE, PREFIX, REGISTRY, Kind, routes
from services.gateway.rest.schemas import Schemas
from services.gateway.rest.scopes import SCOPES, scope_of
from services.gateway.rest.transcoding import request_of


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


def test_every_example_keeps_the_rules_of_its_message(document: dict[str, Any]) -> None:
    """Of every request and answer: together with what stands in the path it is the message, and valid."""
    checked = 0
    for route in routes():
        operation = document["paths"][route.path][route.verb.lower()]
        variables = {
            each["name"]: str(each["example"]) for each in operation["parameters"] if each["in"] == "path"
        }
        assert set(variables) == set(route.variables)
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is not None:
            validate(request_of(route, variables, (), json.dumps(content["example"]).encode()))
            checked += 1
        if route.kind is Kind.MESSAGE:
            answer = operation["responses"]["200"]["content"]["application/json"]["example"]
            check_example(route.method.output_type, answer)
            checked += 1
    assert checked > 120


def test_every_example_keeps_its_schema(document: dict[str, Any]) -> None:
    """The schemas say the same as the contracts' own rules, of each example at least."""
    components = {"components": document["components"]}
    for item in document["paths"].values():
        for operation in item.values():
            places = [*operation["parameters"]]
            places += operation.get("requestBody", {}).get("content", {}).values()
            for answer in operation["responses"].values():
                places += answer.get("content", {}).values()
            for place in places:
                if "example" in place:
                    jsonschema_rs.validate({**components, **place["schema"]}, place["example"])


@pytest.mark.parametrize("high", [1, 9, 10, 99, 100, 4096, 68719476736, 2**63 - 1, 2**64 - 1])
def test_a_range_of_numbers_is_a_pattern(high: int) -> None:
    """Up to the highest one, from nought or one or a negative one, and no leading zeros."""
    pattern = schemas._between(None, 0, high)
    near = {high - 1, high, high + 1, 10 * high, 0, 1, 5, 10, high // 2, high * 9}
    for number in near:
        assert bool(re.search(pattern, str(number))) is (0 <= number <= high), number
    assert not re.search(pattern, "01")
    assert not re.search(pattern, "")
    signed = schemas._between(None, -high, high)
    for number in near:
        assert bool(re.search(signed, f"-{number}")) is (1 <= number <= high), number
