"""`liandong handling`, what a department states: chains, number series, delegations, posts that change hands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from liandong.cases.v1 import handling_service_pb2 as pb

from services.cli import handling_views, inputs
from services.cli.connection import Connection, connected
from services.cli.failures import Failed
from services.cli.output import terminal
from services.cli.texts import say
from services.procedures.chain_source import load_chain, shipped
from services.procedures.defects import DefectiveProcedure

app = typer.Typer(add_completion=False)

_PAGE = 500

Procedure = Annotated[str, typer.Option("--procedure", metavar="NAME")]
Act = Annotated[str, typer.Option("--act", metavar="ACT")]
Since = Annotated[str, typer.Option("--since", metavar="TIME")]
Until = Annotated[str, typer.Option("--until", metavar="TIME")]
Person = Annotated[str, typer.Argument(metavar="PERSON")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT")]
Number = Annotated[int, typer.Argument(metavar="NUMBER")]


class Way(StrEnum):
    """Which way letters go."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


# -- chains ---------------------------------------------------------------------------------------


@app.command("chains")
@connected
async def chains(link: Connection, *, ended: Annotated[bool, typer.Option("--ended")] = False) -> None:
    """The department's chains, and those that come with the product."""
    found = await link.handling.ListChains(pb.ListChainsRequest(include_ended=ended))
    link.output.show(found, lambda: handling_views.chains([*found.chains, *found.shipped]))


@app.command("set-chain")
@connected
async def set_chain(
    link: Connection,
    source: Annotated[str, typer.Argument(metavar="FILE|outbound|inbound")],
    *,
    procedure: Procedure = "",
    act: Act = "",
    since: Since = "",
    until: Until = "",
) -> None:
    """State a chain, from a file or as it comes with the product."""
    request = pb.SetChainRequest(source=_source(source), procedure=procedure, act=act)
    if since:
        request.valid_from.CopyFrom(inputs.moment(since, option="--since"))
    if until:
        request.valid_until.CopyFrom(inputs.moment(until, option="--until", ends_day=True))
    answer = await link.handling.SetChain(request)
    link.output.show(answer.chain, lambda: handling_views.chains([answer.chain]))


@app.command("withdraw-chain")
@connected
async def withdraw_chain(link: Connection, number: Number) -> None:
    """End a chain; letters on their way keep it."""
    answer = await link.handling.WithdrawChain(pb.WithdrawChainRequest(chain_id=number))
    link.output.show(answer.chain, lambda: handling_views.chains([answer.chain]))


@app.command("check-chain")
def check_chain(file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]) -> None:
    """Check a chain; every defect is told with file and line."""
    console = terminal()
    try:
        found = load_chain(file.read_text(encoding="utf-8"), str(file))
    except DefectiveProcedure as error:
        for defect in error.defects:
            console.print(f"[red]{defect}[/]", soft_wrap=True)
        raise Failed from error
    console.print(say("handling.good", file=file, name=found.name, steps=len(found.steps)), soft_wrap=True)


def _source(name: str) -> str:
    for file, text in shipped():
        if name in (file, file.removesuffix(".yaml")):
            return text
    return Path(name).read_text(encoding="utf-8")


# -- numbers --------------------------------------------------------------------------------------


@app.command("numbers")
@connected
async def numbers(
    link: Connection,
    word: Annotated[str, typer.Argument(metavar="WORD")],
    year: Annotated[int, typer.Argument(metavar="YEAR")],
) -> None:
    """Every number of a series: a letter's, reserved, or void with its reason."""
    request = pb.ListNumbersRequest(word=word, year=year, page_size=_PAGE)
    found = pb.ListNumbersResponse()
    while True:
        answer = await link.handling.ListNumbers(request)
        found.numbers.extend(answer.numbers)
        found.last = answer.last
        request.page_token = answer.next_page_token
        if not request.page_token:
            break
    link.output.show(found, lambda: handling_views.numbers(found))


@app.command("void-number")
@connected
async def void_number(
    link: Connection,
    document: Annotated[str, typer.Argument(metavar="DOCUMENT")],
    number: Annotated[str, typer.Argument(metavar="NUMBER")],
    *,
    reason: Reason,
) -> None:
    """Void the number of a document that was not sent."""
    answer = await link.handling.VoidNumber(
        pb.VoidNumberRequest(document_id=document, number=number, reason=reason)
    )
    link.output.show(answer.document, lambda: handling_views.document(answer.document))


