"""The permission table."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from services.common.caller import Caller
from services.common.errors import (
    ActorMissing,
    ForeignDepartment,
    LiandongError,
    PermissionDenied,
    RoleNotPermitted,
    Unauthenticated,
)
from services.common.permissions import (
    ANY,
    NOBODY,
    STANDARD_RULES,
    Rule,
    check_actor,
    check_caller,
    missing_rows,
    rows_without_method,
)

HOME = "health.qinghe"


def caller(department: str = HOME, kind: str = "node") -> Caller:
    return Caller(department, kind, "", "1", datetime(2030, 1, 1, tzinfo=UTC))


@dataclass
class Person:
    roles: AbstractSet[str]


@pytest.mark.parametrize(
    ("rule", "who", "error"),
    [
        (None, caller(), PermissionDenied),
        (Rule(kinds={"node"}), None, Unauthenticated),
        (Rule(kinds={"gateway"}), caller(), PermissionDenied),
        (Rule(kinds={"node"}, same_department=True), caller("police.qinghe"), ForeignDepartment),
        (Rule(kinds={"gateway"}, same_department=True), caller("police.qinghe"), ForeignDepartment),
    ],
)
def test_who_has_no_right_is_told_why(
    rule: Rule | None, who: Caller | None, error: type[LiandongError]
) -> None:
    """No row, no certificate, the wrong kind, another department: each has its own error."""
    with pytest.raises(LiandongError) as caught:
        check_caller(rule, who, HOME)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        (Rule(kinds={"node", "gateway"}), caller("police.qinghe")),
        (Rule(kinds={ANY}, same_department=True), caller(kind="operator")),
        (Rule(kinds={NOBODY}), None),
    ],
)
def test_who_stands_in_the_row_passes(rule: Rule, who: Caller | None) -> None:
    """The kind, any kind, or nobody, as the row says."""
    check_caller(rule, who, HOME)


def test_a_role_is_asked_of_an_actor() -> None:
    """A required actor must be there, and an actor must have one of the roles."""
    rule = Rule(kinds={ANY}, actor="required", roles={"leader-in-charge"})
    with pytest.raises(ActorMissing):
        check_actor(rule, None)
    with pytest.raises(RoleNotPermitted):
        check_actor(rule, Person({"clerk"}))
    check_actor(rule, Person({"clerk", "leader-in-charge"}))
    check_actor(Rule(kinds={ANY}, actor="optional"), None)


def test_every_method_of_the_standard_services_has_a_row() -> None:
    """And a method without a row, or a row without a method, is found by the helpers."""
    health: Any = health_pb2.DESCRIPTOR.services_by_name["Health"]
    assert missing_rows(STANDARD_RULES, [health]) == []
    assert missing_rows({}, [health])[0] == "/grpc.health.v1.Health/Check"
    assert rows_without_method({"/grpc.health.v1.Health/Chek": Rule(kinds={ANY})}, [health]) == [
        "/grpc.health.v1.Health/Chek"
    ]
