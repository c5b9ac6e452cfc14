"""What the OpenAPI document promises is what a gateway before a real node does, whatever is sent.

schemathesis makes requests from the document, such as it allows and such as it does not, and judges the
answers: no fault of ours, no status, header or content that is not documented, nothing refused that is
allowed, nothing taken that is not, nobody served without showing who they are. It runs as a process; its requests
are in turn those of a system of the department and those of a person with many roles.
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from liandong.cases.v1.case_service_pb2 import ActDraft

from services.gateway.rest.examples import check_example, request_example
from services.gateway.rest.openapi import DOCUMENT
from services.procedures.loader import load_all
from tests.wire.gateway.front import Front, standing

pytestmark = pytest.mark.timeout(1200)

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
# how long it takes to make a request says how busy the machine is
suppress-health-check = ["too_slow"]
hooks = "tests.document.alternating"

[generation]
allow-x00 = false
# it would keep what it made for another run, and pays for that with every request
database = "none"

# 400 says that a request has not the form that the document says; 422 that it has, and is refused for what it says
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422, 429, 501, 503]
"""
_FEWER = {
    "liandong.cases.v1.ActDraft": {"discovery", "closing", "opinion", "correction", "complaintRecord"},
    "liandong.directory.v1.CommonEntry": {"department", "person"},
}
"""Some of the hundred and more bodies that a letter may carry: what makes requests takes very long for all of them."""
_AT_LENGTH = 200
"""Requests of an operation."""
_AT_ONCE = 8
"""Bodies from which requests are made in no time."""


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Everything."""
    async with standing(tmp_path) as made:
        yield made


def shortened(document: dict[str, Any], kept: Mapping[str, Collection[str]] = _FEWER) -> dict[str, Any]:
    """The document with fewer choices of bodies."""
    for name, bodies in kept.items():
        schema = document["components"]["schemas"][name]
        left_out = {each["required"][0] for each in schema["oneOf"] if "required" in each} - set(bodies)
        schema["oneOf"] = [each for each in schema["oneOf"] if each.get("required", [""])[0] not in left_out]
        assert schema["oneOf"], name
        for each in left_out:
            del schema["properties"][each]
    return document


def read() -> dict[str, Any]:
    """The document."""
    found: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    return found


def bodies_of(document: dict[str, Any], name: str) -> list[str]:
    """The bodies among which a message has a choice."""
    return [
        each["required"][0] for each in document["components"]["schemas"][name]["oneOf"] if "required" in each
    ]


def operations_with(document: dict[str, Any], name: str) -> list[str]:
    """Ids of the operations whose request holds a schema, perhaps deep inside."""
    schemas = document["components"]["schemas"]

    def holds(part: Any, seen: set[str]) -> bool:
        if isinstance(part, list):
            return any(holds(each, seen) for each in part)
        if not isinstance(part, dict):
            return False
        named = str(part.get("$ref", "")).rpartition("/")[2]
        if named == name:
            return True
        if named in schemas and named not in seen:
            seen.add(named)
            return holds(schemas[named], seen)
        return any(holds(each, seen) for each in part.values())

    return [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
        if isinstance(operation, dict) and holds(operation.get("requestBody"), set())
    ]


async def judged(front: Front, folder: Path, document: dict[str, Any], *arguments: str) -> None:
    """Let it send and judge; fails with what it says."""
    described, settings = folder / "openapi.json", folder / "schemathesis.toml"
    described.write_text(json.dumps(document), encoding="utf-8")
    settings.write_text(_SETTINGS, encoding="utf-8")
    command = (
        "-m", "schemathesis.cli", "--config-file", str(settings), "run", str(described), "--url", front.base,
        "--header", f"Authorization: Bearer {front.token}",
        # a stream of events has no end
        "--exclude-path-regex", ":watch$", "--no-color", "--no-shrink", "--request-timeout", "30", *arguments,
    )  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=folder,
        env={
            **os.environ,
            "NO_COLOR": "1",
            "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
            "LIANDONG_TEST_SESSION": json.dumps(await session_of(front)),
        },
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


async def session_of(front: Front) -> dict[str, str]:
    """Headers of a person's session."""
    client = await front.person(*ROLES)
    await client.aclose()
    word, cookie = client.headers["x-csrf-token"], client.cookies["liandong"]
    # a session is not asked for a token beside it
    return {"Authorization": "Session", "X-CSRF-Token": word, "Cookie": f"liandong={cookie}"}


