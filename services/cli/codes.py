"""`liandong codes`: code tables; looked up by everyone, published by the registry's operators."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer
from liandong.directory.v1 import code_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services import registry
from services.cli.code_files import DefectiveTable, Difference, following, read_table
from services.cli.connection import Connection, connected
from services.cli.output import flag, table
from services.cli.sheets import Unreadable
from services.cli.texts import pick, say
from services.common.config import ConfigurationError
from services.common.errors import Conflict
from services.exchange.codes import parts_of

app = typer.Typer(no_args_is_help=True, add_completion=False)

SEEDS: Final = Path(registry.__path__[0]) / "codes"
_PAGE: Final = 200
_SHOWN: Final = 20
_ATTEMPTS: Final = 5

File = Annotated[Path, typer.Argument(metavar="FILE", exists=True)]
Name = Annotated[str, typer.Argument(metavar="TABLE")]


@app.command("list")
@connected
async def show_tables(link: Connection) -> None:
    """The tables in force."""
    found = await link.codes.ListTables(pb.ListTablesRequest())
    rows = table("table", "title", ">version", ">codes", "source", "uses")
    for each in found.tables:
        uses = ", ".join(f"{use.procedure}.{use.field}".lstrip(".") for use in each.uses)
        rows.add_row(
            each.name, escape(pick(each.title.zh, each.title.en)), str(each.version), str(each.rows),
            escape(each.source), uses,
        )  # fmt: skip
    link.output.show(found, lambda: rows)


@app.command("show")
@connected
async def show(link: Connection, name: Name, code: Annotated[str, typer.Argument(metavar="CODE")]) -> None:
    """One code, and those above it."""
    found = await link.codes.GetCode(pb.GetCodeRequest(table=name, code=code))
    link.output.show(
        found,
        lambda: " / ".join(escape(pick(each.title.zh, each.title.en)) for each in found.above),
        lambda: _rows([found.code]),
    )


@app.command("search")
@connected
async def search(
    link: Connection,
    query: Annotated[str, typer.Argument(metavar="QUERY")] = "",
    *,
    name: Annotated[str, typer.Option("--table", metavar="TABLE")] = "",
    below: Annotated[str, typer.Option(metavar="CODE")] = "",
    retired: Annotated[bool, typer.Option("--retired")] = False,
    limit: Annotated[int, typer.Option(min=1, max=_PAGE)] = 20,
) -> None:
    """Codes by their beginning, words, pinyin or initials; without a query all of a table."""
    request = pb.SearchCodesRequest(
        table=name, query=query, parent=below, include_retired=retired, page_size=limit
    )
    found = await link.codes.SearchCodes(request)
    link.output.show(found, lambda: _rows(found.codes))


@app.command("seeds")
def seeds(
    names: Annotated[list[str] | None, typer.Argument(metavar="TABLE...")] = None,
    *,
    folder: Annotated[Path, typer.Option("--out", metavar="DIR")] = Path(),
) -> None:
    """Copy the tables that come with the product, to be edited and published."""
    known = {path.stem: path for path in sorted(SEEDS.glob("*.csv"))}
    wanted = names or list(known)
    unknown = [each for each in wanted if each not in known]
    if unknown:
        raise ConfigurationError([say("codes.no_seed", names=", ".join(unknown), known=", ".join(known))])
    folder.mkdir(parents=True, exist_ok=True)
    for each in wanted:
        typer.echo(shutil.copyfile(known[each], folder / known[each].name))


@app.command("check")
def check(file: File) -> None:
    """Check a file; every bad cell is named."""
    found = read(file)
    said = say(
        "codes.good", name=found.name, title=pick(found.title.zh, found.title.en), count=len(found.rows)
    )
    Console(highlight=False).print(said)


@app.command("import")
@connected
async def publish(
    link: Connection, file: File, *, yes: Annotated[bool, typer.Option("--yes")] = False
) -> None:
    """Publish a file as the next version of its table, after a preview."""
    read_in = read(file)
    console = Console(stderr=True, highlight=False)
    standing, version = await _standing(link, read_in.name)
    made, difference = following(read_in, standing, version + 1)
    if difference.is_none:
        link.output.say("codes.same", name=made.name, version=version)
        return
    _preview(console, made, difference, {row.code: row for row in (*standing, *made.rows)})
    if not yes and not typer.confirm(say("codes.sure"), err=True):
        raise typer.Abort
    published = await _publish(link, made)
    link.output.say("codes.published", name=made.name, version=made.version, entries=published)


def read(file: Path) -> entries.CodeTable:
    """The table of a file.

    Raises:
        ConfigurationError: With every bad cell.
        OSError: It cannot be read.
    """
    try:
        return read_table(file)
    except Unreadable as error:
        raise DefectiveTable([str(error)]) from None


async def _standing(link: Connection, name: str) -> tuple[list[entries.CodeRow], int]:
    """The rows in force at the registry, and their version; 0 where there is none."""
    tables = (await link.published_codes.ListTables(pb.ListTablesRequest())).tables
    known = next((each for each in tables if each.name == name), None)
    rows: list[entries.CodeRow] = []
    request = pb.SearchCodesRequest(table=name, include_retired=True, page_size=_PAGE)
    while known is not None:
        page = await link.published_codes.SearchCodes(request)
        rows += [each.row for each in page.codes]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    return rows, known.version if known else 0


async def _publish(link: Connection, made: entries.CodeTable) -> int:
    """Publish all parts; a repetition after a cut goes on where it was cut."""
    for _ in range(_ATTEMPTS):
        parts = parts_of(made)
        try:
            for part in parts:
                key = f"codes/{part.name}/{part.version}/{part.part}/{part.digest.hex()[:16]}"
                await link.published.PublishEntry(
                    directory_service_pb2.PublishEntryRequest(
                        entry=entries.CommonEntry(code_table=part), idempotency_key=key
                    )
                )
        except Conflict as error:
            # a version that was begun with other rows is left behind for ever
            if error.field != "code_table.digest":
                raise
            made.version += 1
        else:
            return len(parts)
    raise Conflict(field="code_table.version")


def _preview(
    console: Console, made: entries.CodeTable, difference: Difference, rows: dict[str, entries.CodeRow]
) -> None:
    console.print(
        say("codes.preview", name=made.name, version=made.version, added=len(difference.added),
            changed=len(difference.changed), retired=len(difference.retired), unchanged=difference.unchanged)
    )  # fmt: skip
    for sign, codes in (("+", difference.added), ("~", difference.changed), ("-", difference.retired)):
        for code in codes[:_SHOWN]:
            title = rows[code].title
            console.print(f"  {sign} {code}  {escape(pick(title.zh, title.en))}")
        if len(codes) > _SHOWN:
            console.print(f"  {sign} …  {len(codes) - _SHOWN}")


def _rows(codes: Iterable[pb.CodeView]) -> Table:
    rows = table("table", "code", "title", "parent", "valid", "usable", "replaced_by")
    for each in codes:
        row = each.row
        valid = (
            f"{row.valid_from or '…'} – {row.valid_until or '…'}" if row.valid_from or row.valid_until else ""
        )
        rows.add_row(
            each.table, row.code, escape(pick(row.title.zh, row.title.en)), row.parent, valid, flag(each.usable),
            ", ".join(row.replaced_by),
        )  # fmt: skip
    return rows
