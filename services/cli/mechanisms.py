"""The page of mechanisms: every procedure and scenario as a document, made from the data that runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.cli.demo.scenario import Act as ActStep
from services.cli.demo.scenario import Run, Scenario, Step
from services.common.title import Title
from services.procedures.facts import Urgency
from services.procedures.model import EVIDENCE, Act, ObligationRule, Procedure
from services.procedures.obligation import Limit, Unit

_HEAD = """# Mechanisms

<!-- Made by `make docs` from the procedures and scenarios; do not edit. -->

What departments do together, as the product runs it: each procedure with its states, acts and time limits, and
the scenario that plays it. `liandong demo --scenario NAME` plays one over real nodes, `--scenario all` all of them.
Figures marked * are the product's own and wait for the office's word; a region sets its own limits without code
([procedures.md](procedures.md)).
"""
_UNITS = {
    Unit.WORKING_DAYS: "wd", Unit.DAYS: "d", Unit.HOURS: "h", Unit.MONTHS: "month", Unit.YEARS: "year",
}  # fmt: skip


def page(procedures: Iterable[Procedure], scenarios: Sequence[Scenario]) -> str:
    """The whole page, in Markdown."""
    ordered = sorted(procedures, key=lambda each: (each.source[0], each.name))
    known = {each.name: each for each in ordered}
    rows = "".join(
        f"| {each.source[0]} | [{each.title.zh}](#{each.name}) | {each.title.en} | {len(each.acts)} |"
        f" {len(each.obligations)} | {', '.join(each.source[1:])} |\n"
        for each in ordered
    )
    table = f"| row | procedure | | acts | obligations | source |\n|---|---|---|---|---|---|\n{rows}"
    sections = [_section(each, [one for one in scenarios if _plays(one, each)], known) for each in ordered]
    return "\n".join([_HEAD, table, *sections])


def diagram(procedure: Procedure) -> str:
    """The states of a procedure and the acts between them, as a Mermaid state diagram."""
    names = {state: f"s{index}" for index, state in enumerate(procedure.states)}
    lines = ["stateDiagram-v2"]
    lines += [
        f'  state "{title.zh}<br/>{title.en}" as {names[key]}' for key, title in procedure.states.items()
    ]
    lines.append(f"  [*] --> {names[procedure.initial]}")
    labels: dict[tuple[str, str], list[str]] = {}
    for act in procedure.acts.values():
        for state in sorted(act.in_states, key=list(procedure.states).index) if act.becomes else ():
            labels.setdefault((state, act.becomes or ""), []).append(act.title.zh)
    lines += [f"  {names[a]} --> {names[b]}: {' / '.join(acts)}" for (a, b), acts in labels.items()]
    lines += [f"  {names[each]} --> [*]" for each in procedure.states if each in procedure.final]
    return "\n".join(lines) + "\n"


def limits(rule: ObligationRule) -> str:
    """The limit of an obligation in each urgency, the common one once."""
    star = "*" if rule.default else ""
    if rule.requested_limit:
        return f"the date set{star}"
    shown = {each: limit_text(rule.within[each]) for each in Urgency}
    if len(set(shown.values())) == 1:
        return f"{shown[Urgency.ORDINARY]}{star}"
    return ", ".join(f"{each} {text}" for each, text in shown.items()) + star


def limit_text(limit: Limit) -> str:
    """A limit as it is written in a procedure."""
    return "at once" if limit.unit is Unit.AT_ONCE else f"{limit.value} {_UNITS.get(limit.unit, limit.unit)}"


def _plays(scenario: Scenario, procedure: Procedure) -> bool:
    return any(cast.procedure == procedure.name for cast in scenario.cases.values())


def _section(procedure: Procedure, scenarios: Sequence[Scenario], known: Mapping[str, Procedure]) -> str:
    roles = ", ".join(f"{title.zh} ({title.en})" for title in procedure.roles.values())
    title = f"**{procedure.title.zh}** · {procedure.title.en}, version {procedure.version}."
    parts = [
        f"## {procedure.name}\n",
        f"{title} Source: {', '.join(procedure.source)}. Roles: {roles}.\n",
        f"```mermaid\n{diagram(procedure)}```\n",
        "| act | by | in | needs | approved by |\n|---|---|---|---|---|\n"
        + "".join(_act(procedure, act) for act in procedure.acts.values()),
        "| obligation | owed by | from | met by | limit |\n|---|---|---|---|---|\n"
        + "".join(_rule(procedure, each) for each in procedure.obligations.values() if each.name != EVIDENCE),
    ]
    parts += [_story(each, known) for each in scenarios]
    return "\n".join(parts)


def _act(procedure: Procedure, act: Act) -> str:
    by = ", ".join(_role(procedure, each) for each in act.by)
    states = ", ".join(procedure.states[each].zh for each in procedure.states if each in act.in_states)
    needs, persons = ", ".join(act.needs), ", ".join(act.approved_by)
    return f"| {act.title.zh} · {act.title.en} | {by} | {states} | {needs} | {persons} |\n"


def _rule(procedure: Procedure, rule: ObligationRule) -> str:
    start = "receipt of " if rule.starts_on_receipt else ""
    opens, met = (", ".join(procedure.acts[each].title.zh for each in names) for names in
                  (rule.opens_on, rule.discharged_by))  # fmt: skip
    owed = _role(procedure, rule.owed_by)
    return f"| {rule.title.zh} · {rule.title.en} | {owed} | {start}{opens} | {met} | {limits(rule)} |\n"


def _role(procedure: Procedure, name: str) -> str:
    return procedure.roles.get(name, Title(name, name)).zh


def _story(scenario: Scenario, known: Mapping[str, Procedure]) -> str:
    row = f"{scenario.mechanism}; " if scenario.source else ""
    lines = [f"**{scenario.title[0]}** · {scenario.title[1]} ({row}`--scenario {scenario.scenario}`)\n"]
    for number, step in enumerate(scenario.steps, start=1):
        procedure = known[scenario.cases[step.case].procedure]
        lines.append(f"{number}. {_role(procedure, step.by)}: {_step(procedure, step)}")
    return "\n".join(lines) + "\n"


def _step(procedure: Procedure, step: Step) -> str:
    why = f" {step.why[1]}." if step.why else ""
    if isinstance(step, Run):
        refused = f": refused, `{step.refused}`" if step.refused else ""
        return f"`liandong {step.run}` ({step.person}){refused}.{why}"
    title = procedure.acts[step.act].title
    return f"{title.zh} ({title.en}){_outcome(step)}{why}"


def _outcome(step: ActStep) -> str:
    if step.refused:
        return f": refused, `{step.refused}`."
    due = ", ".join(f"{rule} {limit}" for rule, limit in step.then.due.items())
    return f"; due: {due}." if due else "."
