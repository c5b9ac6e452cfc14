"""Procedures as pages need them: what each is called, which acts open a case, what an act needs.

The source is what is in the ledger; of it only words and lists are read here, the rules are the node's to judge.
"""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final, Protocol

from liandong.directory.v1 import directory_service_pb2 as directory

from services.common.errors import NotFound
from services.common.title import Title
from services.common.yaml_text import values
from services.gateway.callers import Caller
from services.gateway.calls import Calls
from services.gateway.languages import LANGUAGES, Language

OFFICE: Final = "office"
_OTHER: Final = "other"
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An act of a procedure.

    Attributes:
        name: Its own.
        title: What people call it.
        occurred_at: What its one moment means.
        body: Full name of the message that it carries.
        by: Roles that may do it.
        needs: Kinds of material that must be attached.
        may_follow: They may be announced only.
        approved_by: Roles of persons who approve.
        names: Roles whose holders it may set.
        copies: Roles whose holders get a copy.
        requires: Fields of the header that must be set.
        only: Urgencies that it is for; empty: all.
        opens: It can be the first of a case.
    """

    name: str
    title: Title
    occurred_at: Title
    body: str
    by: tuple[str, ...]
    needs: tuple[str, ...]
    may_follow: bool
    approved_by: tuple[str, ...]
    names: tuple[str, ...]
    copies: tuple[str, ...]
    requires: tuple[str, ...]
    only: tuple[str, ...]
    opens: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """A procedure in force.

    Attributes:
        name: Its own.
        version: The newest.
        title: What people call it.
        source: Where its rules come from.
        roles: Of departments, with what they are called.
        acts: By name.
        limits: Of obligations by name: title, and the limit by urgency.
        discharges: By which acts an obligation is met.
        states: What its states are called.
        final: States in which a case is over.
        many: Roles that several departments hold at once.
        office: Who holds its office here.
    """

    name: str
    version: int
    title: Title
    source: tuple[str, ...]
    roles: Mapping[str, Title]
    acts: Mapping[str, Act]
    limits: Mapping[str, tuple[Title, Mapping[str, str]]]
    discharges: Mapping[str, tuple[str, ...]]
    states: Mapping[str, Title]
    final: frozenset[str]
    many: frozenset[str]
    office: str

    def may_open(self, department: str) -> tuple[Act, ...]:
        """The acts by which a department may open a case: not those of an office that it does not hold."""
        return tuple(
            act
            for act in self.acts.values()
            if act.opens and (set(act.by) - {OFFICE} or self.office == department)
        )

    def act(self, name: str) -> Act:
        """An act.

        Raises:
            NotFound: There is none of that name.
        """
        found = self.acts.get(name)
        if found is None:
            raise NotFound("The procedure has no such act.", field="act")
        return found


class Procedures:
    """The procedures, kept by name and version: a version never changes.

    Args:
        calls: The services.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._kept: dict[tuple[str, int, str], Procedure] = {}

    async def all(self, caller: Caller) -> list[Procedure]:
        """The newest version of every procedure in force.

        Raises:
            LiandongError: The node does not answer.
        """
        listed = await self._calls.call(
            caller, directory.ListProceduresRequest(), directory.ListProceduresResponse,
            request_id="procedures", timeout_s=_TIMEOUT_S,
        )  # fmt: skip
        newest: dict[str, directory.ProcedureName] = {}
        for each in listed.procedures:
            if each.name not in newest or newest[each.name].version < each.version:
                newest[each.name] = each
        return list(await asyncio.gather(*(self._read(caller, each) for each in newest.values())))

    async def get(self, caller: Caller, name: str) -> Procedure:
        """The newest version of one.

        Raises:
            NotFound: None of that name is in force.
        """
        listed = await self._calls.call(
            caller, directory.ListProceduresRequest(), directory.ListProceduresResponse,
            request_id="procedures", timeout_s=_TIMEOUT_S,
        )  # fmt: skip
        found = [each for each in listed.procedures if each.name == name]
        if not found:
            raise NotFound("No such procedure is in force.", field="procedure")
        return await self._read(caller, max(found, key=lambda each: each.version))

    async def version(self, caller: Caller, name: str, version: int) -> Procedure:
        """The version that a case runs under; its office is that of the newest.

        Raises:
            NotFound: It is not known here.
        """
        return await self._read(caller, directory.ProcedureName(name=name, version=version))

    async def _read(self, caller: Caller, named: directory.ProcedureName) -> Procedure:
        key = (named.name, named.version, named.office)
        if key not in self._kept:
            answer = await self._calls.call(
                caller, directory.GetProcedureRequest(name=named.name, version=named.version),
                directory.GetProcedureResponse, request_id="procedures", timeout_s=_TIMEOUT_S,
            )  # fmt: skip
            self._kept[key] = await asyncio.to_thread(read, answer.procedure.source, named.office)
        return self._kept[key]


