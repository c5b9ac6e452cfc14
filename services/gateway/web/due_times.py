"""How a due time came about, line by line; made to be printed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response
from liandong.cases.v1 import case_service_pb2 as pb

from services.gateway.web.access import SignedIn
from services.gateway.web.case import OPEN, CaseId

router = APIRouter()
Rule = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,59}$")]
Ordinal = Annotated[int, Path(ge=0, le=2**31 - 1)]


@router.get("/cases/{case_id}/obligations/{rule}/{ordinal}")
async def due_time(page: SignedIn, case_id: CaseId, rule: Rule, ordinal: Ordinal) -> Response:
    """The calculation."""
    found = await page.ask(
        pb.ExplainDueTimeRequest(case_id=case_id, rule=rule, ordinal=ordinal), pb.ExplainDueTimeResponse
    )
    return page.render(
        "due_time.html",
        case_id=case_id,
        duty=found.obligation,
        lines=found.lines_zh if page.language == "zh" else found.lines_en,
        open=found.obligation.state in OPEN,
    )
