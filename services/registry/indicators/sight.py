"""Who sees which figures: an office its mechanisms whole, a department itself and its rank, an operator all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from services.common.errors import PermissionDenied
from services.registry.indicators.figures import Figure, Group, Part
from services.registry.oversight_scope import Scope


class OutOfSight(PermissionDenied):
    """Only the office of the mechanism and operators see figures of other departments."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one request may see.

    Attributes:
        procedures: The mechanisms it is about; None: all there are.
        department: The department it is about; empty: all.
        own: It is the caller's own part, without a right to others'.
    """

    procedures: frozenset[str] | None
    department: str
    own: bool

    @classmethod
    def of(cls, scope: Scope, procedure: str, department: str) -> Sight:
        """The sight of a caller that asks for a mechanism and a department, either empty for all.

        Raises:
            OutOfSight: It asks for another department where it does not hold the office.
        """
        asked = frozenset({procedure}) if procedure else None
        if scope.everything:
            return cls(asked, department, own=False)
        if procedure in scope.offices:
            return cls(asked, department, own=False)
        if not procedure and scope.offices and department != scope.department:
            return cls(scope.offices, department, own=False)
        if department not in {"", scope.department}:
            raise OutOfSight(field="department")
        return cls(asked, scope.department, own=True)

    def part(self, group: Group) -> Part:
        """What is to be computed: for a rank all departments are, though one is shown."""
        return Part(self.procedures, "" if group is Group.DEPARTMENT else self.department)

    def shown(self, group: Group, made: Iterable[Figure]) -> list[Figure]:
        """Of computed figures those that are shown."""
        if group is not Group.DEPARTMENT or not self.department:
            return list(made)
        return [each for each in made if each.key == self.department]

    def among(self, known: Collection[str]) -> tuple[str, ...]:
        """The mechanisms that are read."""
        return tuple(sorted(known if self.procedures is None else self.procedures & set(known)))
