"""`liandong draw`: random draws that anyone can repeat (docs/draws.md)."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.directory.v1 import directory_service_pb2 as directory
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from rich.console import Group, RenderableType
from rich.markup import escape

from services.cases import draw_proof
from services.cases.draw_proof import Announced, Proof, ProofBroken
from services.cli.connection import Connection, connected
from services.cli.failures import Failed
from services.cli.ledger import public_key
from services.cli.output import Output, facts, table
from services.cli.texts import say
from services.common import yaml_text
from services.common.config import ConfigurationError
from services.exchange.checkpoint import parse_checkpoint
from services.exchange.digests import Leaf
from services.exchange.enrolment_client import Membership
from services.exchange.merkle import root_from_path
from services.procedures.draw import DrawError, Lists, Plan, commitment, read_lists

app = typer.Typer(no_args_is_help=True, add_completion=False)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False)]
Library = Annotated[Path, typer.Option(metavar="FILE", exists=True, dir_okay=False)]
Further = Annotated[Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False)]
_GOOD: Final = (directory.OFFICER_STATE_VALID, directory.OFFICER_STATE_ENDING)
_POLL_S: Final = 1.0


@app.command("officers")
@connected
async def list_officers(
    link: Connection,
    *,
    department: Annotated[list[str] | None, typer.Option(metavar="DEPARTMENT")] = None,
    item: Annotated[str, typer.Option(metavar="CODE")] = "",
) -> None:
    """The library of officers, as CSV."""
    written = io.StringIO()
    lines = csv.writer(written, lineterminator="\n")
    lines.writerow(["certificate", "name", "department"])
    asked = directory.ListOfficersRequest(page_size=1000)
    while True:
        page = await link.directory.ListOfficers(asked)
        for each in page.officers:
            entry = each.certificate
            fits = not item or not entry.scope or item.startswith(tuple(entry.scope))
            if each.state in _GOOD and fits and (not department or entry.department in department):
                lines.writerow([entry.number, entry.name, entry.department])
        asked.page_token = page.next_page_token
        if not page.next_page_token:
            break
    link.output.plain(written.getvalue().rstrip("\n"))


@app.command("announce")
def announce(
    plan: File,
    *,
    objects: Library,
    officers: Library,
    exclusions: Further = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Make the body of the announcement."""
    chosen, lists = _read(plan, objects, officers, exclusions)
    try:
        body = draw_proof.notice(chosen, lists)
    except DrawError as error:
        raise ConfigurationError([str(error)]) from error
    output = Output(as_json=as_json)
    output.say("draw.announced", commitment=body.commitment.hex())
    output.plain(_json(body))


@app.command("run")
@connected
async def run(
    link: Connection,
    plan: File,
    *,
    letter: Annotated[str, typer.Option(metavar="LETTER")],
    objects: Library,
    officers: Library,
    exclusions: Further = None,
    out: Annotated[Path, typer.Option(metavar="FILE")] = Path("draw-proof.json"),
    wait: Annotated[float, typer.Option(metavar="SECONDS", min=0)] = 0,
) -> None:
    """Draw."""
    chosen, lists = _read(plan, objects, officers, exclusions)
    found = await link.cases.GetLetter(cases.GetLetterRequest(letter_id=letter))
    if not found.HasField("leaf") or found.letter.act != draw_proof.ANNOUNCE:
        raise ConfigurationError([say("draw.no_announcement")])
    position = found.leaf.position
    wanted = draw_proof.seed_size(position, chosen.margin)
    size = await _grown(link, wanted, wait)
    if size < wanted:
        link.output.say("draw.early", size=size, wanted=wanted)
        raise Failed
    # without a size asked for, path and checkpoint are of one head
    place = await link.exchange.GetInclusionProof(exchange.GetInclusionProofRequest(position=position))
    last = await link.exchange.GetInclusionProof(
        exchange.GetInclusionProofRequest(position=wanted - 1, tree_size=wanted)
    )
    onward = await link.exchange.GetConsistencyProof(
        exchange.GetConsistencyProofRequest(first_size=wanted, second_size=place.tree_size)
    )
    announced = Announced(found.envelope.header, found.envelope.payload, _leaf(found.leaf), tuple(place.path))
    root = root_from_path(_leaf(last.leaf).hash(), wanted - 1, wanted, list(last.path))
    proof = draw_proof.drawn(chosen, lists, announced, root, tuple(onward.path), place.checkpoint)
    await asyncio.to_thread(out.write_text, draw_proof.dumps(proof), encoding="utf-8")
    link.output.show(draw_proof.result(proof, lists), lambda: _result(proof))
    link.output.say("draw.drawn", file=out)
    if not link.output.as_json:
        link.output.plain(_json(draw_proof.result(proof, lists)))


