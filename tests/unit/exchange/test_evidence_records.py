"""What the database knows of evidence, on both databases: state by holder, and who may read."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.common.caller import Actor, Caller
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.exchange.digests import CHUNK_SIZE
from services.exchange.evidence import Manifest
from services.exchange.evidence_access import CaseAccess, DepartmentAccess, EvidenceUse
from services.exchange.evidence_records import (
    EvidenceRecords,
    any_manifest,
    case_reader,
    complete_roots,
    department_reader,
    grant,
    mark_complete,
    readable_holder,
)
from services.exchange.evidence_tables import metadata
from tests.unit.exchange.evidence_samples import manifest_for, sample

AUTHOR, RECIPIENT, STRANGER = "health.qinghe", "justice.qinghe", "water.qinghe"


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Three chunks."""
    return replace(
        manifest_for(sample(2 * CHUNK_SIZE + 9)), collected_at=datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    )


@pytest.fixture
def records(database_url: str) -> Iterator[EvidenceRecords]:
    """Over a fresh database."""
    database = Database(database_url)
    database.write(metadata.create_all)
    yield EvidenceRecords(database)
    database.close()


def calling(department: str) -> Caller:
    return Caller(department, "node", "", "1", datetime.now(UTC) + timedelta(days=1))


def completed(records: EvidenceRecords, manifest: Manifest, holder: str) -> None:
    records.register(manifest, holder)
    records.database.write(lambda connection: mark_complete(connection, manifest.root, holder))


def test_chunks_are_noted_one_by_one(records: EvidenceRecords, manifest: Manifest) -> None:
    """Registering says what is missing; each chunk lessens it; repeating changes nothing."""
    assert records.register(manifest, AUTHOR).missing == (0, 1, 2)
    assert records.mark_present(manifest.root, AUTHOR, [2]) == 2
    held = records.register(manifest, AUTHOR)
    assert held.manifest == manifest
    assert (held.missing, held.complete) == ((0, 1), False)
    chunk = records.chunk(manifest.root, AUTHOR, 2)
    assert (chunk.digest, chunk.size, chunk.present) == (manifest.chunks[2], 9, True)
    assert chunk.missing_count == 2
    assert not records.chunk(manifest.root, AUTHOR, 0).present
    assert records.mark_present(manifest.root, AUTHOR, [0, 1, 2]) == 0
    assert records.mark_missing(manifest.root, AUTHOR, [1]) == 1
    assert records.manifest(manifest.root, AUTHOR).missing == (1,)


def test_a_complete_manifest_stays_complete(records: EvidenceRecords, manifest: Manifest) -> None:
    """Registering again does not begin anew; losing a chunk does."""
    completed(records, manifest, AUTHOR)
    assert records.register(manifest, AUTHOR).complete
    assert records.manifest(manifest.root, AUTHOR).missing == ()
    assert records.chunk(manifest.root, AUTHOR, 1).present
    records.mark_missing(manifest.root, AUTHOR, [0])
    assert not records.manifest(manifest.root, AUTHOR).complete


def test_an_unknown_chunk_is_an_invalid_field(records: EvidenceRecords, manifest: Manifest) -> None:
    """Indexes beyond the manifest, also far beyond, name the field."""
    records.register(manifest, AUTHOR)
    for index in (3, 2**32 - 1):
        with pytest.raises(InvalidField) as caught:
            records.chunk(manifest.root, AUTHOR, index)
        assert caught.value.field == "index"


def test_what_is_unknown_is_not_found(records: EvidenceRecords, manifest: Manifest) -> None:
    """No method invents a manifest."""
    root = manifest.root
    with pytest.raises(NotFound):
        records.manifest(root, AUTHOR)
    with pytest.raises(NotFound):
        records.chunk(root, AUTHOR, 0)
    with pytest.raises(NotFound):
        records.mark_present(root, AUTHOR, [0])
    with pytest.raises(NotFound):
        records.database.read(lambda connection: any_manifest(connection, root))


def test_an_empty_file_misses_nothing(records: EvidenceRecords) -> None:
    """Evidence may be empty."""
    empty = manifest_for(b"")
    held = records.register(empty, AUTHOR)
    assert (held.missing, held.manifest) == ((), empty)


