"""Fill deploy/wheels with everything that the image installs, so that the build itself needs no network.

Run by `make image` with the project's own interpreter. From requirements.lock only what the roles need at run
time is taken, with its hashes: the image holds no test tools and no compilers.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parent.parent
WHEELS: Final = Path(__file__).parent / "wheels"
EXTRAS: Final = ("registry", "node", "gateway", "telemetry")
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==")


def wanted(pyproject: dict[str, Any]) -> set[str]:
    """Names of all that the roles need: what the project says, and what that needs in turn."""
    project = pyproject["project"]
    lines = list(project["dependencies"])
    for extra in EXTRAS:
        lines += project["optional-dependencies"][extra]
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for line in lines:
        found.update(needed(Requirement(line), "", seen))
    return found


def needed(requirement: Requirement, extra: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """The name of a requirement that applies here, and of what that needs in turn."""
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
        return
    name = canonicalize_name(requirement.name)
    yield name
    for each in ("", *sorted(requirement.extras)):
        if (name, each) not in seen:
            seen.add((name, each))
            for line in requires(name) or ():
                yield from needed(Requirement(line), each, seen)


def pinned(lock: str) -> dict[str, str]:
    """The blocks of a lock by name: the pin with its hashes, comments left out."""
    blocks: dict[str, list[str]] = {}
    name = ""
    for line in lock.splitlines():
        if match := _PINNED.match(line):
            name = canonicalize_name(match[1])
            blocks[name] = []
        if name and not line.lstrip().startswith("#"):
            blocks[name].append(line)
    return {name: "\n".join(lines) for name, lines in blocks.items()}


def main() -> None:
    """Write the pruned lock, fetch its wheels, build our own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python-version", default="3.11", help="of the base image")
    parser.add_argument("--to", type=Path, default=WHEELS)
    options = parser.parse_args()
    locked, own = options.to / "locked", options.to / "own"
    blocks = pinned((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = "\n".join(blocks[name] for name in sorted(wanted(pyproject))) + "\n"
    lock = locked / "requirements.txt"
    if not lock.exists() or lock.read_text(encoding="utf-8") != text:
        # wheels of an older lock would only fill the image's context
        shutil.rmtree(locked, ignore_errors=True)
        locked.mkdir(parents=True)
        draft = locked / "requirements.draft"
        draft.write_text(text, encoding="utf-8")
        _pip(
            "download", "--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:",
            f"--python-version={options.python_version}", f"--dest={locked}", f"--requirement={draft}",
        )  # fmt: skip
        # last: the name says that the wheels are complete
        draft.rename(lock)
    shutil.rmtree(own, ignore_errors=True)
    # the same content gives the same wheel, and the engine's cache knows it again
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1577836800")
    _pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", f"--wheel-dir={own}", str(ROOT))


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], check=True)


if __name__ == "__main__":
    main()
