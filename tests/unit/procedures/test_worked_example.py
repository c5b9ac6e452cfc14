"""The worked example of CONTRIBUTING.md: copied from the page, checked, compiled, and played."""

from pathlib import Path

import grpc_tools
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from services.procedures.deadlines import due_time
from services.procedures.loader import load_text
from services.procedures.obligation import Outcome
from tests.unit.procedures.case_samples import HEALTH, LAW, TOWN, Play
from tests.unit.procedures.deadline_samples import NATIONAL, at

ROOT = Path(__file__).parents[3]
GOOGLE = Path(grpc_tools.__path__[0]) / "_proto"


def example(language: str) -> str:
    """The one sample in a language."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("### A worked example")[1]
    (sample,) = text.split("\n## ")[0].split(f"```{language}\n")[1:]
    return sample.split("```")[0]


def test_its_rules_are_sound_and_run() -> None:
    """Over a make-up Saturday: asked on Friday 27 February, two working days end on Monday 2 March."""
    procedure = load_text(example("yaml"), "CONTRIBUTING.md")
    law = LAW.with_procedure(procedure)
    play = Play(procedure.name, law, at("2026-02-27 10:00"))
    play.do("ask", TOWN, parties={TOWN: "asker", HEALTH: "keeper"})
    play.receive(HEALTH, "2026-02-27 10:01")
    assert due_time(play.owed("answer"), NATIONAL) == at("2026-03-03")
    assert play.reason("answer", TOWN) == "NOT_PERMITTED_FOR_ROLE"
    assert play.reason("answer", HEALTH, approvals=()) == "APPROVAL_MISSING"
    play.do("answer", HEALTH, "2026-03-02 17:00")
    assert play.met("answer").outcome is Outcome.ON_TIME
    assert play.case.state == "closed"


def test_its_message_compiles(tmp_path: Path) -> None:
    """Beside the contracts, and under the name that the rules give."""
    folder = tmp_path / "liandong" / "cases" / "v1"
    folder.mkdir(parents=True)
    (folder / "key_bodies.proto").write_text(example("proto"), encoding="utf-8")
    compiled = tmp_path / "key.pb"
    assert (
        protoc.main(
            ["protoc", f"-I{tmp_path}", f"-I{ROOT / 'protos'}", f"-I{GOOGLE}", f"--descriptor_set_out={compiled}",
             "liandong/cases/v1/key_bodies.proto"]
        )
        == 0
    )  # fmt: skip
    (file,) = descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file
    names = {f"{file.package}.{each.name}" for each in file.message_type}
    procedure = load_text(example("yaml"), "CONTRIBUTING.md")
    assert {act.body for act in procedure.acts.values()} == names
