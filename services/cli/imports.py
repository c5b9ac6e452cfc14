"""`liandong import`: standing stock from templates; nothing is written before everything was found right.

Contacts, authority lists and officers become common entries of the registry, by its operators; subjects and cases of
before go to a department's node.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer
from google.protobuf.message import Message
from liandong.cases.v1 import import_service_pb2 as imports
from liandong.cases.v1 import subject_service_pb2 as subjects
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory_pb
from liandong.exchange.v1 import reason_pb2
from rich.console import Console
from rich.markup import escape

from services.cli import stock
from services.cli.connection import Connection, connected
from services.cli.failures import Failed
from services.cli.progress import moving
from services.cli.sheets import Column, Problem, Row, Table, Unreadable, letter, workbooks
from services.cli.stock import KINDS
from services.cli.stock_cases import CASES, attach, opening
from services.cli.stock_cells import BadCell, Kind
from services.cli.texts import catalogue, say
from services.common.config import ConfigurationError
from services.common.edge import validate
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.exchange.entry_check import check_entry
from services.exchange.evidence import Manifest, chunks_of_file
from services.exchange.evidence_client import upload

app = typer.Typer(no_args_is_help=True, add_completion=False)

ENTRIES: Final = 2_000
"""Entries that one file may add or change: what the registry publishes together."""
_CHUNK: Final = 100
_TIMEOUT_S: Final = 600.0
_SHOWN: Final = 200
_NODE: Final = frozenset({stock.SUBJECTS.name, CASES})

KindName = Annotated[str, typer.Argument(metavar="KIND")]
File = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]
Procedure = Annotated[str, typer.Option("--procedure", metavar="NAME")]
Act = Annotated[str, typer.Option("--act", metavar="ACT")]


@dataclass(slots=True)
class Filled:
    """A file that was read: its rows as messages, what is wrong with them, and the materials that go with them."""

    kind: Kind
    rows: list[tuple[Row, Message]]
    problems: list[Problem]
    materials: list[tuple[Path, Manifest]] = field(default_factory=list)

    def complain(self, index: int, at: str, error: LiandongError | imports.ImportFault) -> None:
        """Note what was found wrong with a row's message."""
        if isinstance(error, imports.ImportFault):
            reason, message = reason_pb2.Reason.Name(error.reason).removeprefix("REASON_"), error.message
        else:
            reason, message = error.reason, error.message
        advice = catalogue().get(f"advice.{reason}", ("", ""))[0]
        said = f"{reason} {advice}（{message}）"
        self.problems.append(self.kind.problem(self.rows[index][0], at, said, f"{reason} {message}"))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows change what."""

    added: int
    changed: int
    unchanged: int
    awaiting: int = 0


@app.command("template")
def template(
    kind: KindName,
    file: Annotated[Path, typer.Argument(metavar="FILE.xlsx|FILE.csv")],
    *,
    procedure: Procedure = "",
    act: Act = "",
) -> None:
    """Write the template of a kind; an XLSX with a sheet of help."""
    wanted = _kind(kind, procedure, act)
    if file.suffix.lower() == ".csv":
        with file.open("w", encoding="utf-8-sig", newline="") as text:
            csv.writer(text).writerow([_heading(each) for each in wanted.columns])
    else:
        _workbook(wanted, file)
    typer.echo(say("import.written", file=file))


@app.command("preview")
@connected
async def preview(
    link: Connection, kind: KindName, file: File, *, procedure: Procedure = "", act: Act = ""
) -> None:
    """What an import would do; every bad cell is named, nothing is written."""
    filled = read(_kind(kind, procedure, act), file)
    await _tried(link, filled, file.parent)


@app.command("apply")
@connected
async def apply(
    link: Connection,
    kind: KindName,
    file: File,
    *,
    procedure: Procedure = "",
    act: Act = "",
    yes: Annotated[bool, typer.Option("--yes")] = False,
) -> None:
    """Import a file, all of it or nothing; what is there already stays."""
    filled = read(_kind(kind, procedure, act), file)
    counts, changes = await _tried(link, filled, file.parent)
    if not counts.added and not counts.changed:
        return
    if not yes and not typer.confirm(say("import.sure"), err=True):
        raise typer.Abort
    if filled.kind.name in _NODE:
        await _upload(link, filled)
        counts = await _send(link, filled, dry_run=False)
        if filled.problems:
            _refuse(link, filled)
    else:
        await _publish(link, filled.kind, changes)
    link.output.say("import.done", added=counts.added, changed=counts.changed)


def read(kind: Kind, file: Path) -> Filled:
    """Read a file of a kind; whatever is wrong with its cells is noted.

    Raises:
        ConfigurationError: It is no table.
        OSError: It cannot be read.
    """
    sheet = Table(file, kind.columns)
    filled = Filled(kind, [], sheet.problems)
    keys: dict[tuple[str, ...], int] = {}
    try:
        for row in sheet.rows():
            before = len(sheet.problems)
            first = keys.setdefault(tuple([row[each] for each in kind.key]), row.number)
            if first != row.number:
                sheet.complain(
                    row.problem(kind.key[0], f"与第 {first} 行重复", f"Stands in row {first} already")
                )
            try:
                message = kind.make(row)
            except BadCell as error:
                sheet.complain(row.problem(error.key, error.zh, error.en))
                continue
            filled.rows.append((row, message))
            if len(sheet.problems) == before:
                try:
                    validate(message)
                except LiandongError as error:
                    filled.complain(len(filled.rows) - 1, error.field, error)
    except Unreadable as error:
        raise ConfigurationError([str(error)]) from None
    return filled


async def _tried(link: Connection, filled: Filled, folder: Path) -> tuple[Counts, list[entries.CommonEntry]]:
    """Find out what a file would do, and say it; ends the command where anything is wrong."""
    changes: list[entries.CommonEntry] = []
    counts = Counts(0, 0, 0)
    await _attach(filled, folder)
    if not filled.problems:
        if filled.kind.name in _NODE:
            counts = await _send(link, filled, dry_run=True)
        else:
            counts, changes = _compared(filled, await _directory(link))
    if filled.problems:
        _refuse(link, filled)
    if link.output.as_json:
        link.output.line(
            {"added": counts.added, "changed": counts.changed, "unchanged": counts.unchanged,
             "awaiting_approval": counts.awaiting}
        )  # fmt: skip
    link.output.say(
        "import.preview", rows=len(filled.rows), added=counts.added, changed=counts.changed,
        unchanged=counts.unchanged,
    )  # fmt: skip
    if counts.awaiting:
        link.output.say("import.awaiting", count=counts.awaiting)
    return counts, changes


def _refuse(link: Connection, filled: Filled) -> None:
    problems = filled.problems
    if link.output.as_json:
        for each in problems:
            link.output.line(
                {"sheet": each.sheet, "cell": each.cell, "heading": each.heading, "value": each.value,
                 "zh": each.zh, "en": each.en}
            )  # fmt: skip
        raise Failed
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for each in problems[:_SHOWN]:
        console.print(f"[red]{escape(str(each))}[/]")
    console.print(say("import.refused", count=len(problems)))
    raise Failed


# -- common entries ---------------------------------------------------------------------------------


async def _directory(link: Connection) -> Directory:
    """The registry's directory, from its entries."""
    newest = (await link.published.ListDepartments(directory_pb.ListDepartmentsRequest())).common_version
    directory = Directory.empty("")
    watch = link.published.WatchEntries(directory_pb.WatchEntriesRequest(from_version=1), timeout=_TIMEOUT_S)
    async for each in cast("AsyncIterator[directory_pb.WatchEntriesResponse]", watch):
        directory = directory.apply(
            each.entry, version=each.version, position=each.position, admitted_at=link.clock.now()
        )
        if each.version >= newest:
            break
    return directory


