"""The proof of a draw: that its lists were announced before its seed existed, and that they give its result.

The seed is the root of the ledger over exactly `margin` leaves after the announcement. A root exists for
every size, whether or not a head of that size was signed, so there is no choosing among heads; and the
leaves after the announcement carry digests of others' letters and the registry's times, which nobody knew
when it was made. Everything is checked offline, from the file, the lists and the registry's key.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError
from liandong.cases.v1 import sampling_bodies_pb2 as bodies
from liandong.exchange.v1 import envelope_pb2 as pb

from services.common.errors import LiandongError
from services.exchange import digests
from services.exchange.checkpoint import parse_checkpoint, verify_checkpoint
from services.exchange.digests import Leaf
from services.exchange.merkle import verify_consistency, verify_inclusion
from services.procedures import draw
from services.procedures.draw import DrawError, Lists, Pair, Plan

FORMAT: Final = "liandong-draw-proof/1"
ANNOUNCE: Final = "announce-draw"
_NOTICE: Final = "liandong.cases.v1.DrawNotice"


class ProofBroken(ValueError):
    """The proof does not hold; the message says which part."""


@dataclass(frozen=True, slots=True)
class Announced:
    """The announcement as it stands in the ledger.

    Attributes:
        header: The letter's header, as signed.
        payload: Its body, a `DrawNotice`.
        leaf: Its leaf.
        inclusion: The path from the leaf to the head's root.
    """

    header: bytes
    payload: bytes
    leaf: Leaf
    inclusion: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything beside the lists.

    Attributes:
        plan: What was drawn.
        announced: The announcement.
        root: The root over `seed_size` leaves: the seed.
        consistency: From `seed_size` to the head.
        checkpoint: A signed head of at least `seed_size` leaves.
        pairs: The result.
    """

    plan: Plan
    announced: Announced
    root: bytes
    consistency: tuple[bytes, ...]
    checkpoint: str
    pairs: tuple[Pair, ...]

    @property
    def seed_size(self) -> int:
        """Leaves under the root that is the seed."""
        return seed_size(self.announced.leaf.position, self.plan.margin)


def seed_size(position: int, margin: int) -> int:
    """How many leaves go into the seed of a draw that was announced at a position."""
    return position + 1 + margin


