"""What growth costs: appending and proving on a ledger of many leaves, against a ledger of none.

The leaves are loaded in bulk, whole: letters' rows with small headers, and every complete subtree, so that
the ledger verifies. Small and large ledger are measured in turn, and the ratio of each pair counts.
"""

from __future__ import annotations

import secrets
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import sqlalchemy as sa

from services.common.bulk import Bulk
from services.common.db import Database
from services.exchange.digests import Leaf
from services.exchange.merkle import RightEdge
from services.registry import ledger, tables
from services.registry.ledger import Hashes, Head

BATCH: Final = 64
_CHUNK: Final = 50_000
_WARM_UP: Final = 100
_HEADER: Final = bytes(200)
_LEDGER: Final = Bulk(tables.ledger)
_COLUMNS: Final = (
    "position", "letter_id", "kind", "author", "case_id", "letter_digest", "leaf_hash", "admitted_at_us",
    "common_version", "batch", "batch_index", "header", "payload", "extras", "flags",
)  # fmt: skip


class GrownLedger:
    """A ledger with many leaves, to append to and prove from.

    Args:
        url: A fresh PostgreSQL database.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._database = Database(url)
        self._database.write(tables.metadata.create_all)
        self._database.write(lambda connection: ledger.create(connection, "bench.ledger"))

    def load(self, leaves: int, progress: Callable[[int], None]) -> None:
        """Load leaves in bulk by COPY."""
        edge = RightEdge()
        with psycopg.connect(self._url.replace("postgresql+psycopg://", "postgresql://")) as connection:
            while edge.size < leaves:
                rows = list(_rows(edge.size, min(_CHUNK, leaves - edge.size)))
                edge, completed = edge.append([row[6] for row in rows])
                _copy(connection, "ledger", _COLUMNS, rows)
                _copy(connection, "ledger_nodes", ("level", "node_index", "hash"), ledger.stored(completed))
                progress(edge.size)
            connection.execute(
                "UPDATE ledger_head SET size = %s, root = %s, edge = %s WHERE id = 1",
                (edge.size, edge.root, edge.encode()),
            )
            connection.commit()
            connection.autocommit = True
            connection.execute("VACUUM (ANALYZE) ledger, ledger_nodes")
            # what was loaded is written out now, and not while it is measured
            connection.execute("CHECKPOINT")

    def append(self) -> float:
        """Append one batch as admission does; seconds."""
        began = time.perf_counter()
        self._database.write(self._append)
        return time.perf_counter() - began

    def _append(self, connection: sa.Connection) -> None:
        head, _ = ledger.lock_head(connection, datetime.now(UTC))
        rows = list(_rows(head.size, BATCH))
        edge, completed = head.edge.append([row[6] for row in rows])
        _LEDGER.insert(connection, rows)
        ledger.write(connection, Head(head.log_id, head.epoch, edge, 0, head.admitted_at_us), completed)

    def prove(self) -> float:
        """Prove a position anywhere in the ledger with nothing in memory; seconds."""

        def work(connection: sa.Connection) -> None:
            size = ledger.read_head(connection).size
            Hashes().inclusion(connection, secrets.randbelow(size), size)

        began = time.perf_counter()
        self._database.read(work)
        return time.perf_counter() - began

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def compare(small: GrownLedger, large: GrownLedger, pairs: int) -> dict[str, float]:
    """Median ratios of large to small, measured in turn, and the large ledger's median times."""
    for each in (small, large):
        # until the pages that are appended to were all touched: the first touch after a checkpoint logs a page whole
        for _ in range(_WARM_UP):
            each.append()
            each.prove()
    appends = [(small.append(), large.append()) for _ in range(pairs)]
    proofs = [(small.prove(), large.prove()) for _ in range(pairs)]
    return {
        "append_ratio": round(statistics.median(b / a for a, b in appends), 3),
        "proof_ratio": round(statistics.median(b / a for a, b in proofs), 3),
        "append_ms": round(statistics.median(b for _, b in appends) * 1000, 2),
        "proof_ms": round(statistics.median(b for _, b in proofs) * 1000, 2),
    }


def _rows(start: int, count: int) -> Iterator[tuple[Any, ...]]:
    for position in range(start, start + count):
        digest = position.to_bytes(32, "big")
        leaf_hash = Leaf(position, 1_790_000_000_000_000 + position, 0, digest).hash()
        letter_id = f"01900000-0000-7000-8000-{position:012x}"
        yield (
            position, letter_id, "act", "bench.author", f"01900000-0000-7000-8000-{position % 1000:012x}",
            digest, leaf_hash, 1_790_000_000_000_000 + position, 0, position, 0, _HEADER, b"", b"", "",
        )  # fmt: skip


def _copy(
    connection: psycopg.Connection[Any], table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    names = ", ".join(columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
