"""Writes the golden vectors anew: `python -m tests.vectors.make`, from the repository's root.

A change of any of them is a change of the wire: it breaks every node that is running. Bytes are in
hexadecimal; keys and leaves are made of counters, so that the files need no secret.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.exchange import assertions, checkpoint, digests, keys, merkle, subject_tokens

FOLDER = Path(__file__).parent
SEEDS = {"author": b"\x01" * 32, "registry": b"\x02" * 32, "issuer": b"\x03" * 32}
PRIVATE = {name: Ed25519PrivateKey.from_private_bytes(seed) for name, seed in SEEDS.items()}
PUBLIC = {name: keys.public_key_bytes(key) for name, key in PRIVATE.items()}
LOG = "liandong.qinghe"
SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 13, 64, 100)
INDICES = ((), (0,), (6,), (0, 6), (2, 3), (0, 1, 2, 3, 4, 5, 6))


def letter(number: int) -> bytes:
    """The digest of a made-up letter."""
    return digests.letter_digest(f"header {number}".encode())


def ledger_leaf(number: int) -> digests.Leaf:
    """A made-up leaf of the ledger."""
    return digests.Leaf(number, 1_786_354_200_000_000 + number * 1000, number // 10, letter(number))


def digest_vectors() -> dict[str, Any]:
    """Contexts, digests, leaf encoding, manifest root, key ids, tokens of subjects."""
    edges = [ledger_leaf(0), ledger_leaf(12), digests.Leaf(2**64 - 1, 2**63 - 1, 2**64 - 1, b"\xff" * 32)]
    manifests = [
        (0, digests.sha256(b""), []),
        (5, digests.sha256(b"hello"), [digests.sha256(b"hello")]),
        (digests.CHUNK_SIZE + 1, b"\x01" * 32, [b"\x02" * 32, b"\x03" * 32]),
    ]
    return {
        "letter": [
            {"header": data.hex(), "letter_digest": digests.letter_digest(data).hex()}
            for data in (b"\x00", b"header 0", bytes(range(256)))
        ],
        "content": [
            {"content": data.hex(), "content_digest": digests.content_digest(data).hex()}
            for data in (b"\x00", b"header 0", bytes(range(256)))
        ],
        "leaf": [
            {
                "position": str(leaf.position),
                "admitted_at_us": str(leaf.admitted_at_us),
                "common_version": str(leaf.common_version),
                "letter_digest": leaf.letter_digest.hex(),
                "encoding": leaf.encode().hex(),
                "leaf_hash": leaf.hash().hex(),
            }
            for leaf in edges
        ],
        "manifest": [
            {
                "size": str(size),
                "digest": digest.hex(),
                "chunks": [chunk.hex() for chunk in chunks],
                "root": digests.manifest_root(size, digest, chunks).hex(),
            }
            for size, digest, chunks in manifests
        ],
        "key_id": [
            {"department": "health.qinghe", "role": str(role), "public_key": key.hex(), "key_id": name}
            for role, key in ((keys.KeyRole.SIGN, PUBLIC["author"]), (keys.KeyRole.SEAL, b"\x09" * 32))
            for name in [keys.key_id("health.qinghe", role, key)]
        ],
        "subject_token": [
            {"key": key.hex(), "identifier": each, "token": subject_tokens.token(key, each).hex()}
            for key in (bytes(range(32)), b"\x09" * 32)
            for each in ("91330100MA27XL0B1C", "33010219900101123X")
        ],
    }


def batch_vectors() -> dict[str, Any]:
    """Author's proofs: leaves, roots, paths, signed bytes, signatures."""
    key_id = keys.key_id("health.qinghe", keys.KeyRole.SIGN, PUBLIC["author"])
    batches = []
    for size in (1, 2, 3, 5, 64):
        letters = [letter(number) for number in range(size)]
        tree = merkle.BatchTree([digests.batch_leaf(digest) for digest in letters])
        batches.append(
            {
                "letter_digests": [digest.hex() for digest in letters],
                "first_leaf": digests.batch_leaf(letters[0]).hex(),
                "root": tree.root.hex(),
                "message": digests.batch_message(1, key_id, size, tree.root).hex(),
                "signature": keys.sign_batch(PRIVATE["author"], key_id, size, tree.root).hex(),
                "paths": [[value.hex() for value in tree.path(index)] for index in range(size)],
            }
        )
    return {
        "suite": 1,
        "key_id": key_id,
        "private_key": SEEDS["author"].hex(),
        "public_key": PUBLIC["author"].hex(),
        "batches": batches,
    }


