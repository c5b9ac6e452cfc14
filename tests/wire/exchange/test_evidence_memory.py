"""However large the evidence, author, registry and recipient stay small; each is a process of its own."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import pytest

from tests.unit.exchange.evidence_samples import MIB, files_below, sample
from tests.wire.exchange import evidence_process
from tests.wire.exchange.evidence_world import Identities

ROOT = Path(__file__).resolve().parents[3]
MEMORY_MIB = 200
AUTHOR = "health.qinghe"


async def begin(role: str, folder: Path, *words: str) -> Process:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "protos" / "gen")])}
    program = str(evidence_process.__file__)
    return await asyncio.create_subprocess_exec(
        sys.executable, program, role, str(folder), *words, stdin=PIPE, stdout=PIPE, env=environment
    )


async def end(process: Process) -> list[dict[str, Any]]:
    output, _ = await process.communicate(b"")
    assert process.returncode == 0
    return [json.loads(line) for line in output.splitlines() if line.startswith(b"{")]


@pytest.mark.parametrize(
    "size_mib",
    [
        64,
        pytest.param(256, marks=pytest.mark.soak),
        pytest.param(2048, marks=[pytest.mark.soak, pytest.mark.timeout(600)]),
    ],
)
async def test_memory_does_not_grow_with_the_evidence(tmp_path: Path, size_mib: int) -> None:
    """A large file passes from folder to folder through the registry; no process holds 200 MiB."""
    folders = {role: tmp_path / role for role in ("registry", "author")}
    identities = Identities(tmp_path / "identities")
    for role, folder in folders.items():
        folder.mkdir()
        name = "registry.qinghe" if role == "registry" else AUTHOR
        identities.files(name, "registry" if role == "registry" else "node").ca.parent.rename(folder / "tls")
    with (folders["author"] / "file").open("wb") as file:
        for number in range(size_mib):
            file.write(sample(MIB, number))
    registry = await begin("registry", folders["registry"])
    assert registry.stdout is not None
    line = b""
    while not line.startswith(b"{"):
        line = await registry.stdout.readline()
    target = json.loads(line)["target"]
    sent = await end(await begin("upload", folders["author"], target))
    received = await end(await begin("download", folders["author"], target, sent[0]["root"]))
    middle = await end(registry)
    used = {"author": sent[-1], "registry": middle[-1], "recipient": received[-1]}
    print(json.dumps({"size_mib": size_mib, "hashing_s": sent[0]["hashing_s"], **used}))  # noqa: T201 - the measurement
    names = [{file.name for file in files_below(folders[role] / "store")} for role in ("registry", "author")]
    assert names[0] == names[1]
    assert len(names[0]) == size_mib // 8
    assert all(process["rss_mib"] < MEMORY_MIB for process in used.values()), used
