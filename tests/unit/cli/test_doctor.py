"""The doctor finds what is wrong with files and says what to do."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as entries

from services.cli import doctor_files, doctor_storage
from services.cli.doctor import Role, examine, guess
from services.cli.doctor_network import reachable
from services.cli.findings import Finding, Findings, Level
from services.common.clock import ManualClock, SystemClock
from services.registry.bootstrap import init
from services.registry.credentials import Credentials
from services.registry.settings import RegistrySettings

REGISTRY = "registry.qinghe"


def of(findings: Findings, check: str) -> list[Finding]:
    return [each for each in findings.found if each.check == check]


@pytest.fixture
def registry(tmp_path: Path) -> tuple[Credentials, datetime]:
    """A registry's keys with a server's and an operator's certificate."""
    now = SystemClock().now()
    credentials = Credentials.create(tmp_path / "registry", REGISTRY, now)
    credentials.server("a", ["localhost"], now)
    credentials.operator("anna", now)
    return credentials, now


def looked_at(credentials: Credentials, now: datetime) -> Findings:
    findings = Findings(REGISTRY)
    doctor_files.check_registry_folder(findings, credentials.folder, REGISTRY, "a", now)
    return findings


def test_a_healthy_folder_is_green(registry: tuple[Credentials, datetime]) -> None:
    """Nothing to do."""
    assert {each.level for each in looked_at(*registry).found} == {Level.GREEN}


def damage_mode(folder: Path) -> None:
    (folder / "sign.key").chmod(0o644)


def damage_key(folder: Path) -> None:
    (folder / "sign.key").write_bytes(b"nothing")


def damage_pair(folder: Path) -> None:
    (folder / "server-a.key").write_bytes((folder / "operator-anna.key").read_bytes())


def damage_folder(folder: Path) -> None:
    folder.chmod(0o755)


@pytest.mark.parametrize(
    ("damage", "check", "level", "remedy"),
    [
        (damage_mode, "modes", Level.RED, "chmod 600"),
        (damage_key, "keys", Level.RED, "restore the backup"),
        (damage_pair, "certificate", Level.RED, "Restart the registry"),
        (damage_folder, "modes", Level.YELLOW, "chmod 700"),
    ],
)
def test_damage_is_named_with_its_remedy(
    registry: tuple[Credentials, datetime],
    damage: Callable[[Path], None],
    check: str,
    level: Level,
    remedy: str,
) -> None:
    """Each in the row of what was looked at."""
    credentials, now = registry
    damage(credentials.folder)
    found = [each for each in of(looked_at(credentials, now), check) if each.level is not Level.GREEN]
    assert [each.level for each in found] == [level]
    assert remedy in found[0].remedy


@pytest.mark.parametrize(("days", "level"), [(0, Level.GREEN), (21, Level.YELLOW), (31, Level.RED)])
def test_a_certificate_ages(registry: tuple[Credentials, datetime], days: int, level: Level) -> None:
    """Yellow once it should have been renewed, red once it ended."""
    credentials, now = registry
    findings = looked_at(credentials, now + timedelta(days=days))
    assert [each.level for each in of(findings, "operator")] == [level]


@pytest.mark.parametrize(
    ("today", "level"),
    [
        (date(2026, 3, 1), Level.GREEN),
        (date(2026, 11, 2), Level.YELLOW),
        (date(2027, 3, 1), Level.RED),
    ],
)
def test_a_missing_notice_is_told_in_time(tmp_path: Path, today: date, level: Level) -> None:
    """Next year's from November on, this year's at once."""
    settings = RegistrySettings(
        region="qinghe",
        database_url=f"sqlite:///{tmp_path / 'registry.sqlite'}",
        data_dir=tmp_path / "registry",
    )
    init(settings, [entries.CommonEntry(calendar=entries.CalendarYear(region="qinghe", year=2026))])
    findings = Findings(REGISTRY)
    doctor_storage.check_registry_database(findings, settings.database_url, today)
    assert of(findings, "migrated")[0].level is Level.GREEN
    assert of(findings, "head")[0].found == "liandong.qinghe, 2 leaves"
    assert max((each.level for each in of(findings, "calendar")), key=list(Level).index) is level


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """Looking changes nothing."""
    findings = Findings("health.qinghe")
    file = tmp_path / "node.sqlite3"
    doctor_storage.check_node_database(findings, f"sqlite:///{file}", date(2026, 1, 1))
    assert [each.level for each in findings.found] == [Level.YELLOW]
    assert not file.exists()


async def test_wrong_settings_are_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mistake with its name; nothing else is looked at."""
    file = tmp_path / "registry.toml"
    file.write_text('region = "Qinghe"\n', encoding="utf-8")
    found = await examine(file, None, None, ManualClock())
    assert {each.level for each in found} == {Level.RED}
    assert [each.found.partition(" ")[0] for each in found] == ["region", "database_url", "data_dir"]


async def test_a_folder_without_membership_is_red(tmp_path: Path) -> None:
    """The way in is an invitation."""
    found = await examine(None, None, tmp_path / "health.qinghe", ManualClock())
    assert [each.level for each in found] == [Level.RED]
    assert "liandong enrol" in found[0].remedy


@pytest.mark.parametrize(
    ("content", "role"),
    [
        ('region = "qinghe"', Role.REGISTRY),
        ('[[departments]]\nname = "health.qinghe"\nfolder = "health"', Role.NODE),
        ('[[departments]]\nname = "health.qinghe"\naddress = "localhost:1"', Role.GATEWAY),
        ("not toml", Role.NODE),
    ],
)
def test_settings_tell_what_they_are_of(tmp_path: Path, content: str, role: Role) -> None:
    """So that nobody has to."""
    file = tmp_path / "settings.toml"
    file.write_text(content, encoding="utf-8")
    assert guess(file) is role


def test_a_port_is_reached_on_this_machine() -> None:
    """Whatever it listens on."""
    assert [reachable(each) for each in ("0.0.0.0:7443", "[::]:7443", "10.0.0.7:7443")] == [
        "127.0.0.1:7443",
        "127.0.0.1:7443",
        "10.0.0.7:7443",
    ]
