"""Scenarios one after the other, told on the console, and what came of each in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from services.cli.demo.party import Party
from services.cli.demo.scenario import BadScenario, Scenario, read_all
from services.cli.demo.stage import Played, Result, Stage
from services.exchange.letters import moment

ALL: Final = "all"
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
    "zh": ("编号", "机制", "行为", "被拒绝", "按时办结", "逾期", "依据"),
    "en": ("row", "mechanism", "acts", "refused", "met", "missed", "source"),
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
    console: Console, scenarios: Sequence[Scenario], parties: Mapping[str, Party], language: str
) -> list[Result]:
    """Play scenarios and print the table.

    Raises:
        ScenarioFailed: A step came out otherwise than the scenario says.
    """
    index = 0 if language == "zh" else 1
    words = _WORDS[language]

    def tell(played: Played) -> None:
        act = played.act.title.zh if index == 0 else played.act.title.en
        end = (
            f"[red]{words['refused']} {played.refused}[/red]"
            if played.refused
            else f"[dim]{words['position']} {played.position}[/dim]"
        )
        console.print(f"[bold]{played.number:>2}  {act}[/bold]  {played.party.title[index]}  {end}")
        if played.step.why:
            console.print(f"    {played.step.why[index]}", style="dim")
        for each in played.due:
            title = each.title_zh if index == 0 else each.title_en
            due = moment(each.due_at).astimezone(_ZONE)
            console.print(f"    {words['due']} {title} · {each.limit} → {due:%Y-%m-%d %H:%M}", style="cyan")

    results = []
    for scenario in scenarios:
        console.rule(f"{scenario.mechanism}  {scenario.title[index]}")
        results.append(await Stage(scenario, parties, tell).play())
    table = Table(*_COLUMNS[language], title=words["title"])
    for each in results:
        scenario = each.scenario
        table.add_row(
            scenario.mechanism,
            scenario.title[index],
            str(each.acts),
            str(each.refused),
            str(each.met),
            str(each.missed),
            ", ".join(each.source),
        )
    console.print(table)
    return results
