"""The PostgreSQL of a run: what it says when it does not start, and that nothing of it stays."""

import tempfile
from pathlib import Path

import psycopg
import pytest

from services.cli.bench import database


def test_a_server_of_ones_own_serves_and_is_gone() -> None:
    """Its databases are there while it runs; then its folder is removed and nobody answers."""
    with database.postgres() as server:
        with psycopg.connect(server.create("letters")) as connection:
            assert connection.execute("SHOW fsync").fetchone() == ("on",)
        assert server.folder.exists()
    assert not server.folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(server.url("letters"))


@pytest.mark.parametrize(
    ("initdb", "postgres"),
    [("echo no room on the disk; exit 1", "exit 0"), ("exit 0", "echo no room on the disk; exit 1")],
)
def test_a_server_that_does_not_start_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, initdb: str, postgres: str
) -> None:
    """In its own words, at once, and leaves no folder."""
    programs = tmp_path / "wheel" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    for name, script in (("initdb", initdb), ("postgres", postgres)):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(database, "_package", lambda: tmp_path / "wheel")
    # not below pytest's own folder: that is closed to the user which the server runs as
    with tempfile.TemporaryDirectory() as runs:
        Path(runs).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", runs)
        with pytest.raises(database.PostgresDidNotStart, match="no room on the disk"), database.postgres():
            pytest.fail("it started")
        assert not list(Path(runs).iterdir())
