"""Who may call what on a node's port."""

from __future__ import annotations

from typing import Final

from services.cases.handlers.duties import DUTY_RULES
from services.cases.permissions import IMPORT_RULES, PUBLIC_RULES, SUBJECT_RULES
from services.cases.permissions import RULES as CASE_RULES
from services.common.permissions import PermissionTable, Rule
from services.documents.permissions import RULES as DOCUMENT_RULES
from services.exchange.code_handlers import NODE_RULES as CODE_RULES
from services.exchange.directory_handlers import NODE_RULES
from services.notices.permissions import RULES as NOTICE_RULES
from services.sharing.permissions import RULES as SHARING_RULES

_EVIDENCE: Final = "/liandong.exchange.v1.EvidenceService"

RULES: Final[PermissionTable] = {
    **CASE_RULES,
    **SUBJECT_RULES,
    **PUBLIC_RULES,
    **IMPORT_RULES,
    **DUTY_RULES,
    **NOTICE_RULES,
    **SHARING_RULES,
    **DOCUMENT_RULES,
    **NODE_RULES,
    **CODE_RULES,
    **{
        f"{_EVIDENCE}/{method}": Rule(
            kinds=frozenset({"gateway", "system"}), same_department=True, actor="required"
        )
        for method in ("PutManifest", "GetManifest", "PutChunk", "GetChunk")
    },
}