async def test_the_document_is_what_is_done(front: Front, tmp_path: Path) -> None:
    """Its examples, and twenty requests of each operation."""
    # from one seed, so that it says of a change what it said before it; the long form looks further
    document = shortened(read())
    await judged(
        front, tmp_path, document, "--phases", "examples,fuzzing", "--max-examples", "20", "--seed", "1"
    )


async def test_every_body_that_a_letter_may_carry_is_taken(front: Front) -> None:
    """An example of each comes back from the draft as it was sent; a field that is none, or has no form, is named.

    What the case does not permit is refused for that, and not for its form.
    """
    acts = {act.body: (each.name, name) for each in load_all() for name, act in each.acts.items()}
    reasons = Counter[str]()
    bodies = ActDraft.DESCRIPTOR.oneofs_by_name["body"].fields
    async with await front.person(*ROLES) as client:
        for body in bodies:
            kind = body.message_type
            assert kind is not None
            procedure, act = acts.get(kind.full_name, ("case-transfer", "register"))
            content = request_example(kind)
            draft = {"procedure": procedure, "act": act, body.json_name: content}
            answer = await client.post("/api/v1/drafts", json={"draft": draft})
            found = answer.json()
            assert answer.status_code in {200, 403, 409, 422}, (body.name, answer.text)
            reasons[found.get("reason", "")] += 1
            if answer.status_code == 200:
                came_back = check_example(kind, found["draft"]["draft"][body.json_name])
                assert came_back == check_example(kind, content), body.name
            wrong = {**draft, body.json_name: {**content, "nowhere": 1}}
            answer = await client.post("/api/v1/drafts", json={"draft": wrong})
            named = (answer.status_code, answer.json()["field"])
            assert named == (400, f"draft.{body.name}.nowhere"), answer.text
            for field in kind.fields:
                wrong = {**draft, body.json_name: {**content, field.json_name: [[None]]}}
                answer = await client.post("/api/v1/drafts", json={"draft": wrong})
                assert answer.status_code == 400, (body.name, answer.text)
                assert answer.json()["field"].startswith(f"draft.{body.name}.{field.name}"), answer.text
    assert len(bodies) > 100
    assert reasons[""] > 20, reasons


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_the_edges_of_every_rule_are_where_the_document_says(front: Front, tmp_path: Path) -> None:
    """Each rule of each operation, kept just so and broken just so."""
    await judged(front, tmp_path, shortened(read()), "--phases", "examples,coverage")


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_the_document_is_what_is_done_at_length(front: Front, tmp_path: Path) -> None:
    """Two hundred requests of each operation."""
    await judged(front, tmp_path, shortened(read()), "--phases", "fuzzing", "--max-examples", "200")


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("name", list(_FEWER))
async def test_every_body_is_taken_at_length(front: Front, tmp_path: Path, name: str) -> None:
    """Two hundred requests and more of each operation that carries a body, a few bodies at a time."""
    bodies, chosen = bodies_of(read(), name), operations_with(read(), name)
    assert bodies
    assert chosen
    only = [part for each in chosen for part in ("--include-operation-id", each)]
    most = -(-_AT_LENGTH * _AT_ONCE // len(bodies)) + 1
    for at in range(0, len(bodies), _AT_ONCE):
        document = shortened(read(), {**_FEWER, name: bodies[at : at + _AT_ONCE]})
        await judged(
            front, tmp_path, document, *only, "--phases", "fuzzing", "--max-examples", str(max(most, 20))
        )
