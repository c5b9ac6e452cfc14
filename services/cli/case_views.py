"""Cases, letters and drafts as people see them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from services.cli.due import due_words, instant
from services.cli.output import facts, moment, size, table, word
from services.cli.texts import language, pick, say
from services.documents import bodies
from services.procedures.calendar import Calendar

_STYLES = {
    "RECORDED": "yellow",
    "ADMITTED": "green",
    "REFUSED": "bold red",
    "OVERDUE": "bold red",
    "ON_TIME": "green",
    "LATE": "red",
    "TRANSMITTED_LATE": "yellow",
    "EXCUSED": "green",
    "LAPSED": "dim",
}


def summaries(cases: Iterable[pb.CaseSummary], now: datetime, calendar: Calendar) -> Table:
    """Cases in a list, with what is owed next."""
    rows = table("case", "title", "state", "due", "changed")
    for each in cases:
        due = instant(each.next_due_at)
        rows.add_row(
            each.case_id,
            escape(each.title) + _matched(each),
            pick(each.state_title_zh, each.state_title_en) + _pending(each.pending),
            due_words(due, now, calendar).text() if due else Text("—"),
            moment(each.changed_at),
        )
    return rows


def _matched(found: pb.CaseSummary) -> str:
    """Where a search matched, and the text that did unless it is the title, which stands there already."""
    if not found.matched:
        return ""
    shown = f" [dim]({word('matched', found.matched)})[/]"
    match = found.match
    if found.matched == "title" or not match.length:
        return shown
    end = match.begin + match.length
    parts = match.text[: match.begin], match.text[match.begin : end], match.text[end:]
    before, text, after = (escape(each) for each in parts)
    return f"{shown}\n{before}[bold]{text}[/]{after}"


def case(view: pb.CaseView, now: datetime, calendar: Calendar, *, every_act: bool) -> RenderableType:
    """One case: facts, obligations, what may be done next."""
    about = facts(
        [
            ("case", view.case_id),
            ("title", escape(view.title)),
            ("procedure", f"{view.procedure} {view.procedure_version}"),
            ("state", pick(view.state_title_zh, view.state_title_en) + _pending(view.pending)),
            ("urgency", word("urgency", envelopes.Urgency.Name(view.urgency).removeprefix("URGENCY_"))),
            ("parties", parties(view.parties)),
            ("subjects", "、".join(escape(each.name) for each in view.subjects)),
            ("opened", moment(view.opened_at)),
            ("position", str(view.last_position) if view.last_position or view.admitted_state else ""),
        ]
    )
    return Group(
        about, "", obligations(view.obligations, now, calendar), "", acts(view.acts, every=every_act)
    )


def obligations(views: Iterable[pb.ObligationView], now: datetime, calendar: Calendar) -> Table:
    """Obligations with their due times in words."""
    rows = table("obligation", "owed_by", "limit", "due", "opened")
    for each in views:
        due = instant(each.due_at)
        shown: Text = Text("—")
        if each.state not in ("OPEN", "OVERDUE"):
            shown = disposition_text("outcome", each.state, f" {moment(each.discharged_at)}")
        elif each.suspended:
            shown = Text(say("due.suspended"), style="dim")
        elif due is not None:
            shown = due_words(due, now, calendar, limit=each.limit, provisional=each.provisional).text()
        name = pick(each.title_zh, each.title_en)
        rows.add_row(f"{name} [dim]{each.rule}[/]", each.owed_by, each.limit, shown, moment(each.opened_at))
    return rows


def acts(views: Iterable[pb.PermittedAct], *, every: bool) -> Table:
    """What may be done now; with `every` also what may not, and why."""
    rows = table("act", "what", "needs", "approved_by", "permitted", title=say("case.acts"))
    for each in views:
        if not each.permitted and not every:
            continue
        verdict = (
            Text(say("words.yes"), style="green")
            if each.permitted
            else Text(reason_pb2.Reason.Name(each.reason).removeprefix("REASON_"), style="dim")
        )
        rows.add_row(
            each.act,
            pick(each.title_zh, each.title_en),
            ", ".join(each.needs),
            ", ".join(word("roles", role) for role in each.approved_by),
            verdict,
        )
    return rows


def letters(views: Iterable[pb.LetterView]) -> Table:
    """A timeline."""
    rows = table(">position", "admitted", "act", "author", "actor", "number", "received", "letter")
    for each in views:
        name = exchange.Disposition.Name(each.disposition).removeprefix("DISPOSITION_")
        stands = str(each.position.position) if name == "ADMITTED" else ""
        outcome = Text(stands) if stands else disposition_text("disposition", name)
        if each.reason:
            outcome.append(f" {reason_pb2.Reason.Name(each.reason).removeprefix('REASON_')}")
        received = "\n".join(f"{one.department} {moment(one.received_at)}" for one in each.received)
        title = pick(each.act_title_zh, each.act_title_en)
        flags = f"\n[yellow]{' '.join(each.flags)}[/]" if each.flags else ""
        rows.add_row(
            outcome,
            moment(each.admitted_at),
            f"{title or each.act}{flags}",
            each.author,
            f"{escape(each.actor.name)} [dim]{word('roles', each.actor.role)}[/]",
            escape(each.number),
            received,
            each.letter_id,
        )
    return rows


def draft(view: pb.DraftView) -> RenderableType:
    """A draft: what it says, what it still needs, what would refuse it."""
    told: list[tuple[str, RenderableType | None]] = [
        ("letter", view.letter_id),
        ("case", view.case_id),
        ("act", f"{pick(view.act_title_zh, view.act_title_en)} [dim]{view.content.act}[/]"),
        ("parties", parties(view.content.parties)),
        ("content_digest", view.content_digest.hex()),
        ("body", escape(_body(view.draft))),
        ("materials", "\n".join(f"{each.kind} {size(each.size)}" for each in view.content.materials)),
        ("drafted_by", f"{escape(view.drafted_by)} {moment(view.drafted_at)}"),
        (
            "approvals",
            "\n".join(
                f"{word('roles', each.role)} {escape(_approver(each))} {moment(each.approved_at)}"
                for each in view.approvals
            ),
        ),
        ("missing_approvals", ", ".join(word("roles", each) for each in view.missing_approvals)),
        ("returned", escape(view.returned_reason)),
    ]
    findings = [
        Text(
            f"{reason_pb2.Reason.Name(each.reason).removeprefix('REASON_')} {each.field} {each.message}",
            style="yellow",
        )
        for each in view.findings
    ]
    warned = [Text(f"! {pick(each.message_zh, each.message_en)}", style="cyan") for each in view.warnings]
    return Group(facts(told), *findings, *warned)


def answer(view: pb.LetterAnswer) -> RenderableType:
    """What became of a letter."""
    name = exchange.Disposition.Name(view.disposition).removeprefix("DISPOSITION_")
    reason = reason_pb2.Reason.Name(view.reason).removeprefix("REASON_") if view.reason else ""
    return facts(
        [
            ("outcome", disposition_text("disposition", name, f" {reason}" if reason else "")),
            ("position", f"{view.position.log_id} {view.position.position}" if name == "ADMITTED" else ""),
            ("what", escape(view.message)),
            ("number", escape(view.number)),
            ("letter", view.letter_id),
            ("case", view.case_id),
        ]
    )


def parked(views: Iterable[pb.ParkedLetter]) -> Table:
    """Letters that are stuck."""
    rows = table("letter", "case", "side", "why", ">attempts", "next")
    for each in views:
        side = word("side", pb.ParkedSide.Name(each.side).removeprefix("PARKED_SIDE_"))
        following = moment(each.next_attempt_at) if each.HasField("next_attempt_at") else say("case.by_hand")
        rows.add_row(each.letter_id, each.case_id, side, escape(each.error), str(each.attempts), following)
    return rows


def audit(lines: Iterable[pb.AuditLine]) -> Table:
    """Audit lines."""
    rows = table("at", "actor", "role", "method", "case", "object", "result")
    for each in lines:
        rows.add_row(
            moment(each.at),
            escape(f"{each.name} ({each.subject})"),
            word("roles", each.role),
            each.method,
            each.case_id,
            each.object_id,
            Text(each.result, style="" if each.result == "ok" else "red"),
        )
    return rows


def parties(found: Iterable[envelopes.Party]) -> str:
    """Departments by role."""
    return "  ".join(f"{word('party', each.role)}: {each.department}" for each in found)


def disposition_text(kind: str, name: str, more: str = "") -> Text:
    """A word for what became of something, in its colour."""
    return Text(f"{word(kind, name)}{more}", style=_STYLES.get(name, ""))


def _pending(count: int) -> str:
    return f" [yellow]({say('case.pending', count=count)})[/]" if count else ""


def _body(asked: pb.ActDraft) -> str:
    """What people wrote, by the titles of its fields."""
    name = asked.WhichOneof("body")
    if not name:
        return ""
    return "\n".join(bodies.lines(getattr(asked, name), language()))


def _approver(approval: envelopes.Approval) -> str:
    """Who approved, and in whose place."""
    absent = approval.acting_for_name
    return f"{approval.name}（{say('columns.acting_for')} {absent}）" if absent else approval.name
