"""Bodies of the region's own, from a department's system to its node."""

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2
from sqlalchemy import select

from services.common.channel import remote_errors
from services.common.errors import InvalidField
from services.exchange import digests, extensions, tables
from tests.wire.cases.conftest import Port

SCHEMA = '{"type": "object", "required": ["window"]}'


def draft(case_id: str, text: str, version: int = 1) -> pb.ActDraft:
    body = bodies_pb2.ExtensionBody(schema="receipt-slip", version=version, json=text)
    return pb.ActDraft(case_id=case_id, act="sign-for", extension_body=body)


async def test_a_node_checks_a_body_of_the_regions_own(port: Port) -> None:
    """What does not keep the schema is neither frozen nor recorded; what does names the schema it was written by."""
    schema = directory_pb.ExtensionSchema(name="receipt-slip", version=1, schema=SCHEMA)
    port.ledger.common(directory_pb.CommonEntry(extension_schema=schema))
    case_id, _ = port.ledger.transferred()
    port.node.take()
    system = (("liandong-actor", port.node.signer.session.decode()),)
    async with port.calling() as stub:
        for asked, field in (
            (draft(case_id, "{}"), "draft.extension_body.json"),
            (draft(case_id, "{}", version=2), "draft.extension_body.version"),
        ):
            with pytest.raises(InvalidField) as caught, remote_errors():
                await stub.PrepareLetter(pb.PrepareLetterRequest(draft=asked), metadata=port.as_("clerk"))
            assert caught.value.field == field
            with pytest.raises(InvalidField) as caught, remote_errors():
                await stub.SendAct(pb.SendActRequest(draft=asked, idempotency_key="k"), metadata=system)
            assert caught.value.field == field
            assert [each.field for each in caught.value.violations] == [field]
        good = draft(case_id, '{"window": 3}')
        await stub.SendAct(pb.SendActRequest(draft=good, idempotency_key="k"), metadata=system, timeout=10)
    (recorded,) = port.node.database.read(
        lambda connection: connection.execute(
            select(tables.letters.c.header).where(tables.letters.c.act == "sign-for")
        ).all()
    )
    header = envelope_pb2.Header.FromString(recorded.header)
    assert header.payload_type == extensions.BODY_TYPE
    assert header.schema_digest == digests.sha256(SCHEMA.encode())
