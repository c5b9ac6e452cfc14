"""Who may call what of a department's cases: its own gateway and systems, always with an actor."""

from __future__ import annotations

from typing import Final

from services.cases.handlers.imports import IMPORT_RULES
from services.cases.handlers.public import PUBLIC_RULES
from services.cases.handlers.reading import READING_RULES
from services.cases.handlers.subjects import SUBJECT_RULES
from services.cases.handling.statements import ADMINISTRATORS, SEAL_KEEPERS
from services.common.permissions import PermissionTable, Rule
from services.procedures.checker import PERSON_ROLES

_SERVICE: Final = "/liandong.cases.v1.CaseService"
_CALLERS: Final = frozenset({"gateway", "system"})
_APPROVERS: Final = PERSON_ROLES - {"clerk", "registry-clerk"}
"""Whoever a procedure may ask for; who draws up an act does not approve it."""
_WRITERS: Final = frozenset(
    {
        "clerk",
        "registry-clerk",
        "section-head",
        "duty-officer",
        "officer",
        "liaison",
        "leader-in-charge",
        "principal",
        "system",
    }
)

WRITING_RULES: Final[PermissionTable] = {
    **{
        f"{_SERVICE}/{method}": Rule(kinds=_CALLERS, same_department=True, actor="required", roles=_WRITERS)
        for method in ("PrepareLetter", "DiscardDraft", "SendLetter", "SendAct", "SendActs")
    },
    **{
        f"{_SERVICE}/{method}": Rule(kinds=_CALLERS, same_department=True, actor="required", roles=_APPROVERS)
        for method in ("ApproveLetter", "ReturnLetter")
    },
    f"{_SERVICE}/ListDrafts": Rule(kinds=_CALLERS, same_department=True, actor="required"),
}

_HANDLING: Final = "/liandong.cases.v1.HandlingService"

HANDLING_RULES: Final[PermissionTable] = {
    # whose step it is decides the chain; that a person and no system does it, the roles
    **{
        f"{_HANDLING}/{method}": Rule(
            kinds=_CALLERS, same_department=True, actor="required", roles=PERSON_ROLES
        )
        for method in (
            "TakeStep", "CompleteStep", "ReturnDocument", "AddSigner", "HandOn", "AttachToStep", "RecordCall",
            "ConfirmCall", "SetDelegation", "EndDelegation", "ListWork", "CountWork", "WatchWork",
        )
    },
    **{
        f"{_HANDLING}/{method}": Rule(
            kinds=_CALLERS, same_department=True, actor="required", roles=ADMINISTRATORS
        )
        for method in ("SetChain", "WithdrawChain", "SetSeries", "WithdrawSeries", "VoidNumber", "HandOver")
    },
    **{
        f"{_HANDLING}/{method}": Rule(
            kinds=_CALLERS, same_department=True, actor="required", roles=SEAL_KEEPERS
        )
        for method in ("SetSealImage", "WithdrawSealImage")
    },
    **{
        f"{_HANDLING}/{method}": Rule(kinds=_CALLERS, same_department=True, actor="required")
        for method in (
            "ListChains", "GetDocument", "ListDocuments", "ListDelegations", "ListSeries", "ListNumbers",
            "ListRegisters", "ExportRegister", "ArchiveCase", "ListSealImages",
        )
    },
}  # fmt: skip

RULES: Final[PermissionTable] = {**WRITING_RULES, **READING_RULES, **HANDLING_RULES}
"""Of CaseService and HandlingService."""

__all__ = ["IMPORT_RULES", "PUBLIC_RULES", "RULES", "SUBJECT_RULES"]
