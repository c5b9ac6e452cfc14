"""`liandong calendar`: the region's working days; a notice is a CSV file with the columns date and kind."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as pb
from rich.console import Console, Group, RenderableType

from services.cli.connection import Connection, connected
from services.cli.due import calendar_year
from services.cli.output import facts, table
from services.cli.texts import say
from services.common.config import ConfigurationError
from services.procedures.calendar import Calendar, CalendarYear, NoticeError, parse_notice

app = typer.Typer(no_args_is_help=True, add_completion=False)

Notice = Annotated[Path, typer.Argument(metavar="FILE.csv")]
_LAST_HOUR = 24


@app.command("show")
@connected
async def show(
    link: Connection,
    year: Annotated[int, typer.Argument(min=2000, max=2200)],
    *,
    region: Annotated[str, typer.Option()] = "",
) -> None:
    """A calendar year."""
    found = await link.directory.GetCalendar(pb.GetCalendarRequest(year=year, region=region))
    link.output.show(found, lambda: _rendered(found))


@app.command("check")
def check(file: Notice) -> None:
    """Check a notice."""
    year = read_notice(file)
    Console(highlight=False).print(
        say(
            "calendar.good",
            year=year.year,
            holidays=len(year.holidays),
            makeup=len(year.makeup),
            working=_working_days(year),
        )
    )


@app.command("publish")
@connected
async def publish(
    link: Connection,
    file: Notice,
    *,
    notice: Annotated[str, typer.Option()],
    region: Annotated[str, typer.Option()] = "",
    close: Annotated[str, typer.Option(metavar="HH:MM")] = "",
    no_roll: Annotated[bool, typer.Option("--no-roll")] = False,
) -> None:
    """Publish the notice of a year."""
    year = read_notice(file)
    if not region:
        # the current year's entry says what the registry's own region is called
        asked = pb.GetCalendarRequest(year=link.clock.now().year)
        region = (await link.published.GetCalendar(asked)).calendar.region
    entry = entries.CalendarYear(
        region=region,
        year=year.year,
        holidays=[f"{day:%m-%d}" for day in sorted(year.holidays)],
        make_up_days=[f"{day:%m-%d}" for day in sorted(year.makeup)],
        notice=notice,
        natural_days_roll=not no_roll,
        close_of_business=_minutes(close),
    )
    found = await link.published.PublishEntry(
        pb.PublishEntryRequest(entry=entries.CommonEntry(calendar=entry))
    )
    link.output.show(
        found,
        lambda: say("calendar.published", year=year.year, version=found.version, position=found.position),
    )


def read_notice(file: Path) -> CalendarYear:
    """A notice of a file.

    Raises:
        ConfigurationError: With the line that is wrong.
        OSError: The file cannot be read.
    """
    try:
        text = file.read_text(encoding="utf-8")
        return parse_notice(text, published_at=datetime.now(UTC), version=0)
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{file}: {error}"]) from None
    except NoticeError as error:
        problem = str(error).partition(": ")[2]
        raise ConfigurationError(
            [say("failures.line", file=file, line=error.line, problem=problem)]
        ) from None


def _minutes(text: str) -> int:
    if not text:
        return 0
    hours, _, minutes = text.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < _LAST_HOUR and int(minutes) < 60):  # noqa: PLR2004
        raise typer.BadParameter(say("failures.time", value=text), param_hint="--close")
    return int(hours) * 60 + int(minutes)


def _working_days(year: CalendarYear) -> int:
    calendar = Calendar("", (year,))
    return calendar.working_days_between(date(year.year, 1, 1), date(year.year, 12, 31))


def _rendered(found: pb.GetCalendarResponse) -> RenderableType:
    entry = found.calendar
    if found.provisional:
        return f"[yellow]{say('calendar.provisional', year=entry.year)}[/]"
    year = calendar_year(entry)
    days = table("day", "kind")
    kinds = dict.fromkeys(year.holidays, "holiday") | dict.fromkeys(year.makeup, "make-up")
    for day in sorted(kinds):
        style = "" if kinds[day] == "holiday" else "[yellow]"
        days.add_row(f"{day}", f"{style}{say(f'calendar.{kinds[day]}')}")
    minutes = entry.close_of_business or _LAST_HOUR * 60
    about = facts(
        [
            ("notice", entry.notice),
            ("working_days", str(_working_days(year))),
            ("close", f"{minutes // 60:02d}:{minutes % 60:02d}"),
        ]
    )
    return Group(about, days)
