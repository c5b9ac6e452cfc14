"""`liandong indicators`: figures of any period, what they count, frozen months, the bulletin."""

import enum
from collections.abc import AsyncIterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

import typer
from liandong.oversight.v1 import indicator_service_pb2 as pb

from services.cli import indicator_views
from services.cli.connection import AsJson, Connection, connected
from services.cli.due import instant, read_calendar
from services.cli.failures import Failed
from services.cli.output import Output, facts
from services.cli.progress import counting
from services.cli.texts import language, say
from services.common.config import ConfigurationError
from services.common.db import Database
from services.registry import ledger
from services.registry.indicators import catalogue
from services.registry.indicators.amounts import definitions_of, loads
from services.registry.indicators.freeze import get_frozen
from services.registry.indicators.periods import Month
from services.registry.indicators.replay import replay
from services.registry.ledger import Hashes

app = typer.Typer(no_args_is_help=True, add_completion=False)
freeze = typer.Typer(no_args_is_help=True, add_completion=False)
app.add_typer(freeze, name="freeze")

_FILE_TIMEOUT_S: Final = 300.0

Names = Annotated[list[str] | None, typer.Argument(metavar="[INDICATOR]...")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD")]
Procedure = Annotated[str, typer.Option("--procedure", metavar="NAME")]
Department = Annotated[str, typer.Option("--department", metavar="DEPARTMENT")]
MonthName = Annotated[str, typer.Argument(metavar="YYYY-MM")]


class Group(enum.StrEnum):
    """By what figures are split, as it is typed."""

    DEPARTMENT = "department"
    PROCEDURE = "procedure"
    LEVEL = "level"
    ITEM = "item"
    AREA = "area"
    SPECIALTY = "specialty"


class Compare(enum.StrEnum):
    """What figures are compared with, as it is typed."""

    PREVIOUS_YEAR = "previous-year"
    PREVIOUS_PERIOD = "previous-period"
    BASE_YEAR = "base-year"


By = Annotated[Group | None, typer.Option("--by")]


@app.command("list")
@connected
async def list_(link: Connection) -> None:
    """The catalogue."""
    found = await link.indicators.ListIndicators(pb.ListIndicatorsRequest())
    link.output.show(
        found, lambda: indicator_views.catalogue(found), lambda: indicator_views.elsewhere(found)
    )


@app.command("show")
@connected
async def show(
    link: Connection,
    names: Names = None,
    *,
    first: Day,
    last: Day,
    by: By = None,
    compare: Annotated[Compare | None, typer.Option()] = None,
    procedure_name: Procedure = "",
    department: Department = "",
    out: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
) -> None:
    """Figures of a period, or a workbook of them."""
    asked = pb.GetFiguresRequest(
        indicators=names or (),
        period=pb.Period(first=first, last=last),
        group_by=_group(by),
        procedure=procedure_name,
        department=department,
    )
    if compare is not None:
        asked.compare = pb.Compare.Value(f"COMPARE_{compare.name}")
    if out is not None:
        request = pb.ExportFiguresRequest(figures=asked, language=_language())
        await _save(link, out, link.indicators.ExportFigures(request, timeout=_FILE_TIMEOUT_S))
        return
    found = await link.indicators.GetFigures(asked)
    if link.output.as_json:
        link.output.show(found)
        return
    known = await _known(link)
    link.output.show(found, lambda: indicator_views.figures(found.figures, known))
    if found.unfinished:
        link.output.say("indicators.unfinished")
    if found.acts_counted < found.ledger_size:
        link.output.say("indicators.behind", counted=found.acts_counted, size=found.ledger_size)


@app.command("items")
@connected
async def items(
    link: Connection,
    name: Annotated[str, typer.Argument(metavar="INDICATOR")],
    *,
    first: Day,
    last: Day,
    denominator: Annotated[bool, typer.Option("--denominator")] = False,
    procedure_name: Procedure = "",
    department: Department = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    page: Annotated[str, typer.Option(metavar="TOKEN")] = "",
    by: By = None,
    of: Annotated[str, typer.Option("--of", metavar="KEY")] = "",
) -> None:
    """The obligations or letters that a figure counts."""
    asked = pb.ListFigureItemsRequest(
        indicator=name,
        period=pb.Period(first=first, last=last),
        part=pb.FIGURE_PART_DENOMINATOR if denominator else pb.FIGURE_PART_UNSPECIFIED,
        procedure=procedure_name,
        department=department,
        page_size=limit,
        page_token=page,
        group_by=_group(by),
        key=of,
    )
    found = await link.indicators.ListFigureItems(asked)
    if link.output.as_json:
        link.output.show(found)
        return
    now = link.clock.now()
    dues = [instant(each.obligation.due_at) for each in found.items if each.HasField("obligation")]
    calendar = await read_calendar(link.directory, now, dues)
    link.output.show(found, lambda: indicator_views.items(found.items, now, calendar))
    if found.next_page_token:
        link.output.say("indicators.more", token=found.next_page_token)


@app.command("bulletin")
@connected
async def bulletin(
    link: Connection,
    month: MonthName,
    *,
    output: Annotated[Path, typer.Option("--output", metavar="FILE")],
    procedure_name: Procedure = "",
) -> None:
    """The bulletin of two frozen months, as DOCX or XLSX by the file's name."""
    formats = {".docx": pb.BULLETIN_FORMAT_DOCX, ".xlsx": pb.BULLETIN_FORMAT_XLSX}
    wanted = formats.get(output.suffix.lower())
    if wanted is None:
        raise typer.BadParameter(say("indicators.suffix"), param_hint="--output")
    request = pb.CompileBulletinRequest(
        month=month, procedure=procedure_name, format=wanted, language=_language()
    )
    await _save(link, output, link.indicators.CompileBulletin(request, timeout=_FILE_TIMEOUT_S))


@freeze.command("status")
@connected
async def status(link: Connection, *, limit: Annotated[int, typer.Option(min=1, max=1000)] = 24) -> None:
    """Which months are frozen, and of which ledger."""
    found = await link.indicators.ListFrozen(pb.ListFrozenRequest(page_size=limit))
    link.output.show(found, lambda: indicator_views.months(found.months))


@freeze.command("show")
@connected
async def frozen(
    link: Connection,
    month: MonthName,
    names: Names = None,
    *,
    by: By = None,
    procedure_name: Procedure = "",
    department: Department = "",
) -> None:
    """A frozen month's figures beside those of now."""
    asked = pb.GetFrozenRequest(
        month=month,
        indicators=names or (),
        group_by=_group(by),
        procedure=procedure_name,
        department=department,
        with_live=True,
    )
    found = await link.indicators.GetFrozen(asked)
    if link.output.as_json:
        link.output.show(found)
        return
    known = await _known(link)
    link.output.show(
        found,
        lambda: indicator_views.months([found.month]),
        lambda: indicator_views.beside_live(found.figures, known),
    )


@freeze.command("content")
@connected
async def content(
    link: Connection,
    month: MonthName,
    *,
    output: Annotated[Path, typer.Option("--output", metavar="FILE")],
) -> None:
    """What a frozen month was computed to, as JSON."""
    request = pb.GetFrozenContentRequest(month=month)
    await _save(link, output, link.indicators.GetFrozenContent(request, timeout=_FILE_TIMEOUT_S))


@freeze.command("verify")
def verify(
    month: MonthName,
    *,
    database: Annotated[str, typer.Option(metavar="URL")],
    as_json: AsJson = False,
) -> None:
    """Compute a frozen month again from the ledger in a registry's database."""
    output = Output(as_json=as_json)
    wanted = Month.parse(month)
    try:
        opened = Database(database, pool_size=1)
    except ValueError as error:
        raise ConfigurationError([str(error)]) from None
    try:
        about, stored = opened.read(lambda connection: get_frozen(connection, wanted))
        head = opened.read(ledger.read_head)
        # of a ledger that ends before it nothing can be said but that it does not hold
        size = min(about.size, head.size)
        root = opened.read(lambda connection: Hashes().root(connection, size))
        with counting(say("ledger.leaves")) as moved:
            again = opened.read(
                lambda connection: replay(
                    connection,
                    wanted,
                    size,
                    catalogue.read(definitions_of(stored)),
                    head.log_id.partition(".")[2],
                    moved,
                )
            )
    finally:
        opened.close()
    holds = {
        "digest": sha256(stored).digest() == about.digest,
        "merkle_root": size == about.size and root == about.root,
        "figures": size == about.size and again == loads(stored),
    }
    if output.as_json:
        output.line({"month": str(wanted), "size": about.size, **holds})
    else:
        rows = [
            (name, say("indicators.holds" if good else "indicators.broken")) for name, good in holds.items()
        ]
        output.console.print(facts([("leaves", str(about.size)), *rows]))
    if not all(holds.values()):
        raise Failed


async def _known(link: Connection) -> Mapping[str, pb.IndicatorView]:
    found = await link.indicators.ListIndicators(pb.ListIndicatorsRequest())
    return {each.name: each for each in found.indicators}


async def _save(
    link: Connection,
    path: Path,
    frames: AsyncIterable[pb.CompileBulletinResponse]
    | AsyncIterable[pb.ExportFiguresResponse]
    | AsyncIterable[pb.GetFrozenContentResponse],
) -> None:
    # whole or not at all: a file that ends in its middle opens as a broken one
    draft = path.with_name(f".{path.name}.part")
    written = 0
    try:
        with draft.open("wb") as file:
            async for each in frames:
                written += file.write(each.frame)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    link.output.say("handling.saved", file=path, bytes=written)


def _group(by: Group | None) -> "pb.FigureGroup.ValueType":
    return pb.FIGURE_GROUP_UNSPECIFIED if by is None else pb.FigureGroup.Value(f"FIGURE_GROUP_{by.name}")


def _language() -> "pb.BulletinLanguage.ValueType":
    return pb.BULLETIN_LANGUAGE_EN if language() == "en" else pb.BULLETIN_LANGUAGE_UNSPECIFIED