def ledger_vectors() -> dict[str, Any]:
    """Roots, right edges and the three kinds of proof over the ledger's leaves."""
    leaves = [ledger_leaf(number).hash() for number in range(max(SIZES))]
    trees = {size: merkle.RightEdge().append(leaves[:size]) for size in SIZES}

    def store(size: int) -> Callable[[int, int], bytes]:
        known = {(level, index): value for level, index, value in trees[size][1]}
        known |= {(0, index): leaf for index, leaf in enumerate(leaves[:size])}
        return lambda level, index: known[level, index]

    pairs = [(first, second) for second in SIZES for first in SIZES if 1 <= first <= second]
    places = [(0, 1), (0, 7), (3, 7), (6, 7), (7, 8), (12, 13), (63, 64), (50, 100), (99, 100)]
    return {
        "leaf_hashes": [leaf.hex() for leaf in leaves],
        "trees": [
            {"size": size, "root": edge.root.hex(), "right_edge": edge.encode().hex()}
            for size, (edge, _) in trees.items()
        ],
        "inclusion": [
            {
                "index": index,
                "size": size,
                "path": [value.hex() for value in merkle.inclusion_proof(index, size, store(size))],
            }
            for index, size in places
        ],
        "consistency": [
            {
                "first": first,
                "second": second,
                "path": [value.hex() for value in merkle.consistency_proof(first, second, store(second))],
            }
            for first, second in pairs
        ],
        "multiproof": [
            {
                "indices": list(indices),
                "size": size,
                "hashes": [value.hex() for value in merkle.multiproof(indices, size, store(size))],
            }
            for size in (7, 13, 100)
            for indices in INDICES
        ],
    }


def checkpoint_vectors() -> dict[str, Any]:
    """Signed heads of the ledger."""
    leaves = [ledger_leaf(number).hash() for number in range(max(SIZES))]
    heads = [
        checkpoint.Checkpoint(LOG, 1, 0, merkle.EMPTY_ROOT),
        checkpoint.Checkpoint(LOG, 1, 100, merkle.BatchTree(leaves).root),
        checkpoint.Checkpoint(LOG, 2, 13, merkle.BatchTree(leaves[:13]).root),
        # the same tree in the next epoch: another text, another signature
        checkpoint.Checkpoint(LOG, 2, 100, merkle.BatchTree(leaves).root),
    ]
    return {
        "private_key": SEEDS["registry"].hex(),
        "public_key": PUBLIC["registry"].hex(),
        "key_hash": checkpoint.note_key_hash(LOG, PUBLIC["registry"]).hex(),
        "heads": [
            {
                "log_id": head.log_id,
                "epoch": head.epoch,
                "size": head.size,
                "root": head.root.hex(),
                "note": checkpoint.sign_checkpoint(head, PRIVATE["registry"]),
            }
            for head in heads
        ],
    }


def assertion_vectors() -> dict[str, Any]:
    """Actor assertions, each with the time and content under which it is valid."""
    issued_at = datetime(2026, 8, 10, 9, 30, tzinfo=UTC)
    session = assertions.Claims(
        issuer="gateway.health.qinghe",
        subject="u-17",
        name="王芳",
        audience="health.qinghe",
        roles=("clerk", "section-head"),
        acr="pwd+otp",
        issued_at=issued_at,
        expires_at=issued_at + timedelta(minutes=5),
        token_id="01987c5e-0000-7000-8000-000000000001",
    )
    content = digests.content_digest(b"content")
    bound = {field: getattr(session, field) for field in ("issuer", "subject", "name", "audience", "acr")}
    bound |= {"issued_at": issued_at, "expires_at": issued_at + timedelta(seconds=60)}
    approval = assertions.Claims(
        **bound,
        roles=("leader-in-charge",),
        token_id="01987c5e-0000-7000-8000-000000000002",
        purpose=assertions.Purpose.APPROVE,
        content_digest=content,
        certificate="沪A-0001",
    )
    sending = assertions.Claims(
        **bound,
        roles=("system",),
        token_id="01987c5e-0000-7000-8000-000000000003",
        purpose=assertions.Purpose.SEND,
        content_digest=content,
        service=True,
    )
    tokens = [
        (claims, assertions.issue(PRIVATE["issuer"], claims)) for claims in (session, approval, sending)
    ]
    return {
        "private_key": SEEDS["issuer"].hex(),
        "public_key": PUBLIC["issuer"].hex(),
        "issuer": session.issuer,
        "audience": session.audience,
        "assertions": [
            {
                "token": token.decode(),
                "digest": digests.sha256(token).hex(),
                "purpose": claims.purpose.value,
                "content_digest": "" if claims.content_digest is None else claims.content_digest.hex(),
                "valid_at": int(claims.issued_at.timestamp()),
                "expired_at": int(claims.expires_at.timestamp()) + 30,
            }
            for claims, token in tokens
        ],
    }


VECTORS: dict[str, Callable[[], dict[str, Any]]] = {
    "digests.json": digest_vectors,
    "batch.json": batch_vectors,
    "ledger.json": ledger_vectors,
    "checkpoint.json": checkpoint_vectors,
    "assertions.json": assertion_vectors,
}


def render(vectors: dict[str, Any]) -> str:
    """The text of a file of vectors."""
    return json.dumps(vectors, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Writes every file."""
    for name, vectors in VECTORS.items():
        (FOLDER / name).write_text(render(vectors()), encoding="utf-8")


if __name__ == "__main__":
    main()
