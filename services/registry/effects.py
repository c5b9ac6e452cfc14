"""What follows from an admitted letter: the case folds, obligations open and end, mailboxes fill.

Each function computes everything first and notes it last, so that a letter that fails fails whole and
those beside it go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from liandong.exchange.v1 import envelope_pb2 as pb
from sqlalchemy import Connection

from services.common.bulk import Record
from services.common.errors import LiandongError
from services.exchange.directory import Directory
from services.exchange.letters import DigestMismatch, Letter, attachment_roots, manifest_roots
from services.procedures.arrival import arrive
from services.procedures.case import CaseState
from services.procedures.facts import Admission
from services.procedures.fold import fold
from services.procedures.obligation import Obligation
from services.registry import store
from services.registry.duty_discharge import served_rows
from services.registry.group import Grant, Group
from services.registry.obligation_index import index_row
from services.registry.recent import Entry
from services.registry.store import Item

_DAY_US: Final = 86_400_000_000
_ZONE_US: Final = 8 * 3_600_000_000  # Asia/Shanghai has no daylight saving time


class NotAddressed(LiandongError):
    """An Arrival names a letter that was not addressed to its author."""

    reason = "NOT_ADDRESSED"
    code = "INVALID_ARGUMENT"


@dataclass(frozen=True, slots=True)
class Docket:
    """Where effects are computed: the ledger below the letter, and the group's notes.

    Attributes:
        connection: Holds the head's lock.
        group: Takes the notes.
        directory: As of the letter's position.
        now: Its admission.
        now_us: The same in microseconds.
        case: Gives a case's state.
        entry: Gives a letter that is in memory.
        delivered: Gives those of rising positions that memory knows to have gone to a department.
    """

    connection: Connection
    group: Group
    directory: Directory
    now: datetime
    now_us: int
    case: Callable[[str], CaseState | None]
    entry: Callable[[int], Entry | None]
    delivered: Callable[[str, Sequence[int]], set[int]]


def apply_act(letter: Letter, docket: Docket) -> str:
    """Fold an act into its case and deliver it to all who take part; returns its flags."""
    facts, content, group = letter.facts, letter.content, docket.group
    assert facts is not None
    assert content is not None
    law = docket.directory.law
    position = group.size
    before = docket.case(facts.case_id)
    folded = fold(before, facts, Admission(position, docket.now, docket.directory.version), law)
    state = folded.state
    flags = law.authority_flags(facts)
    obligations = _obligation_rows(folded.changed, state, docket)
    if facts.serves:
        obligations += served_rows(docket.connection, facts, position, docket.now, law, group.obligations)
    members = state.members
    earlier = before.members if before else ()
    joined = [name for name in members if name not in earlier] if before else []
    past, grants = _past(before, joined, docket) if before and joined else ([], [])
    recipients = tuple(dict.fromkeys((*members, *facts.recipients, *facts.copies)))
    roots = tuple(manifest_roots(content)) if content.materials else ()

    group.states[facts.case_id] = state
    group.letters_of_case.setdefault(facts.case_id, []).append(position)
    group.obligations += obligations
    if before is None or before.parties != state.parties:
        group.parties += [
            (facts.case_id, name, role) for role, names in state.parties.items() for name in names
        ]
    if content.linked_cases:
        group.links += [(facts.case_id, each.case_id, each.relation) for each in content.linked_cases]
    group.subjects += [(each, facts.case_id) for each in content.subject_tokens]
    for each in folded.changed:
        # also of whoever takes another's seat, with a clock that waits for a letter of the past
        if each.starts_on_receipt and each.received_at is None:
            group.awaited[each.owed_by, each.opened_position] = facts.case_id
    group.grants += grants
    if roots:
        group.grants.append(Grant(facts.author, roots, recipients))
    group.places += past
    group.deliver(position, facts.author, recipients)
    day = (docket.now_us + _ZONE_US) // _DAY_US
    for name in facts.recipients or members:
        if name != facts.author:
            group.flows[day, facts.procedure, facts.author, name] += 1
    return ",".join(flags)


def apply_arrival(letter: Letter, docket: Docket) -> None:
    """Note what came, start the clocks that waited for it, tell those whose letters came.

    Raises:
        DigestMismatch: A position is not in the ledger, or the letter there is another.
        NotAddressed: A letter was not addressed to the author of the Arrival, or is its own.
    """
    group, department = docket.group, letter.header.author
    listed = {each.position: each.letter_digest for each in letter.header.arrival.letters}
    positions = sorted(listed)
    if positions[-1] >= group.size:
        raise _another_letter()
    authors = _authors(listed, docket)
    strange = _not_addressed(department, positions, authors, docket)
    if strange is not None:
        named = [each.position for each in letter.header.arrival.letters]
        raise NotAddressed(field=f"arrival.letters[{named.index(strange)}]")
    told = set(authors.values())
    awaited = dict(store.waits(docket.connection, department, positions))
    # nobody was told of letters of this very group yet, but one of them may have handed on a clock
    fresh = [(at, group.awaited.pop((department, at), None)) for at in positions if group.awaited]
    awaited |= {at: case_id for at, case_id in fresh if case_id is not None}
    changes: dict[str, CaseState] = {}
    rows: list[Record] = []
    for case_id in dict.fromkeys(awaited.values()):
        state = docket.case(case_id)
        if state is None:
            continue
        waited = [at for at, case in awaited.items() if case == case_id]
        folded = arrive(state, waited, department, docket.now)
        changes[case_id] = folded.state
        rows += _obligation_rows(folded.changed, folded.state, docket)
        told.update(folded.state.members)

    group.states.update(changes)
    group.obligations += rows
    group.received += [(department, at) for at in awaited]
    group.arrivals.append((department, positions[-1], positions[0], group.size, docket.now_us))
    group.deliver(group.size, department, sorted(told))


def apply_item(letter: Letter, docket: Docket) -> None:
    """Note a shared item and deliver it to subscribers, or note a subscription."""
    group, author, item = docket.group, letter.header.author, letter.header.item
    recipients: set[str] = set()
    if item.act in (pb.ITEM_ACT_SUBSCRIBE, pb.ITEM_ACT_UNSUBSCRIBE):
        group.subscriptions[item.category, author] = item.act == pb.ITEM_ACT_SUBSCRIBE
    else:
        recipients = set(item.recipients)
        if not item.restricted:
            recipients |= _subscribers(item.category, docket)
        known = Item(author, item.category, max(item.revision, 1), item.act == pb.ITEM_ACT_WITHDRAW)
        group.note_item(item.item_id, known, group.size)
        if roots := attachment_roots(letter):
            group.grants.append(Grant(author, tuple(roots), tuple(sorted(recipients - {author}))))
    group.deliver(group.size, author, sorted(recipients))


def _obligation_rows(changed: Iterable[Obligation], state: CaseState, docket: Docket) -> list[Record]:
    law = docket.directory.law
    procedure = law.procedures[state.procedure, state.version]
    calendar = law.calendar(state.home_registry)
    return [index_row(each, procedure, calendar) for each in changed]


def _past(
    before: CaseState, joined: Sequence[str], docket: Docket
) -> tuple[list[tuple[str, int, int]], list[Grant]]:
    """What was said in the case before departments joined, for their mailboxes, with its evidence.

    The Arrivals that started its clocks are part of it: they fold into the case as the letters do.
    """
    group = docket.group
    stored = store.case_positions(docket.connection, before.case_id)
    fresh = group.letters_of_case.get(before.case_id, [])
    positions = [*stored, *fresh]
    first = group.size - len(group.entries)
    headers = store.headers_at(docket.connection, stored)
    headers |= {
        each: (group.entries[each - first].header, group.entries[each - first].author) for each in fresh
    }
    procedure = docket.directory.law.procedures[before.procedure, before.version]
    grants = []
    starting = []
    for position, (header, author) in headers.items():
        act = pb.ActContent.FromString(pb.Header.FromString(header).act.content)
        if roots := manifest_roots(act):
            grants.append(Grant(author, tuple(roots), tuple(joined)))
        if act.act in procedure.received_acts:
            starting += [(name, position) for name in before.members if name != author]
    positions += _arrivals(starting, docket)
    places = [(name, group.size, position) for name in joined for position in positions]
    return places, grants


def _arrivals(letters: Iterable[tuple[str, int]], docket: Docket) -> set[int]:
    """Where the Arrivals stand by which departments had these letters, by department and position."""
    group, found = docket.group, set[int]()
    read: dict[int, set[int]] = {}
    for department, position in letters:
        reaching = store.arrivals_over(docket.connection, department, position)
        reaching += [
            at
            for name, last_at, first_at, at, _ in group.arrivals
            if name == department and first_at <= position <= last_at
        ]
        # one from before the letter came to the department may reach over it without naming it
        for at in reaching:
            if at not in read:
                read[at] = _listed(at, docket)
            if position in read[at]:
                found.add(at)
                break
    return found


def _listed(arrival: int, docket: Docket) -> set[int]:
    """The positions that an Arrival names."""
    group = docket.group
    fresh = arrival - (group.size - len(group.entries))
    header = (
        group.entries[fresh].header
        if fresh >= 0
        else store.headers_at(docket.connection, [arrival])[arrival][0]
    )
    return {each.position for each in pb.Header.FromString(header).arrival.letters}


def _not_addressed(
    department: str, positions: Sequence[int], authors: Mapping[int, str], docket: Docket
) -> int | None:
    """The first of rising positions whose letter never went to a department, None if all did."""
    known = docket.delivered(department, positions)
    rest = [position for position in positions if position not in known]
    if rest:
        known = known | store.delivered(docket.connection, department, rest)
        rest = [position for position in rest if position not in known]
    # who joins a case is given all of it, at the place of the act that brought it in
    for position, case_id in (store.cases_at(docket.connection, rest) if rest else {}).items():
        state = docket.case(case_id)
        if state is not None and department in state.members:
            known.add(position)
    # an author has a place for its receipt, which is no letter that came
    return next((each for each in positions if each not in known or authors[each] == department), None)


def _authors(listed: dict[int, bytes], docket: Docket) -> dict[int, str]:
    """Who wrote the letters at these positions."""
    authors = {}
    rest = []
    for position, digest in listed.items():
        entry = docket.entry(position)
        if entry is None:
            rest.append(position)
        elif entry.leaf.letter_digest != digest:
            raise _another_letter()
        else:
            authors[position] = entry.author
    found = store.letters_at(docket.connection, rest) if rest else {}
    for position in rest:
        known = found.get(position)
        if known is None or known[0] != listed[position]:
            raise _another_letter()
        authors[position] = known[1]
    return authors


def _another_letter() -> LiandongError:
    return DigestMismatch("Another letter stands there.", field="arrival.letters")


def _subscribers(category: str, docket: Docket) -> set[str]:
    found = set(store.subscribers(docket.connection, category))
    for (name, department), wanted in docket.group.subscriptions.items():
        if name == category:
            (found.add if wanted else found.discard)(department)
    return found
