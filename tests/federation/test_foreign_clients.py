"""Programs that are not ours take part with what `federation.json` and `liandong assert` give them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from liandong.exchange.v1 import reason_pb2

from services.cli.demo.district import write_federation
from services.cli.demo.story import evidence_material
from tests.federation.district import HEALTH, JUSTICE, MARKET, Federation, federation

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("foreign-clients"),
    pytest.mark.timeout(300),
]

ROOT: Final = Path(__file__).resolve().parents[2]
BINARIES: Final = Path(sys.executable).parent
CASES: Final = "liandong.cases.v1.CaseService"
OFFERED: Final = {CASES, "liandong.sharing.v1.SharingService", "grpc.health.v1.Health"}
SESSION_S: Final = 200.0
SESSIONS: Final[dict[tuple[Path, str], tuple[float, str]]] = {}


@dataclass(frozen=True, slots=True)
class Wrong:
    """How a call was refused, as the foreign client shows it."""

    code: str
    reason: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """A foreign gRPC client and the folder of a demo's federation.

    Attributes:
        tool: `grpcurl` or `buf`.
        folder: Where `federation.json` is; everything known of the federation is read from it.
    """

    tool: str
    folder: Path

    def entry(self, department: str) -> dict[str, Any]:
        content = json.loads((self.folder / "federation.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = next(each for each in content["departments"] if each["name"] == department)
        return found | {"ca": content["ca"]}

    def _tls(self, entry: Mapping[str, Any]) -> list[str]:
        dashes = "-" if self.tool == "grpcurl" else "--"
        values = (("cacert", entry["ca"]), ("cert", entry["certificate"]), ("key", entry["key"]))
        return [word for name, value in values for word in (dashes + name, str(self.folder / value))]

    async def services(self, department: str) -> set[str]:
        """What the node says it offers."""
        entry = self.entry(department)
        if self.tool == "grpcurl":
            command = ["grpcurl", *self._tls(entry), entry["address"], "list"]
        else:
            url = f"https://{entry['address']}"
            command = ["buf", "curl", "--protocol", "grpc", *self._tls(entry), "--list-services", url]
        status, output, errors = await run(*command)
        assert not status, errors
        return set(output.split())

    async def call(
        self, department: str, method: str, request: Mapping[str, Any], actor: str, service: str = CASES
    ) -> dict[str, Any] | Wrong:
        """Call a method with JSON, under an assertion of one of the department's actors."""
        entry = self.entry(department)
        data = ["-d", json.dumps(request), "-H", f"liandong-actor: {actor}"]
        if self.tool == "grpcurl":
            command = ["grpcurl", *self._tls(entry), "-format-error", *data, entry["address"]]
            command.append(f"{service}/{method}")
        else:
            command = ["buf", "curl", "--protocol", "grpc", *self._tls(entry), *data]
            command.append(f"https://{entry['address']}/{service}/{method}")
        status, output, errors = await run(*command)
        if status:
            return _wrong(json.loads(errors))
        answer: dict[str, Any] = snake(json.loads(output))
        return answer

    async def session(self, actor: str) -> str:
        """An assertion for reading and preparing, used as long as it is good for."""
        made, token = SESSIONS.get((self.folder, actor), (0.0, ""))
        if not token or time.monotonic() - made > SESSION_S:
            token = await self.assertion(actor)
            SESSIONS[self.folder, actor] = time.monotonic(), token
        return token

    async def assertion(self, actor: str, *options: str) -> str:
        """What `liandong assert` prints."""
        file = str(self.folder / "federation.json")
        status, output, errors = await run(
            "liandong", "assert", "--federation", file, "--as", actor, *options
        )
        assert not status, errors
        return output.strip()

    async def bound(self, actor: str, purpose: str, digest: str) -> str:
        """The same for one content."""
        return await self.assertion(actor, "--purpose", purpose, "--content-digest", digest)


async def run(*command: str) -> tuple[int, str, str]:
    """Run a program of this environment."""
    environment = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment, cwd="/"
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


def snake(value: Any) -> Any:
    """JSON with the names of the protos: one client shows these, the other those of JSON."""
    if isinstance(value, dict):
        return {_snake(key): snake(each) for key, each in value.items()}
    return [snake(each) for each in value] if isinstance(value, list) else value


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


