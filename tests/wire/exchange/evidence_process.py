"""One side of a transfer as a process of its own, so that its memory can be measured.

    python evidence_process.py registry|upload|download FOLDER TARGET ROOT

Reads its certificates from FOLDER/tls, prints JSON lines: first where it listens, last what it used.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path

import structlog

from services.common.tls import TlsFiles
from services.exchange.evidence import manifest_of
from services.exchange.evidence_client import chunks_of_file, download, upload
from services.exchange.evidence_store import FolderStore
from tests.wire.exchange.evidence_world import EvidenceRegistry, calling


def files(folder: Path) -> TlsFiles:
    """Certificates as the test wrote them."""
    return TlsFiles(folder / "ca.pem", folder / "cert.pem", folder / "key.pem")


def say(**words: object) -> None:
    """One line to the test."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def serve(folder: Path) -> None:
    """The registry in the middle, until standard input ends."""
    tls = files(folder / "tls")
    async with EvidenceRegistry(folder, FolderStore(folder / "store"), tls) as registry:
        say(target=registry.target)
        await asyncio.to_thread(sys.stdin.read)


async def send(folder: Path, target: str) -> None:
    """The author: one file."""
    started = time.perf_counter()
    manifest = await manifest_of(folder / "file")
    hashed = time.perf_counter() - started
    async with calling(target, files(folder / "tls")) as stub:
        await upload(stub, manifest, chunks_of_file(folder / "file"))
    say(root=manifest.root.hex(), hashing_s=hashed)


async def receive(folder: Path, target: str, root: str) -> None:
    """The recipient: into a folder."""
    async with calling(target, files(folder / "tls")) as stub:
        await download(stub, bytes.fromhex(root), FolderStore(folder / "store"))


def peak_mib() -> float:
    """The most memory that was resident; `getrusage` would count that of the process we were started from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main(role: str, folder: str, target: str = "", root: str = "") -> None:
    """Play a role."""
    # the lines of standard output are the test's
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    started = time.perf_counter()
    path = Path(folder)
    asyncio.run(
        {
            "registry": lambda: serve(path),
            "upload": lambda: send(path, target),
            "download": lambda: receive(path, target, root),
        }[role]()
    )
    say(
        seconds=time.perf_counter() - started,
        rss_mib=peak_mib(),
        cpu_s=time.process_time(),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
