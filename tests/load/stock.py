"""What a district has done: cases of several mechanisms over many months, each a row of acts at their times.

Nothing here touches a database. All is drawn from one seed, so that the same stock can be made again: most cases are
over, what is open is at any stage, some has been waiting for too long.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from stdnum.cn import ric, uscc

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US

_DISTRICTS: Final = ("清河", "河西", "柳庄", "东城", "南关", "北桥")
_BRANDS: Final = (
    "仁和", "康泰", "福源", "顺达", "鑫隆", "金穗", "恒兴", "瑞丰", "永昌", "嘉禾", "百川", "天成", "同济", "华茂",
    "泰安", "宏远", "盛世", "洁源", "绿野", "诚信", "万家", "海纳", "新蕾", "春晖", "德润", "明达", "吉祥", "聚贤",
)  # fmt: skip
_TRADES: Final = (
    "大药房", "餐饮管理", "口腔诊所", "食品加工", "物业服务", "建筑工程", "环保科技", "供水设备", "美容院", "幼儿园",
    "化工材料", "机械制造", "超市", "餐具消毒", "医疗器械", "养老服务", "印刷包装", "汽车维修",
)  # fmt: skip
_FORMS: Final = ("有限公司", "有限责任公司", "经营部", "店", "有限公司")
_FAMILY: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕张孔曹严华金魏陶姜"
_GIVEN: Final = "文博晓云建国思远丽华志强雨桐海燕明辉静怡俊杰秀英浩然子涵美玲"
_TITLES: Final = (
    "涉嫌无证行医", "涉嫌销售过期食品", "涉嫌虚假宣传", "违规排放污水", "消防通道堵塞", "施工噪声扰民",
    "餐饮具消毒不合格", "涉嫌无照经营", "医疗废物处置不规范", "特种设备超期未检", "占道经营", "价格欺诈",
)  # fmt: skip
_CITIZENS: Final = 0.3
"""Of all subjects."""
_SELDOM: Final = 0.06
_LATE: Final = 4.0
_STUCK: Final = 0.02
_DIGITS: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a flow.

    Attributes:
        act: Its name.
        role: Of its author.
        after_h: Hours after the act before, on average.
        joins: The role that takes part from this act on; `office` by what it comes to owe.
        repeats: It is done any number of times.
    """

    act: str
    role: str
    after_h: float
    joins: str = ""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """The usual way of a mechanism's cases."""

    procedure: str
    roles: tuple[str, ...]
    steps: tuple[Step, ...]


FLOWS: Final = (
    Flow(
        "case-transfer",
        ("sender", "receiver"),
        (
            Step("register", "sender", 0),
            Step("transfer", "sender", 30, joins="receiver"),
            Step("sign-for", "receiver", 5),
            Step("accept", "receiver", 24),
            Step("progress", "receiver", 300, repeats=True),
            Step("outcome", "receiver", 450),
            Step("close", "sender", 40),
        ),
    ),
    Flow(
        "hazard-notice",
        ("finder", "responsible"),
        (
            Step("notify", "finder", 0, joins="responsible"),
            Step("accept", "responsible", 24),
            Step("progress", "responsible", 160, repeats=True),
            Step("report", "responsible", 240),
            Step("close", "finder", 50),
        ),
    ),
    Flow(
        "complaint",
        ("owner",),
        (
            Step("register", "owner", 0),
            Step("take-on", "owner", 6),
            Step("contact", "owner", 6),
            Step("progress", "owner", 20, repeats=True),
            Step("answer", "owner", 30, joins="office"),
            Step("visit", "office", 40),
        ),
    ),
    Flow(
        "assistance",
        ("asker", "helper"),
        (
            Step("ask", "asker", 0, joins="helper"),
            Step("agree", "helper", 8),
            Step("help", "helper", 30),
            Step("close", "asker", 30),
        ),
    ),
)
SHARES: Final = (60, 15, 20, 5)
"""Of 100 cases, by flow."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a case is about; a citizen has neither a representative nor a legal form."""

    name: str
    identifier: str
    telephone: str
    representative: str
    address: str
    citizen: bool