def _wrong(shown: Mapping[str, Any]) -> Wrong:
    code = {3: "invalid_argument"}.get(shown["code"], str(shown["code"]))
    info = shown["details"][0]
    if "value" in info:
        found = error_details_pb2.ErrorInfo.FromString(base64.b64decode(info["value"] + "=="))
        return Wrong(code, found.reason, found.metadata.get("field", ""))
    assert info["@type"].endswith("google.rpc.ErrorInfo")
    return Wrong(code, info["reason"], info["metadata"].get("field", ""))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Federation]:
    """Three departments as the demo starts them, with their `federation.json`."""
    async with federation(tmp_path_factory.mktemp("foreign"), (HEALTH, MARKET, JUSTICE)) as made:
        for party in made.parties.values():
            await party.ready()
        write_federation(made.district)
        yield made


@pytest.fixture(params=["grpcurl", "buf"])
def client(request: pytest.FixtureRequest, world: Federation) -> Client:
    """Each foreign client in turn."""
    assert (BINARIES / request.param).exists(), "not installed: run `make setup`"
    return Client(request.param, world.plan.folder)


def discovery(title: str) -> dict[str, Any]:
    source = "DISCOVERY_SOURCE_INSPECTION"
    return {
        "procedure": "case-transfer",
        "act": "register",
        "discovery": {"title": title, "facts": "出厂餐饮具未附消毒合格证明。", "source": source},
    }


async def sent(
    client: Client, department: str, draft: Mapping[str, Any], approver: str = ""
) -> dict[str, Any]:
    """Prepare an act, have it approved if need be, send it, and wait until it is in the ledger."""
    clerk = f"{department}:clerk"
    prepared = await client.call(department, "PrepareLetter", {"draft": draft}, await client.session(clerk))
    assert isinstance(prepared, dict), prepared
    letter, digest = prepared["draft"]["letter_id"], prepared["draft"]["content_digest"]
    named = {"letter_id": letter, "content_digest": digest}
    if approver:
        assert prepared["draft"]["missing_approvals"] == [approver]
        token = await client.bound(f"{department}:{approver}", "approve", digest)
        approved = await client.call(department, "ApproveLetter", {**named, "role": approver}, token)
        assert isinstance(approved, dict), approved
        assert "missing_approvals" not in approved["draft"]
    token = await client.bound(clerk, "send", digest)
    answer = await client.call(department, "SendLetter", named, token)
    assert isinstance(answer, dict), answer
    assert answer["answer"]["disposition"] == "DISPOSITION_RECORDED"
    case_id: str = answer["answer"]["case_id"]
    for _ in range(60):
        timeline = await client.call(
            department, "GetTimeline", {"case_id": case_id}, await client.session(clerk)
        )
        assert isinstance(timeline, dict), timeline
        found: dict[str, Any] = next(each for each in timeline["letters"] if each["letter_id"] == letter)
        if found["disposition"] != "DISPOSITION_RECORDED":
            assert found["disposition"] == "DISPOSITION_ADMITTED", found
            return found | {"case_id": case_id}
        await asyncio.sleep(0.2)
    raise TimeoutError("the letter was not answered")


async def test_a_foreign_client_carries_a_transfer_through(client: Client, world: Federation) -> None:
    """Services by reflection, a case opened, evidence uploaded, a transfer prepared, approved, sent, and received."""
    assert await client.services(HEALTH) >= OFFERED
    opened = await sent(client, HEALTH, discovery("餐饮具集中消毒单位涉嫌违法案"))
    case_id = opened["case_id"]
    token = await client.session(f"{HEALTH}:clerk")
    case = await client.call(HEALTH, "GetCase", {"case_id": case_id}, token)
    assert isinstance(case, dict), case
    assert (case["case"]["state"], case["case"]["title"]) == ("registered", "餐饮具集中消毒单位涉嫌违法案")
    materials = [await material(client, "transfer-letter", "案件移送函")]
    for kind in ("source-material", "preliminary-evidence"):
        brought = await evidence_material(world.parties[HEALTH], kind, f"{client.tool}: {kind}")
        materials.append(MessageToDict(brought, preserving_proto_field_name=True))
    transfer = {
        "case_id": case_id,
        "act": "transfer",
        "parties": [{"role": "receiver", "department": MARKET}],
        "materials": materials,
        "transfer_letter": {"title": "移送", "facts": "抽检超标。", "competence": "由市场监督管理部门处理。"},
    }
    letter = await sent(client, HEALTH, transfer, approver="leader-in-charge")
    assert letter["number"].startswith("清卫〔")
    assert letter["position"]["log_id"] == "liandong.qinghe"
    await world.parties[MARKET].reached(case_id, int(letter["position"]["position"]))
    received = await client.call(
        MARKET, "GetCase", {"case_id": case_id}, await client.session(f"{MARKET}:clerk")
    )
    assert isinstance(received, dict), received
    assert received["case"]["state"] == "sent"
    assert any(each["rule"] == "reply" and each["due_at"] for each in received["case"]["obligations"])


