"""What the database knows of evidence: manifests by holder, chunks present, grants.

Methods of `EvidenceRecords` block and run a transaction of their own; the functions take a connection and
join the caller's transaction, so that a letter and the right to read what it names are one commit.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from services.common.bulk import Bulk
from services.common.clock import from_microseconds, microseconds
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.exchange.digests import DIGEST_SIZE, chunk_count
from services.exchange.evidence import MAX_CHUNKS, Manifest, chunk_size
from services.exchange.evidence_tables import manifest_chunks_present, manifest_grants, manifests

_MANIFESTS: Final = Bulk(manifests)
_PRESENT: Final = Bulk(manifest_chunks_present)
_GRANTS: Final = Bulk(manifest_grants)

_TOLD: Final = ("media_type", "file_name", "collected_by", "collected_at_us", "collected_place")
"""The columns that the root does not cover."""


@dataclass(frozen=True, slots=True)
class HeldManifest:
    """A manifest, whose it is, and what of it is here."""

    manifest: Manifest
    holder: str
    complete: bool
    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeldChunk:
    """One chunk of a manifest: its digest, its bytes, whether it is here."""

    digest: bytes
    size: int
    present: bool
    missing_count: int


class EvidenceRecords:
    """Manifests and their state over one database.

    Args:
        database: Holds the tables of `evidence_tables`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    def register(self, manifest: Manifest, holder: str) -> HeldManifest:
        """Note a checked manifest; repeating it is harmless.

        Who collected it and the like may be put right until somebody was granted to read it.
        """

        def work(connection: Connection) -> HeldManifest:
            row = _row_of(manifest, holder)
            _MANIFESTS.upsert(connection, [row], ("root", "holder"))
            _PRESENT.upsert(connection, [(manifest.root, holder, b"")], ("root", "holder"))
            granted = sa.exists().where(_mine(manifest_grants, manifest.root, holder))
            told = dict(zip(_MANIFESTS.columns, row, strict=True))
            connection.execute(
                sa.update(manifests)
                .where(_mine(manifests, manifest.root, holder), ~granted)
                .values({name: told[name] for name in _TOLD})
            )
            return read_manifest(connection, manifest.root, holder)

        return self.database.write(work)

    def manifest(self, root: bytes, holder: str) -> HeldManifest:
        """A holder's manifest.

        Raises:
            NotFound: The holder has none of that root.
        """
        return self.database.read(lambda connection: read_manifest(connection, root, holder))

    def chunk(self, root: bytes, holder: str, index: int) -> HeldChunk:
        """One chunk of a holder's manifest, without reading the whole list.

        Raises:
            NotFound: The holder has no manifest of that root.
            InvalidField: It has no such chunk.
        """
        query = (
            sa.select(
                manifests.c.size,
                manifests.c.complete,
                sa.func.substr(manifests.c.chunks, 1 + DIGEST_SIZE * index, DIGEST_SIZE).label("digest"),
                manifest_chunks_present.c.bitmap,
            )
            .select_from(_joined())
            .where(_mine(manifests, root, holder))
        )
        if not 0 <= index < MAX_CHUNKS:
            raise InvalidField(f"Evidence has at most {MAX_CHUNKS} chunks.", field="index")
        row = self.database.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise NotFound
        count = chunk_count(row.size)
        if not 0 <= index < count:
            raise InvalidField(f"The evidence has {count} chunks.", field="index")
        bits = int.from_bytes(row.bitmap, "little")
        return HeldChunk(
            digest=bytes(row.digest),
            size=chunk_size(row.size, index),
            present=row.complete or bool(bits >> index & 1),
            missing_count=0 if row.complete else count - bits.bit_count(),
        )

    def mark_present(self, root: bytes, holder: str, indexes: Iterable[int]) -> int:
        """Note chunks that are durable in the store; answers how many are still missing.

        Raises:
            NotFound: The holder has no manifest of that root.
        """
        bits = sum(1 << index for index in set(indexes))
        return self.database.write(
            lambda connection: _change(connection, root, holder, lambda old: old | bits)
        )

    def mark_missing(self, root: bytes, holder: str, indexes: Iterable[int]) -> int:
        """Note chunks that the storage lost or spoilt; answers how many are missing.

        Raises:
            NotFound: The holder has no manifest of that root.
        """
        bits = sum(1 << index for index in set(indexes))

        def work(connection: Connection) -> int:
            connection.execute(
                sa.update(manifests).where(_mine(manifests, root, holder)).values(complete=False)
            )
            return _change(connection, root, holder, lambda old: old & ~bits)

        return self.database.write(work)

    def forget(self, root: bytes, holder: str) -> None:
        """Drop a manifest whose whole turned out not to have the digest it claims; grants stay."""

        def work(connection: Connection) -> None:
            for table in (manifests, manifest_chunks_present):
                connection.execute(sa.delete(table).where(_mine(table, root, holder)))

        self.database.write(work)


