"""DocumentService: wire to domain and back. What is printed is noted before it is answered, as every reading is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from liandong.cases.v1 import document_service_pb2 as pb

from services.cases.watch import write
from services.common.errors import InvalidField, LiandongError
from services.documents import sheets
from services.documents.letter import Letter
from services.documents.letters import letter_document
from services.documents.model import Document, Form, Language
from services.documents.rendering import Format, Renderer
from services.documents.store import read_letter
from services.exchange.department import Department

CHUNK: Final = 256 * 1024
_SLASHES: Final = re.compile(r"[\\/\x00-\x1f]+")

_FORMATS: Final = {
    pb.FORMAT_UNSPECIFIED: Format.PDF,
    pb.FORMAT_PDF: Format.PDF,
    pb.FORMAT_DOCX: Format.DOCX,
}
_LETTERS: Final[Mapping[int, Form]] = {
    pb.SHEET_UNSPECIFIED: Form.LETTER,
    pb.SHEET_LETTER: Form.LETTER,
    pb.SHEET_OFFICIAL: Form.OFFICIAL,
}
_SHEETS: Final[Mapping[int, Callable[[Letter, Language, datetime], Document]]] = {
    pb.SHEET_APPROVAL: sheets.approval,
    pb.SHEET_MATERIALS: sheets.materials,
    pb.SHEET_RECEIPT: sheets.receipt,
    pb.SHEET_SERVICE: sheets.service,
    pb.SHEET_DUE_TIME: sheets.due_time,
}
_SENT_ONLY: Final = frozenset({pb.SHEET_SERVICE, pb.SHEET_DUE_TIME})


class DocumentHandlers:
    """The sheets of a department's letters.

    Args:
        department: Whose.
        renderer: Makes the files.
    """

    def __init__(self, department: Department, renderer: Renderer) -> None:
        self._department = department
        self._renderer = renderer

    async def RenderLetter(  # noqa: N802 - named by the contract
        self, request: pb.RenderLetterRequest, context: Any
    ) -> None:
        """One sheet of one letter as a file."""
        department = self._department
        now = department.clock.now()
        language: Language = "en" if request.language == "en" else "zh"
        what = f"{request.letter_id} {pb.Sheet.Name(request.sheet)}"
        try:
            letter = await department.read(
                lambda connection: read_letter(connection, department, request.letter_id, now)
            )
            document = laid_out(letter, request.sheet, language, now)
        except LiandongError as error:
            await self._note("", what, error.reason)
            raise
        await self._note(letter.case_id, what, "ok")
        form = _FORMATS[request.format]
        made = await self._renderer.render(document, form, now)
        stood_in_for = await self._renderer.stood_in_for() if form is Format.PDF else ()
        first = pb.RenderLetterResponse(
            file_name=f"{_SLASHES.sub(' ', document.title)}.{form}",
            media_type=form.media_type,
            size=len(made),
            chunk=made[:CHUNK],
            stood_in_for=[each.value for each in stood_in_for],
        )
        await write(context, first)
        for start in range(CHUNK, len(made), CHUNK):
            await write(context, pb.RenderLetterResponse(chunk=made[start : start + CHUNK]))

    async def _note(self, case_id: str, what: str, result: str) -> None:
        await self._department.run(lambda session: session.audit("RenderLetter", case_id, what, result))


def laid_out(letter: Letter, sheet: pb.Sheet.ValueType, language: Language, now: datetime) -> Document:
    """A sheet of a letter.

    Raises:
        InvalidField: A draft has no such sheet, or the letter has nothing to put on it.
    """
    if sheet in _LETTERS:
        return letter_document(letter, _LETTERS[sheet], language)
    if letter.draft and sheet in _SENT_ONLY:
        raise InvalidField("A draft has no such sheet: it was not sent.", field="sheet")
    if sheet == pb.SHEET_DUE_TIME and not any(each.explanation for each in letter.duties):
        raise InvalidField("The letter set no due time running.", field="sheet")
    if sheet == pb.SHEET_RECEIPT and not letter.recipients:
        raise InvalidField("The letter is addressed to nobody.", field="sheet")
    return _SHEETS[sheet](letter, language, now)
