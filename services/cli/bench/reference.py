"""The reference: the same bytes through a straight line, with no rules.

Three durable stores (sender, ledger, recipient), batch signatures both ways, SQLAlchemy Core with
multi-row statements, one process. What the product takes longer is the price of judging, folding,
proving, clocks, the wire and three processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.common.bulk import Bulk
from services.common.db import Database
from services.exchange import digests
from services.exchange.keys import public_key_bytes, sign_batch, verify_batch
from services.exchange.merkle import BatchTree, RightEdge

BATCH: Final = 64

_metadata = sa.MetaData()
_letters = sa.Table(
    "reference_letters",
    _metadata,
    sa.Column("letter_id", sa.Text, primary_key=True),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("position", sa.BigInteger),
)
_outbox = sa.Table("reference_outbox", _metadata, sa.Column("letter_id", sa.Text, primary_key=True))
_ledger = sa.Table(
    "reference_ledger",
    _metadata,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("letter_id", sa.Text, nullable=False, unique=True),
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)
_mailbox = sa.Table(
    "reference_mailbox",
    _metadata,
    sa.Column("department", sa.Text, primary_key=True),
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
)
_LETTERS: Final = Bulk(_letters)
_OUTBOX: Final = Bulk(_outbox)
_LEDGER: Final = Bulk(_ledger)
_MAILBOX: Final = Bulk(_mailbox)


class Reference:
    """The straight line over three databases."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._sender, self._registry, self._recipient = (Database(url) for url in urls)
        for database in (self._sender, self._registry, self._recipient):
            database.write(_metadata.create_all)
        self._keys = (Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate())
        self._edge = RightEdge()

    def run(self, letters: Sequence[tuple[str, bytes, bytes]]) -> float:
        """Send letters (id, header, payload) in batches; returns letters per second."""
        began = time.perf_counter()
        for start in range(0, len(letters), BATCH):
            self._batch(letters[start : start + BATCH])
        return len(letters) / (time.perf_counter() - began)

    def close(self) -> None:
        """Close the databases."""
        for database in (self._sender, self._registry, self._recipient):
            database.close()

    def _batch(self, letters: Sequence[tuple[str, bytes, bytes]]) -> None:
        ids = [letter_id for letter_id, _, _ in letters]

        def record(connection: sa.Connection) -> None:
            _LETTERS.insert(connection, [(*letter, None) for letter in letters])
            _OUTBOX.insert(connection, [(letter_id,) for letter_id in ids])

        self._sender.write(record)
        self._sign(0, letters)
        start = self._edge.size
        hashes = [
            digests.Leaf(start + index, 0, 0, digests.letter_digest(header)).hash()
            for index, (_, header, _) in enumerate(letters)
        ]
        self._edge, _ = self._edge.append(hashes)

        def admit(connection: sa.Connection) -> None:
            _LEDGER.insert(
                connection,
                [(start + i, letter[0], hashes[i], letter[1], letter[2]) for i, letter in enumerate(letters)],
            )
            _MAILBOX.insert(connection, [("recipient", start + i) for i in range(len(letters))])

        self._registry.write(admit)
        self._sign(1, letters)

        def receive(connection: sa.Connection) -> None:
            _LETTERS.insert(connection, [(*letter, start + i) for i, letter in enumerate(letters)])

        self._recipient.write(receive)

        def settle(connection: sa.Connection) -> None:
            connection.execute(_outbox.delete().where(_outbox.c.letter_id.in_(ids)))

        self._sender.write(settle)

    def _sign(self, index: int, letters: Sequence[tuple[str, bytes, bytes]]) -> None:
        tree = BatchTree([digests.batch_leaf(digests.letter_digest(header)) for _, header, _ in letters])
        key = self._keys[index]
        signature = sign_batch(key, "reference", tree.size, tree.root)
        verify_batch(public_key_bytes(key), "reference", tree.size, tree.root, signature)
