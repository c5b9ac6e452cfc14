"""The cases of one commit group: remembered or read, changed in memory, written at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from services.cases import store
from services.cases.entry import Entry, dues_of
from services.common.clock import microseconds
from services.exchange.session import DepartmentSession
from services.procedures.deadlines import due_time
from services.procedures.facts import ActFacts
from services.procedures.fold import Folded
from services.procedures.obligation import Obligation

_CASES: Final = 10_000


class Casebook:
    """The cases that one group looks at.

    Args:
        known: Cases that outlive the group, the most recently used last; changed only by `committed`.
        session: The group's.
    """

    def __init__(self, known: OrderedDict[str, Entry], session: DepartmentSession) -> None:
        self._known = known
        self._session = session
        self._entries: dict[str, Entry] = {}
        self._cases: set[str] = set()
        self._parties: set[str] = set()
        self._obligations: dict[tuple[str, str, int], Obligation] = {}

    # -- looking up -----------------------------------------------------------------------------

    def preload(self, case_ids: Sequence[str]) -> None:
        """Read cases that are not in memory, in one go."""
        known, entries = self._known, self._entries
        missing = [
            each for each in dict.fromkeys(case_ids) if each and each not in entries and each not in known
        ]
        if missing:
            entries.update(self._load(missing))

    def entry(self, case_id: str) -> Entry:
        """A case; an empty one if it is not here."""
        entry = self._entries.get(case_id)
        if entry is None:
            entry = self._known.get(case_id)
        if entry is None:
            entry = self._load([case_id]).get(case_id, Entry())
            self._entries[case_id] = entry
        return entry

    def folded(self, case_id: str) -> Entry:
        """A case with all that is pending in its view."""
        entry = self.entry(case_id)
        if entry.laid != len(entry.pending):
            session = self._session
            entry = self._entries[case_id] = entry.folded(session.now, session.directory.law)
        return entry

    def _load(self, case_ids: Sequence[str]) -> dict[str, Entry]:
        session = self._session
        return store.load(session.connection, case_ids, session.now, session.directory.law)

    # -- changing -------------------------------------------------------------------------------

    def put(self, case_id: str, entry: Entry) -> None:
        """Replace a case; what lists show of it did not change, but for its title."""
        if entry.title != self.entry(case_id).title:
            self._cases.add(case_id)
        self._entries[case_id] = entry

    def relist(self, case_id: str, *, parties: bool = False) -> Entry:
        """Fold a case, and write what lists show of it, and who its parties are."""
        self._cases.add(case_id)
        if parties:
            self._parties.add(case_id)
        return self.folded(case_id)

    def settle(
        self,
        case_id: str,
        folded: Folded,
        pending: tuple[ActFacts, ...],
        *,
        in_order: bool = False,
    ) -> Entry:
        """Take a new admitted state, and lay the pending letters over it again.

        Args:
            case_id: The case.
            folded: What admission made of it.
            pending: What is still on its way.
            in_order: What was admitted is the first of what was pending: with nothing in between, the
                view already is the fold of the rest, but for the times of what is now admitted.
        """
        entry, state = self.entry(case_id), folded.state
        before = entry.admitted
        dues = dict(entry.dues)
        calendar = self._session.directory.law.calendar(state.home_registry)
        for each in folded.changed:
            self._obligations[case_id, each.rule, each.ordinal] = each
            if each.open:
                dues[each.rule, each.ordinal] = due_time(each, calendar)
            else:
                dues.pop((each.rule, each.ordinal), None)
        # what is admitted in order is already in the view, if it was laid there
        view, laid = (entry.view, entry.laid - 1) if in_order and entry.laid and pending else (state, 0)
        self._entries[case_id] = Entry(state, pending, view, laid, entry.title, dues)
        self._cases.add(case_id)
        if before is None or before.parties != state.parties:
            self._parties.add(case_id)
        # laid anew, since what is pending may no longer fit; in order it still does, and changes no list
        return self._entries[case_id] if in_order else self.folded(case_id)

    def recompute(self) -> None:
        """Move the due times of open obligations to the calendar as it is now."""
        law = self._session.directory.law
        if self._session.department.directory.law.calendars == law.calendars:
            return
        # what is remembered of other cases was computed by the calendar of before
        self._known.clear()
        for case_id in store.open_cases(self._session.connection):
            entry = self.entry(case_id)
            if entry.admitted is None:
                continue
            for each in entry.admitted.open_obligations:
                self._obligations.setdefault((case_id, each.rule, each.ordinal), each)
            self._entries[case_id] = replace(entry, dues=dues_of(entry.admitted, law))
            self._cases.add(case_id)

    # -- memory and disk ------------------------------------------------------------------------

    def flush(self, connection: Connection) -> None:
        """Write cases, parties and obligations."""
        session, entries = self._session, self._entries
        law, now_us, department = session.directory.law, microseconds(session.now), session.department.name
        states = {
            case_id: view
            for case_id in self._cases | self._parties
            if (view := entries[case_id].view) is not None
        }
        cases = [
            store.case_row(entries[case_id], view, law, department, now_us)
            for case_id, view in states.items()
        ]
        store.write_cases(connection, cases)
        parties = self._parties & states.keys()
        store.write_parties(connection, [row for each in parties for row in store.party_rows(states[each])])
        obligations = [
            store.obligation_row(each, entries[case_id].dues.get((rule, ordinal)))
            for (case_id, rule, ordinal), each in self._obligations.items()
        ]
        store.write_obligations(connection, obligations)

    def committed(self) -> None:
        """Remember the cases of a durable commit."""
        known = self._known
        for case_id, entry in self._entries.items():
            known[case_id] = entry
            known.move_to_end(case_id)
        while len(known) > _CASES:
            known.popitem(last=False)
