"""`liandong directory`: who there is, and who is competent."""

from typing import Annotated

import typer
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape

from services.cli.connection import Connection, connected
from services.cli.output import facts, moment, table, word
from services.cli.texts import pick, say

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("list")
@connected
async def list_departments(link: Connection) -> None:
    """All departments."""
    found = await link.directory.ListDepartments(pb.ListDepartmentsRequest())
    rows = table("name", "title", "level", "status", "number_word")
    for each in found.departments:
        rows.add_row(
            each.name, _title(each.title), _level(each.level), _status(each.status), each.number_word
        )
    link.output.show(found, lambda: rows)


@app.command("show")
@connected
async def show(link: Connection, department: Annotated[str, typer.Argument(metavar="DEPARTMENT")]) -> None:
    """One department with its people."""
    found = await link.directory.GetDepartment(pb.GetDepartmentRequest(name=department))
    link.output.show(found, lambda: _department(found))


@app.command("route")
@connected
async def route(
    link: Connection,
    *,
    item: Annotated[str, typer.Option(metavar="CODE")] = "",
    subject_matter: Annotated[str, typer.Option(metavar="SUBJECT")] = "",
    area: Annotated[str, typer.Option(metavar="CODE")] = "",
    built_up: Annotated[bool, typer.Option("--built-up")] = False,
    outside: Annotated[bool, typer.Option("--outside")] = False,
) -> None:
    """Who is competent, and why."""
    if not item and not subject_matter:
        raise typer.BadParameter(say("failures.matter"), param_hint="--item")
    split = entries.AREA_SPLIT_UNSPECIFIED
    if built_up or outside:
        split = entries.AREA_SPLIT_BUILT_UP if built_up else entries.AREA_SPLIT_OUTSIDE
    found = await link.directory.ProposeRoute(
        pb.ProposeRouteRequest(item_code=item, subject=subject_matter, area_code=area, split=split)
    )
    rows = table("department", "title", "mode", "why", "basis", "co_acting")
    for each in found.proposals:
        mode = word("mode", entries.AuthorityMode.Name(each.mode).removeprefix("AUTHORITY_MODE_"))
        rows.add_row(
            each.department,
            _title(each.title),
            mode,
            _title(each.reason),
            escape(each.basis),
            ", ".join(each.co_acting),
        )
    link.output.show(found, lambda: rows)


@app.command("rules")
@connected
async def rules(link: Connection) -> None:
    """Duties, offices and regional limits."""
    found = await link.directory.GetRules(pb.GetRulesRequest())
    duties = table("subject", "title", "lead", "co_acting")
    for duty in found.duties:
        duties.add_row(duty.subject, _title(duty.title), duty.lead, ", ".join(duty.co_acting))
    offices = table("procedure", "department")
    for office in found.offices:
        offices.add_row(office.procedure, office.department)
    limits = table("procedure", "obligation", "urgency", "limit", "valid", "basis")
    for limit in found.limits:
        until = moment(limit.valid_until) if limit.HasField("valid_until") else "…"
        limits.add_row(
            limit.procedure,
            limit.obligation,
            limit.urgency,
            limit.within,
            f"{moment(limit.valid_from)} – {until}",
            escape(limit.clause),
        )
    link.output.show(found, lambda: duties, lambda: offices, lambda: limits)


def _department(found: pb.GetDepartmentResponse) -> RenderableType:
    entry = found.department
    about = facts(
        [
            ("name", entry.name),
            ("title", f"{entry.title.zh} · {entry.title.en}"),
            ("level", _level(entry.level)),
            ("status", _status(entry.status)),
            ("parent", entry.parent),
            ("number_word", entry.number_word),
            ("sections", "、".join(_title(each.title) for each in entry.sections)),
            ("issuers", ", ".join(each.issuer for each in entry.issuers)),
            ("keys", "\n".join(each.key_id for each in entry.keys)),
        ]
    )
    people = table("person", "role", "section", "telephone", "mechanisms")
    for each in found.people:
        if not each.retired:
            people.add_row(
                escape(each.name),
                ", ".join(word("roles", role) for role in each.roles),
                each.section,
                each.telephone,
                ", ".join(each.mechanisms),
            )
    return Group(about, "", people) if people.rows else about


def _title(title: entries.Title) -> str:
    return escape(pick(title.zh, title.en))


def _level(level: entries.Level.ValueType) -> str:
    return word("level", entries.Level.Name(level).removeprefix("LEVEL_"))


def _status(status: entries.DepartmentStatus.ValueType) -> str:
    return word("status", entries.DepartmentStatus.Name(status).removeprefix("DEPARTMENT_STATUS_"))
