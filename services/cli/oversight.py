"""`liandong oversight`: what an office sees of its mechanisms, a department of its own part."""

import enum
from typing import Annotated

import typer
from liandong.oversight.v1 import oversight_service_pb2 as pb

from services.cli import inputs, oversight_views
from services.cli.connection import Connection, connected
from services.cli.due import instant, read_calendar

app = typer.Typer(no_args_is_help=True, add_completion=False)

Procedure = Annotated[str, typer.Option("--procedure", metavar="NAME")]
Time = Annotated[str, typer.Option(metavar="TIME")]
Limit = Annotated[int, typer.Option(min=1, max=1000)]


class State(enum.StrEnum):
    """States of an obligation, as they are typed."""

    OPEN = "open"
    OVERDUE = "overdue"
    ON_TIME = "on-time"
    LATE = "late"
    TRANSMITTED_LATE = "transmitted-late"
    EXCUSED = "excused"
    LAPSED = "lapsed"


@app.command("departments")
@connected
async def departments(link: Connection) -> None:
    """Departments: link, newest letter, counts."""
    found = await link.oversight.ListDepartmentStates(pb.ListDepartmentStatesRequest())
    link.output.show(found, lambda: oversight_views.departments(found))


@app.command("obligations")
@connected
async def obligations(
    link: Connection,
    *,
    procedure_name: Procedure = "",
    owed_by: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    state: Annotated[State | None, typer.Option()] = None,
    due_before: Time = "",
    limit: Limit = 100,
) -> None:
    """Obligations by due time."""
    asked = pb.ListObligationsRequest(procedure=procedure_name, owed_by=owed_by, page_size=limit)
    if state is not None:
        asked.state = pb.ObligationState.Value(f"OBLIGATION_STATE_{state.name}")
    if due_before:
        asked.due_before.CopyFrom(inputs.moment(due_before, option="--due-before"))
    found = await link.oversight.ListObligations(asked)
    if link.output.as_json:
        link.output.show(found)
        return
    now = link.clock.now()
    calendar = await read_calendar(link.directory, now, [instant(each.due_at) for each in found.obligations])
    link.output.show(found, lambda: oversight_views.obligations(found.obligations, now, calendar))


@app.command("matrix")
@connected
async def matrix(link: Connection, *, soon_before: Time = "") -> None:
    """How departments stand in mechanisms now."""
    asked = pb.GetMatrixRequest()
    if soon_before:
        asked.soon_before.CopyFrom(inputs.moment(soon_before, option="--soon-before"))
    found = await link.oversight.GetMatrix(asked)
    link.output.show(found, lambda: oversight_views.matrix(found.cells))


@app.command("remind")
@connected
async def remind(
    link: Connection,
    *,
    text: Annotated[str, typer.Option(metavar="TEXT")],
    person: Annotated[str, typer.Option(metavar="NAME")],
    procedure_name: Procedure = "",
    owed_by: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200)] = 200,
) -> None:
    """Remind of all that is overdue, each once a day."""
    asked = pb.ListObligationsRequest(
        procedure=procedure_name, owed_by=owed_by, state=pb.OBLIGATION_STATE_OVERDUE, page_size=limit
    )
    overdue = (await link.oversight.ListObligations(asked)).obligations
    # a department does not remind itself
    own = link.profile.department
    drafts = [
        pb.ReminderDraft(
            case_id=each.case_id, rule=each.rule, ordinal=each.ordinal, owed_by=each.owed_by, text=text
        )
        for each in overdue
        if each.owed_by != own
    ]
    answer = pb.RemindResponse()
    if drafts:
        answer = await link.oversight.Remind(pb.RemindRequest(reminders=drafts, person=person))
    outcomes = [each.outcome for each in answer.results]
    if link.output.as_json:
        link.output.show(answer)
        return
    link.output.say(
        "oversight.reminded",
        sent=outcomes.count(pb.REMINDER_OUTCOME_SENT),
        before=outcomes.count(pb.REMINDER_OUTCOME_SENT_BEFORE),
    )


@app.command("case")
@connected
async def case(link: Connection, case_id: Annotated[str, typer.Argument(metavar="CASE")]) -> None:
    """One case from its headers."""
    found = await link.oversight.GetCaseOverview(pb.GetCaseOverviewRequest(case_id=case_id))
    if link.output.as_json:
        link.output.show(found)
        return
    now = link.clock.now()
    calendar = await read_calendar(link.directory, now, [instant(each.due_at) for each in found.obligations])
    link.output.show(found, lambda: oversight_views.case(found, now, calendar))


@app.command("indicators")
@connected
async def indicators(
    link: Connection, *, procedure_name: Procedure = "", since: Time = "", until: Time = ""
) -> None:
    """Counts per department in a period."""
    asked = pb.GetIndicatorsRequest(procedure=procedure_name)
    _period(asked, since, until)
    found = await link.oversight.GetIndicators(asked)
    link.output.show(found, lambda: oversight_views.indicators(found.indicators))


@app.command("flows")
@connected
async def flows(
    link: Connection, *, procedure_name: Procedure = "", since: Time = "", until: Time = ""
) -> None:
    """Who sends how much to whom."""
    asked = pb.GetFlowsRequest(procedure=procedure_name)
    _period(asked, since, until)
    found = await link.oversight.GetFlows(asked)
    link.output.show(found, lambda: oversight_views.flows(found.flows))


@app.command("alerts")
@connected
async def alerts(
    link: Connection,
    *,
    addressee: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    limit: Limit = 100,
) -> None:
    """Reminders and alerts."""
    found = await link.oversight.ListAlerts(pb.ListAlertsRequest(addressee=addressee, page_size=limit))
    link.output.show(found, lambda: oversight_views.alerts(found.alerts))


@app.command("watch")
@connected
async def watch(link: Connection, *, procedure_name: Procedure = "") -> None:
    """Changes as they happen."""
    async for change in link.oversight.Watch(pb.WatchRequest(procedure=procedure_name)):
        if link.output.as_json:
            link.output.show(change)
        else:
            link.output.console.print(oversight_views.change(change), markup=False)


def _period(asked: pb.GetIndicatorsRequest | pb.GetFlowsRequest, since: str, until: str) -> None:
    # `from` is a word of the language, so the field is reached by its name
    if since:
        getattr(asked, "from").CopyFrom(inputs.moment(since, option="--since"))
    if until:
        asked.to.CopyFrom(inputs.moment(until, option="--until", ends_day=True))
