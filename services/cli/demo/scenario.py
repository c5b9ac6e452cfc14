"""A scenario: who does what in a mechanism, and what must then be due, refused or seen. Data, checked when read.

A step is an act of a case, or a command of `liandong` that somebody runs. Commands show whatever is no act: documents
inside a department, letters on paper, draws, duties, codes, imports, messages, indicators.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from services.cli.demo.commands import mistake
from services.common import yaml_text

FOLDER: Final = Path(__file__).parent / "scenarios"
MAIN: Final = "main"
OPERATOR: Final = "operator"
"""Who runs a command of the registry's operators."""
CASE: Final = "case"
KNOWN: Final = frozenset(
    {CASE, "department", "folder", "today", "yesterday", "tomorrow", "year", "month", "last-month"}
)
"""What a command may name in braces from the start, beside letters by act and what an earlier command was to keep."""
PLACE: Final = re.compile(r"\{([a-z][a-z0-9:-]*)\}")

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Title = tuple[str, str]
Place = tuple[str | int, ...]


class BadScenario(ValueError):
    """A scenario file that says something impossible; the message names file, line and place."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Then(_Part):
    """What must hold after an act was admitted.

    Attributes:
        state: The case's state.
        due: Open obligations and their limits, as the case shows them; those not named may be open too.
        met: Obligations that the act discharged in time.
        late: Obligations that the act discharged late, or that are overdue.
        gone: Obligations of which none is open any more.
    """

    state: str = ""
    due: dict[Name, str] = {}
    met: list[Name] = []
    late: list[Name] = []
    gone: list[Name] = []


class Act(_Part):
    """One act.

    Attributes:
        by: The role whose holder acts.
        act: What it does.
        case: Which case of the scenario; the first act of a case opens it.
        body: The body, in the JSON of its message; `@FILE` has it from a file of the scenario.
        names: Roles whose holders the act names.
        to: Roles to address; all other parties if empty.
        links: Cases of the scenario that the letter links, with what they are to it.
        materials: Kinds of material, with a file of the scenario where it matters; None brings what the act needs.
        approvals: Roles that approve; None has everyone approve who must.
        urgency: Of the case, where the act sets it.
        hours_ago: How long ago the fact happened, in hours; 0 is now.
        limit_days: A date that the letter sets, in so many days.
        limit_seconds: The same in seconds, for a limit that is to pass while the scenario is played.
        amends: The act whose letter this one amends.
        serves: Occurrences of standing duties that the act discharges.
        outcome_code: As in the act header.
        reason_code: As in the act header.
        item_code: As in the act header.
        area_code: As in the act header.
        refused: The reason with which it must be refused; empty if it must be admitted.
        then: What must hold afterwards.
        why: What the step shows, Chinese and English.
    """

    by: Name
    act: Name
    case: Name = MAIN
    body: dict[str, Any] | str = {}
    names: list[Name] = []
    to: list[Name] = []
    links: dict[Name, Name] = {}
    materials: list[Name] | dict[Name, str] | None = None
    approvals: list[Name] | None = None
    urgency: Name | None = None
    hours_ago: Annotated[int, Field(ge=0)] = 0
    limit_days: int = 0
    limit_seconds: int = 0
    amends: Name | None = None
    serves: list[str] = []
    outcome_code: str = ""
    reason_code: str = ""
    item_code: str = ""
    area_code: str = ""
    refused: str = ""
    then: Then = Then()
    why: Title | None = None


class Run(_Part):
    """One command of `liandong`, as somebody of a department types it.

    Attributes:
        by: The role whose holder's people run it, or `operator`.
        run: The command. What stands in braces is put in, here as in bodies: `{case}`, the case's id; `{ACT}`, the id
            of the case's last letter of that act; what was kept; `{department}`, `{folder}` of whoever runs it;
            `{person:ROLE}`, `{name:ROLE}`, id and name of one of its people; `{today}`, `{yesterday}`, `{tomorrow}`,
            `{year}`, `{month}`, `{last-month}`.
        person: The role of the person who runs it.
        case: Which case of the scenario it is about.
        files: Files that it finds in the scenario's folder, by name; what stands in braces is put in here as well.
        out: The file in that folder that gets what the command prints.
        shows: Texts that it must print.
        once: Texts that it must print exactly once.
        hides: Texts that it must not print.
        makes: Files that it must have made, with what stands in them, such as `%PDF`.
        keep: Names for what it printed as JSON, with the way there: `draft.letter_id`, `duties.0.period`,
            `duties.duty=drill.period`. `case` is the case's id, the name of an act the letter's.
        refused: What it must be refused with; empty if it must end well.
        within: Seconds in which it must show what it must; asked again until then.
        why: What the step shows, Chinese and English.
    """

    by: Name
    run: Annotated[str, Field(min_length=1)]
    person: Name = "clerk"
    case: Name = MAIN
    files: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*\.[a-z]+$")], str] = {}
    out: str = ""
    shows: list[str] = []
    once: list[str] = []
    hides: list[str] = []
    makes: dict[str, list[str]] = {}
    keep: dict[Name, str] = {}
    refused: str = ""
    within: Annotated[int, Field(ge=0, le=180)] = 0
    why: Title | None = None


def _kind(step: object) -> str:
    return "run" if isinstance(step, Run) or (isinstance(step, dict) and "run" in step) else "act"


Step = Annotated[Annotated[Act, Tag("act")] | Annotated[Run, Tag("run")], Discriminator(_kind)]


class Cast(_Part):
    """A case of a scenario: its procedure, and which department holds which role.

    Of several in one role, at once or one after the other, the later ones are numbered: `participant-2`.
    """

    procedure: Name
    roles: dict[Name, str]


class Scenario(_Part):
    """A mechanism, played.

    Attributes:
        scenario: Its name.
        mechanism: The row it shows, such as `M04`.
        title: Chinese and English.
        source: Row and plans, where they are not those of the procedures.
        cases: The cases by label; `main` is there.
        steps: Acts and commands, in order.
    """

    scenario: Name
    mechanism: Annotated[str, Field(pattern=r"^M\d\d$")]
    title: Title
    source: list[str] = []
    cases: dict[Name, Cast]
    steps: list[Step]

    @property
    def departments(self) -> frozenset[str]:
        """Everyone who takes part."""
        return frozenset(name for cast in self.cases.values() for name in cast.roles.values())


def read(path: Path) -> Scenario:
    """Read a scenario.

    Raises:
        BadScenario: It is none, or contradicts itself.
    """
    text = path.read_text(encoding="utf-8")
    root: yaml.Node | None = None
    try:
        root = yaml_text.nodes(text)
        found = Scenario.model_validate(yaml_text.values(text))
    except yaml.YAMLError as error:
        raise BadScenario(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _bad(path, root, first["loc"], first["msg"]) from error
    for place, what in _contradictions(found):
        raise _bad(path, root, place, what)
    return found


def read_all(folder: Path = FOLDER) -> list[Scenario]:
    """All scenarios, by mechanism and name.

    Raises:
        BadScenario: One of them is none.
    """
    found = [read(path) for path in sorted(folder.glob("*.yaml"))]
    return sorted(found, key=lambda each: (each.mechanism, each.scenario))


def _bad(path: Path, root: yaml.Node | None, place: Place, what: str) -> BadScenario:
    return BadScenario(f"{path.name}:{_line(root, place)}: {'.'.join(map(str, place))}: {what}")


def _line(node: yaml.Node | None, place: Place) -> int:
    """The line of a place, or of the nearest part of it that the file has."""
    line = node.start_mark.line if node is not None else 0
    for each in place:
        if isinstance(node, yaml.SequenceNode) and isinstance(each, int) and each < len(node.value):
            node = node.value[each]
        elif isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == each), None)
            if pair is None:
                # a key that is missing, or the kind of step
                continue
            line, node = pair[0].start_mark.line, pair[1]
            continue
        else:
            break
        line = node.start_mark.line
    return line + 1


def _contradictions(scenario: Scenario) -> Iterator[tuple[Place, str]]:
    if MAIN not in scenario.cases:
        yield ("cases",), f"{MAIN} is missing"
    kept: set[str] = set()
    files: set[str] = set()
    for index, step in enumerate(scenario.steps):
        at: Place = ("steps", index)
        cast = scenario.cases.get(step.case)
        if cast is None:
            yield (*at, "case"), f"there is no case {step.case}"
            continue
        if isinstance(step, Act):
            yield from _act(scenario, cast, step, at)
            texts = {"serves": step.serves, "body": list(_texts(step.body))}
            kept.add(step.act)
        else:
            if step.by not in {*cast.roles, OPERATOR}:
                yield (*at, "by"), f"nobody is the {step.by} of {step.case}"
            if step.by == OPERATOR and CASE in step.keep:
                yield (*at, "keep"), "an operator is in no case"
            files |= step.files.keys()
            wrong = mistake(PLACE.sub("x", step.run), files)
            if wrong:
                yield (*at, "run"), wrong
            written = list(step.files.values())
            texts = {
                "files": written,
                "run": [step.run],
                "shows": step.shows,
                "once": step.once,
                "hides": step.hides,
            }
        for field, wanted in texts.items():
            for name in _named(wanted):
                if name not in KNOWN | kept and not name.startswith(("person:", "name:")):
                    yield (*at, field), f"nothing before it is called {name}"
        if isinstance(step, Run):
            kept |= step.keep.keys()
            files |= {step.out, *step.makes} - {""}


def _act(scenario: Scenario, cast: Cast, step: Act, at: Place) -> Iterator[tuple[Place, str]]:
    for field, roles in (("by", [step.by]), ("names", step.names), ("to", step.to)):
        for role in roles:
            if role not in cast.roles:
                yield (*at, field), f"nobody is the {role} of {step.case}"
    for label in step.links:
        if label not in scenario.cases:
            yield (*at, "links"), f"there is no case {label}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _named(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        yield from PLACE.findall(text)
