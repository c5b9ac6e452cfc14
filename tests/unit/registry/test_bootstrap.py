"""Making a registry and opening it again."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from cryptography import x509
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from sqlalchemy import Connection

from services.common import engines
from services.common.clock import ManualClock, SystemClock
from services.common.config import ConfigurationError
from services.common.db import Database, DatabaseInUse
from services.exchange import code_tables, evidence_tables
from services.registry import ledger, tables
from services.registry.__main__ import main
from services.registry.bootstrap import Registry, _replica, init
from services.registry.credentials import Credentials
from tests.builders.departments import HEALTH, REGISTRY, Signer
from tests.builders.registry import region_entries, registry_settings


def size(url: str) -> int:
    database = Database(url)
    try:
        return database.read(ledger.read_head).size
    finally:
        database.close()


def test_migrations_make_the_tables_that_the_program_knows(database_url: str, tmp_path: Path) -> None:
    """No table, column or index is missing or left over."""
    init(registry_settings(database_url, tmp_path))
    engine = engines.migrator(engines.parse_url(database_url))

    def differences(connection: Connection) -> list[object]:
        ours = (
            *tables.metadata.tables.values(),
            *evidence_tables.metadata.tables.values(),
            *code_tables.metadata.tables.values(),
        )
        together = sa.MetaData()
        for table in ours:
            table.to_metadata(together)
        options = {"version_table": "registry_version", "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        return list(compare_metadata(context, together))

    try:
        with engine.connect() as connection:
            assert differences(connection) == []
    finally:
        engine.dispose()


def test_a_registry_is_made_once(database_url: str, tmp_path: Path) -> None:
    """Repeated, it keeps its keys and ledger and adds only the entries that are new."""
    settings = registry_settings(database_url, tmp_path)
    entries = region_entries([Signer(HEALTH)])
    first = init(settings, entries)
    before = size(database_url)
    assert before == len(entries) + 1
    again = init(settings, entries)
    assert again.sign_key_id == first.sign_key_id
    assert again.authority.pem == first.authority.pem
    assert size(database_url) == before
    year = directory_pb.CommonEntry(calendar=directory_pb.CalendarYear(region="qinghe", year=2031))
    init(settings, [*entries, year])
    assert size(database_url) == before + 1


def test_a_departments_entry_made_again_keeps_what_joining_brought(database_url: str, tmp_path: Path) -> None:
    """The region's file lists no keys; published with another title it takes none away."""
    settings = registry_settings(database_url, tmp_path)
    signer = Signer(HEALTH)
    init(settings, region_entries([signer]))
    listed = directory_pb.Department(
        name=HEALTH,
        title=directory_pb.Title(zh="卫健局", en="Health Bureau"),
        status=directory_pb.DEPARTMENT_STATUS_LISTED,
    )
    credentials = init(settings, [directory_pb.CommonEntry(department=listed)])
    database = Database(database_url)
    try:
        directory = _replica(settings, credentials, database).directory
    finally:
        database.close()
    department = directory.department(HEALTH)
    assert department is not None
    assert department.title.en == "Health Bureau"
    assert directory.active(HEALTH)
    assert directory.sign_key(signer.key_id, SystemClock().now()) is not None
    assert directory.issuers(HEALTH)


async def test_what_was_not_made_is_not_started(sqlite_url: str, tmp_path: Path) -> None:
    """The operator is told what to run."""
    settings = registry_settings(sqlite_url, tmp_path)
    with pytest.raises(ConfigurationError, match="init"):
        await Registry(settings).start()
    Credentials.create(settings.data_dir, settings.name, SystemClock().now())
    with pytest.raises(ConfigurationError, match="migrate"):
        await Registry(settings).start()


async def test_one_process_holds_a_sqlite_registry(sqlite_url: str, tmp_path: Path) -> None:
    """A second one is refused; after the first ended it may start, and remembers everything."""
    settings = registry_settings(sqlite_url, tmp_path)
    await asyncio.to_thread(init, settings, region_entries([Signer(HEALTH)]))
    async with Registry(settings) as first:
        with pytest.raises(DatabaseInUse):
            await Registry(settings).start()
        department = directory_pb.CommonEntry(
            office=directory_pb.Office(procedure="case-transfer", department=HEALTH)
        )
        version, _ = await first.publisher.publish(department)
    async with Registry(settings) as second:
        assert second.replica.directory.version == version
        assert second.replica.directory.office("case-transfer") == HEALTH
        assert second.replica.head.size == size(sqlite_url)
        identity = second.replica.directory.registry()
        assert identity is not None
        assert identity.name == REGISTRY


def test_keys_are_their_owners_alone(sqlite_url: str, tmp_path: Path) -> None:
    """Nobody else may read them, and a file that others may read is refused."""
    settings = registry_settings(sqlite_url, tmp_path)
    init(settings)
    for path in settings.data_dir.glob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    (settings.data_dir / "sign.key").chmod(0o644)
    with pytest.raises(ConfigurationError):
        Credentials.load(settings.data_dir, settings.name)


def test_the_servers_certificate_is_renewed_at_half_of_its_life(tmp_path: Path) -> None:
    """Before that the files stay as they are."""
    clock = ManualClock()
    credentials = Credentials.create(tmp_path, REGISTRY, clock.now())

    def serial() -> int:
        files = credentials.server("a", ["registry.example"], clock.now())
        return x509.load_pem_x509_certificate(files.read().cert).serial_number

    first = serial()
    clock.advance(timedelta(days=14))
    assert serial() == first
    clock.advance(timedelta(days=2))
    assert serial() != first


def test_the_command_line_prepares_a_registry(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`init` and `operator`; a mistake is one line and an exit status."""
    # it would write to this test's stderr for the rest of the run
    monkeypatch.setattr("services.common.log.configure", lambda _level: None)
    config = tmp_path / "registry.toml"
    config.write_text(
        f'region = "qinghe"\ndatabase_url = "{sqlite_url}"\ndata_dir = "{tmp_path / "data"}"\n'
        'log_level = "ERROR"\n'
    )
    assert main(["--config", str(config), "operator", "ops"]) == 1
    assert "init" in capsys.readouterr().err
    assert main(["--config", str(config), "init"]) == 0
    assert main(["--config", str(config), "migrate"]) == 0
    assert main(["--config", str(config), "operator", "ops"]) == 0
    certificate = Path(capsys.readouterr().out.splitlines()[0])
    names = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    uris = names.value.get_values_for_type(x509.UniformResourceIdentifier)
    assert uris == [f"liandong://{REGISTRY}/operator/ops"]