@app.command("verify")
def verify(
    proof: File,
    *,
    objects: Library,
    officers: Library,
    exclusions: Further = None,
    registry_key: Annotated[str, typer.Option("--registry-key", metavar="HEX")] = "",
    folder: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Repeat a draw offline."""
    key = bytes.fromhex(Membership.load(folder).registry_key) if folder else public_key(registry_key)
    output = Output(as_json=as_json)
    lists = _lists(objects, officers, exclusions)
    problem = ""
    shown: Proof | None = None
    try:
        shown = draw_proof.loads(proof.read_text(encoding="utf-8"))
        draw_proof.verify(shown, lists, key)
    except (ProofBroken, DrawError) as error:
        problem = str(error)
    if as_json:
        committed = commitment(shown.plan, lists).hex() if shown else ""
        output.line({"valid": not problem, "problem": problem, "commitment": committed})
    else:
        verdict = (
            f"[red]✗ {escape(say('draw.broken', why=problem))}[/]"
            if problem
            else f"[green]✓ {say('draw.holds')}[/]"
        )
        output.console.print(facts([("verdict", verdict)]))
        if shown is not None and not problem:
            output.console.print(_result(shown))
    if problem:
        raise Failed


def _read(plan: Path, objects: Path, officers: Path, exclusions: Path | None) -> tuple[Plan, Lists]:
    try:
        said = yaml_text.values(plan.read_text(encoding="utf-8"))
        if not isinstance(said, dict):
            raise DrawError("plan: no mapping")
        return draw_proof.plan_of(said), _lists(objects, officers, exclusions)
    except (DrawError, yaml.YAMLError) as error:
        raise ConfigurationError([str(error)]) from error


def _lists(objects: Path, officers: Path, exclusions: Path | None) -> Lists:
    further = exclusions.read_text(encoding="utf-8") if exclusions else ""
    try:
        return read_lists(objects.read_text(encoding="utf-8"), officers.read_text(encoding="utf-8"), further)
    except DrawError as error:
        raise ConfigurationError([str(error)]) from error


async def _grown(link: Connection, wanted: int, wait: float) -> int:
    """How many leaves the ledger has, once it has as many as are wanted or the wait is over."""
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        note = (await link.exchange.GetHead(exchange.GetHeadRequest())).checkpoint
        size = parse_checkpoint(note).checkpoint.size
        if size >= wanted or asyncio.get_running_loop().time() >= deadline:
            return size
        await asyncio.sleep(_POLL_S)


def _leaf(leaf: exchange.Leaf) -> Leaf:
    return Leaf(leaf.position, leaf.admitted_at_us, leaf.common_version, leaf.letter_digest)


def _json(body: Message) -> str:
    return MessageToJson(body, preserving_proto_field_name=True, ensure_ascii=False)


def _result(proof: Proof) -> RenderableType:
    rows = table("object", "officers")
    for each in proof.pairs:
        rows.add_row(escape(each.object), escape(", ".join(each.officers)) or say("draw.nobody"))
    about = facts(
        [
            ("announced", str(proof.announced.leaf.position)),
            ("leaves", str(proof.seed_size)),
            ("seed", proof.root.hex()),
        ]
    )
    return Group(about, "", rows)
