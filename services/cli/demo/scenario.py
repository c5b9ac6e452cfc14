"""A scenario: who does what in a mechanism, and what must then be due, refused or seen. Data, checked when read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.common import yaml_text

FOLDER: Final = Path(__file__).parent / "scenarios"
MAIN: Final = "main"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
Title = tuple[str, str]


class BadScenario(ValueError):
    """A scenario file that says something impossible; the message names file and place."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Then(_Part):
    """What must hold after an act was admitted.

    Attributes:
        state: The case's state.
        due: Open obligations and their limits, as the case shows them; those not named may be open too.
        met: Obligations that the act discharged in time.
        gone: Obligations of which none is open any more.
    """

    state: str = ""
    due: dict[Name, str] = {}
    met: list[Name] = []
    gone: list[Name] = []


class Step(_Part):
    """One act.

    Attributes:
        by: The role whose holder acts.
        act: What it does.
        case: Which case of the scenario; the first act of a case opens it.
        body: The body, in the JSON of its message.
        names: Roles whose holders the act names.
        to: Roles to address; all other parties if empty.
        links: Cases of the scenario that the letter links, with what they are to it.
        materials: Kinds of material; None brings what the act needs.
        approvals: Roles that approve; None has everyone approve who must.
        urgency: Of the case, where the act sets it.
        limit_days: A date that the letter sets, in so many days.
        amends: The act whose letter this one amends.
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
    body: dict[str, Any] = {}
    names: list[Name] = []
    to: list[Name] = []
    links: dict[Name, Name] = {}
    materials: list[Name] | None = None
    approvals: list[Name] | None = None
    urgency: Name | None = None
    limit_days: int = 0
    amends: Name | None = None
    outcome_code: str = ""
    reason_code: str = ""
    item_code: str = ""
    area_code: str = ""
    refused: str = ""
    then: Then = Then()
    why: Title | None = None


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
        cases: The cases by label; `main` is there.
        steps: The acts, in order.
    """

    scenario: Name
    mechanism: Annotated[str, Field(pattern=r"^M\d\d$")]
    title: Title
    cases: dict[Name, Cast]
    steps: list[Step]

    @model_validator(mode="after")
    def _is_complete(self) -> Scenario:
        if MAIN not in self.cases:
            raise ValueError(f"cases: {MAIN} is missing")
        for index, step in enumerate(self.steps):
            cast = self.cases.get(step.case)
            if cast is None:
                raise ValueError(f"steps[{index}].case: there is no case {step.case}")
            for role in (step.by, *step.names, *step.to):
                if role not in cast.roles:
                    raise ValueError(f"steps[{index}]: nobody is the {role} of {step.case}")
            for label in step.links:
                if label not in self.cases:
                    raise ValueError(f"steps[{index}].links: there is no case {label}")
        return self

    @property
    def departments(self) -> frozenset[str]:
        """Everyone who takes part."""
        return frozenset(name for cast in self.cases.values() for name in cast.roles.values())


def read(path: Path) -> Scenario:
    """Read a scenario.

    Raises:
        BadScenario: It is none, or contradicts itself.
    """
    try:
        return Scenario.model_validate(yaml_text.values(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise BadScenario(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(each) for each in first["loc"])
        raise BadScenario(f"{path.name}: {place}: {first['msg']}") from error


def read_all(folder: Path = FOLDER) -> list[Scenario]:
    """All scenarios, by mechanism and name.

    Raises:
        BadScenario: One of them is none.
    """
    found = [read(path) for path in sorted(folder.glob("*.yaml"))]
    return sorted(found, key=lambda each: (each.mechanism, each.scenario))
