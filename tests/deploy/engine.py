"""A container engine for the tests: the one that is reachable, else one of our own for the time of the run.

Our own engine touches nothing of the machine's: its socket and processes are in a temporary folder, it makes no
firewall rules and forwards nothing. Its images stay in the cache folder, so that the next run builds less.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import docker
import docker.errors
import pytest

BASE: Final = "liandong-test-base:bookworm"
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "liandong"
_PACKAGES: Final = "python3,python3-venv,ca-certificates,tzdata"
_LEFT_OUT: Final = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "dev",
)
_START_S: Final = 30.0
_CALL_S: Final = 180


def missing(what: str) -> Any:
    """Leave the tier out, with one line; on CI it must not be left out."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"The docker tier needs {what}.", pytrace=False)
    pytest.skip(f"The docker tier needs {what}.")


@contextlib.contextmanager
def engine() -> Iterator[Any]:
    """A client of an engine."""
    found = _reachable()
    if found is not None:
        with contextlib.closing(found):
            yield found
        return
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        missing("a reachable Docker engine, or root and dockerd")
    folder = Path(tempfile.mkdtemp(prefix="liandong-docker-"))
    try:
        with _data(folder) as (data, lock), _started(folder, data, lock) as client:
            _tidy(client)
            yield client
            _tidy(client)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _data(folder: Path) -> Iterator[tuple[Path, int]]:
    """Where images lie: in the cache, or below `folder` while another engine uses the cache."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "engine.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield folder / "data", lock.fileno()
        else:
            yield _CACHE / "engine", lock.fileno()


def _tidy(client: Any) -> None:
    """Remove what a run leaves behind, also one that was killed; images with a name stay."""
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)
    client.networks.prune()
    for volume in client.volumes.list():
        volume.remove(force=True)
    client.images.prune({"dangling": True})


def _reachable() -> Any:
    address = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    # tried by hand first: the SDK leaves a socket open when it is refused
    if address.startswith("unix://") and not _takes_connections(Path(address.removeprefix("unix://"))):
        return None
    client = docker.from_env(timeout=_CALL_S)
    try:
        client.ping()
    except docker.errors.DockerException:
        client.close()
        return None
    return client


def _takes_connections(path: Path) -> bool:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _started(folder: Path, data: Path, lock: int) -> Iterator[Any]:
    address = f"unix://{folder / 'docker.sock'}"
    command = [
        "dockerd", f"--host={address}", f"--data-root={data}", f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}", "--bridge=none", "--iptables=false", "--ip6tables=false",
        "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false",
    ]  # fmt: skip
    log = folder / "log"
    # it holds the lock too: should this process be killed, nobody else takes the folder under it
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, pass_fds=[lock]) as process:
        try:
            deadline = time.monotonic() + _START_S
            while not _takes_connections(folder / "docker.sock"):
                if process.poll() is not None or time.monotonic() > deadline:
                    missing(f"a dockerd that starts; it said: {_last_line(log)}")
                time.sleep(0.1)
            with contextlib.closing(docker.DockerClient(address, timeout=_CALL_S, version="1.41")) as client:
                client.ping()
                yield client
        finally:
            process.terminate()
            process.wait(30)


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "nothing"


def base_image(client: Any) -> str:
    """The name of a base image with Python 3.11, made from the distribution's packages without any hub."""
    if not client.images.list(name=BASE):
        archive = _base_archive()
        repository, _, tag = BASE.partition(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
    return BASE


def _base_archive() -> Path:
    archive = _CACHE / "base-bookworm.tar"
    if archive.exists():
        return archive
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        missing("a base image: root and debootstrap")
    _CACHE.mkdir(parents=True, exist_ok=True)
    # on the cache's disk, and there only: a temporary file system may forbid device files
    with tempfile.TemporaryDirectory(dir=_CACHE, prefix="base-") as name:
        root, draft = Path(name) / "root", Path(name) / "draft.tar"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            missing(f"a base image; debootstrap said: {made.stdout.splitlines()[-1:]}")
        left_out = [f"--exclude=./{each}" for each in _LEFT_OUT]
        subprocess.run(["tar", "-C", str(root), *left_out, "-cf", str(draft), "."], check=True)
        draft.replace(archive)
    return archive