def notice(plan: Plan, lists: Lists) -> bodies.DrawNotice:
    """The body of the announcement; when it is drawn is left to who announces.

    Raises:
        DrawError: The plan does not fit the lists.
    """
    draw.check(plan, lists)
    objects, officers = draw.digests(lists)
    quota = sum(plan.quotas.values()) + sum(
        -(-sum(each.kind == kind for each in lists.subjects) * share // 1000)
        for kind, share in plan.shares.items()
    )
    return bodies.DrawNotice(
        method=draw.METHOD,
        seed_source=f"账本在本公告之后第 {plan.margin} 条记录处的树根 / root of the ledger {plan.margin} leaves later",
        objects=f"SHA-256 {objects}",
        officers=f"SHA-256 {officers}",
        quota=quota,
        commitment=draw.commitment(plan, lists),
        margin=plan.margin,
    )


def result(proof: Proof, lists: Lists) -> bodies.DrawResult:
    """The body of the letter that publishes the draw."""
    return bodies.DrawResult(
        seed=proof.root.hex(),
        method=draw.METHOD,
        pairs=[
            bodies.DrawnPair(object=each.object, officers=each.officers)
            for each in proof.pairs
            if each.officers
        ],
        excluded=[
            f"{each.certificate}{'：' + each.object if each.object else ''}：{each.reason}"[:400]
            for each in lists.exclusions
        ][:200],
        tree_size=proof.seed_size,
        commitment=draw.commitment(proof.plan, lists),
    )


def drawn(
    plan: Plan, lists: Lists, announced: Announced, root: bytes, consistency: Sequence[bytes], checkpoint: str
) -> Proof:
    """Draw, once the ledger has grown so far; nothing is checked here but by `verify`, afterwards."""
    size = seed_size(announced.leaf.position, plan.margin)
    pairs = draw.draw(draw.seed_of(draw.commitment(plan, lists), size, root), plan, lists)
    return Proof(plan, announced, root, tuple(consistency), checkpoint, tuple(pairs))


def verify(proof: Proof, lists: Lists, registry_key: bytes) -> None:
    """Check a draw from beginning to end.

    Args:
        proof: As it was published.
        lists: The lists as they were published.
        registry_key: The registry's Ed25519 `sign` key, known from elsewhere.

    Raises:
        ProofBroken: Some part does not hold.
    """
    try:
        draw.check(proof.plan, lists)
    except DrawError as error:
        raise ProofBroken(f"The plan does not fit the lists: {error}.") from error
    committed = draw.commitment(proof.plan, lists)
    _check_announcement(proof, committed)
    _check_ledger(proof, registry_key)
    seed = draw.seed_of(committed, proof.seed_size, proof.root)
    if tuple(draw.draw(seed, proof.plan, lists)) != proof.pairs:
        raise ProofBroken("Seed and lists give another result.")


def _check_announcement(proof: Proof, committed: bytes) -> None:
    announced = proof.announced
    if digests.letter_digest(announced.header) != announced.leaf.letter_digest:
        raise ProofBroken("The announcement is another letter than that of its leaf.")
    try:
        header = pb.Header.FromString(announced.header)
        content = pb.ActContent.FromString(header.act.content)
        said = bodies.DrawNotice.FromString(announced.payload)
    except DecodeError as error:
        raise ProofBroken("The announcement cannot be read.") from error
    if content.act != ANNOUNCE or content.body_type != _NOTICE:
        raise ProofBroken("The letter announces no draw.")
    body_digest = digests.sha256(announced.payload)
    if header.payload_digest != body_digest or content.body_digest != body_digest:
        raise ProofBroken("The body is not that of the letter.")
    if said.method != draw.METHOD or said.margin != proof.plan.margin:
        raise ProofBroken("Another method or margin was announced.")
    if said.commitment != committed:
        raise ProofBroken("Plan or lists are not those that were announced.")


def _check_ledger(proof: Proof, registry_key: bytes) -> None:
    leaf = proof.announced.leaf
    try:
        log_id = parse_checkpoint(proof.checkpoint).checkpoint.log_id
        head = verify_checkpoint(proof.checkpoint, log_id, [registry_key])
    except LiandongError as error:
        raise ProofBroken(f"The head is not signed by the registry: {error.message}") from error
    if proof.seed_size > head.size:
        raise ProofBroken("The head is older than the seed.")
    try:
        verify_inclusion(leaf.hash(), leaf.position, head.size, proof.announced.inclusion, head.root)
    except LiandongError as error:
        raise ProofBroken("The announcement does not stand in the ledger at its place.") from error
    try:
        verify_consistency(proof.seed_size, proof.root, head.size, head.root, proof.consistency)
    except LiandongError as error:
        raise ProofBroken("The seed is not the ledger's root of that size.") from error


# -- the file -------------------------------------------------------------------------------------


def dumps(proof: Proof) -> str:
    """The proof as JSON that people can read; bytes in hexadecimal or Base64."""
    leaf = proof.announced.leaf
    record = {
        "format": FORMAT,
        "plan": asdict(proof.plan),
        "announcement": {
            "header": base64.b64encode(proof.announced.header).decode(),
            "payload": base64.b64encode(proof.announced.payload).decode(),
            "position": leaf.position,
            "admitted_at_us": leaf.admitted_at_us,
            "common_version": leaf.common_version,
            "letter_digest": leaf.letter_digest.hex(),
            "inclusion": [each.hex() for each in proof.announced.inclusion],
        },
        "seed": {
            "size": proof.seed_size,
            "root": proof.root.hex(),
            "consistency": [each.hex() for each in proof.consistency],
            "checkpoint": proof.checkpoint,
        },
        "result": [{"object": each.object, "officers": list(each.officers)} for each in proof.pairs],
    }
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def loads(text: str) -> Proof:
    """The proof that `dumps` wrote.

    Raises:
        ProofBroken: It is none.
    """
    try:
        record = json.loads(text)
        if record["format"] != FORMAT:
            raise ProofBroken("This is no proof of a draw of a form that is known here.")
        said, seed = record["announcement"], record["seed"]
        leaf = Leaf(
            int(said["position"]),
            int(said["admitted_at_us"]),
            int(said["common_version"]),
            bytes.fromhex(said["letter_digest"]),
        )
        announced = Announced(
            base64.b64decode(said["header"], validate=True),
            base64.b64decode(said["payload"], validate=True),
            leaf,
            _hashes(said["inclusion"]),
        )
        proof = Proof(
            plan_of(record["plan"]),
            announced,
            bytes.fromhex(seed["root"]),
            _hashes(seed["consistency"]),
            str(seed["checkpoint"]),
            tuple(Pair(str(each["object"]), tuple(map(str, each["officers"]))) for each in record["result"]),
        )
        if int(seed["size"]) != proof.seed_size:
            raise ProofBroken("The seed's size is not the announcement's place and its margin.")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ProofBroken):
            raise
        raise ProofBroken(f"The file cannot be read: {type(error).__name__} {error}") from error
    return proof


def plan_of(said: Mapping[str, Any]) -> Plan:
    """A plan from its mapping.

    Raises:
        DrawError: A key is unknown, or a value of the wrong type.
    """
    known = {"name", "quotas", "shares", "weights", "officers_each", "margin"}
    unknown = sorted(set(said) - known)
    if unknown or not isinstance(said.get("name"), str):
        raise DrawError(f"plan: {', '.join(unknown) or 'name'}")
    numbers = {key: said.get(key) or {} for key in ("quotas", "shares", "weights")}
    for key, values in numbers.items():
        if not isinstance(values, Mapping) or not all(_is_whole(each) for each in values.values()):
            raise DrawError(f"plan: {key} maps words to whole numbers")
    officers_each, margin = said.get("officers_each", 2), said.get("margin", 16)
    if not _is_whole(officers_each) or not _is_whole(margin):
        raise DrawError("plan: officers_each and margin are whole numbers")
    words = {key: {str(name): int(each) for name, each in values.items()} for key, values in numbers.items()}
    return Plan(
        said["name"], words["quotas"], words["shares"], words["weights"], int(officers_each), int(margin)
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(each) for each in texts)
