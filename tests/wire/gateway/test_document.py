"""What the OpenAPI document promises is what a gateway before a real node does, whatever is sent.

schemathesis makes requests from the document, such as it allows and such as it does not, and judges the
answers: no fault of ours, no status, header or content that is not documented, nothing refused that is
allowed, nothing taken that is not, nobody served without showing who they are. It runs as a process, as a
system of the department and as a person with many roles.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.gateway.rest.openapi import DOCUMENT

from .front import Front, standing

pytestmark = pytest.mark.timeout(600)

ROLES = (
    "clerk",
    "section-head",
    "leader-in-charge",
    "principal",
    "liaison",
    "auditor",
    "registry-clerk",
    "legal-reviewer",
    "system-administrator",
)
_SETTINGS = """
[generation]
allow-x00 = false

# 400 says that a request has not the form that the document says; 422 that it has, and is refused for what it says
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422, 429, 501, 503]
"""
_FEWER = {
    "liandong.cases.v1.ActDraft": {"discovery", "closing", "opinion", "correction"},
    "liandong.directory.v1.CommonEntry": {"department", "person"},
}
"""Of a hundred and more bodies that a letter may carry the short form takes some: their making takes minutes."""


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Everything."""
    async with standing(tmp_path) as made:
        yield made


def shortened(document: dict[str, Any]) -> dict[str, Any]:
    """The document with fewer choices of bodies."""
    for name, kept in _FEWER.items():
        schema = document["components"]["schemas"][name]
        left_out = {each["required"][0] for each in schema["oneOf"] if "required" in each} - kept
        schema["oneOf"] = [each for each in schema["oneOf"] if each.get("required", [""])[0] not in left_out]
        assert schema["oneOf"], name
        for each in left_out:
            del schema["properties"][each]
    return document


async def judged(front: Front, folder: Path, *arguments: str, whole: bool = False) -> None:
    """Let it send and judge; fails with what it says."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    described, settings = folder / "openapi.json", folder / "schemathesis.toml"
    described.write_text(json.dumps(document if whole else shortened(document)), encoding="utf-8")
    settings.write_text(_SETTINGS, encoding="utf-8")
    command = (
        "-m", "schemathesis.cli", "--config-file", str(settings), "run", str(described), "--url", front.base,
        # a stream of events has no end
        "--exclude-path-regex", ":watch$", "--no-color", "--no-shrink", "--request-timeout", "30", *arguments,
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = said.decode(errors="replace")
    assert process.returncode == 0, text[-20_000:]
    assert "Tested: " in text, text[-2000:]


def as_system(front: Front) -> tuple[str, ...]:
    return ("--header", f"Authorization: Bearer {front.token}")


async def as_person(front: Front) -> tuple[str, ...]:
    client = await front.person(*ROLES)
    await client.aclose()
    word, cookie = client.headers["x-csrf-token"], client.cookies["liandong"]
    # a session is not asked for a token beside it
    return (
        "--header", "Authorization: Session", "--header", f"X-CSRF-Token: {word}",
        "--header", f"Cookie: liandong={cookie}", "--exclude-checks", "ignored_auth",
    )  # fmt: skip


@pytest.mark.parametrize("who", ["system", "person"])
async def test_the_document_is_what_is_done(front: Front, tmp_path: Path, who: str) -> None:
    """Its examples, and ten requests of each operation, by a system and by a person."""
    acting = as_system(front) if who == "system" else await as_person(front)
    # from one seed, so that it says of a change what it said before it; the long form looks further
    await judged(
        front, tmp_path, "--phases", "examples,fuzzing", "--max-examples", "10", "--seed", "1", *acting
    )


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("who", ["system", "person"])
async def test_the_document_is_what_is_done_at_length(front: Front, tmp_path: Path, who: str) -> None:
    """All of it, with the edges of every rule, and two hundred requests of each operation."""
    acting = as_system(front) if who == "system" else await as_person(front)
    await judged(
        front, tmp_path, "--phases", "examples,coverage,fuzzing", "--max-examples", "200", *acting, whole=True
    )
