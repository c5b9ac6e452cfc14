"""`liandong officers`: certificates and their validity."""

import enum
from typing import Annotated

import typer
from liandong.directory.v1 import directory_service_pb2 as pb
from rich.markup import escape
from rich.text import Text

from services.cli.connection import Connection, connected
from services.cli.output import moment, table, word

app = typer.Typer(no_args_is_help=True, add_completion=False)

_LOUD = frozenset({pb.OFFICER_STATE_EXPIRED, pb.OFFICER_STATE_SUSPENDED, pb.OFFICER_STATE_ENDING})


class State(enum.StrEnum):
    """States of a certificate, as they are typed."""

    VALID = "valid"
    ENDING = "ending"
    EXPIRED = "expired"
    SUSPENDED = "suspended"
    AHEAD = "ahead"


@app.callback()
def officers() -> None:
    """Officers."""


@app.command("list")
@connected
async def list_officers(
    link: Connection,
    *,
    department: Annotated[str, typer.Option(metavar="DEPARTMENT")] = "",
    state: Annotated[State | None, typer.Option()] = None,
) -> None:
    """Certificates by department and number."""
    asked = pb.ListOfficersRequest(department=department, page_size=1000)
    if state is not None:
        asked.state = pb.OfficerState.Value(f"OFFICER_STATE_{state.name}")
    found = pb.ListOfficersResponse()
    while True:
        page = await link.directory.ListOfficers(asked)
        found.officers.extend(page.officers)
        asked.page_token = page.next_page_token
        if not page.next_page_token:
            break
    rows = table("department", "number", "person", "scope", "valid", ">days", "state")
    for each in found.officers:
        entry = each.certificate
        name = pb.OfficerState.Name(each.state).removeprefix("OFFICER_STATE_")
        rows.add_row(
            entry.department,
            escape(entry.number),
            escape(entry.name),
            ", ".join(entry.scope),
            f"{moment(entry.valid_from)} – {moment(entry.valid_until)}",
            str(each.days_left),
            Text(word("officer", name), style="bold red" if each.state in _LOUD else ""),
        )
    link.output.show(found, lambda: rows)
