"""Oversight as people see it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from liandong.oversight.v1 import oversight_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.case_views import disposition_text
from services.cli.due import due_words, instant
from services.cli.output import facts, moment, table, word
from services.cli.texts import pick, say
from services.procedures.calendar import Calendar


def departments(found: pb.ListDepartmentStatesResponse) -> Table:
    """Departments with their links."""
    rows = table(
        "department",
        "title",
        "link",
        "seen",
        ">waiting",
        ">open",
        ">overdue",
        ">parked",
        "certificate",
        title=say("oversight.size", size=found.ledger_size),
    )
    for each in found.departments:
        rows.add_row(
            each.department,
            pick(each.title_zh, each.title_en),
            _link(each.connected),
            moment(each.last_seen_at),
            str(each.waiting),
            str(each.open),
            Text(str(each.overdue), style="bold red" if each.overdue else ""),
            Text(str(each.parked), style="bold red" if each.parked else ""),
            moment(each.certificate_not_after),
        )
    return rows


def obligations(views: Iterable[pb.ObligationView], now: datetime, calendar: Calendar) -> Table:
    """Obligations with their due times in words."""
    rows = table("case", "obligation", "owed_by", "limit", "due")
    for each in views:
        title = pick(each.title_zh, each.title_en)
        rows.add_row(_case(each), title, each.owed_by, each.limit, _due(each, now, calendar))
    return rows


def matrix(cells: Iterable[pb.MatrixCell]) -> Table:
    """How departments stand in mechanisms."""
    rows = table("department", "procedure", ">overdue", ">soon", ">disputed", ">open")
    for each in cells:
        rows.add_row(
            each.department,
            each.procedure,
            Text(str(each.overdue), style="bold red" if each.overdue else ""),
            str(each.soon),
            str(each.disputed),
            str(each.open),
        )
    return rows


def case(found: pb.GetCaseOverviewResponse, now: datetime, calendar: Calendar) -> RenderableType:
    """One case from its headers."""
    about = facts(
        [
            ("case", found.case_id),
            ("procedure", f"{found.procedure} {found.procedure_version}"),
            ("state", found.state),
            (
                "parties",
                "  ".join(f"{word('party', each.role)}: {each.department}" for each in found.parties),
            ),
            ("state_digest", found.state_digest.hex()),
        ]
    )
    rows = table(">position", "admitted", "act", "author", "received", "note")
    for each in found.acts:
        received = "\n".join(f"{one.department} {moment(one.received_at)}" for one in each.received)
        rows.add_row(
            str(each.position),
            moment(each.admitted_at),
            each.act,
            each.author,
            received,
            " ".join(each.flags),
        )
    return Group(about, "", rows, obligations(found.obligations, now, calendar))


def indicators(views: Iterable[pb.Indicator]) -> Table:
    """Counts per department, with the share that was on time."""
    rows = table(
        "department",
        "procedure",
        ">owed",
        ">on_time",
        ">late",
        ">transmitted_late",
        ">excused",
        ">open",
        ">overdue",
        ">rate",
    )
    for each in views:
        judged = each.on_time + each.excused + each.late + each.transmitted_late + each.overdue
        rate = f"{100 * (each.on_time + each.excused) / judged:.0f}" if judged else "—"
        rows.add_row(
            each.department,
            each.procedure,
            str(each.owed),
            str(each.on_time),
            str(each.late),
            str(each.transmitted_late),
            str(each.excused),
            str(each.open),
            Text(str(each.overdue), style="bold red" if each.overdue else ""),
            rate,
        )
    return rows


def flows(views: Iterable[pb.Flow]) -> Table:
    """Who sends how much to whom."""
    rows = table("author", "recipient", ">letters")
    for each in views:
        rows.add_row(each.author, each.recipient, str(each.letters))
    return rows


def alerts(views: Iterable[pb.Alert]) -> Table:
    """Alerts that were raised."""
    rows = table("fired", "kind", "addressee", "department", "obligation", "mark", "case")
    for each in views:
        about = each.obligation
        rows.add_row(
            moment(each.fired_at),
            _kind(each),
            each.addressee,
            each.subject_department,
            pick(about.title_zh, about.title_en),
            each.mark,
            _case(about),
        )
    return rows


def change(view: pb.WatchResponse) -> str:
    """One change, in a line."""
    match view.WhichOneof("change"):
        case "act":
            act = view.act
            return say(
                "oversight.act",
                at=moment(act.act.admitted_at),
                case=act.case_id,
                author=act.act.author,
                act=act.act.act,
                state=act.state,
                position=act.act.position,
            )
        case "alert":
            alert = view.alert
            about = alert.obligation
            return say(
                "oversight.alert",
                at=moment(alert.fired_at),
                kind=_kind(alert),
                addressee=alert.addressee,
                about=pick(about.title_zh, about.title_en) or alert.subject_department,
                mark=alert.mark,
            )
        case _:
            link = view.link
            return say(
                "oversight.link",
                at=moment(link.last_seen_at),
                department=link.department,
                state=say("oversight.up" if link.connected else "oversight.down"),
            )


def _due(view: pb.ObligationView, now: datetime, calendar: Calendar) -> Text:
    name = pb.ObligationState.Name(view.state).removeprefix("OBLIGATION_STATE_")
    if name not in ("OPEN", "OVERDUE"):
        return disposition_text("outcome", name, f" {moment(view.discharged_at)}")
    if view.suspended:
        return Text(say("due.suspended"), style="dim")
    due = instant(view.due_at)
    if due is None:
        return Text("—")
    return due_words(due, now, calendar, limit=view.limit, provisional=view.provisional).text()


def _case(view: pb.ObligationView) -> str:
    """The case, or which occurrence of which standing duty."""
    return f"{view.duty}/{view.period}" if view.duty else view.case_id


def _kind(alert: pb.Alert) -> str:
    return word("alert", pb.AlertKind.Name(alert.kind).removeprefix("ALERT_KIND_"))


def _link(connected: bool) -> Text:
    return Text(
        say("oversight.up" if connected else "oversight.down"), style="green" if connected else "bold red"
    )