def read(source: str, office: str = "") -> Procedure:
    """A procedure from its YAML."""
    # what the ledger holds was checked before it came there
    found: dict[str, Any] = values(source)
    roles = {name: Title(*pair) for name, pair in found["roles"].items()}
    return Procedure(
        name=found["procedure"],
        version=int(found["version"]),
        title=Title(*found["title"]),
        source=tuple(str(each) for each in found["source"]),
        roles=roles,
        acts={name: _act(name, each, found["initial"]) for name, each in found["acts"].items()},
        limits={name: _limit(each) for name, each in found.get("obligations", {}).items()},
        discharges={
            name: _words_of(each.get("discharged_by", []))
            for name, each in found.get("obligations", {}).items()
        },
        states={name: Title(*pair) for name, pair in found["states"].items()},
        final=frozenset(found["final"]),
        many=frozenset(found.get("many", [])),
        office=office,
    )


def _act(name: str, found: dict[str, Any], initial: str) -> Act:
    def names(key: str) -> tuple[str, ...]:
        return _words_of(found.get(key, []))

    return Act(
        name=name, title=Title(*found["title"]), occurred_at=Title(*found["occurred_at"]), body=found["body"],
        by=names("by"), needs=names("needs"), may_follow=bool(found.get("evidence_may_follow")),
        approved_by=names("approved_by"), names=names("names"), copies=names("copies"),
        requires=names("requires"), only=names("only"), opens=initial in names("in"),
    )  # fmt: skip


def _words_of(said: str | list[str]) -> tuple[str, ...]:
    """A single word stands for a list of one."""
    return (said,) if isinstance(said, str) else tuple(said)


def _limit(found: dict[str, Any]) -> tuple[Title, Mapping[str, str]]:
    within = found["within"]
    by_urgency = within if isinstance(within, dict) else {"": str(within)}
    return Title(*found["title"]), {name: str(limit) for name, limit in by_urgency.items()}


class Named(Protocol):
    """A title in both languages, of the contracts or ours."""

    @property
    def zh(self) -> str:
        """Chinese."""

    @property
    def en(self) -> str:
        """English."""


def say(title: Named, language: Language) -> str:
    """A title in a language; the other where it has none in it."""
    first, second = (title.zh, title.en) if language == "zh" else (title.en, title.zh)
    return first or second


# -- words by which one chooses ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """An act that one may open a case with.

    Attributes:
        procedure: Whose.
        act: The act.
        text: One sentence about the procedure.
    """

    procedure: Procedure
    act: Act
    text: str


def grouped(
    procedures: Sequence[Procedure], department: str, language: Language
) -> list[tuple[str, list[Choice]]]:
    """What a department may open, in groups in the order of the list, each with its title."""
    words = _words()
    found: dict[str, list[Choice]] = {name: [] for name in words["groups"]}
    order = list(words["procedures"])
    known = {name: at for at, name in enumerate(order)}
    for each in sorted(procedures, key=lambda one: (known.get(one.name, len(order)), one.name)):
        said = words["procedures"].get(each.name, {"group": _OTHER, "text": ["", ""]})
        text = said["text"][LANGUAGES.index(language)]
        found[said["group"]] += [Choice(each, act, text) for act in each.may_open(department)]
    index = LANGUAGES.index(language)
    return [(words["groups"][name][index], choices) for name, choices in found.items() if choices]


@dataclass(frozen=True, slots=True)
class Shortcut:
    """An act that people come for, though another has to open the case first.

    Attributes:
        name: In the address.
        procedure: Whose.
        act: What they come for.
        first: What opens the case.
    """

    name: str
    procedure: str
    act: str
    first: str


def shortcuts() -> dict[str, Shortcut]:
    """By name."""
    return {name: Shortcut(name, **said) for name, said in _words()["shortcuts"].items()}


@cache
def printed() -> frozenset[str]:
    """Kinds of material that are the printed letter itself."""
    return frozenset(_words()["printed"])


@cache
def _words() -> dict[str, Any]:
    file = resources.files("services.gateway.web").joinpath("procedures.toml")
    return tomllib.loads(file.read_text(encoding="utf-8"))
