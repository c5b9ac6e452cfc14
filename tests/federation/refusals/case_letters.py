"""A case that is ready to be transferred, and the drafts and letters that are tried in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services.exchange.digests import sha256
from tests.builders.departments import Sent, Signer
from tests.federation.district import MARKET

MATERIALS: Final = ("transfer-letter", "source-material", "preliminary-evidence")


@dataclass(frozen=True, slots=True)
class Case:
    """A case that health has registered, with materials for its transfer.

    Attributes:
        at: Its only position.
        letter: The letter that opened it.
        materials: Complete at health's node and at the registry.
    """

    case_id: str
    at: int
    letter: envelopes.Envelope
    materials: tuple[envelopes.Material, ...]


def discovery(**changes: Any) -> bodies.Discovery:
    fields: dict[str, Any] = {"title": "餐具消毒单位涉嫌违法案", "facts": "未附消毒合格证明。", **changes}
    return bodies.Discovery(**fields)


def transfer(case: Case, **changes: Any) -> cases.ActDraft:
    """What health may send, but for the changes."""
    fields: dict[str, Any] = {
        "case_id": case.case_id,
        "act": "transfer",
        "parties": [envelopes.Party(role="receiver", department=MARKET)],
        "materials": case.materials,
        "transfer_letter": bodies.TransferLetter(title="案件", facts="事实。", competence="职责。"),
        **changes,
    }
    return cases.ActDraft(**fields)


def opening(**changes: Any) -> cases.ActDraft:
    """What opens a case, but for the changes."""
    fields: dict[str, Any] = {
        "procedure": "case-transfer",
        "act": "register",
        "discovery": discovery(),
        **changes,
    }
    return cases.ActDraft(**fields)


def sent(signer: Signer, case: Case, **changes: Any) -> Sent:
    """The same as a letter that never saw health's node."""
    fields: dict[str, Any] = {
        "parties": {MARKET: "receiver"},
        "recipients": [MARKET],
        "materials": case.materials,
        "approved_by": ["leader-in-charge"],
        "based_on": case.at,
        **changes,
    }
    return signer.act(fields.pop("case_id", case.case_id), fields.pop("act", "transfer"), **fields)


def altered(
    signer: Signer,
    letter: Sent,
    alter: Callable[[envelopes.Header, envelopes.ActContent, list[bytes]], None],
) -> Sent:
    """A letter changed by somebody who can sign the batch, but not always for the people in it."""
    header = envelopes.Header.FromString(letter.envelope.header)
    content = envelopes.ActContent.FromString(header.act.content)
    tokens = list(letter.envelope.assertions)
    before = content.SerializeToString()
    alter(header, content, tokens)
    if content.SerializeToString() != before:
        header.act.content = content.SerializeToString()
    header.assertion_digests[:] = [sha256(each) for each in tokens]
    return signer.seal(header, letter.envelope.payload, tokens)
