"""What is made ready for everybody's eyes before anybody approves it: decisions that are to be shown (双公示).

Of a natural person neither identifier nor full name gets into the letter, so that nothing has to be kept back of it
later: what people approve is what everybody reads. Law or rule may want a real name, such as for practice without a
licence; then the provision stands beside it.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor import FieldDescriptor
from liandong.cases.v1 import bodies_pb2, case_service_pb2, publicity_bodies_pb2

from services.cases import bodies
from services.common import masking
from services.common.errors import InvalidField

Decision = publicity_bodies_pb2.PublicisedPenalty | publicity_bodies_pb2.PublicisedPermit

_FIELDS: Final = ("publicised_penalty", "publicised_permit")
_WITHDRAWAL: Final = "publicity_withdrawal"
_AS_IT_IS: Final = frozenset({"party_code", "number", "certificate_number"})
"""Numbers that a unit or a document is known by, and that look like no person's."""


def conceal(draft: case_service_pb2.ActDraft) -> None:
    """Mask in a draft what everybody is going to read; other drafts stay as they are.

    The draft itself is changed: nothing of what was typed is kept.

    Raises:
        InvalidField: A natural person has a code, or is to be shown by name without a provision.
        IdentifierInvalid: The code of a unit has a wrong check digit.
    """
    name = draft.WhichOneof("body") or ""
    if name == _WITHDRAWAL:
        _words(draft.publicity_withdrawal)
    if name not in _FIELDS:
        return
    body: Decision = getattr(draft, name)
    path = f"draft.{name}"
    if body.party_kind == bodies_pb2.SUBJECT_KIND_UNIT:
        code = bodies_pb2.Subject(kind=body.party_kind, name=body.party, identifier=body.party_code)
        bodies.check_subject(code, f"{path}.party_code")
        body.party_code = bodies.normalised(body.party_code)
        _hide(body, body.representative, kept=body.party)
    else:
        _person(body, path)
    _words(body)


def _person(body: Decision, path: str) -> None:
    if body.party_code:
        raise InvalidField("A natural person's number is not shown.", field=f"{path}.party_code")
    if not body.real_name:
        _hide(body, body.party)
    elif not body.real_name_basis.strip():
        raise InvalidField("Say by which provision the real name is shown.", field=f"{path}.real_name_basis")


def _hide(body: Decision, name: str, kept: str = "") -> None:
    """Hide a name wherever it stands in the texts of a body, but for a unit that is called after it."""
    name, shown = name.strip(), masking.name(name)
    if len(name) < 2 or shown == name:  # noqa: PLR2004 - one character is no name
        return
    for field, value in body.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING and field.name not in _AS_IT_IS:
            parts = value.split(kept) if kept else [value]
            setattr(body, field.name, kept.join(each.replace(name, shown) for each in parts))


def _words(body: Decision | publicity_bodies_pb2.PublicityWithdrawal) -> None:
    """Mask citizen ids and telephone numbers in the texts of a body."""
    for field, value in body.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING and field.name not in _AS_IT_IS:
            setattr(body, field.name, masking.words(value))
