"""What makes the demo's district one that has been at work for a while: code tables, subject keys, months gone by."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as pb

from services import registry
from services.cli.code_files import following, read_table
from services.exchange.codes import parts_of
from services.exchange.subject_tokens import FILE_NAME, add_version
from services.procedures.calendar import ZONE

CODES: Final = Path(registry.__path__[0]) / "codes"
MONTHS: Final = 3
"""Whole months that the ledger is old: two for a bulletin, and one before them."""


def code_tables() -> list[pb.CommonEntry]:
    """The tables that come with the product, as the entries that publish them.

    Raises:
        ConfigurationError: One of them is defective, or pinyin cannot be made.
    """
    tables = [following(read_table(path), [], 1)[0] for path in sorted(CODES.glob("*.csv"))]
    return [pb.CommonEntry(code_table=part) for table in tables for part in parts_of(table)]


def beginning(now: datetime) -> datetime:
    """When the ledger of a furnished district began: on the first of a month, whole months ago."""
    local = now.astimezone(ZONE)
    month = local.year * 12 + local.month - 1 - MONTHS
    return datetime.combine(
        local.replace(year=month // 12, month=month % 12 + 1, day=1), time(), ZONE
    ).astimezone(UTC)


def subject_keys(folder: Path, members: list[Path]) -> None:
    """Make the region's subject key, and hand it to members, as an office does by hand."""
    key = folder / FILE_NAME
    if not key.exists():
        add_version(key)
    for each in members:
        # with its permissions: nobody but the node reads it
        shutil.copy(key, each / FILE_NAME)
