"""`liandong invite`: a one-time invitation for a department, by an operator of the registry."""

from typing import Annotated

import typer
from liandong.enrolment.v1 import enrolment_service_pb2 as pb

from services.cli.connection import Connection, connected
from services.cli.output import moment, table
from services.cli.texts import say

app = typer.Typer(add_completion=False)


@app.command()
@connected
async def invite(
    link: Connection,
    department: Annotated[str, typer.Argument()] = "",
    *,
    hours: Annotated[int, typer.Option(min=1, max=720)] = 72,
) -> None:
    """Invite a department, or list the invitations."""
    if not department:
        listed = await link.invitations.ListInvitations(pb.ListInvitationsRequest())
        rows = table("department", "created", "expires", "redeemed")
        for each in listed.invitations:
            redeemed = moment(each.redeemed_at if each.HasField("redeemed_at") else None)
            rows.add_row(each.department, moment(each.created_at), moment(each.expires_at), redeemed)
        link.output.show(listed, lambda: rows)
        return
    made = await link.invitations.CreateInvitation(
        pb.CreateInvitationRequest(department=department, valid_hours=hours)
    )
    if link.output.as_json:
        link.output.show(made)
        return
    # the invitation alone on standard output, so that it can be piped
    typer.echo(say("invite.until", department=department, until=moment(made.expires_at)), err=True)
    typer.echo(made.invitation)
