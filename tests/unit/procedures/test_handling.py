"""A letter on its chain, whatever its people do: what was agreed is what is sent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cases.handling.stored import dumps, loads
from services.common.errors import InvalidField, LiandongError
from services.procedures import handling
from services.procedures.calendar import Calendar
from services.procedures.chain import AGREEING, IMPLICIT, Chain, Kind, Who
from services.procedures.chain_source import load_chain
from services.procedures.delegation import Delegation, Standing, actor_for
from services.procedures.document import Actor, Clocked, Document, NotYourStep, Outcome, Person, StepOpen

MONDAY = datetime(2026, 3, 2, 1, tzinfo=UTC)
CALENDAR = Calendar("qinghe")
CHAIN = load_chain("""
chain: whole
direction: outbound
title: [发文, Outgoing]
steps:
  draft: {title: [拟稿, Draft], kind: draft, by: [drafter]}
  check: {title: [核稿, Check], kind: check, by: [clerk], within: 1 wd, may: [return, hand-on, phone]}
  countersign:
    {title: [会签, Countersign], kind: countersign, each: [liaison, officer], may: [return, add-signer, phone]}
  sign: {title: [签发, Sign], kind: sign, within: 4 h, may: [return, add-signer, hand-on, phone]}
  number: {title: [编号, Number], kind: number}
  seal: {title: [用印, Seal], kind: seal, by: [registry-clerk], may: [return]}
  send: {title: [发出, Send], kind: send, by: [drafter], may: [return]}
