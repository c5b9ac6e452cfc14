"""Bodies of a region's own keep their schema, and neither schema nor body can harm who checks it."""

import json
import threading
import time

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.errors import InvalidField
from services.exchange import digests
from services.exchange.extensions import (
    DEPTH,
    ExtensionInvalid,
    SchemaDigestMismatch,
    Schemas,
    check_body,
    check_payload,
    check_schema,
    digest_of,
)

NAME = "canteen-check"
SCHEMA = {
    "type": "object",
    "required": ["grade"],
    "properties": {
        "grade": {"enum": ["A", "B"]},
        "people": {"type": "array", "items": {"type": "object", "required": ["name"]}},
        "a/b~c": {"type": "string", "maxLength": 3},
        "when": {"type": "string", "format": "date"},
    },
    "additionalProperties": False,
}


def entry(schema: object, version: int = 1) -> directory_pb.ExtensionSchema:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return directory_pb.ExtensionSchema(name=NAME, version=version, schema=text)


def schemas(schema: object = SCHEMA, version: int = 1) -> Schemas:
    return {(NAME, version): entry(schema, version)}


def body(content: object, version: int = 1, name: str = NAME) -> bodies_pb2.ExtensionBody:
    text = content if isinstance(content, str) else json.dumps(content)
    return bodies_pb2.ExtensionBody(schema=name, version=version, json=text)


def refused(content: object, known: Schemas | None = None) -> ExtensionInvalid:
    with pytest.raises(ExtensionInvalid) as caught:
        check_body(body(content), schemas() if known is None else known, "payload")
    assert caught.value.reason == "INVALID_FIELD"
    return caught.value


def test_a_body_that_keeps_its_schema_passes() -> None:
    """Chinese as itself or escaped; formats only describe."""
    for text in ('{"grade": "A", "people": [{"name": "张三"}]}', '{"grade": "\\u0041", "when": "someday"}'):
        check_body(body(text), schemas(), "payload")


@pytest.mark.parametrize(
    ("content", "rule", "place"),
    [
        ({}, "json_schema.required", "At /:"),
        ({"grade": "secret"}, "json_schema.enum", "At /grade:"),
        ({"grade": "A", "people": [{"name": "x"}, {}]}, "json_schema.required", "At /people/1:"),
        ({"grade": "A", "a/b~c": "secret"}, "json_schema.maxLength", "At /a~1b~0c:"),
        ({"grade": "A", "more": 1}, "json_schema.additionalProperties", "At /:"),
        ([], "json_schema.type", "At /:"),
    ],
)
def test_what_breaks_the_schema_is_named_by_place_and_rule(content: object, rule: str, place: str) -> None:
    """Never by the value that stands there: the message is stored with the refusal."""
    error = refused(content)
    (violation,) = error.violations
    assert (error.field, violation.field, violation.rule) == ("payload.json", "payload.json", rule)
    assert error.message.startswith(place)
    assert "secret" not in error.message


@pytest.mark.parametrize(
    "text",
    ["", "{", "nonsense", '{"grade": NaN}', '{"grade": "B", "grade": "A"}', '{"grade": "A"} x', "\ufeff{}"],
)
def test_only_json_is_json(text: str) -> None:
    """No NaN, no name twice: every reader must read the same."""
    error = refused(text)
    assert (error.field, error.violations[0].rule) == ("payload.json", "extension.json")


def test_a_schema_must_be_in_force_by_name_and_version() -> None:
    """The field says which of the two is unknown; version 0 is a version like any other."""
    with pytest.raises(ExtensionInvalid) as caught:
        check_body(body("{}", name="other"), schemas(), "draft.extension_body")
    assert caught.value.field == "draft.extension_body.schema"
    for version in (0, 2):
        with pytest.raises(ExtensionInvalid) as caught:
            check_body(body("{}", version=version), schemas(), "draft.extension_body")
        assert caught.value.field == "draft.extension_body.version"


def test_bodies_by_an_unusable_schema_are_refused() -> None:
    """One may stand in a ledger from before schemas were checked."""
    assert refused({}, schemas("[")).field == "payload.schema"


@pytest.mark.parametrize("draft", ["http://json-schema.org/draft-07/schema#", ""])
def test_a_schema_may_name_its_draft(draft: str) -> None:
    """2020-12 is meant where none is named."""
    check_schema(entry({"$schema": draft, **SCHEMA} if draft else SCHEMA), "extension_schema")
    check_schema(entry("true"), "extension_schema")


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "[]",
        '{"type": "objekt"}',
        '{"type": "object", "type": "array"}',
        '{"$ref": "#/nowhere"}',
        '{"$ref": "https://example.com/schema.json"}',
        '{"$ref": "file:///etc/passwd"}',
        '{"$schema": "https://example.com/own"}',
        '{"pattern": "("}',
        '{"pattern": "(?=a)b"}',
        '{"pattern": "(a)\\\\1"}',
    ],
)
def test_a_schema_that_cannot_be_used_is_not_published(schema: str) -> None:
    """It says nothing, asks for what is elsewhere, or has a pattern that could take for ever."""
    with pytest.raises(InvalidField) as caught:
        check_schema(entry(schema), "extension_schema")
    assert caught.value.field == "extension_schema.schema"
    assert len(caught.value.message) < 500


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_nesting_is_bounded() -> None:
    """In bodies and schemas; beyond what a stack holds as well, on a thread's small one too."""
    endless = schemas({"items": {"$ref": "#"}})
    check_body(body(nested(DEPTH)), endless, "payload")
    found: list[str] = []

    def check() -> None:
        found.extend(refused(nested(depth), endless).message for depth in (DEPTH + 1, 900, 100_000))

    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
    assert found == [f"Nested deeper than {DEPTH}."] * 3
    deep = '{"items":' * (DEPTH + 1) + "{}" + "}" * (DEPTH + 1)
    with pytest.raises(InvalidField):
        check_schema(entry(deep), "extension_schema")


def test_the_largest_body_is_checked_in_no_time() -> None:
    """It is done under the ledger's lock: the first mistake ends it, and a pattern is linear."""
    known = schemas({"items": {"type": "string", "pattern": "^(a+)+$"}, "uniqueItems": True})
    for text in (body([[]] * 60_000), body(["a" * 190_000 + "b"])):
        began = time.monotonic()
        with pytest.raises(ExtensionInvalid):
            check_body(text, known, "payload")
        assert time.monotonic() - began < 1


def test_the_digest_is_that_of_the_schemas_text() -> None:
    """As it stands in the ledger, byte for byte; of an unknown one there is none."""
    text = json.dumps(SCHEMA)
    assert digest_of(body("{}"), schemas()) == digests.sha256(text.encode())
    assert digest_of(body("{}", version=2), schemas()) == b""


def test_a_payload_is_checked_whole() -> None:
    """Its form, the schema, the digest that the header names if it names one."""
    good = body({"grade": "A"}).SerializeToString()
    check_payload(good, b"", schemas())
    check_payload(good, digest_of(body("{}"), schemas()), schemas())
    with pytest.raises(SchemaDigestMismatch) as mismatch:
        check_payload(good, bytes(32), schemas())
    assert (mismatch.value.reason, mismatch.value.field) == ("DIGEST_MISMATCH", "schema_digest")
    for payload, field in (
        (b"\xff", "payload"),
        (body("{}", name="").SerializeToString(), "payload.schema"),
        (body("\0").SerializeToString(), "payload.json"),
        (body({}).SerializeToString(), "payload.json"),
    ):
        with pytest.raises(ExtensionInvalid) as caught:
            check_payload(payload, b"", schemas())
        assert caught.value.field == field
