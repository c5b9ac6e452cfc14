"""Bodies of a region's own: judged by the schema that the region publishes."""

from liandong.cases.v1 import bodies_pb2
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb

from services.exchange import digests, extensions
from tests.builders.departments import HEALTH, Sent, new_id
from tests.builders.registry import Bench, altered, refused

SCHEMA = '{"type": "object", "required": ["grade"], "properties": {"grade": {"enum": ["A", "B"]}}}'


def extension(registry: Bench, text: str, version: int = 1, **changes: object) -> Sent:
    body = bodies_pb2.ExtensionBody(schema="canteen-check", version=version, json=text)
    fields = {"payload": body.SerializeToString(), "body_type": extensions.BODY_TYPE, **changes}
    return registry.health.act(new_id(), "register", parties={HEALTH: "sender"}, **fields)  # type: ignore[arg-type]


def publish_schema(registry: Bench, version: int = 1) -> None:
    schema = directory_pb.ExtensionSchema(name="canteen-check", version=version, schema=SCHEMA)
    registry.publish(directory_pb.CommonEntry(extension_schema=schema))


def test_a_body_of_the_regions_own_keeps_its_schema(registry: Bench) -> None:
    """From the schema's entry on, and by the version that the body names."""
    answer = refused(registry, extension(registry, '{"grade": "A"}'))
    assert (answer.reason, answer.field) == ("INVALID_FIELD", "payload.schema")
    publish_schema(registry)
    registry.position(registry.health, extension(registry, '{"grade": "A"}'))
    answer = refused(registry, extension(registry, '{"grade": "A"}', version=2))
    assert (answer.reason, answer.field) == ("INVALID_FIELD", "payload.version")
    for wrong in ('{"grade": "secret"}', "{}", "", '{"grade": "B", "grade": "A"}'):
        answer = refused(registry, extension(registry, wrong))
        assert (answer.reason, answer.field, answer.retry_after_ms) == ("INVALID_FIELD", "payload.json", 0)
        assert "secret" not in answer.message


def test_a_body_of_the_regions_own_is_known_by_content_or_header(registry: Bench) -> None:
    """Whoever calls it another type in one of the two is judged all the same."""
    publish_schema(registry)

    def other(header: pb.Header) -> None:
        header.payload_type = "liandong.cases.v1.Discovery"

    letter = altered(registry.health, extension(registry, "{}"), other)
    assert refused(registry, letter).field == "payload.json"
    garbage = extension(registry, "{}", payload=b"\xff\xff")
    assert (refused(registry, garbage).reason, refused(registry, garbage).field) == (
        "INVALID_FIELD",
        "payload",
    )


def test_a_header_names_the_schema_that_its_author_had(registry: Bench) -> None:
    """A digest of another text of that name and version is refused; none is none."""
    publish_schema(registry)
    right = digests.sha256(SCHEMA.encode())
    registry.position(registry.health, extension(registry, '{"grade": "A"}', schema_digest=right))
    answer = refused(registry, extension(registry, '{"grade": "A"}', schema_digest=bytes(32)))
    assert (answer.reason, answer.field) == ("DIGEST_MISMATCH", "schema_digest")