def read_manifest(connection: Connection, root: bytes, holder: str) -> HeldManifest:
    """A holder's manifest.

    Raises:
        NotFound: The holder has none of that root.
    """
    row = connection.execute(
        sa.select(manifests, manifest_chunks_present.c.bitmap)
        .select_from(_joined())
        .where(_mine(manifests, root, holder))
    ).one_or_none()
    if row is None:
        raise NotFound
    digests = bytes(row.chunks)
    manifest = Manifest(
        root=bytes(row.root),
        digest=bytes(row.digest),
        size=row.size,
        chunks=tuple(digests[at : at + DIGEST_SIZE] for at in range(0, len(digests), DIGEST_SIZE)),
        media_type=row.media_type,
        file_name=row.file_name,
        collected_by=row.collected_by,
        collected_at=None if row.collected_at_us is None else from_microseconds(row.collected_at_us),
        collected_place=row.collected_place,
    )
    bits = int.from_bytes(row.bitmap, "little")
    missing = () if row.complete else tuple(i for i in range(len(manifest.chunks)) if not bits >> i & 1)
    return HeldManifest(manifest, row.holder, row.complete, missing)


def mark_complete(connection: Connection, root: bytes, holder: str) -> None:
    """Note that every chunk is here and the whole was verified."""
    connection.execute(sa.update(manifests).where(_mine(manifests, root, holder)).values(complete=True))


def any_manifest(connection: Connection, root: bytes) -> HeldManifest:
    """The manifest of whoever brought it, a complete one before others.

    Raises:
        NotFound: Nobody brought it.
    """
    found = connection.execute(
        sa.select(manifests.c.holder)
        .where(manifests.c.root == root)
        .order_by(manifests.c.complete.desc(), manifests.c.holder)
        .limit(1)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound
    return read_manifest(connection, root, found)


def complete_roots(connection: Connection, roots: Collection[bytes], holder: str | None = None) -> set[bytes]:
    """Those of the roots whose evidence is here in full and verified.

    Args:
        connection: The caller's transaction.
        roots: Roots that a letter names.
        holder: Only what this one brought: on the registry the letter's author, so that nobody sends what
            they cannot show. Anybody's when None.
    """
    found = Bulk(manifests, ("root", "holder", "complete")).select_in(connection, "root", roots)
    return {bytes(row.root) for row in found if row.complete and holder in (None, row.holder)}


def grant(connection: Connection, roots: Iterable[bytes], readers: Iterable[str], holder: str) -> None:
    """Let readers read what a holder brought; to be called where a letter names the roots.

    Args:
        connection: The caller's transaction.
        roots: Roots that the letter names, complete or not yet.
        readers: Made by `department_reader` or `case_reader`.
        holder: Whose evidence: on the registry the author's, who can grant only what it holds itself.
    """
    readers = list(readers)
    rows = [(root, reader, holder) for root in roots for reader in readers]
    _GRANTS.upsert(connection, rows, ("root", "reader", "holder"))


def granted_readers(connection: Connection, root: bytes) -> list[str]:
    """Who may read a root, as `grant` was told: on a node the cases that name it."""
    found = connection.execute(
        sa.select(manifest_grants.c.reader).where(manifest_grants.c.root == root).distinct()
    )
    return sorted(found.scalars())


def readable_holder(
    connection: Connection, root: bytes, readers: Collection[str], own: Collection[str] = ()
) -> str | None:
    """Whose evidence of that root may be read, the complete one if there are several; None: no one's.

    Args:
        connection: The caller's transaction.
        root: The root.
        readers: What the one who asks may read as.
        own: The holders that the one who asks is.
    """
    granted = sa.exists().where(
        manifest_grants.c.root == manifests.c.root,
        manifest_grants.c.holder == manifests.c.holder,
        manifest_grants.c.reader.in_(list(readers)),
    )
    found = connection.execute(
        sa.select(manifests.c.holder)
        .where(manifests.c.root == root, sa.or_(manifests.c.holder.in_(list(own)), granted))
        .order_by(manifests.c.complete.desc(), manifests.c.holder)
        .limit(1)
    )
    return found.scalar_one_or_none()


def department_reader(department: str) -> str:
    """The reader that is a department."""
    return f"department:{department}"


def case_reader(case_id: str) -> str:
    """The reader that is everyone who may see a case."""
    return f"case:{case_id}"


def _mine(table: sa.Table, root: bytes, holder: str) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.root == root, table.c.holder == holder)


def _joined() -> sa.Join:
    return manifests.join(
        manifest_chunks_present,
        sa.and_(
            manifests.c.root == manifest_chunks_present.c.root,
            manifests.c.holder == manifest_chunks_present.c.holder,
        ),
    )


def _row_of(manifest: Manifest, holder: str) -> tuple[object, ...]:
    return (
        manifest.root,
        holder,
        manifest.digest,
        manifest.size,
        b"".join(manifest.chunks),
        manifest.media_type,
        manifest.file_name,
        manifest.collected_by,
        None if manifest.collected_at is None else microseconds(manifest.collected_at),
        manifest.collected_place,
        False,
    )


def _change(connection: Connection, root: bytes, holder: str, change: Callable[[int], int]) -> int:
    table = manifest_chunks_present
    mine = _mine(table, root, holder)
    # locked: of two chunks that end together neither may overwrite the other's bit
    bitmap = connection.execute(sa.select(table.c.bitmap).where(mine).with_for_update()).scalar_one_or_none()
    size = connection.execute(
        sa.select(manifests.c.size).where(_mine(manifests, root, holder))
    ).scalar_one_or_none()
    if bitmap is None or size is None:
        raise NotFound
    count = chunk_count(size)
    bits = change(int.from_bytes(bitmap, "little"))
    connection.execute(sa.update(table).where(mine).values(bitmap=bits.to_bytes(-(-count // 8), "little")))
    return count - bits.bit_count()