""")
DRAFTER = Person("drafter", "拟稿人", "clerk")


def clock(minutes: float = 0) -> Clocked:
    return Clocked(MONDAY + timedelta(minutes=minutes), CALENDAR)


def begun(chain: Chain = CHAIN, approvers: tuple[str, ...] = ("leader-in-charge",)) -> Document:
    fresh = Document("d", chain, approvers, DRAFTER, "legal", bytes([1]) * 32)
    return handling.start(fresh, clock())


def somebody(subject: str = "x") -> Actor:
    return Actor(Person(subject, subject, "role"))


def done(document: Document, count: int = 1) -> Document:
    """The document after so many tasks were done, each by somebody else."""
    for index in range(count):
        task = document.open_tasks[0]
        document = handling.complete(document, task.id, somebody(f"p{task.id}-{index}"), clock(index + 1))
    return document


def test_the_steps_come_in_order_and_in_time() -> None:
    """Each begins when the one before is through; limits are counted by the calendar."""
    document = begun()
    names = []
    while (step := document.current) is not None:
        names.append(step.name)
        document = done(document, len(document.open_tasks))
        document = document if document.current else handling.end(document, clock())
    assert names == ["check", "countersign", "sign", "number", "seal", "send"]
    check = next(each for each in document.tasks if each.step == "check")
    assert check.due_at == datetime(2026, 3, 3, 16, tzinfo=UTC)  # the end of Tuesday in the region
    sign = next(each for each in document.tasks if each.step == "sign")
    assert sign.due_at == sign.started_at + timedelta(hours=4)


def test_what_is_returned_is_done_again_from_there() -> None:
    """Earlier steps stand; later ones begin anew."""
    document = done(begun(), 3)
    assert document.current is not None
    assert document.current.name == "sign"
    (task,) = document.open_tasks
    back = handling.give_back(document, task.id, "countersign", "再议", somebody(), clock(9))
    assert back.current is not None
    assert back.current.name == "countersign"
    assert [each.outcome for each in back.standing("check")] == [Outcome.DONE]
    assert len(back.open_tasks) == 2
    with pytest.raises(InvalidField):
        handling.give_back(back, back.open_tasks[0].id, "seal", "不行", somebody(), clock(9))


def test_the_same_content_again_voids_nothing() -> None:
    """Only a change does."""
    document = done(begun(), 2)
    assert handling.redraft(document, document.digest, somebody(), clock(9)) == document
    changed = handling.redraft(document, bytes(32), somebody(), clock(9))
    assert changed.current is not None
    assert changed.current.name == "check"


def test_a_role_that_is_asked_for_twice_takes_two_persons() -> None:
    """Also where one of them acts for another."""
    document = done(begun(approvers=("officer", "officer")), 3)
    first, second = document.open_tasks
    document = handling.complete(document, first.id, somebody("wu"), clock())
    with pytest.raises(NotYourStep):
        handling.complete(document, second.id, replace(somebody("wu"), acting_for=Person("sun")), clock())


def test_two_roles_take_two_persons() -> None:
    """Who signed in one role does not sign in another."""
    document = done(begun(approvers=("legal-reviewer", "principal")), 3)
    first, second = document.open_tasks
    document = handling.complete(document, first.id, somebody("wu"), clock())
    with pytest.raises(NotYourStep):
        handling.complete(document, second.id, somebody("wu"), clock())
    assert handling.complete(document, second.id, somebody("sun"), clock()).current != document.current


def test_a_call_never_approves_for_the_law() -> None:
    """It lets other steps go on; the signature that the law asks for stays open until it is confirmed."""
    document = begun()
    (check,) = document.open_tasks
    document = handling.called(
        document, check.id, Person("q", "钱"), Person("c", "张"), MONDAY, "同意", clock(1)
    )
    document = done(replace(document), 0)
    assert document.current is not None
    assert document.current.name == "countersign"
    for task in [each for each in document.open_tasks if each.is_open]:
        document = handling.complete(document, task.id, somebody(f"p{task.id}"), clock(2))
    (sign,) = [each for each in document.open_tasks if each.is_open]
    called = handling.called(
        document, sign.id, Person("chen", "陈"), Person("c", "张"), MONDAY, "同意", clock(3)
    )
    assert called.current is not None
    assert called.current.name == "sign"
    with pytest.raises(NotYourStep):
        handling.confirm(called, sign.id, somebody("other"), "", clock(4))
    confirmed = handling.confirm(called, sign.id, somebody("chen"), "", clock(4))
    assert confirmed.current is not None
    assert confirmed.current.name == "number"
    with pytest.raises(StepOpen):
        handling.confirm(confirmed, sign.id, somebody("chen"), "", clock(5))


def test_a_void_number_reopens_its_step_alone() -> None:
    """What was agreed stands; who was about to seal waits for the new number."""
    document = done(begun(), 5)
    assert document.current is not None
    assert document.current.name == "seal"
    again = handling.reopen_number(document, clock(9))
    assert again.current is not None
    assert again.current.name == "number"
    assert done(again).current == document.current


def test_without_a_chain_the_law_alone_asks() -> None:
    """Whoever it names signs, then the letter is sent; if it names nobody, it is sent."""
    document = begun(IMPLICIT, ("leader-in-charge", "principal"))
    assert [each.whos for each in document.open_tasks] == [(Who("leader-in-charge"),), (Who("principal"),)]
    free = begun(IMPLICIT, ())
    assert free.current is not None
    assert free.current.kind is Kind.SEND


# -- whatever is done -----------------------------------------------------------------------------

Move = Callable[[Document, int, int], Document]


def _complete(document: Document, pick: int, at: int) -> Document:
    tasks = [each for each in document.open_tasks if each.is_open]
    return handling.complete(document, tasks[pick % len(tasks)].id, somebody(f"p{pick}"), clock(at))


def _give_back(document: Document, pick: int, at: int) -> Document:
    tasks = [each for each in document.open_tasks if each.is_open]
    earlier = document.chain.steps[pick % len(document.chain.steps)].name
    return handling.give_back(document, tasks[0].id, earlier, "退", somebody(), clock(at))


def _redraft(document: Document, pick: int, at: int) -> Document:
    return handling.redraft(document, bytes([pick % 3]) * 32, somebody(), clock(at))


def _call(document: Document, pick: int, at: int) -> Document:
    tasks = [each for each in document.open_tasks if each.is_open]
    person = Person(f"p{pick}", "某")
    return handling.called(
        document, tasks[pick % len(tasks)].id, person, Person("c", "张"), MONDAY, "同意", clock(at)
    )


def _confirm(document: Document, pick: int, at: int) -> Document:
    task = next(each for each in document.open_tasks if each.waits_for_confirmation)
    assert task.call is not None
    return handling.confirm(
        document, task.id, Actor(task.call.approver), "没有" if pick % 2 else "", clock(at)
    )


def _add(document: Document, pick: int, at: int) -> Document:
    return handling.add_signer(
        document, document.open_tasks[0].id, Who("officer", "", f"s{pick}"), somebody(), clock(at)
    )


def _hand_on(document: Document, pick: int, at: int) -> Document:
    task = document.open_tasks[0]
    return handling.hand_on(
        document, task.id, Who(task.whos[0].role, "", f"h{pick}"), "", somebody(), clock(at)
    )


def _hand_over(document: Document, pick: int, at: int) -> Document:
    return handling.hand_over(document, f"h{pick}", Person(f"n{pick}", "新"), somebody(), clock(at))


def _void(document: Document, pick: int, at: int) -> Document:
    del pick
    return handling.reopen_number(document, clock(at))


MOVES: tuple[Move, ...] = (
    _complete, _complete, _complete, _give_back, _redraft, _call, _confirm, _add, _hand_on, _hand_over, _void,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 7)), max_size=40),
    st.sampled_from([("leader-in-charge",), ("officer", "officer"), ()]),
)
def test_what_is_through_was_agreed_as_it_is(
    moves: list[tuple[Move, int]], approvers: tuple[str, ...]
) -> None:
    """Behind signing, every agreement that stands is on this content, and each of the law's roles has signed."""
    document = begun(approvers=approvers)
    for at, (move, pick) in enumerate(moves):
        try:
            document = move(document, pick, at + 10)
        except (LiandongError, StopIteration, IndexError, ZeroDivisionError):
            continue
        assert loads(dumps(document), document.id, document.chain) == document
        step = document.current
        assert step is None or document.standing(step.name), "nobody can go on"
        if step is not None and document.chain.index(step.name) <= document.chain.index("sign"):
            continue
        standing = [each for each in document.tasks if each.stands]
        agreed = [each for each in standing if document.chain.step(each.step).kind in AGREEING]
        assert all(each.digest == document.digest for each in agreed)
        assert all(each.outcome in (Outcome.DONE, Outcome.PROVISIONAL) for each in agreed)
        signed = [each for each in agreed if each.step == "sign" and each.outcome is Outcome.DONE]
        for role in set(approvers):
            persons = {
                each.done_by.subject
                for each in signed
                if each.done_by and any(who.role == role for who in each.whos)
            }
            assert len(persons) >= approvers.count(role)