@dataclass(slots=True)
class Case:
    """One case.

    Attributes:
        index: Among all.
        flow: Its way.
        roles: Who holds which role.
        urgency: 1 ordinary, 2 urgent.
        subject: Whom it is about.
        title: Its title.
        acts: When each act happened, in microseconds, and which step of the flow it is.
    """

    index: int
    flow: Flow
    roles: Mapping[str, str]
    urgency: int
    subject: Subject
    title: str
    acts: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted.

    Attributes:
        seed: Of everything that is drawn.
        cases: How many cases.
        letters: How many acts in all.
        now_us: The present.
        days: How far back it goes.
        departments: Who takes part, and how often, of any sum.
        offices: Who holds the offices of mechanisms.
    """

    seed: int
    cases: int
    letters: int
    now_us: int
    days: int
    departments: Mapping[str, int]
    offices: Mapping[str, str]

    @property
    def since_us(self) -> int:
        """When the first case was opened, at the earliest."""
        return self.now_us - self.days * DAY_US


def subjects(chance: random.Random, count: int) -> list[Subject]:
    """Units and citizens, with codes whose check digits are right."""
    return [_citizen(chance) if chance.random() < _CITIZENS else _unit(chance) for _ in range(count)]


def _person(chance: random.Random) -> str:
    return chance.choice(_FAMILY) + "".join(chance.sample(_GIVEN, chance.choice((1, 2, 2))))


def _telephone(chance: random.Random) -> str:
    return f"1{chance.choice('356789')}{chance.randrange(10**9):09d}"


def _address(chance: random.Random) -> str:
    return f"清河区{chance.choice(_DISTRICTS)}街道{chance.randrange(1, 300)}号"


def _unit(chance: random.Random) -> Subject:
    code = "91110108" + "".join(chance.choices(_DIGITS, k=9))
    name = "".join(
        (chance.choice(_DISTRICTS), chance.choice(_BRANDS), chance.choice(_TRADES), chance.choice(_FORMS))
    )
    return Subject(
        name, code + uscc.calc_check_digit(code), _telephone(chance), _person(chance), _address(chance), False
    )


def _citizen(chance: random.Random) -> Subject:
    born = f"{chance.randrange(1950, 2005)}{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}"
    code = f"110108{born}{chance.randrange(1000):03d}"
    return Subject(
        _person(chance), code + ric.calc_check_digit(code), _telephone(chance), "", _address(chance), True
    )


def cases(order: Order) -> list[Case]:
    """The cases, with exactly as many acts in all as were ordered.

    Raises:
        ValueError: Fewer acts are ordered than so many cases have.
    """
    chance = random.Random(order.seed)
    known = subjects(chance, max(order.cases // 3, 10))
    names, weights = list(order.departments), list(order.departments.values())
    made = []
    for index in range(order.cases):
        (flow,) = chance.choices(FLOWS, SHARES)
        opened_us = order.now_us - int(chance.random() * order.days * DAY_US)
        subject = chance.choice(known)
        roles = _roles(chance, flow, names, weights, order.offices)
        title = f"{subject.name}{chance.choice(_TITLES)}案"
        case = Case(index, flow, roles, 2 if chance.random() < _SELDOM else 1, subject, title)
        case.acts = list(_acts(chance, flow, opened_us, order.now_us))
        made.append(case)
    _fill(chance, made, order)
    return made


def _roles(
    chance: random.Random,
    flow: Flow,
    names: Sequence[str],
    weights: Sequence[int],
    offices: Mapping[str, str],
) -> dict[str, str]:
    held: dict[str, str] = {"office": offices[flow.procedure]}
    for role in flow.roles:
        while True:
            (name,) = chance.choices(names, weights)
            if name not in held.values():
                held[role] = name
                break
    return held


def _acts(chance: random.Random, flow: Flow, opened_us: int, now_us: int) -> Iterator[tuple[int, int]]:
    """Acts up to the present; one in fifty stops for good at any step."""
    stuck = chance.randrange(1, len(flow.steps)) if chance.random() < _STUCK else len(flow.steps)
    at_us = opened_us
    for index, step in enumerate(flow.steps):
        if index >= stuck:
            return
        for _ in range(chance.randrange(3) if step.repeats else 1):
            hours = step.after_h * (0.3 + chance.random())
            if chance.random() < _SELDOM:
                hours *= _LATE
            # no two acts of a case within one minute
            at_us += int(hours * HOUR_US) + (60_000_000 if index else 0)
            if at_us >= now_us:
                return
            yield at_us, index


def _fill(chance: random.Random, made: Sequence[Case], order: Order) -> None:
    """Add reports of progress up to the number that was ordered."""
    missing = order.letters - sum(len(each.acts) for each in made)
    if missing < 0:
        raise ValueError(f"so many cases have {-missing} acts more than were ordered")
    room = [each for each in made if _span(each, order.now_us) is not None]
    while missing:
        case = chance.choice(room)
        span = _span(case, order.now_us)
        assert span is not None
        step, begin, end = span
        at_us = begin + 60_000_000 + int(chance.random() * (end - begin - 120_000_000))
        if any(abs(at_us - other) < 60_000_000 for other, _ in case.acts):
            continue
        case.acts.append((at_us, step))
        case.acts.sort()
        missing -= 1


def _span(case: Case, now_us: int) -> tuple[int, int, int] | None:
    """The repeatable step of a case, and between which times it may be done; None if it never may."""
    repeated = next((index for index, step in enumerate(case.flow.steps) if step.repeats), None)
    if repeated is None:
        return None
    before = [at_us for at_us, step in case.acts if step == repeated - 1]
    after = [at_us for at_us, step in case.acts if step > repeated]
    if not before:
        return None
    end = min(after, default=now_us)
    return (repeated, before[0], end) if end - before[0] > HOUR_US else None
