"""CaseService on the wire."""

from __future__ import annotations

from services.cases.desk import Desk
from services.cases.dossier import Prove
from services.cases.elsewhere import Ask
from services.cases.handlers.reading import ReadingHandlers
from services.cases.handlers.writing import WritingHandlers
from services.common.clock import Clock
from services.exchange.department import Department
from services.exchange.evidence_store import EvidenceStore

__all__ = ["CaseHandlers"]


class CaseHandlers(WritingHandlers, ReadingHandlers):
    """CaseService, both halves; the arguments are theirs."""

    def __init__(
        self,
        department: Department,
        desk: Desk,
        clock: Clock,
        prove: Prove | None = None,
        evidence: EvidenceStore | None = None,
        ask: Ask | None = None,
    ) -> None:
        WritingHandlers.__init__(self, department, clock, ask)
        ReadingHandlers.__init__(self, department, desk, prove, evidence)