# -- in whose place -------------------------------------------------------------------------------


@given(
    since=st.integers(-5, 5),
    length=st.integers(1, 5),
    scope=st.sampled_from([(), ("p",), ("p/a",), ("p/b",), ("q",)]),
    gives_role=st.booleans(),
    holds_role=st.booleans(),
)
def test_a_delegate_acts_within_the_delegation_and_nowhere_else(
    since: int, length: int, scope: tuple[str, ...], gives_role: bool, holds_role: bool
) -> None:
    """By time and act; a role that is delegated is nobody's own, unless it is said to be."""
    document = done(begun(), 3)
    (task,) = document.open_tasks
    start = MONDAY + timedelta(days=since)
    delegation = Delegation(
        1, Person("chen", "陈慧", "leader-in-charge"), "", Person("zhou", "周宁"), start,
        start + timedelta(days=length), scope, holds_role,
    )  # fmt: skip
    roles = frozenset({"leader-in-charge"} if gives_role else {"section-head"})
    standing = Standing(Person("zhou", "周宁", "section-head"), roles, "", (delegation,))
    found = actor_for(task, standing, "p", "a", MONDAY)
    within = start <= MONDAY < start + timedelta(days=length) and scope in ((), ("p",), ("p/a",))
    if gives_role and holds_role:
        assert found is not None
        assert found.acting_for is None
    elif within:
        assert found is not None
        assert found.acting_for == delegation.absent
    else:
        assert found is None
