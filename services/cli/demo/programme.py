"""Scenarios one after the other, told on the console, and what came of each in a table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.demo.district import District
from services.cli.demo.scenario import BadScenario, Scenario, read_all
from services.cli.demo.stage import Played, Result, Stage
from services.exchange.letters import moment

ALL: Final = "all"
_AT_ONCE: Final = 4
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_WORDS: Final = {
    "zh": {
        "position": "账本位置",
        "refused": "被拒绝：",
        "due": "应办：",
        "title": "各项机制",
    },
    "en": {
        "position": "position",
        "refused": "refused:",
        "due": "now due:",
        "title": "The mechanisms",
    },
}


_COLUMNS: Final = {
    "zh": ("编号", "机制", "行为", "命令", "被拒绝", "按时办结", "逾期", "依据"),
    "en": ("row", "mechanism", "acts", "commands", "refused", "met", "missed", "source"),
}


def chosen(name: str) -> list[Scenario]:
    """The scenarios of a name; `all` are all.

    Raises:
        BadScenario: There is none of that name, or one of them cannot be read.
    """
    known = read_all()
    found = [each for each in known if name in (ALL, each.scenario)]
    if not found:
        raise BadScenario(f"{name}: {ALL}, {', '.join(each.scenario for each in known)}")
    return found


async def play_all(
    console: Console, scenarios: Sequence[Scenario], district: District, language: str
) -> list[Result]:
    """Play scenarios, a few at once, each told when it is through, and print the table.

    Raises:
        ScenarioFailed: A step came out otherwise than the scenario says.
    """
    index = 0 if language == "zh" else 1
    slots = asyncio.Semaphore(_AT_ONCE)

    async def play(scenario: Scenario) -> Result:
        told: list[str] = []
        async with slots:
            result = await Stage(
                scenario,
                district.parties,
                district.description,
                lambda played: told.extend(_told(played, language)),
            ).play()
        console.rule(f"{scenario.mechanism}  {scenario.title[index]}")
        for line in told:
            console.print(line)
        return result

    results: list[Result] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(play(each)) for each in scenarios]
        results = [each.result() for each in tasks]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    table = Table(*_COLUMNS[language], title=_WORDS[language]["title"])
    for each in results:
        scenario = each.scenario
        table.add_row(
            scenario.mechanism,
            scenario.title[index],
            str(each.acts),
            str(each.commands),
            str(each.refused),
            str(each.met),
            str(each.missed),
            ", ".join(each.source),
        )
    console.print(table)
    return results


def _told(played: Played, language: str) -> list[str]:
    index, words = (0 if language == "zh" else 1), _WORDS[language]
    title = escape(played.title.zh if index == 0 else played.title.en)
    end = ""
    if played.refused:
        end = f"[red]{words['refused']} {escape(played.refused)}[/red]"
    elif played.position is not None:
        end = f"[dim]{words['position']} {played.position}[/dim]"
    lines = [f"[bold]{played.number:>2}  {title}[/bold]  {played.party[index]}  {end}"]
    if played.step.why:
        lines.append(f"    [dim]{played.step.why[index]}[/dim]")
    for each in played.due:
        obligation = each.title_zh if index == 0 else each.title_en
        due = moment(each.due_at).astimezone(_ZONE)
        lines.append(f"    [cyan]{words['due']} {obligation} · {each.limit} → {due:%Y-%m-%d %H:%M}[/cyan]")
    return lines
