"""HandlingService, what leaves as a file: registers as workbooks, closed cases as packages."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from liandong.cases.v1 import handling_service_pb2 as pb
from sqlalchemy import Connection

from services.cases.dossier import Dossier, Prove
from services.cases.handlers.handling import DocumentHandlers
from services.cases.handling import registers, store, work
from services.cases.handling.archive import CaseFile, Wanted
from services.cases.handling.binding import Binder
from services.cases.handling.registers import Cell, Filter
from services.cases.watch import write
from services.common.errors import NotFound
from services.exchange import actors
from services.exchange.evidence_store import EvidenceStore
from services.exchange.letters import moment
from services.procedures.model import Procedure
from services.procedures.register import Column, Register, register_of

_FRAME: Final = 1024 * 1024
_DOCUMENTS: Final = 1000


class FileHandlers(DocumentHandlers):
    """Registers and archives.

    Attributes:
        prove: Asks the registry for an inclusion proof; None where it cannot be asked.
        evidence: Where the chunks of evidence lie; None where packages are to hold none.
        binder: Binds cases into one file; pages of plain text where there is none.
    """

    prove: Prove | None = None
    evidence: EvidenceStore | None = None
    binder: Binder | None = None

    async def ListRegisters(
        self, request: pb.ListRegistersRequest, _context: object
    ) -> pb.ListRegistersResponse:
        """The registers that can be exported."""
        actors.current()
        names = sorted({each.name for each in self._department.directory.law.procedures.values()})
        wanted = [each for each in names if request.procedure in ("", each)]
        return pb.ListRegistersResponse(registers=[_view(self._register(each)) for each in wanted])

    async def ExportRegister(self, request: pb.ExportRegisterRequest, context: Any) -> None:
        """A register as a workbook: written to a file off the loop, then streamed."""
        department, now = self._department, self._department.clock.now()
        register = self._register(request.procedure)
        wanted = Filter(
            moment(request.opened_from, "opened_from") if request.HasField("opened_from") else None,
            moment(request.opened_before, "opened_before") if request.HasField("opened_before") else None,
            request.state,
            request.department,
            not request.open_only,
        )
        language = request.language or "zh"
        await self._note("ExportRegister", "", request.procedure)
        with tempfile.TemporaryDirectory(prefix="liandong-register-") as folder:
            path = Path(folder) / "register.xlsx"

            def make() -> None:
                def read(page: Callable[[Connection], list[list[Cell]]]) -> list[list[Cell]]:
                    return department.database.read(page)

                rows = registers.rows_of(read, register, wanted, department.directory, now, language)
                registers.write_workbook(path, register, rows, language)

            await asyncio.to_thread(make)
            with path.open("rb") as file:
                while frame := await asyncio.to_thread(file.read, _FRAME):
                    await write(context, pb.ExportRegisterResponse(frame=frame))

    def _register(self, name: str) -> Register:
        procedure = self._newest(name)
        if procedure is None:
            raise NotFound(f"There is no procedure {name}.", field="procedure")
        return register_of(procedure)

    def _newest(self, name: str) -> Procedure | None:
        versions = [each for each in self._department.directory.law.procedures.values() if each.name == name]
        return max(versions, key=lambda each: each.version, default=None)

    async def ArchiveCase(self, request: pb.ArchiveCaseRequest, context: Any) -> None:
        """The ordered file of a closed case in one package."""
        evidence = self.evidence if request.include_evidence else None
        dossier = Dossier(self._department, self.prove, evidence)
        file = CaseFile(
            self._department, dossier, self.binder, self.evidence, evidence=request.include_evidence
        )
        closed = await self._read(
            "ArchiveCase",
            lambda connection: file.closed(connection, request.case_id, self._handled),
            request.case_id,
        )
        wanted = Wanted(
            pb.Retention.Name(request.retention).removeprefix("RETENTION_"),
            request.language or "zh",
            request.plain_text,
        )
        async with aclosing(file.frames(closed, wanted)) as frames:
            async for frame in frames:
                await write(context, pb.ArchiveCaseResponse(frame=frame))

    def _handled(self, connection: Connection, case_id: str) -> list[pb.GetDocumentResponse]:
        rows = work.documents_page(connection, case_id, "", "", "", _DOCUMENTS)
        return [self._whole(connection, store.kept(connection, row)) for row in reversed(rows)]


def _view(register: Register) -> pb.RegisterView:
    return pb.RegisterView(
        procedure=register.procedure,
        title_zh=register.title.zh,
        title_en=register.title.en,
        columns=[
            pb.RegisterColumn(title_zh=each.title.zh, title_en=each.title.en, value=_value(each))
            for each in register.columns
        ],
    )


def _value(column: Column) -> str:
    return f"{column.kind}:{column.of}" if column.of else column.kind
