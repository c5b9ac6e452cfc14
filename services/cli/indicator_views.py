"""Indicators as people see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from liandong.oversight.v1 import indicator_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.cli.output import moment, table, word
from services.cli.oversight_views import obligations
from services.cli.texts import pick, say
from services.procedures.calendar import Calendar

_HUNDRED: Final = 100
_HOUR_S: Final = 3600

Known = Mapping[str, pb.IndicatorView]


def catalogue(found: pb.ListIndicatorsResponse) -> Table:
    """All indicators, with what they count."""
    rows = table("name", "title", "unit", "target", "definition")
    for each in found.indicators:
        rows.add_row(
            each.name,
            pick(each.title_zh, each.title_en),
            _word("unit", pb.IndicatorUnit.Name(each.unit), "INDICATOR_UNIT_"),
            _target(each, each.target) if each.HasField("target") else "",
            pick(each.definition_zh, each.definition_en),
        )
    return rows


def elsewhere(found: pb.ListIndicatorsResponse) -> Table:
    """What the registry cannot compute, and why."""
    rows = table("name", "title", "reason", title=say("indicators.elsewhere"))
    for each in found.elsewhere:
        rows.add_row(each.name, pick(each.title_zh, each.title_en), pick(each.reason_zh, each.reason_en))
    return rows


def figures(found: Iterable[pb.Figure], known: Known) -> Table:
    """Figures with numerator and denominator, place, target, and the other period's."""
    rows = table(
        "indicator", "of", ">numerator", ">denominator", ">value", ">place", "target_met", ">then", ">change"
    )
    for each in found:
        compared = each.HasField("comparison")
        rows.add_row(
            *_head(each, known),
            value(known.get(each.indicator), each),
            f"{each.rank}/{each.ranked_of}" if each.rank else "",
            _met(each),
            value(known.get(each.indicator), each.comparison) if compared else "",
            _change(each.comparison) if compared else "",
        )
    return rows


def beside_live(found: Iterable[pb.Figure], known: Known) -> Table:
    """Frozen figures beside those of now."""
    rows = table("indicator", "of", ">numerator", ">denominator", ">value", ">now", "note")
    for each in found:
        differs = Text(say("indicators.differs"), style="yellow") if each.live.differs else Text()
        rows.add_row(
            *_head(each, known),
            value(known.get(each.indicator), each),
            value(known.get(each.indicator), each.live),
            differs,
        )
    return rows


def months(found: Iterable[pb.FrozenMonth]) -> Table:
    """Frozen months and the ledger they are of."""
    rows = table("month", "frozen", "ledger", ">leaves", "merkle_root", "digest")
    for each in found:
        ledger = f"{each.log_id} {say('ledger.epoch', epoch=each.epoch)}"
        rows.add_row(
            each.month, moment(each.frozen_at), ledger, str(each.size), each.root.hex(), each.digest.hex()
        )
    return rows


def items(found: Iterable[pb.FigureItem], now: datetime, calendar: Calendar) -> RenderableType:
    """Obligations or letters."""
    listed = list(found)
    owed = [each.obligation for each in listed if each.HasField("obligation")]
    letters = [each.letter for each in listed if each.HasField("letter")]
    parts: list[RenderableType] = []
    if owed or not letters:
        parts.append(obligations(owed, now, calendar))
    if letters:
        rows = table(">position", "admitted", "case", "procedure", "act", "author", "item", "area", "outcome")
        for each in letters:
            rows.add_row(
                str(each.position),
                moment(each.admitted_at),
                each.case_id,
                each.procedure,
                pick(each.title_zh, each.title_en) or each.act,
                each.author,
                each.item_code,
                each.area_code,
                each.outcome_code,
            )
        parts.append(rows)
    return Group(*parts)


def value(indicator: pb.IndicatorView | None, figure: Any) -> str:
    """A value in its unit; says so where there is no data."""
    if not figure.HasField("value"):
        return say("indicators.no_data")
    return _number(indicator.unit if indicator else pb.INDICATOR_UNIT_COUNT, figure.value)


def _number(unit: pb.IndicatorUnit.ValueType, number: int) -> str:
    match unit:
        case pb.INDICATOR_UNIT_SHARE:
            return f"{number / _HUNDRED:.2f}%"
        case pb.INDICATOR_UNIT_RATE:
            return f"{number / _HUNDRED:.2f}"
        case pb.INDICATOR_UNIT_SECONDS:
            return say("indicators.hours", hours=f"{number / _HOUR_S:.1f}")
        case _:
            return str(number)


def _head(each: pb.Figure, known: Known) -> tuple[str, str, str, str]:
    about = known.get(each.indicator)
    title = pick(about.title_zh, about.title_en) if about else each.indicator
    below = str(each.denominator) if each.HasField("denominator") else ""
    return title, pick(each.title_zh, each.title_en) or each.key, str(each.numerator), below


def _target(indicator: pb.IndicatorView, target: pb.Target) -> str:
    if target.WhichOneof("kind") == "growth":
        return f"+{target.growth / _HUNDRED:.0f}%"
    return f"≥ {_number(indicator.unit, target.at_least)}"


def _met(each: pb.Figure) -> Text:
    if not each.HasField("target") or not each.target.HasField("met"):
        return Text()
    met = each.target.met
    return Text(say("words.yes" if met else "words.no"), style="green" if met else "bold red")


def _change(compared: pb.Comparison) -> str:
    return f"{compared.change / _HUNDRED:+.2f}%" if compared.HasField("change") else say("indicators.no_data")


def _word(kind: str, name: str, prefix: str) -> str:
    return word(kind, name.removeprefix(prefix))
