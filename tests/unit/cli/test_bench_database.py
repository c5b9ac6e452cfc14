"""The PostgreSQL of a run: what it says when it does not start, and that nothing of it stays."""

import asyncio
import tempfile
from pathlib import Path

import grpc
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
    _programs(monkeypatch, tmp_path, initdb, postgres)
    # not below pytest's own folder: that is closed to the user which the server runs as
    with tempfile.TemporaryDirectory() as runs:
        Path(runs).chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", runs)
        with pytest.raises(database.PostgresDidNotStart, match="no room on the disk"), database.postgres():
            pytest.fail("it started")
        assert not list(Path(runs).iterdir())


async def test_its_programs_start_beside_calls_of_grpc(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each time: children that are forked beside running calls die before they are the program."""
    _programs(monkeypatch, tmp_path, "exit 0", "echo here I am; exit 1")

    async def answer(request: bytes, _: object) -> bytes:
        return request

    server = grpc.aio.server()
    handler: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "say": grpc.unary_unary_rpc_method_handler(answer)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", handler),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def call(method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]) -> None:
        while True:
            await method(b"")

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        calls = [asyncio.create_task(call(channel.unary_unary("/test/say"))) for _ in range(4)]
        try:
            for _ in range(20):
                with pytest.raises(database.PostgresDidNotStart, match="here I am"):
                    await asyncio.to_thread(_start_and_end)
        finally:
            for each in calls:
                each.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            await server.stop(None)


def _start_and_end() -> None:
    with database.postgres():
        pass


def _programs(monkeypatch: pytest.MonkeyPatch, folder: Path, initdb: str, postgres: str) -> None:
    """A wheel whose programs are these scripts."""
    programs = folder / "wheel" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    for name, script in (("initdb", initdb), ("postgres", postgres)):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(database, "_package", lambda: folder / "wheel")
