"""Bodies of a region's own: JSON that keeps a JSON Schema of the ledger (docs/wire.md, Bodies).

An `ExtensionBody` names a schema by name and version; the schema is a common entry. The author's node checks
the body when the act is composed, the registry when the letter is judged. Recipients check nothing: what was
admitted is theirs, and a body that a newer program made must not block its case.

A schema is an operator's, a body is whoever's. So a schema refers to nothing outside of itself, its patterns
are matched in time linear in the text, and a body is not nested so deep that anything would run out of stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from liandong.cases.v1 import bodies_pb2
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common import edge
from services.common.errors import FieldViolation, InvalidField, LiandongError
from services.exchange import digests

# three MiB that a node does without until a region writes bodies of its own
if TYPE_CHECKING:
    import jsonschema_rs

BODY_TYPE: Final = "liandong.cases.v1.ExtensionBody"
DEPTH: Final = 64
"""Arrays and objects within each other, in a body and in a schema."""
_COMPILED: Final = 64
_MESSAGE: Final = 300

Schemas = Mapping[tuple[str, int], directory_pb.ExtensionSchema]
"""The schemas of a directory, by name and version."""


class ExtensionInvalid(InvalidField):
    """The body is not what its schema says."""


class SchemaDigestMismatch(LiandongError):
    """The header's schema digest is not that of the schema which the body names."""

    reason = "DIGEST_MISMATCH"
    code = "INVALID_ARGUMENT"


def check_schema(schema: directory_pb.ExtensionSchema, path: str) -> None:
    """Check that bodies can be checked by a schema, before it is published.

    Args:
        schema: The entry.
        path: Its field path, for the violation.

    Raises:
        InvalidField: It is no JSON Schema, refers to what is outside of it, or a pattern in it needs look-around
            or back references.
    """
    try:
        _validator(schema.schema)
    except ValueError as error:
        raise InvalidField(f"This is no usable JSON Schema: {error}", field=f"{path}.schema") from error


def check_body(body: bodies_pb2.ExtensionBody, schemas: Schemas, path: str) -> None:
    """Check a body by the schema that it names.

    Args:
        body: The body; keeps the rules of its proto.
        schemas: Those in force.
        path: The body's field path, for the violation.

    Raises:
        ExtensionInvalid: The schema is not in force here, or the JSON text does not keep it; the message has the
            place in the text as a JSON pointer (RFC 6901), never the value that stands there.
    """
    import jsonschema_rs  # noqa: PLC0415 - see above

    schema = schemas.get((body.schema, body.version))
    if schema is None:
        message = f"No schema {body.schema} version {body.version} is in force."
        known = any(name == body.schema for name, _ in schemas)
        raise _invalid(f"{path}.version" if known else f"{path}.schema", "extension.schema", message)
    try:
        validator = _validator(schema.schema)
    except ValueError:
        # from before schemas were checked: nobody can write what nobody can check
        raise _invalid(f"{path}.schema", "extension.schema", "The schema cannot be used.") from None
    try:
        content = _read(body.json)
    except ValueError as error:
        raise _invalid(f"{path}.json", "extension.json", f"{error}") from None
    try:
        validator.validate(content)
    except jsonschema_rs.ValidationError as error:
        pointer = "".join(f"/{_escaped(str(each))}" for each in error.instance_path)
        rule = f"json_schema.{error.kind.name}"
        raise _invalid(f"{path}.json", rule, f"At {pointer or '/'}: {error.message}"[:_MESSAGE]) from None


def check_payload(payload: bytes, schema_digest: bytes, schemas: Schemas) -> None:
    """Check the payload of a letter whose body is the region's own; as `check_body`, in paths of a letter.

    Args:
        payload: The body's bytes.
        schema_digest: The header's; empty if the author named none.
        schemas: Those in force at the letter's position.

    Raises:
        ExtensionInvalid: See `check_body`; also if the payload is no such message.
        SchemaDigestMismatch: The author meant another schema of that name and version.
    """
    try:
        body = edge.parse(bodies_pb2.ExtensionBody, payload)
    except LiandongError as error:
        field = f"payload.{error.field}" if error.field else "payload"
        raise _invalid(field, "extension.body", error.message) from error
    check_body(body, schemas, "payload")
    if schema_digest and schema_digest != digest_of(body, schemas):
        raise SchemaDigestMismatch(field="schema_digest")


def digest_of(body: bodies_pb2.ExtensionBody, schemas: Schemas) -> bytes:
    """SHA-256 of the text of the schema that a body names, for `Header.schema_digest`; empty if unknown."""
    schema = schemas.get((body.schema, body.version))
    return digests.sha256(schema.schema.encode()) if schema is not None else b""


@lru_cache(maxsize=_COMPILED)
def _validator(text: str) -> jsonschema_rs.Validator:
    """The validator of a schema.

    Raises:
        ValueError: The text is no JSON, or no schema that can be used.
    """
    import jsonschema_rs  # noqa: PLC0415 - see above

    schema = _read(text)
    try:
        return jsonschema_rs.validator_for(
            schema,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(),
            # formats are read differently by every library: they describe, as in draft 2020-12
            validate_formats=False,
            mask="a value",
        )
    except jsonschema_rs.ValidationError as error:
        pointer = "".join(f"/{_escaped(str(each))}" for each in error.instance_path)
        raise ValueError(f"{pointer or '/'}: {error.message}") from None


def _read(text: str) -> Any:
    """JSON text as RFC 8259 and RFC 7493 (I-JSON) have it: no NaN, no name twice, nested not too deep.

    Raises:
        ValueError: It is none.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except RecursionError:
        content, depth = None, DEPTH + 1
    else:
        # most texts have fewer brackets than would make them too deep
        depth = _depth(content) if text.count("[") + text.count("{") > DEPTH else 0
    if depth > DEPTH:
        raise ValueError(f"Nested deeper than {DEPTH}.")
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # of two values one reader would take the first, another the last
        raise ValueError("A name stands twice in one object.")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON.")


def _depth(content: Any) -> int:
    """How many arrays and objects stand within each other at the deepest place; stops just above `DEPTH`."""
    depth, level = 0, [content]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        if depth > DEPTH:
            break
        level = [child for each in level for child in (each.values() if isinstance(each, dict) else each)]
    return depth


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _invalid(field: str, rule: str, message: str) -> ExtensionInvalid:
    return ExtensionInvalid(message, field=field, violations=[FieldViolation(field, rule, message)])
