"""Authority lists (权责清单): which department is competent for a matter, where, and how (M02)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.trust import moment


@dataclass(frozen=True, slots=True)
class AuthorityLists:
    """The rows of all lists by code of the matter, in each by area and department.

    Rows are shared messages: they are read, never changed.
    """

    rows: Mapping[str, Mapping[tuple[str, str], pb.Authority]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[pb.Authority]:
        for matter in self.rows.values():
            yield from matter.values()

    def with_row(self, row: pb.Authority) -> "AuthorityLists":
        """After an entry with a row; it takes the place of the row with the same key."""
        matter = {**self.rows.get(row.item_code, {}), (row.area_code, row.department): row}
        return AuthorityLists({**self.rows, row.item_code: matter})

    def in_force(self, item_code: str, area_code: str, at: datetime) -> tuple[pb.Authority, ...]:
        """The rows of a matter that hold in an area at a time, those of the area itself first.

        Without an area only rows that hold everywhere.
        """
        rows = [
            row
            for row in self.rows.get(item_code, {}).values()
            if row.area_code in ("", area_code) and is_in_force(row, at)
        ]
        return tuple(sorted(rows, key=lambda row: not row.area_code))

    def missing(self, department: str, item_code: str, area_code: str, at: datetime) -> bool:
        """Whether a department acts in a matter that no row in force gives it.

        A matter on no list is nobody's, unless the region keeps no lists at all.
        """
        if not item_code or not self.rows:
            return False
        return not any(row.department == department for row in self.in_force(item_code, area_code, at))

    def delegation_expired(self, department: str, item_code: str, area_code: str, at: datetime) -> bool:
        """Whether a department was delegated a matter and is no longer, and holds it in no other way."""
        rows = self.rows.get(item_code, {}).values()
        ended = any(
            row.department == department
            and row.area_code in ("", area_code)
            and row.mode == pb.AUTHORITY_MODE_DELEGATED
            and (row.withdrawn or has_ended(row, at))
            for row in rows
        )
        return ended and self.missing(department, item_code, area_code, at)


def is_in_force(row: pb.Authority, at: datetime) -> bool:
    """Whether a row is not withdrawn and the time is within its validity, the end exclusive."""
    since = moment(row, "valid_from")
    return not row.withdrawn and (since is None or since <= at) and not has_ended(row, at)


def has_ended(row: pb.Authority, at: datetime) -> bool:
    """Whether the time is at or after the row's end."""
    until = moment(row, "valid_until")
    return until is not None and until <= at
