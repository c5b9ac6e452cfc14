"""A chain of handling (办文流程): the steps of a letter inside one department, as frozen data.

An outbound letter is drafted, checked, signed and sent; an inbound one is signed for, registered, proposed
on, instructed, dispatched, handled. A department states its chains as YAML (docs/handling.md); what it did
not state follows `implicit`, which is no more than the law asks: whoever the act's `approved_by` names
approves, then the letter is sent.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.common.title import Title
from services.procedures.obligation import Limit, Unit

OWN_SECTION: Final = "own"
"""In `Who.section`: the section of whoever drafted the letter."""

DRAFTER: Final = "drafter"
"""Pseudo role: whoever drafted the letter."""

ASSIGNED: Final = "assigned"
"""Pseudo role: the person or section that the letter was dispatched to."""

CONFIRM_WITHIN: Final = Limit(1, Unit.WORKING_DAYS)
"""How soon an approval by telephone is confirmed where the chain does not say."""


class Direction(enum.StrEnum):
    """Which way a letter goes."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


class Kind(enum.StrEnum):
    """What is done in a step."""

    DRAFT = "draft"  # 拟稿
    CHECK = "check"  # 核稿
    REVIEW = "legal-review"  # 法制审核
    COUNTERSIGN = "countersign"  # 会签
    SIGN = "sign"  # 签发: what approves, by the assertion over the content
    NUMBER = "number"  # 编号
    SEAL = "seal"  # 用印
    SEND = "send"  # 发出
    SIGN_FOR = "sign-for"  # 签收
    REGISTER = "register"  # 登记
    PROPOSE = "propose"  # 拟办
    INSTRUCT = "instruct"  # 批示
    DISPATCH = "dispatch"  # 分办
    HANDLE = "handle"  # 承办
    DONE = "done"  # 办结


OUTBOUND: Final = (
    Kind.DRAFT, Kind.CHECK, Kind.REVIEW, Kind.COUNTERSIGN, Kind.SIGN, Kind.NUMBER, Kind.SEAL, Kind.SEND,
)  # fmt: skip
INBOUND: Final = (
    Kind.SIGN_FOR, Kind.REGISTER, Kind.PROPOSE, Kind.INSTRUCT, Kind.DISPATCH, Kind.HANDLE, Kind.DONE,
)  # fmt: skip
AGREEING: Final = frozenset({Kind.CHECK, Kind.REVIEW, Kind.COUNTERSIGN, Kind.SIGN})
"""Steps that agree to a content, and fall when it changes."""


class Power(enum.StrEnum):
    """What whoever does a step may do besides doing it."""

    RETURN = "return"
    ADD_SIGNER = "add-signer"
    HAND_ON = "hand-on"
    PHONE = "phone"  # be agreed to by telephone first, and confirmed afterwards


@dataclass(frozen=True, slots=True)
class Who:
    """Who may do a task: a person, or anybody in a role, of a section, or in a role of a section."""

    role: str = ""
    section: str = ""
    subject: str = ""

    def __str__(self) -> str:
        """As it is written: `leader-in-charge`, `section-head@legal`, `@legal`; of a person the id."""
        return self.subject or (f"{self.role}@{self.section}" if self.section else self.role)


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        name: Within the chain.
        kind: What is done.
        title: What people call it.
        by: Any one of these does it.
        each: Every one of these does a task of it, in parallel.
        within: How long a task may take, None for no limit.
        confirm_within: How soon an approval by telephone is confirmed.
        powers: What else may be done in it.
        acts: Own acts in the letter's case whose recording does this step.
    """

    name: str
    kind: Kind
    title: Title
    by: tuple[Who, ...] = ()
    each: tuple[Who, ...] = ()
    within: Limit | None = None
    confirm_within: Limit = CONFIRM_WITHIN
    powers: frozenset[Power] = frozenset()
    acts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps of a letter, in order. `name` is empty for the implicit chain."""

    name: str
    direction: Direction
    title: Title
    steps: tuple[Step, ...]

    def step(self, name: str) -> Step:
        """A step by its name.

        Raises:
            KeyError: The chain has none of that name.
        """
        for each in self.steps:
            if each.name == name:
                return each
        raise KeyError(name)

    def index(self, name: str) -> int:
        """How many steps come before one.

        Raises:
            KeyError: The chain has none of that name.
        """
        return self.steps.index(self.step(name))

    @property
    def is_implicit(self) -> bool:
        """Whether the department stated no chain for the letter."""
        return not self.name


_POWERS: Final = frozenset({Power.RETURN})

IMPLICIT: Final = Chain(
    "",
    Direction.OUTBOUND,
    Title("发文", "Outgoing letter"),
    (
        Step("draft", Kind.DRAFT, Title("拟稿", "Draft"), (Who(DRAFTER),)),
        Step("sign", Kind.SIGN, Title("签发", "Sign"), powers=_POWERS),
        Step("send", Kind.SEND, Title("发出", "Send"), (Who(DRAFTER),), powers=_POWERS),
    ),
)
"""What holds where a department stated no chain: signed by those whom the law names, then sent."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A chain that a department stated, for what and for how long.

    Attributes:
        id: Counts the department's chains.
        chain: The steps.
        procedure: For letters of this procedure alone; empty for all.
        act: For this act alone.
        since: From when letters begin on it.
        until: Until when, exclusive; None for no end.
    """

    id: int
    chain: Chain
    procedure: str
    act: str
    since: datetime
    until: datetime | None


def in_force(
    stated: Iterable[Stated], direction: Direction, procedure: str, act: str, at: datetime
) -> Stated | None:
    """The chain that a letter begins on: the most specific one, then the newest; None if none was stated."""
    fitting = [
        each
        for each in stated
        if each.chain.direction is direction
        and each.procedure in ("", procedure)
        and each.act in ("", act)
        and each.since <= at
        and (each.until is None or at < each.until)
    ]
    return max(
        fitting, key=lambda each: (bool(each.act), bool(each.procedure), each.since, each.id), default=None
    )