async def material(client: Client, kind: str, text: str) -> dict[str, Any]:
    """Evidence uploaded by `liandong evidence upload`, as the material that names it."""
    path = client.folder / f"{kind}.txt"
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    status, output, errors = await run(
        "liandong", "evidence", "upload", str(path), "--json",
        "--federation", str(client.folder / "federation.json"), "--as", f"{HEALTH}:clerk",
    )  # fmt: skip
    assert not status, errors
    manifest = snake(json.loads(output))
    return {
        "kind": kind,
        "manifest_root": manifest["root"],
        "digest": manifest["digest"],
        "size": manifest["size"],
        "media_type": manifest["media_type"],
    }


async def test_a_foreign_client_sees_typed_errors(client: Client) -> None:
    """Status, documented reason and field, in the details that every gRPC client can read."""
    token = await client.session(f"{HEALTH}:clerk")
    answer = await client.call(HEALTH, "GetCase", {"case_id": "no-such-id"}, token)
    assert answer == Wrong("invalid_argument", "INVALID_FIELD", "case_id")
    prepared = await client.call(HEALTH, "PrepareLetter", {"draft": discovery("案")}, token)
    assert isinstance(prepared, dict)
    draft = prepared["draft"]
    named = {"letter_id": draft["letter_id"], "content_digest": draft["content_digest"]}
    wrong = {
        "CONTENT_MISMATCH": await client.call(HEALTH, "SendLetter", named, token),
        "NOT_FOUND": await client.call(HEALTH, "GetCase", {"case_id": draft["letter_id"]}, token),
        "ROLE_NOT_PERMITTED": await client.call(HEALTH, "ListAudit", {}, token),
        "ACTOR_INVALID": await client.call(HEALTH, "ListCases", {}, await client.session(f"{MARKET}:clerk")),
        "UNKNOWN_ACT": await client.call(
            HEALTH, "PrepareLetter", {"draft": {**discovery("案"), "act": "invented"}}, token
        ),
    }
    for reason, found in wrong.items():
        assert isinstance(found, Wrong), reason
        assert found.reason == reason
        assert f"REASON_{found.reason}" in reason_pb2.Reason.keys()  # noqa: SIM118 - an enum wrapper, not a dict


@pytest.mark.parametrize("document", ["README.md", "README.zh-CN.md"])
async def test_the_readmes_example_does_what_it_says(world: Federation, document: str) -> None:
    """Its lines, run by a shell against a district: a case is registered, and the last call is refused, typed."""
    if shutil.which("jq") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("The README's example needs jq.", pytrace=False)
        pytest.skip("The README's example needs jq.")
    readme = (ROOT / document).read_text(encoding="utf-8")
    begin = readme.index("as() { liandong assert")
    first, _, rest = readme[begin:].partition("```")
    second = rest.partition("```sh\n")[2].partition("```")[0]
    script = f"cd {world.plan.folder}\nset -eu\n{first}\ncat draft.json >&2\nset +e\n{second}"
    status, output, errors = await run("bash", "-c", script)
    assert '"disposition": "DISPOSITION_RECORDED"' in output, errors
    assert status != 0
    assert "Code: InvalidArgument" in errors
    assert '"reason":"INVALID_FIELD"' in errors
    assert '"field":"case_id"' in errors
