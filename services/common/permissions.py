"""Who may call what is a table: one row for each RPC, and an RPC without a row is refused.

A service states its rows in its own `permissions.py`:

    RULES = {
        "/liandong.exchange.v1.ExchangeService/Submit": Rule(kinds={"node"}),
        "/liandong.cases.v1.CaseService/GetCase": Rule(
            kinds={"gateway", "system"}, same_department=True, actor="required"
        ),
    }
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, Literal

from google.protobuf.descriptor import ServiceDescriptor

from services.common.caller import Actor, Caller
from services.common.errors import (
    ActorMissing,
    ForeignDepartment,
    PermissionDenied,
    RoleNotPermitted,
    Unauthenticated,
)

ANY: Final = "*"
"""In `kinds`: every kind of certificate."""
NOBODY: Final = ""
"""In `kinds`: a caller without certificate, as on the enrolment port."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table.

    Attributes:
        kinds: The kinds of certificates that may call; `ANY` and `NOBODY` may stand among them.
        same_department: Only certificates of the department that is served here.
        actor: Whether an actor assertion is looked at: `none`, `optional` or `required`.
        roles: An actor must have one of these roles; all roles when empty.
    """

    kinds: AbstractSet[str]
    same_department: bool = False
    actor: Literal["none", "optional", "required"] = "none"
    roles: AbstractSet[str] = frozenset()


PermissionTable = Mapping[str, Rule]

STANDARD_RULES: Final[PermissionTable] = {
    **{
        f"/grpc.health.v1.Health/{method}": Rule(kinds=frozenset({ANY, NOBODY}))
        for method in ("Check", "Watch", "List")
    },
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Rule(kinds=frozenset({ANY})),
    **{
        f"/grpc.channelz.v1.Channelz/{method}": Rule(kinds=frozenset({ANY}), same_department=True)
        for method in (
            "GetTopChannels",
            "GetServers",
            "GetServer",
            "GetServerSockets",
            "GetChannel",
            "GetSubchannel",
            "GetSocket",
        )
    },
}
"""Rows of the services that every server offers: health, reflection, channelz."""


def check_caller(rule: Rule | None, caller: Caller | None, department: str) -> None:
    """Check a call's certificate against its row.

    Args:
        rule: The row of the method, None if it has none.
        caller: Who calls, None without certificate.
        department: The department that is served here.

    Raises:
        PermissionDenied: No row, or the caller's kind is not in it.
        Unauthenticated: The row asks for a certificate and there is none.
        ForeignDepartment: The row asks for a certificate of the department served here.
    """
    if rule is None:
        raise PermissionDenied("No rule permits this method.")
    if caller is None:
        if NOBODY not in rule.kinds:
            raise Unauthenticated
        return
    # the department first: whose gateway it is says more than that it is a gateway
    if rule.same_department and caller.department != department:
        raise ForeignDepartment
    if caller.kind not in rule.kinds and ANY not in rule.kinds:
        raise PermissionDenied(f"A certificate of kind {caller.kind} does not permit this method.")


def check_actor(rule: Rule, actor: Actor | None) -> None:
    """Check a call's actor against its row.

    Raises:
        ActorMissing: The row asks for an actor and there is none.
        RoleNotPermitted: The actor has none of the row's roles.
    """
    if actor is None:
        if rule.actor == "required":
            raise ActorMissing
        return
    if rule.roles and rule.roles.isdisjoint(actor.roles):
        raise RoleNotPermitted


def methods_of(services: Iterable[ServiceDescriptor]) -> list[str]:
    """The full names of all methods, as they stand in the table: `/package.Service/Method`."""
    return [f"/{service.full_name}/{method.name}" for service in services for method in service.methods]


def missing_rows(table: PermissionTable, services: Iterable[ServiceDescriptor]) -> list[str]:
    """The methods of these services that have no row; a test asserts that there are none."""
    return [method for method in methods_of(services) if method not in table]


def rows_without_method(table: PermissionTable, services: Iterable[ServiceDescriptor]) -> list[str]:
    """The rows that name no method of these services: spelled wrong, or left over."""
    known = set(methods_of(services))
    return [method for method in table if method not in known]