@app.command("series")
@connected
async def series(link: Connection) -> None:
    """What numbers begin with, by section and kind of letter."""
    found = await link.handling.ListSeries(pb.ListSeriesRequest())
    link.output.show(found, lambda: handling_views.series(found.series))


@app.command("set-series")
@connected
async def set_series(
    link: Connection,
    word: Annotated[str, typer.Argument(metavar="WORD")],
    *,
    direction: Annotated[Way, typer.Option()] = Way.OUTBOUND,
    procedure: Procedure = "",
    act: Act = "",
    section: Annotated[str, typer.Option(metavar="SECTION")] = "",
    since: Since = "",
    until: Until = "",
) -> None:
    """State a number series."""
    request = pb.SetSeriesRequest(
        word=word,
        direction=pb.Direction.Value(f"DIRECTION_{direction.name}"),
        procedure=procedure,
        act=act,
        section=section,
    )
    if since:
        request.valid_from.CopyFrom(inputs.moment(since, option="--since"))
    if until:
        request.valid_until.CopyFrom(inputs.moment(until, option="--until", ends_day=True))
    answer = await link.handling.SetSeries(request)
    link.output.show(answer.series, lambda: handling_views.series([answer.series]))


@app.command("withdraw-series")
@connected
async def withdraw_series(link: Connection, number: Number) -> None:
    """End a number series; its numbers stay."""
    answer = await link.handling.WithdrawSeries(pb.WithdrawSeriesRequest(series_id=number))
    link.output.show(answer.series, lambda: handling_views.series([answer.series]))


# -- people ---------------------------------------------------------------------------------------


@app.command("delegations")
@connected
async def delegations(
    link: Connection,
    *,
    person: Annotated[str, typer.Option("--person", metavar="PERSON")] = "",
    ended: Annotated[bool, typer.Option("--ended")] = False,
) -> None:
    """Who acts for whom."""
    request = pb.ListDelegationsRequest(subject=person, include_ended=ended, page_size=_PAGE)
    found = await link.handling.ListDelegations(request)
    link.output.show(found, lambda: handling_views.delegations(found.delegations))


@app.command("delegate")
@connected
async def delegate(
    link: Connection,
    absent: Person,
    absent_name: Annotated[str, typer.Argument(metavar="NAME")],
    deputy: Annotated[str, typer.Argument(metavar="DELEGATE")],
    deputy_name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    role: Annotated[str, typer.Option("--delegated-role", metavar="ROLE")],
    since: Since,
    until: Until,
    reason: Reason,
    section: Annotated[str, typer.Option(metavar="SECTION")] = "",
    scope: Annotated[list[str] | None, typer.Option(metavar="PROCEDURE[/ACT]")] = None,
    holds_role: Annotated[bool, typer.Option("--holds-role")] = False,
    change: Annotated[int, typer.Option("--change", metavar="NUMBER")] = 0,
) -> None:
    """Let somebody act in an absent person's role, for a time and for some acts."""
    request = pb.SetDelegationRequest(
        delegation_id=change,
        absent=pb.HandlingPerson(subject=absent, name=absent_name, role=role),
        section=section,
        delegate=pb.HandlingPerson(subject=deputy, name=deputy_name),
        since=inputs.moment(since, option="--since"),
        until=inputs.moment(until, option="--until", ends_day=True),
        scope=scope or (),
        delegate_holds_role=holds_role,
        reason=reason,
    )
    answer = await link.handling.SetDelegation(request)
    link.output.show(answer.delegation, lambda: handling_views.delegations([answer.delegation]))


@app.command("end-delegation")
@connected
async def end_delegation(link: Connection, number: Number) -> None:
    """End a delegation now."""
    answer = await link.handling.EndDelegation(pb.EndDelegationRequest(delegation_id=number))
    link.output.show(answer.delegation, lambda: handling_views.delegations([answer.delegation]))


@app.command("hand-over")
@connected
async def hand_over(
    link: Connection,
    before: Person,
    after: Annotated[str, typer.Argument(metavar="SUCCESSOR")],
    after_name: Annotated[str, typer.Argument(metavar="NAME")],
    *,
    reason: Reason,
) -> None:
    """Give everything that a person has open to whoever takes their post."""
    found = await link.handling.HandOver(
        pb.HandOverRequest(
            before=pb.HandlingPerson(subject=before),
            after=pb.HandlingPerson(subject=after, name=after_name),
            reason=reason,
        )
    )
    link.output.show(found, lambda: handling_views.handed_over(found))
