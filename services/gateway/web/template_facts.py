"""What a case, or a draft of one, says for the places of a template. What pages mask is no fact here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2 as exchange

from services.gateway.sheets.model import Sheet
from services.gateway.web import masking
from services.gateway.web.case import OPEN
from services.gateway.web.filters import at
from services.gateway.web.page import Page
from services.gateway.web.procedures import Procedure
from services.gateway.web.sheet_forms import PARTIES, RECEIVER, Plan, kind_of, subject_rows


def of_person(page: Page) -> dict[str, str]:
    """What is known without a case."""
    return {
        "department.name": page.department_title,
        "author.name": page.caller.name,
        "today": day(page.now),
    }


def of_case(
    page: Page, case: pb.CaseView | None, letters: Iterable[pb.LetterView], procedure: Procedure, act: str
) -> dict[str, str]:
    """What a case says for an act in it."""
    facts = of_person(page)
    if case is None:
        return facts
    own = page.caller.department
    facts |= {"case.title": masking.words(case.title), "case.id": case.case_id}
    facts |= _of_subject(case.subjects)
    facts["other.name"] = "、".join(page.others(case.parties))
    admitted = [each for each in letters if each.disposition == exchange.DISPOSITION_ADMITTED and each.number]
    came = [each for each in admitted if each.author != own]
    if came:
        facts |= {"letter.number": came[-1].number, "letter.date": day(came[-1].signed_at)}
    if due := _due(case.obligations, own, procedure, act):
        facts["due"] = due
    return facts


def of_sheet(page: Page, plan: Plan, sheet: Sheet) -> dict[str, str]:
    """What was typed in a draft that opens a case."""
    facts = of_person(page)
    facts["case.title"] = sheet.one(f"{plan.prefix}title").strip()
    for row in subject_rows(plan, sheet.fields)[:1]:
        facts["subject.name"] = sheet.one(f"{row}.name").strip()
        code = sheet.one(f"{row}.identifier").strip().upper()
        if kind_of(code) == "UNIT":
            facts["subject.code"] = code
    if receiver := sheet.one(PARTIES + RECEIVER):
        facts["other.name"] = page.name_of(receiver)
    return facts


def _of_subject(subjects: Sequence[bodies.Subject]) -> dict[str, str]:
    if not subjects:
        return {}
    first = subjects[0]
    names = [each.name for each in subjects if each.name]
    found = {"subject.name": f"{names[0]}等" if len(names) > 1 else "".join(names)}
    if first.kind == bodies.SUBJECT_KIND_UNIT:
        found["subject.code"] = first.identifier
    return found


def _due(obligations: Iterable[pb.ObligationView], department: str, procedure: Procedure, act: str) -> str:
    """The last day of what the act meets, else of what is due first."""
    owed = [
        each
        for each in obligations
        if each.owed_by == department and each.state in OPEN and not each.suspended and each.due_at.ByteSize()
    ]
    mine = [each for each in owed if act in procedure.discharges.get(each.rule, ())]
    found = min(mine or owed, key=lambda each: (each.due_at.seconds, each.due_at.nanos), default=None)
    moment = at(found.due_at) if found is not None else None
    # midnight ends the day before
    return day(moment - timedelta(microseconds=1)) if moment is not None else ""


def day(moment: datetime | Timestamp) -> str:
    """A day as letters write it."""
    found = at(moment)
    return f"{found.year}年{found.month}月{found.day}日" if found is not None else ""