def test_chunks_that_end_together_are_both_noted(records: EvidenceRecords, manifest: Manifest) -> None:
    """Two transactions on one bitmap do not overwrite each other."""
    records.register(manifest, AUTHOR)
    start = threading.Barrier(3)

    def note(index: int) -> None:
        start.wait()
        records.mark_present(manifest.root, AUTHOR, [index])

    threads = [threading.Thread(target=note, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert records.manifest(manifest.root, AUTHOR).missing == ()


def test_each_holder_shows_its_own_bytes(records: EvidenceRecords, manifest: Manifest) -> None:
    """Knowing a digest is not having the file: what one holder brought counts for no other."""
    completed(records, manifest, AUTHOR)
    assert records.register(manifest, STRANGER).missing == (0, 1, 2)
    read = records.database.read
    roots = [manifest.root, bytes(32)]
    assert read(lambda connection: complete_roots(connection, roots, AUTHOR)) == {manifest.root}
    assert read(lambda connection: complete_roots(connection, roots, STRANGER)) == set()
    assert read(lambda connection: complete_roots(connection, roots)) == {manifest.root}
    assert read(lambda connection: any_manifest(connection, manifest.root)).holder == AUTHOR


def test_a_stranger_grants_nothing_it_does_not_hold(records: EvidenceRecords, manifest: Manifest) -> None:
    """A letter that names somebody else's evidence gives its recipient the stranger's part: none."""
    completed(records, manifest, AUTHOR)

    def work(connection: object) -> str | None:
        grant(connection, [manifest.root], [department_reader(RECIPIENT)], STRANGER)  # type: ignore[arg-type]
        return readable_holder(connection, manifest.root, [department_reader(RECIPIENT)])  # type: ignore[arg-type]

    assert records.database.write(work) is None


def test_what_is_told_is_fixed_once_it_is_granted(records: EvidenceRecords, manifest: Manifest) -> None:
    """Who collected it is fixed once somebody relies on it."""
    records.register(replace(manifest, collected_by="Wang"), AUTHOR)
    assert records.register(replace(manifest, collected_by="Li"), AUTHOR).manifest.collected_by == "Li"
    records.database.write(lambda connection: grant(connection, [manifest.root], ["case:1"], AUTHOR))
    assert records.register(replace(manifest, collected_by="Zhao"), AUTHOR).manifest.collected_by == "Li"


def test_a_forgotten_manifest_can_be_registered_anew(records: EvidenceRecords, manifest: Manifest) -> None:
    """After a wrong claim nothing of it is left."""
    records.register(manifest, AUTHOR)
    records.mark_present(manifest.root, AUTHOR, [0])
    records.forget(manifest.root, AUTHOR)
    assert records.register(manifest, AUTHOR).missing == (0, 1, 2)


def test_departments_read_what_they_have_or_were_sent(records: EvidenceRecords, manifest: Manifest) -> None:
    """On the registry: the author and the recipients of a letter; nobody else learns that it exists."""
    uses: list[EvidenceUse] = []
    access = DepartmentAccess(records.database, uses.append)
    completed(records, manifest, AUTHOR)
    records.database.write(
        lambda connection: grant(connection, [manifest.root], [department_reader(RECIPIENT)], AUTHOR)
    )
    assert access.may_write(calling(STRANGER), None, manifest.root) == STRANGER
    assert access.may_read(calling(AUTHOR), None, manifest.root) == AUTHOR
    assert access.may_read(calling(RECIPIENT), None, manifest.root) == AUTHOR
    with pytest.raises(NotFound):
        access.may_read(calling(STRANGER), None, manifest.root)


def test_people_read_what_their_cases_name(records: EvidenceRecords, manifest: Manifest) -> None:
    """On a node: who brought it, and whoever may see a case that names it."""

    class Person:
        def __init__(self, name: str, *cases: str) -> None:
            self.name = name
            self.cases = set(cases)
            self.roles = frozenset({"handler"})

    def holder_of(_: Caller, actor: Actor | None) -> str:
        assert isinstance(actor, Person)
        return f"person:{actor.name}"

    def visible(_: object, __: Caller, actor: Actor | None, cases: object) -> set[str]:
        assert isinstance(actor, Person)
        return actor.cases & set(cases)  # type: ignore[call-overload, no-any-return]

    access = CaseAccess(records.database, lambda _: None, holder_of=holder_of, visible_cases=visible)
    author, reader, other = Person("wang"), Person("li", "c1", "c2"), Person("zhao", "c3")
    holder = access.may_write(calling(AUTHOR), author, manifest.root)
    completed(records, manifest, holder)
    records.database.write(lambda connection: grant(connection, [manifest.root], [case_reader("c1")], holder))
    assert access.may_read(calling(AUTHOR), author, manifest.root) == holder
    assert access.may_read(calling(AUTHOR), reader, manifest.root) == holder
    with pytest.raises(NotFound):
        access.may_read(calling(AUTHOR), other, manifest.root)
