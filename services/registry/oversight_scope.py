"""Who sees what of others' cases: the one place that says it, for queries and for streams alike.

A department sees the mechanisms whose office it holds, whole, and of every other mechanism what it owes
and the cases it takes part in. An operator of the registry sees all.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from services.common.caller import Caller
from services.exchange.directory import Directory
from services.registry import tables

OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True)
class Scope:
    """What one caller sees.

    Attributes:
        department: Whose certificate it is.
        offices: The mechanisms whose office the department holds now.
        everything: An operator.
    """

    department: str
    offices: frozenset[str]
    everything: bool = False

    @classmethod
    def of(cls, caller: Caller, directory: Directory) -> Scope:
        """The scope of a caller; offices are those of the newest directory, not of its certificate."""
        held = frozenset(name for name, holder in directory.offices.items() if holder == caller.department)
        return cls(caller.department, held, caller.kind == OPERATOR)

    def sees_mechanism(self, procedure: str) -> bool:
        """Whether all of a mechanism is seen."""
        return self.everything or procedure in self.offices

    def sees_case(self, procedure: str, parties: Collection[str]) -> bool:
        """Whether a case is seen; `parties` are all that hold or held a role in it."""
        return self.sees_mechanism(procedure) or self.department in parties

    def sees_alert(self, procedure: str, addressee: str, subject: str) -> bool:
        """Whether an alert is seen: it is for the caller, about the caller, or of its mechanism."""
        return self.sees_mechanism(procedure) or self.department in {addressee, subject}

    def sees_department(self, department: str) -> bool:
        """Whether a department's link is seen: an office cannot work without knowing who is there."""
        return self.everything or bool(self.offices) or department == self.department

    def indicators(self) -> sa.ColumnElement[bool]:
        """Obligations that are counted for the caller: of its mechanisms, and its own."""
        columns = tables.obligations.c
        return self._either(columns.procedure, columns.owed_by == self.department)

    def flows(self) -> sa.ColumnElement[bool]:
        """Flows that the caller sees: of its mechanisms, and from and to itself."""
        columns = tables.flows.c
        own = sa.or_(columns.author == self.department, columns.recipient == self.department)
        return self._either(columns.procedure, own)

    def alerts(self) -> sa.ColumnElement[bool]:
        """Alerts that the caller sees, as `sees_alert`."""
        columns = tables.alerts.c
        own = sa.or_(columns.addressee == self.department, columns.subject_department == self.department)
        return self._either(columns.procedure, own)

    def _either(
        self, procedure: sa.ColumnElement[str], own: sa.ColumnElement[bool]
    ) -> sa.ColumnElement[bool]:
        if self.everything:
            return sa.true()
        return sa.or_(own, procedure.in_(sorted(self.offices))) if self.offices else own
