"""CaseService and HandlingService on the wire."""

from __future__ import annotations

from services.cases.desk import Desk
from services.cases.dossier import Prove
from services.cases.elsewhere import Ask
from services.cases.handlers.handling_files import FileHandlers
from services.cases.handlers.handling_rules import HandlingRuleHandlers
from services.cases.handlers.reading import ReadingHandlers
from services.cases.handlers.writing import WritingHandlers
from services.cases.handling.binding import Binder
from services.cases.handling.seal import NoSeal, SealService
from services.cases.watch import CaseWatch
from services.common.clock import Clock
from services.exchange.department import Department
from services.exchange.evidence_store import EvidenceStore

__all__ = ["CaseHandlers", "HandlingHandlers"]


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


class HandlingHandlers(FileHandlers, HandlingRuleHandlers):
    """HandlingService, all parts.

    Args:
        department: Whose.
        desk: Its cases in memory; this takes its `moved`.
        seal: Its seal service; without one an electronic seal is refused.
        prove: Asks the registry for an inclusion proof; None where it cannot be asked.
        evidence: Where the chunks of evidence lie; None where packages are to hold none.
        binder: Binds archived cases into one file; pages of plain text without.
    """

    def __init__(
        self,
        department: Department,
        desk: Desk,
        seal: SealService | None = None,
        prove: Prove | None = None,
        evidence: EvidenceStore | None = None,
        binder: Binder | None = None,
    ) -> None:
        watch = CaseWatch()
        desk.moved = watch.changed
        super().__init__(department, seal or NoSeal(), watch)
        self.prove, self.evidence, self.binder = prove, evidence, binder
