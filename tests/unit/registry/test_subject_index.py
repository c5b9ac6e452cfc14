"""Who is told of open cases elsewhere, and of which."""

import pytest
import sqlalchemy as sa
from liandong.oversight.v1 import subject_index_service_pb2 as pb

from services.common import caller
from services.common.caller import Caller
from services.common.clock import ManualClock
from services.common.errors import PermissionDenied
from services.registry import tables
from services.registry.handlers.subjects import SubjectIndexHandlers
from services.registry.rate_limit import RateLimit, TooManyRequests
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER, new_id
from tests.builders.ledger import MONDAY
from tests.builders.registry import Bench

ONE, TWO, NOBODY = bytes(32), bytes([1]) * 32, bytes([2]) * 32


def opened(registry: Bench, *tokens: bytes) -> str:
    case_id = new_id()
    letter = registry.health.act(case_id, "register", parties={HEALTH: "sender"}, subject_tokens=list(tokens))
    registry.position(registry.health, letter)
    return case_id


def handlers(registry: Bench, limit: RateLimit | None = None) -> SubjectIndexHandlers:
    return SubjectIndexHandlers(
        registry.database, lambda: registry.replica.directory, ManualClock(MONDAY), limit
    )


async def ask(handlers: SubjectIndexHandlers, department: str, *tokens: bytes) -> list[tuple[int, str, str]]:
    caller.set_caller(Caller(department, "node", "", "01", MONDAY))
    found = await handlers.FindOpenCases(pb.FindOpenCasesRequest(tokens=tokens), None)  # type: ignore[arg-type]
    return [(each.token, each.department, each.procedure) for each in found.cases]


async def test_another_department_is_told_department_and_mechanism(registry: Bench) -> None:
    """Once, however many cases there are; by the token it asked about."""
    opened(registry, ONE)
    opened(registry, ONE, TWO)
    index = handlers(registry)
    assert await ask(index, WATER, NOBODY, TWO, ONE) == [
        (1, HEALTH, "case-transfer"), (2, HEALTH, "case-transfer"),
    ]  # fmt: skip
    assert await ask(index, WATER, NOBODY) == []


async def test_own_cases_and_cases_that_are_over_are_not_told(registry: Bench) -> None:
    """Who takes part knows; what is closed is over."""
    case_id = opened(registry, ONE)
    index = handlers(registry)
    assert await ask(index, HEALTH, ONE) == []
    close = registry.health.act(
        case_id, "close", approved_by=["section-head"], based_on=registry.replica.head.size - 1
    )
    registry.position(registry.health, close)
    assert await ask(index, WATER, ONE) == []


async def test_an_office_has_no_case_of_its_own(registry: Bench) -> None:
    """It is named as a party, and not as one that handles the subject."""
    opened(registry, ONE)
    told = {department for _, department, _ in await ask(handlers(registry), MARKET, ONE)}
    assert told == {HEALTH}
    assert JUSTICE not in told


async def test_confidential_mechanisms_are_not_told(registry: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to know would be to warn."""
    opened(registry, ONE)
    rules = registry.replica.directory.law.procedures["case-transfer", 1]
    index = handlers(registry)
    assert await ask(index, WATER, ONE)
    object.__setattr__(rules, "confidential", True)
    try:
        assert await ask(index, WATER, ONE) == []
    finally:
        object.__setattr__(rules, "confidential", False)


async def test_questions_are_bounded_written_down_and_for_members(registry: Bench) -> None:
    """Whoever tries a list of identifiers is stopped, and is seen."""
    opened(registry, ONE)
    index = handlers(registry, RateLimit(2, 0.001))
    await ask(index, WATER, ONE, TWO)
    await ask(index, WATER, TWO)
    with pytest.raises(TooManyRequests):
        await ask(index, WATER, ONE)
    await ask(index, MARKET, ONE)
    with pytest.raises(PermissionDenied):
        await ask(index, "stranger.qinghe", ONE)
    questions = tables.subject_questions
    rows = registry.database.read(
        lambda connection: connection.execute(sa.select(questions).order_by(questions.c.id)).all()
    )
    assert [(row.department, row.tokens, row.found) for row in rows] == [
        (WATER, ONE + TWO, 1), (WATER, TWO, 0), (MARKET, ONE, 1),
    ]  # fmt: skip
