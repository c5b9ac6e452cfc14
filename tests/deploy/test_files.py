"""What in deploy/ can be looked at without an engine."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from prometheus_client import REGISTRY

from services.common.db import Database
from services.common.interceptors import observe
from services.exchange import tables
from services.node.migrating import migrate_department
from services.registry.bootstrap import _replica, init
from services.registry.credentials import Credentials
from services.registry.region import load_region
from services.registry.settings import RegistrySettings
from tests.deploy import compose

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
_REGION: Final = Path(__file__).parents[2] / "services" / "cli" / "demo" / "qinghe.yaml"
_VARIABLES: Final = {"POSTGRES_PASSWORD": "secret"}
_SERVICES: Final = compose.read(DEPLOY / "compose.yaml", _VARIABLES)["services"]


@pytest.mark.parametrize("name", _SERVICES)
def test_every_service_is_hardened(name: str) -> None:
    """Read-only, without capabilities, without a way to new privileges, and nothing published but on loopback."""
    service = _SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_compose_has_no_password_of_its_own() -> None:
    """Whoever starts it must choose one."""
    with pytest.raises(AssertionError, match="POSTGRES_PASSWORD"):
        compose.read(DEPLOY / "compose.yaml", {})


def test_the_region_file_is_there() -> None:
    """The default of the compose file points at the demo's district."""
    bind = next(each for each in _SERVICES["registry-init"]["volumes"] if each.startswith(".."))
    assert (DEPLOY / bind.partition(":")[0]).resolve() == _REGION


@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").iterdir()), ids=lambda unit: unit.name)
def test_every_unit_is_hardened_and_runs_a_role(unit: Path) -> None:
    """No privileges, no writing but to its state; what it runs is a module of ours."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign] # names are case-sensitive
    parser.read(unit)
    service = parser["Service"]
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["CapabilityBoundingSet"] == ""
    assert service["User"] == "liandong"
    module = service["ExecStart"].split(" -m ")[1]
    assert (DEPLOY.parent / module.replace(".", "/") / "__main__.py").exists()


def test_the_dashboard_asks_for_metrics_that_exist() -> None:
    """Every metric in an expression is one that our processes expose."""
    assert observe.DURATION is not None
    known = {sample.name for metric in REGISTRY.collect() for sample in metric.samples}
    # a family without a call yet has no samples
    known |= {f"liandong_grpc_duration_seconds_{part}" for part in ("bucket", "count", "sum")}
    known |= {"liandong_grpc_refused_total", "liandong_grpc_open_calls", "up"}
    dashboard: dict[str, Any] = json.loads((DEPLOY / "grafana" / "liandong.json").read_text(encoding="utf-8"))
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"\b([a-z_]+)\{", target["expr"])
    }
    assert asked <= known
    assert asked >= {"liandong_grpc_refused_total", "liandong_grpc_open_calls"}


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "LIANDONG_LANG": "en",
    }
    return subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_restored_registry_is_compared_with_heads_that_nodes_saw(tmp_path: Path) -> None:
    """A copy of yesterday is complete in itself, and is refused all the same: nodes have seen more."""
    folder = tmp_path / "registry"
    url = f"sqlite:///{folder / 'registry.sqlite'}"
    settings = RegistrySettings(region="qinghe", database_url=url, data_dir=folder, replica="a")
    entries = load_region(_REGION).entries

    def head(name: str) -> Path:
        database = Database(url)
        try:
            replica = _replica(settings, Credentials.load(folder, settings.name), database)
            note = replica.checkpoint()[1]
        finally:
            database.close()
        file = tmp_path / name
        file.write_text(note, encoding="utf-8")
        return file

    credentials = init(settings, entries[:5])
    (folder / "evidence" / "ab").mkdir(parents=True)
    (folder / "evidence" / "ab" / "chunk").write_bytes(b"chunk")
    early = head("early.head")
    copied = _run(DEPLOY / "backup" / "copy.sh", url, folder, tmp_path / "backup")
    assert copied.returncode == 0, copied.stderr
    copy = Path(copied.stdout.strip())
    assert {each.name for each in copy.iterdir()} == {"database.sqlite3", "ca.crt"}
    assert (tmp_path / "backup" / "evidence" / "ab" / "chunk").read_bytes() == b"chunk"
    init(settings, entries[:7])
    late = head("late.head")

    key = credentials.sign_key.public_key().public_bytes_raw().hex()
    compare = DEPLOY / "backup" / "compare_heads.sh"
    restored = tmp_path / "restored.sqlite"
    shutil.copy(copy / "database.sqlite3", restored)
    kept = _run(compare, f"sqlite:///{restored}", key, early)
    assert kept.returncode == 0, kept.stdout + kept.stderr
    short = _run(compare, f"sqlite:///{restored}", key, early, late)
    assert short.returncode == 1, short.stdout + short.stderr
    assert "Keep the registry closed" in short.stderr
    whole = _run(compare, url, key, early, late)
    assert whole.returncode == 0, whole.stdout + whole.stderr


def test_a_copy_that_fails_leaves_nothing_that_looks_like_one(tmp_path: Path) -> None:
    """A database that is none ends the copy, and its draft goes with it."""
    broken = tmp_path / "broken.sqlite3"
    broken.write_bytes(b"no database" * 1000)
    done = _run(DEPLOY / "backup" / "copy.sh", f"sqlite:///{broken}", tmp_path, tmp_path / "backup")
    assert done.returncode != 0
    assert [each.name for each in (tmp_path / "backup").iterdir()] == ["evidence"]


def test_a_node_shows_the_head_that_it_verified(tmp_path: Path) -> None:
    """As it came, signature and all; a node that has seen none says so."""
    url = f"sqlite:///{tmp_path / 'node.sqlite3'}"
    migrate_department(url)
    program = DEPLOY / "backup" / "show_head.py"
    assert _run(sys.executable, program, url).returncode == 1
    database = Database(url)
    try:
        row = {"id": 1, "at": 0, "position": 0, "checkpoint": "a signed note\n", "sequence": 0}
        database.write(lambda connection: connection.execute(tables.link.insert().values(row)))
    finally:
        database.close()
    assert _run(sys.executable, program, url).stdout == "a signed note\n"
