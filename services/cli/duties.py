"""`liandong duties`: what the department owes by the calendar."""

import enum
from typing import Annotated, Final

import typer
from liandong.cases.v1 import duty_service_pb2 as pb

from services.cli import inputs
from services.cli.case_views import disposition_text
from services.cli.connection import Connection, connected
from services.cli.due import due_words, instant, read_calendar
from services.cli.output import moment, table
from services.cli.texts import pick, say

app = typer.Typer(no_args_is_help=True, add_completion=False)

Time = Annotated[str, typer.Option(metavar="TIME")]
_AHEAD: Final = (pb.DUTY_STATE_AHEAD, pb.DUTY_STATE_OPEN, pb.DUTY_STATE_OVERDUE)


class State(enum.StrEnum):
    """States of an occurrence, as they are typed."""

    AHEAD = "ahead"
    OPEN = "open"
    OVERDUE = "overdue"
    ON_TIME = "on-time"
    LATE = "late"
    TRANSMITTED_LATE = "transmitted-late"
    EXCUSED = "excused"


@app.command("list")
@connected
async def list_duties(
    link: Connection,
    *,
    state: Annotated[State | None, typer.Option()] = None,
    since: Time = "",
    until: Time = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 100,
) -> None:
    """What is owed, by due time."""
    asked = pb.ListDutiesRequest(page_size=limit)
    if state is not None:
        asked.state = pb.DutyState.Value(f"DUTY_STATE_{state.name}")
    if since:
        asked.since.CopyFrom(inputs.moment(since, option="--since"))
    if until:
        asked.until.CopyFrom(inputs.moment(until, option="--until", ends_day=True))
    found = await link.duties.ListDuties(asked)
    if link.output.as_json:
        link.output.show(found)
        return
    now = link.clock.now()
    calendar = await read_calendar(link.directory, now, [instant(each.due_at) for each in found.duties])
    rows = table("duty", "title", "due", "discharged_by")
    for each in found.duties:
        due = instant(each.due_at)
        if each.state in _AHEAD and due is not None:
            words = due_words(due, now, calendar, limit="fixed", provisional=each.provisional).text()
        else:
            name = pb.DutyState.Name(each.state).removeprefix("DUTY_STATE_")
            words = disposition_text("outcome", name, f" {moment(each.discharged_at)}")
        title = pick(each.title_zh, each.title_en)
        rows.add_row(f"{each.duty}/{each.period}", title, words, "\n".join(each.discharged_by))
    link.output.show(found, lambda: rows)
    if found.next_page_token:
        link.output.say("case.more", count=len(found.duties))


@app.command("explain")
@connected
async def explain(link: Connection, duty: Annotated[str, typer.Argument(metavar="DUTY/PERIOD")]) -> None:
    """How the due time of one comes about."""
    name, slash, period = duty.partition("/")
    if not slash:
        raise typer.BadParameter(say("failures.served", value=duty), param_hint="DUTY/PERIOD")
    found = await link.duties.ExplainDuty(pb.ExplainDutyRequest(duty=name, period=period))
    link.output.show(
        found, lambda: "\n".join(pick(*pair) for pair in zip(found.lines_zh, found.lines_en, strict=True))
    )
