"""Registers (台账): the cases of a mechanism in fixed columns, declared as data beside its procedure.

A procedure without a register of its own gets one from what it declares: its parties, each of its time limits
and how they were kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import yaml

from services.common.title import Title
from services.procedures import defects
from services.procedures.model import Procedure
from services.procedures.source import At, Text, root_of

PLAIN: Final = frozenset(
    ("ordinal", "case", "title", "state", "subjects", "urgency", "opened", "next-due", "incoming", "handler")
)
"""What a column may show of a case itself; `incoming` and `handler` of how it is handled here."""
OF_ACT: Final = frozenset(("date", "number", "author"))
OF_RULE: Final = frozenset(("due", "kept"))
PARTY: Final = "party"


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        title: Its heading.
        kind: What it shows: one of `PLAIN`, `OF_ACT`, `OF_RULE`, or `party`.
        of: The act, obligation or role.
    """

    title: Title
    kind: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Register:
    """A register."""

    name: str
    title: Title
    procedure: str
    columns: tuple[Column, ...]

    def named(self, kinds: frozenset[str]) -> frozenset[str]:
        """The acts, obligations or roles that columns of some kinds show."""
        return frozenset(each.of for each in self.columns if each.kind in kinds)


@lru_cache(maxsize=128)
def load_register(source: str, file: str = "register.yaml") -> Register:
    """Reads a register; what its columns name is checked by `check`.

    Raises:
        DefectiveProcedure: with every defect of its form, each with file and line.
    """
    root = root_of(source, file)
    if not isinstance(root, yaml.MappingNode):
        raise defects.DefectiveProcedure([defects.WrongType(file, 1, "a register is a mapping")])
    text = Text(file)
    top = text.mapping(root, (), frozenset(("register", "title", "procedure", "columns")))
    columns = []
    node = top.get("columns")
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        text.complain(defects.MissingKey, ("columns",), "columns: at least one")
    else:
        columns = [_column(text, each, ("columns", str(index))) for index, each in enumerate(node.value)]
    register = Register(
        text.text(top, "register", ()),
        text.title(top.get("title"), ("title",)),
        text.text(top, "procedure", ()),
        tuple(columns),
    )
    if text.found:
        raise defects.DefectiveProcedure(text.found)
    return register


def _column(text: Text, node: yaml.Node, at: At) -> Column:
    text.lines[at] = node.start_mark.line + 1
    fields = text.mapping(node, at, frozenset(("title", "value")))
    value = text.text(fields, "value", at)
    kind, _, of = value.partition(":")
    if (of and kind not in {*OF_ACT, *OF_RULE, PARTY}) or (not of and kind not in PLAIN):
        text.complain(defects.UnknownWord, (*at, "value"), value)
    return Column(text.title(fields.get("title"), (*at, "title")), kind, of)


def check(register: Register, procedure: Procedure) -> tuple[str, ...]:
    """What the columns of a register name and its procedure does not have."""
    wrong = [f"act {each}" for each in register.named(OF_ACT) if each not in procedure.acts]
    wrong += [f"obligation {each}" for each in register.named(OF_RULE) if each not in procedure.obligations]
    wrong += [f"role {each}" for each in register.named(frozenset((PARTY,))) if each not in procedure.roles]
    return tuple(sorted(wrong))


def register_of(procedure: Procedure) -> Register:
    """The register of a procedure: its own, else one of what it declares."""
    return _shipped().get(procedure.name) or derived(procedure)


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Register]:
    folder = Path(__file__).parent / "registers"
    loaded = [
        load_register(path.read_text(encoding="utf-8"), path.name) for path in sorted(folder.glob("*.yaml"))
    ]
    return {each.procedure: each for each in loaded}


def derived(procedure: Procedure) -> Register:
    """A register of what a procedure declares: parties, time limits and how they were kept."""
    columns = [
        Column(Title("序号", "No."), "ordinal"),
        Column(Title("名称", "Title"), "title"),
        Column(Title("当事人", "Subjects"), "subjects"),
        Column(Title("紧急程度", "Urgency"), "urgency"),
    ]
    columns += [Column(title, PARTY, role) for role, title in procedure.roles.items()]
    columns.append(Column(Title("立项日期", "Opened"), "opened"))
    for rule in procedure.obligations.values():
        columns.append(Column(Title(f"{rule.title.zh}：期限", f"{rule.title.en}: due"), "due", rule.name))
        columns.append(Column(Title(f"{rule.title.zh}：情况", f"{rule.title.en}: kept"), "kept", rule.name))
    columns += [
        Column(Title("状态", "State"), "state"),
        Column(Title("收文编号", "Incoming number"), "incoming"),
        Column(Title("承办", "Handled by"), "handler"),
        Column(Title("编号", "Case id"), "case"),
    ]
    return Register(
        procedure.name,
        Title(f"{procedure.title.zh}台账", f"Register: {procedure.title.en}"),
        procedure.name,
        tuple(columns),
    )