def _compared(filled: Filled, directory: Directory) -> tuple[Counts, list[entries.CommonEntry]]:
    """What of a file's entries is new or other than in a directory; what may not be published is noted."""
    changes, added, changed, unchanged = [], 0, 0, 0
    for index, (_, message) in enumerate(filled.rows):
        entry = cast("entries.CommonEntry", message)
        known = _known(entry, directory)
        if known is not None and known == getattr(entry, entry.WhichOneof("entry") or ""):
            unchanged += 1
            continue
        try:
            check_entry(entry, directory)
        except LiandongError as error:
            filled.complain(index, error.field, error)
            continue
        added, changed = (added + 1, changed) if known is None else (added, changed + 1)
        changes.append(entry)
        directory = directory.apply(
            entry, version=directory.version + 1, position=directory.position + 1,
            admitted_at=directory.admitted_at or datetime.now(UTC),
        )  # fmt: skip
    if len(changes) > ENTRIES:
        said = f"{ENTRIES:,}"
        row = filled.rows[-1][0]
        filled.problems.append(
            row.problem(
                filled.kind.key[0], f"一个文件最多新增或变更 {said} 行", f"At most {said} changes in one file"
            )
        )
    return Counts(added, changed, unchanged), changes


def _known(entry: entries.CommonEntry, directory: Directory) -> Message | None:
    match entry.WhichOneof("entry"):
        case "person":
            return directory.people.get((entry.person.department, entry.person.id))
        case "officer":
            return directory.officers.get(entry.officer.number)
        case _:
            row = entry.authority
            return directory.lists.rows.get(row.item_code, {}).get((row.area_code, row.department))


