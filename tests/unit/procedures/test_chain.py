"""Chains of handling: what is read from YAML, what is refused with its line, which one a letter begins on."""

from datetime import UTC, datetime, timedelta

import pytest

from services.procedures.chain import Chain, Direction, Kind, Stated, Who, in_force
from services.procedures.chain_source import load_chain, shipped
from services.procedures.defects import DefectiveProcedure
from services.procedures.obligation import Limit, Unit

NOW = datetime(2026, 3, 2, 1, tzinfo=UTC)
GOOD = """chain: short
direction: outbound
title: [短, Short]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter]}
  check: {title: [核稿, Check], kind: check, by: [section-head@own], within: 1 wd, may: [return]}
  sign: {title: [签发, Sign], kind: sign}
  number: {title: [编号, Number], kind: number}
  seal: {title: [用印, Seal], kind: seal, by: [registry-clerk]}
  send: {title: [发出, Send], kind: send, by: [drafter]}
"""


def test_a_chain_is_read() -> None:
    """Steps in order, people with their sections, limits in their units."""
    chain = load_chain(GOOD)
    assert [each.kind for each in chain.steps] == [
        Kind.DRAFT, Kind.CHECK, Kind.SIGN, Kind.NUMBER, Kind.SEAL, Kind.SEND,
    ]  # fmt: skip
    assert chain.step("check").by == (Who("section-head", "own"),)
    assert chain.step("check").within == Limit(1, Unit.WORKING_DAYS)


def test_the_chains_that_come_with_the_product_are_sound() -> None:
    """One each way."""
    assert {load_chain(source, name).direction for name, source in shipped()} == set(Direction)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("direction: outbound", "direction: sideways", "chain.yaml:2: The word is none of those"),
        ("[短, Short]", "[短]", "chain.yaml:3: A title needs text in Chinese and in English"),
        ("kind: check", "kind: stamp", "chain.yaml:6: The word is none of those"),
        ("section-head@own", "boss", "chain.yaml:6: No person holds such a role"),
        ("within: 1 wd", "within: 1 month", "chain.yaml:6: The limit is no number"),
        ("within: 1 wd", "within: soon", "chain.yaml:6: The limit is no number"),
        ("may: [return]", "may: [shout]", "chain.yaml:6: The word is none of those"),
        ("kind: check", "kind: register", "register is no step of outbound"),
        ("  sign: {title: [签发, Sign], kind: sign}\n", "", "an outgoing letter is signed"),
        ("by: [section-head@own], ", "", "chain.yaml:6: A key is missing"),
        ("by: [section-head@own]", "by: [clerk], each: [liaison]", "not both"),
        ("kind: seal", "kind: check", "chain.yaml:9: Two parts of the procedure contradict"),
        ("  seal: {", "  sign: {", "chain.yaml:9: The key stands twice"),
        ("may: [return]", "acts: [sign-for]", "acts answer what arrived"),
        ("kind: send, by: [drafter]", "kind: send, by: [drafter], may: [phone]", "nobody agrees in send"),
    ],
)
def test_what_is_wrong_is_named_by_line(before: str, after: str, complaint: str) -> None:
    """File, line, reason."""
    assert before in GOOD
    with pytest.raises(DefectiveProcedure) as refused:
        load_chain(GOOD.replace(before, after))
    assert complaint in str(refused.value)


@pytest.mark.parametrize("source", ["", "[]", "chain: [", "chain: x\ndirection: inbound\ntitle: [a, b]\n"])
def test_what_is_no_chain_is_refused(source: str) -> None:
    """Never with another error."""
    with pytest.raises(DefectiveProcedure):
        load_chain(source)


def stated(
    number: int, procedure: str = "", act: str = "", since: int = -1, until: int | None = None
) -> Stated:
    chain: Chain = load_chain(GOOD)
    end = None if until is None else NOW + timedelta(days=until)
    return Stated(number, chain, procedure, act, NOW + timedelta(days=since), end)


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        ([], None),
        ([stated(1)], 1),
        ([stated(1), stated(2)], 2),
        ([stated(1, "p", "a"), stated(2, "p"), stated(3)], 1),
        ([stated(1, "p"), stated(2)], 1),
        ([stated(1), stated(2, since=1)], 1),
        ([stated(1), stated(2, until=0)], 1),
        ([stated(1, "q"), stated(2, "p", "b")], None),
    ],
)
def test_the_most_specific_chain_in_force_is_taken(chains: list[Stated], expected: int | None) -> None:
    """By act, then procedure, then the newest; neither before its time nor after."""
    found = in_force(chains, Direction.OUTBOUND, "p", "a", NOW)
    assert (found.id if found else None) == expected
    assert in_force(chains, Direction.INBOUND, "p", "a", NOW) is None
