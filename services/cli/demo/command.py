"""`liandong demo`: build the district, play the transfer or scenarios, verify the ledger, stay up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from services.cli import texts
from services.cli.demo.district import District, Plan, build
from services.cli.demo.processes import ProcessFailed
from services.cli.demo.programme import chosen, play_all
from services.cli.demo.scenario import BadScenario, Scenario
from services.cli.demo.stage import ScenarioFailed
from services.cli.demo.story import Step, Story, StoryFailed
from services.cli.demo.verify import verify_registry
from services.common.errors import LiandongError

_SENDER: Final = "health.qinghe"
_RECEIVER: Final = "market.qinghe"
_OFFICE: Final = "justice.qinghe"
_FIRST: Final = (_SENDER, _RECEIVER, _OFFICE, "gov.qinghe")

_WORDS: Final = {
    "zh": {
        "registry": "启动登记中心",
        "join": "部门加入",
        "nodes": "启动节点",
        "title": "案件移送：从发现线索到反馈结果",
        "position": "账本位置",
        "due": "应办：",
        "verified": "账本验证通过：{size} 条，根 {root}",
        "up": "已就绪。登记中心 {registry}，网关 {gateway}，说明文件 {file}。按 Ctrl-C 结束。",
        "accounts": "网关账号（其余见说明文件）",
        "person": "姓名",
        "role": "角色",
        "username": "用户名",
        "password": "所有账号的密码：{password}",
    },
    "en": {
        "registry": "Starting the registry",
        "join": "Departments join",
        "nodes": "Starting nodes",
        "title": "A case transfer, from discovery to outcome",
        "position": "position",
        "due": "now due:",
        "verified": "The ledger verifies: {size} leaves, root {root}",
        "up": "Ready. Registry {registry}, gateway {gateway}, described in {file}. Ctrl-C ends it.",
        "accounts": "Accounts at the gateway; all others are in the file",
        "person": "Person",
        "role": "Role",
        "username": "User name",
        "password": "Password of all accounts: {password}",
    },
}


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the transfer and the ledger's verification.")
    ] = False,
    directory: Annotated[Path | None, typer.Option("--dir", help="Keep everything in this folder.")] = None,
    departments: Annotated[int, typer.Option(help="How many departments get a node.", min=3, max=64)] = 15,
    base_port: Annotated[int, typer.Option(help="First port; 0 takes free ones.", min=0, max=65000)] = 0,
    database_url: Annotated[
        str,
        typer.Option(help="PostgreSQL URL with {name} for the database of each part; SQLite files if empty."),
    ] = "",
    scenario: Annotated[
        str, typer.Option(help="Play this scenario, or `all`, in place of the transfer.")
    ] = "",
) -> None:
    """Start a whole district on loopback and play a real transfer, or scenarios, in it."""
    try:
        scenarios = chosen(scenario) if scenario else []
    except BadScenario as error:
        raise typer.BadParameter(str(error), param_hint="--scenario") from None
    with contextlib.ExitStack() as stack:
        folder = directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liandong-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        needed = [each for one in scenarios for each in sorted(one.departments)]
        first = tuple(dict.fromkeys([*_FIRST, *needed]))
        plan = Plan(
            folder=folder.resolve(),
            departments=max(departments, len(first)),
            base_port=base_port,
            database_url=database_url,
            first=first,
            own_process=(_SENDER, _RECEIVER),
            gateway=True,
            furnished=True,
        )
        raise typer.Exit(asyncio.run(_run(plan, scenarios, once=once, language=texts.language())))


async def _run(plan: Plan, scenarios: Sequence[Scenario], *, once: bool, language: str) -> int:
    console = Console()
    words = _WORDS[language]
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    district: District | None = None
    try:
        district = await _build(console, plan, words)
        if scenarios:
            await play_all(console, scenarios, district, language)
        else:
            await _play(console, district, words, language)
        size, root = await verify_registry(district.registry_address, district.parties[_SENDER].tls)
        console.print(words["verified"].format(size=size, root=root.hex()[:16]), style="bold green")
        if once:
            return 0
        console.print(
            words["up"].format(
                registry=district.registry_address,
                gateway=district.gateway_url,
                file=district.description,
            )
        )
        _tell_accounts(console, district, words)
        while not stop.is_set():
            district.check()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 1)
    except (ProcessFailed, StoryFailed, ScenarioFailed, LiandongError, TimeoutError) as error:
        console.print(f"{type(error).__name__}: {error}", style="bold red")
        return 1
    finally:
        if district is not None:
            await district.stop()
    return 0


def _tell_accounts(console: Console, district: District, words: dict[str, str]) -> None:
    """Who may log in at the gateway; all others are in the file."""
    console.print(words["accounts"])
    for name in (_SENDER, _RECEIVER, _OFFICE):
        title = district.parties[name].title[0 if words is _WORDS["zh"] else 1]
        shown = Table(title=title, title_justify="left")
        for column in ("username", "role", "person"):
            # what is typed is not cut on a narrow terminal
            shown.add_column(words[column], no_wrap=True)
        for each in district.accounts:
            if each.department == name:
                shown.add_row(each.username, each.role, each.name)
        console.print(shown)
    console.print(words["password"].format(password=district.accounts[0].password), style="bold")


async def _build(console: Console, plan: Plan, words: dict[str, str]) -> District:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        console=console,
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(words[stage], total=total)
            bar.update(tasks[stage], completed=done)

        return await build(plan, progress)


async def _play(console: Console, district: District, words: dict[str, str], language: str) -> None:
    console.rule(words["title"])
    count = 0

    def tell(step: Step) -> None:
        nonlocal count
        count += 1
        number = f"  {step.number}" if step.number else ""
        console.print(
            f"[bold]{count:>2}  {step.act}[/bold]{number}  [dim]{words['position']} {step.position}[/dim]"
        )
        console.print(f"    {step.department} · {step.person}")
        for line in step.due:
            console.print(f"    {words['due']} {line}", style="cyan")

    parties = district.parties
    story = Story(
        parties[_SENDER], parties[_RECEIVER], parties[_OFFICE], district.registry_address, tell, language
    )
    await story.play()