async def _publish(link: Connection, kind: Kind, changes: Sequence[entries.CommonEntry]) -> None:
    """Publish entries together; a repetition after a cut is answered as before."""
    content = b"".join(each.SerializeToString(deterministic=True) for each in changes)
    key = f"import/{kind.name}/{hashlib.sha256(content).hexdigest()[:40]}"
    await link.published.PublishEntries(
        directory_pb.PublishEntriesRequest(entries=changes, idempotency_key=key), timeout=_TIMEOUT_S
    )


# -- a node's own -----------------------------------------------------------------------------------


async def _send(link: Connection, filled: Filled, *, dry_run: bool) -> Counts:
    """Send a file's rows in one call, and note what is wrong with them."""
    messages = [message for _, message in filled.rows]
    chunks = [messages[start : start + _CHUNK] for start in range(0, len(messages), _CHUNK)]
    found: imports.ImportSubjectsResponse | imports.ImportCasesResponse
    if filled.kind.name == stock.SUBJECTS.name:
        listed = [
            imports.ImportSubjectsRequest(
                dry_run=dry_run, subjects=cast("list[subjects.RegisteredSubject]", chunk)
            )
            for chunk in chunks
        ]
        found = await cast("Any", link.imports).ImportSubjects(iter(listed), timeout=_TIMEOUT_S)
    else:
        cases = [
            imports.ImportCasesRequest(dry_run=dry_run, cases=cast("list[imports.StandingCase]", chunk))
            for chunk in chunks
        ]
        found = await cast("Any", link.imports).ImportCases(iter(cases), timeout=_TIMEOUT_S)
    for fault in found.faults:
        filled.complain(fault.row, fault.field, fault)
    counts = found.counts
    return Counts(counts.added, counts.changed, counts.unchanged, counts.awaiting_approval)


async def _attach(filled: Filled, folder: Path) -> None:
    """Name the materials of cases in their drafts, from files in a folder."""
    if not filled.kind.materials:
        return
    for row, message in filled.rows:
        try:
            filled.materials += await attach(filled.kind, row, cast("imports.StandingCase", message), folder)
        except BadCell as error:
            filled.problems.append(row.problem(error.key, error.zh, error.en))


async def _upload(link: Connection, filled: Filled) -> None:
    """Bring materials to the node: what it has already is not sent again."""
    for path, manifest in filled.materials:
        with moving(path.name) as moved:
            await upload(link.evidence, manifest, chunks_of_file(path), moved)


# -- templates --------------------------------------------------------------------------------------


def _kind(name: str, procedure: str, act: str) -> Kind:
    if name not in KINDS:
        raise typer.BadParameter(say("import.kinds", kinds=", ".join(KINDS)), param_hint="KIND")
    if not procedure and not act:
        return KINDS[name]
    if name != CASES:
        raise typer.BadParameter(say("import.only_cases"), param_hint="--procedure")
    return opening(procedure, act) if procedure else opening(act=act)


def _heading(column: Column) -> str:
    return column.zh + ("*" if column.required else "")


def _workbook(kind: Kind, file: Path) -> None:
    book = workbooks().Workbook()
    # only now: without the library there is a sentence about it
    from openpyxl.styles import Alignment, Font, PatternFill  # noqa: PLC0415

    sheet = book.active
    sheet.title = kind.title[0]
    sheet.append([_heading(each) for each in kind.columns])
    for index, column in enumerate(kind.columns, start=1):
        cell = sheet.cell(1, index)
        cell.font = Font(bold=True)
        cell.fill = PatternFill("solid", fgColor="FDE9D9" if column.required else "DDEBF7")
        dimension = sheet.column_dimensions[letter(index - 1)]
        dimension.width = 18
        # as text: a number of 18 digits would lose its last ones
        dimension.number_format = "@"
    sheet.freeze_panes = "A2"
    help_sheet = book.create_sheet("填写说明")
    help_sheet.append(["列", "必填", "填写说明", "Column", "Required", "What to write"])
    for column in kind.columns:
        help_sheet.append(
            [column.zh, "是" if column.required else "", column.help_zh, column.en,
             "yes" if column.required else "", column.help_en]
        )  # fmt: skip
    for name, width in zip("ABCDEF", (18, 8, 50, 18, 10, 50), strict=True):
        help_sheet.column_dimensions[name].width = width
    for row in help_sheet.iter_rows():
        for each in row:
            each.alignment = Alignment(wrap_text=True, vertical="top")
    book.save(file)
