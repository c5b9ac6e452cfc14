"""Plays a scenario over real nodes, and holds what comes of each step against what the scenario says."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import ParseDict, ParseError
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.exchange.v1 import reason_pb2

from services import procedures
from services.cli.demo import commands
from services.cli.demo.commands import CommandFailed, Printed
from services.cli.demo.party import Party
from services.cli.demo.scenario import CASE, OPERATOR, PLACE, Act, Run, Scenario, Step
from services.cli.demo.story import evidence_material
from services.common.errors import LiandongError
from services.common.title import Title
from services.exchange.letters import timestamp
from services.procedures import model
from services.procedures.calendar import ZONE
from services.procedures.loader import load_all
from services.procedures.model import Procedure

_FIELDS: Final = {
    field.message_type.full_name: field.name  # type: ignore[union-attr]  # every choice is a message
    for field in cases.ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
}
_AGREE_S: Final = 30.0
_AGAIN_S: Final = 3.0
_SHOWN: Final = 400
_OPEN: Final = ("OPEN", "OVERDUE")
_MET: Final = ("ON_TIME", "EXCUSED", "TRANSMITTED_LATE")
_LATE: Final = ("LATE", "OVERDUE")


class ScenarioFailed(Exception):
    """What came of a step is not what the scenario says; the message names scenario, step and act."""


@dataclass(frozen=True, slots=True)
class Played:
    """A step that came out as it must.

    Attributes:
        number: Of the step, from 1.
        party: Whose people acted: Chinese and English.
        title: Of the act as the procedure declares it, or the command.
        refused: The reason, empty if it was admitted or ended well.
        position: An act's place in the ledger, None if it was refused and of a command.
        due: What is now open in the case: title of the obligation, limit, due time.
        step: As the scenario has it.
    """

    number: int
    party: tuple[str, str]
    title: Title
    refused: str
    position: int | None
    due: tuple[cases.ObligationView, ...]
    step: Step


@dataclass(slots=True)
class Result:
    """What a scenario came to: a line of the table."""

    scenario: Scenario
    source: tuple[str, ...]
    acts: int = 0
    commands: int = 0
    refused: int = 0
    obligations: Counter[str] = field(default_factory=Counter)

    @property
    def met(self) -> int:
        """Obligations discharged in time, and those that lapsed unjudged left out."""
        return sum(self.obligations[each] for each in _MET)

    @property
    def missed(self) -> int:
        """Obligations discharged late, or open past their time."""
        return sum(self.obligations[each] for each in _LATE)


class Stage:
    """Plays one scenario.

    Args:
        scenario: What is played.
        parties: The departments by name.
        federation: The file that describes the district to commands.
        tell: Takes each step when it came out as it must.
    """

    def __init__(
        self,
        scenario: Scenario,
        parties: Mapping[str, Party],
        federation: Path,
        tell: Callable[[Played], None],
    ) -> None:
        self._scenario = scenario
        self._parties = parties
        self._federation = federation
        self._folder = federation.parent / "scenarios" / scenario.scenario
        self._tell = tell
        known = {each.name: each for each in load_all(Path(procedures.__path__[0]))}
        self._procedures = {label: known[cast.procedure] for label, cast in scenario.cases.items()}
        self._case_ids: dict[str, str] = {}
        self._letters: dict[tuple[str, str], str] = {}
        self._kept: dict[str, str] = {}
        self._inside: dict[str, set[str]] = {}

    async def play(self) -> Result:
        """Play all of it.

        Raises:
            ScenarioFailed: A step came out otherwise.
        """
        sources = dict.fromkeys(each for one in self._procedures.values() for each in one.source)
        result = Result(self._scenario, tuple(self._scenario.source or sources))
        self._folder.mkdir(parents=True, exist_ok=True)
        for number, step in enumerate(self._scenario.steps, start=1):
            try:
                played = await (self._run(number, step) if isinstance(step, Run) else self._act(number, step))
            except (ScenarioFailed, CommandFailed, LiandongError, TimeoutError, OSError) as error:
                what = step.run if isinstance(step, Run) else step.act
                place = f"{self._scenario.scenario}, step {number}, {what} by {step.by}"
                raise ScenarioFailed(f"{place}: {error}") from error
            result.acts += isinstance(step, Act) and not played.refused
            result.commands += isinstance(step, Run) and not played.refused
            result.refused += bool(played.refused)
            self._tell(played)
        for label, case_id in self._case_ids.items():
            party = self._party(label, next(iter(self._inside[label])))
            result.obligations.update(each.state for each in (await party.case(case_id)).obligations)
        return result

    # -- an act ---------------------------------------------------------------------------------

    async def _act(self, number: int, step: Act) -> Played:
        party = self._party(step.case, step.by)
        procedure = self._procedures[step.case]
        act = procedure.acts.get(step.act)
        if act is None:
            raise ScenarioFailed(f"{procedure.name} has no such act")
        draft = await self._draft(step, party, act, procedure)
        roles = act.approved_by if step.approvals is None else step.approvals
        try:
            prepared = await party.prepare(draft)
            for person in persons(roles):
                prepared = await party.approve(prepared, person)
            answer = await party.send(prepared)
        except LiandongError as error:
            return self._refused(number, step, party, act, error)
        letter = await party.settled(answer)
        if letter.disposition != exchange.DISPOSITION_ADMITTED:
            reason = reason_pb2.Reason.Name(letter.reason).removeprefix("REASON_")
            return self._refused(
                number, step, party, act, LiandongError("It was refused by the registry.", reason=reason)
            )
        if step.refused:
            raise ScenarioFailed(f"it was admitted; {step.refused} was to be the answer")
        case_id, position = answer.case_id, letter.position.position
        self._case_ids[step.case] = case_id
        self._letters[step.case, step.act] = answer.letter_id
        self._inside.setdefault(step.case, set()).update((step.by, *step.names))
        views = await self._agree(step.case, position)
        view = views[step.by]
        self._compare(step, view)
        due = tuple(each for each in view.obligations if each.state in _OPEN)
        return Played(number, party.title, act.title, "", position, due, step)

    async def _draft(self, step: Act, party: Party, act: model.Act, procedure: Procedure) -> cases.ActDraft:
        cast = self._scenario.cases[step.case]
        case_id = self._case_ids.get(step.case, "")
        draft = cases.ActDraft(
            case_id=case_id,
            procedure="" if case_id else procedure.name,
            act=step.act,
            parties=[
                envelopes.Party(role=_role(name, procedure), department=cast.roles[name])
                for name in step.names
            ],
            recipients=[cast.roles[role] for role in step.to],
            outcome_code=step.outcome_code,
            reason_code=step.reason_code,
            item_code=step.item_code,
            area_code=step.area_code,
            linked_cases=[
                envelopes.LinkedCase(case_id=self._case_ids[label], relation=relation)
                for label, relation in step.links.items()
            ],
        )
        for each in step.serves:
            duty, _, period = self._filled(each, step, party).partition("/")
            draft.serves.add(duty=duty, period=period)
        if step.urgency:
            draft.urgency = envelopes.Urgency.Value(f"URGENCY_{step.urgency.upper()}")
        if step.hours_ago:
            draft.occurred_at.CopyFrom(timestamp(datetime.now(UTC) - timedelta(hours=step.hours_ago)))
        limit = timedelta(days=step.limit_days, seconds=step.limit_seconds)
        if limit:
            draft.requested_limit.CopyFrom(timestamp(datetime.now(UTC) + limit))
        if step.amends:
            draft.amended_letter = self._letters[step.case, step.amends]
        name = _FIELDS.get(act.body)
        if name is None:
            raise ScenarioFailed(f"no draft can hold a body of {act.body}")
        body = step.body
        if isinstance(body, str):
            body = json.loads(await self._read(body.removeprefix("@")))
        try:
            ParseDict({name: self._body(body, step, party)}, draft)
        except ParseError as error:
            raise ScenarioFailed(f"body: {error}") from error
        getattr(draft, name).SetInParent()
        files = step.materials if isinstance(step.materials, dict) else {}
        for kind in act.needs if step.materials is None else step.materials:
            text = await self._read(files[kind]) if kind in files else f"{act.title.zh}：{kind}"
            draft.materials.append(await evidence_material(party, kind, text))
        return draft

    def _refused(self, number: int, step: Act, party: Party, act: model.Act, error: LiandongError) -> Played:
        if error.reason != step.refused:
            raise ScenarioFailed(f"{error.reason} {error.field}: {error.message}")
        return Played(number, party.title, act.title, error.reason, None, (), step)

    # -- a command ------------------------------------------------------------------------------

    async def _run(self, number: int, step: Run) -> Played:
        party = None if step.by == OPERATOR else self._party(step.case, step.by)
        for name, text in step.files.items():
            filled = self._filled(text, step, party)
            await asyncio.to_thread((self._folder / name).write_text, filled, encoding="utf-8")
        line = self._filled(step.run, step, party)
        whom = _whom(party, step.person)
        deadline = asyncio.get_running_loop().time() + step.within
        while True:
            printed = await commands.run(line, folder=self._folder, federation=self._federation, whom=whom)
            wrong = self._unlike(step, party, printed)
            if not wrong or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(_AGAIN_S)
        if wrong:
            raise ScenarioFailed(f"{wrong}: {(printed.errors + printed.out).strip()[:_SHOWN]}")
        if step.out:
            await asyncio.to_thread((self._folder / step.out).write_text, printed.out, encoding="utf-8")
        for name, parts in step.makes.items():
            content = await asyncio.to_thread((self._folder / name).read_bytes)
            for part in parts:
                if part.encode() not in content:
                    raise ScenarioFailed(f"{name} does not hold {part}")
        self._keep(step, printed)
        title = party.title if party else ("登记中心", "Registry")
        command = f"liandong {step.run}"
        return Played(number, title, Title(command, command), step.refused, None, (), step)

    def _unlike(self, step: Run, party: Party | None, printed: Printed) -> str:
        """What a command should have printed or left out; empty if it did as it must."""
        everything = printed.out + printed.errors
        if printed.refused != bool(step.refused) or step.refused not in everything:
            return f"{step.refused} was to be the answer" if step.refused else "it was refused"
        for each in step.shows:
            if self._filled(each, step, party) not in everything:
                return f"it does not show {each}"
        for each in step.once:
            count = everything.count(self._filled(each, step, party))
            if count != 1:
                return f"it shows {each} {count} times"
        for each in step.hides:
            if self._filled(each, step, party) in everything:
                return f"it shows {each}"
        return ""

    def _keep(self, step: Run, printed: Printed) -> None:
        if not step.keep:
            return
        found, _ = json.JSONDecoder().raw_decode(printed.out.lstrip())
        for name, way in step.keep.items():
            value = commands.value_at(found, way)
            if name == CASE:
                self._case_ids[step.case] = value
                self._inside.setdefault(step.case, set()).add(step.by)
            self._kept[name] = value

    def _filled(self, text: str, step: Step, party: Party | None) -> str:
        """A text with everything in braces put in."""
        now = datetime.now(ZONE)
        known = {
            **{act: letter for (case, act), letter in self._letters.items() if case == step.case},
            **self._kept,
            CASE: self._case_ids.get(step.case, ""),
            "today": f"{now:%Y-%m-%d}",
            "yesterday": f"{now - timedelta(days=1):%Y-%m-%d}",
            "tomorrow": f"{now + timedelta(days=1):%Y-%m-%d}",
            "year": f"{now:%Y}",
            "month": f"{now:%Y-%m}",
            "last-month": f"{now.replace(day=1) - timedelta(days=1):%Y-%m}",
        }
        if party is not None:
            known |= {"department": party.name, "folder": str(party.folder)}
            known |= {f"person:{role}": person.subject for role, person in party.people.items()}
            known |= {f"name:{role}": person.name for role, person in party.people.items()}

        def value(name: str) -> str:
            if not known.get(name):
                raise ScenarioFailed(f"nothing is called {name}")
            return known[name]

        return PLACE.sub(lambda found: value(found[1]), text)

    def _body(self, value: Any, step: Step, party: Party) -> Any:
        """A body with everything in braces put in."""
        if isinstance(value, str):
            return self._filled(value, step, party)
        if isinstance(value, dict):
            return {key: self._body(each, step, party) for key, each in value.items()}
        if isinstance(value, list):
            return [self._body(each, step, party) for each in value]
        return value

    async def _read(self, name: str) -> str:
        return await asyncio.to_thread((self._folder / name).read_text, encoding="utf-8")

    # -- afterwards -----------------------------------------------------------------------------

    async def _agree(self, label: str, position: int) -> dict[str, cases.CaseView]:
        """The case at everyone who is in it, once all have this letter and the same state."""
        case_id = self._case_ids[label]
        inside = sorted(self._inside[label])
        deadline = asyncio.get_running_loop().time() + _AGREE_S
        for role in inside:
            await self._party(label, role).reached(case_id, position)
        while True:
            found = [await self._party(label, role).case(case_id) for role in inside]
            if len({each.state_digest for each in found}) == 1:
                return dict(zip(inside, found, strict=True))
            if asyncio.get_running_loop().time() > deadline:
                raise ScenarioFailed("the nodes do not fold to the same state")
            await asyncio.sleep(0.1)

    def _compare(self, step: Act, view: cases.CaseView) -> None:
        then = step.then
        if then.state and view.state != then.state:
            raise ScenarioFailed(f"the case is {view.state}, not {then.state}")
        open_now = {each.rule: each.limit for each in view.obligations if each.state in _OPEN}
        for rule, limit in then.due.items():
            if open_now.get(rule) != limit:
                raise ScenarioFailed(f"{rule} is {open_now.get(rule, 'not open')}, not due in {limit}")
        for rule in then.gone:
            if rule in open_now:
                raise ScenarioFailed(f"{rule} is still open")
        newest = {each.rule: each for each in sorted(view.obligations, key=lambda one: one.ordinal)}
        for rules, wanted, word in ((then.met, _MET, "met"), (then.late, _LATE, "late")):
            for rule in rules:
                if rule not in newest or newest[rule].state not in wanted:
                    state = newest[rule].state if rule in newest else "not there"
                    raise ScenarioFailed(f"{rule} is {state}, not {word}")

    def _party(self, label: str, role: str) -> Party:
        return self._parties[self._scenario.cases[label].roles[role]]


def _whom(party: Party | None, role: str) -> str:
    """Who runs a command, as `--as` names it: `officer-2` is the second of a role, by name."""
    if party is None:
        return OPERATOR
    person = party.people.get(role)
    if person is None:
        raise ScenarioFailed(f"{party.name} has no {role}")
    return f"{party.name}:{person.role}:{person.name}"


def _role(name: str, procedure: Procedure) -> str:
    """The role that a name of the cast stands for: `participant-2` is another participant."""
    return name if name in procedure.roles else name.rstrip("-0123456789")


def persons(roles: Sequence[str]) -> list[str]:
    """Who approves: for a role that is asked for twice two persons, `officer` and `officer-2`."""
    seen: Counter[str] = Counter()
    persons = []
    for role in roles:
        seen[role] += 1
        persons.append(role if seen[role] == 1 else f"{role}-{seen[role]}")
    return persons
