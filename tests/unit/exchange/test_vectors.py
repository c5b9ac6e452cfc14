"""The golden vectors, checked as an implementation in another language would check itself."""

import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.exchange import assertions, checkpoint, digests, keys, merkle
from tests.vectors import make

FOLDER = Path(__file__).parents[2] / "vectors"


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def hashes(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in values]


@pytest.mark.parametrize("name", make.VECTORS)
def test_the_code_still_writes_the_same_vectors(name: str) -> None:
    """What differs here breaks the wire."""
    assert make.render(make.VECTORS[name]()) == (FOLDER / name).read_text(encoding="utf-8")


def test_digests_are_those_of_the_vectors() -> None:
    """Letters, contents, leaves, manifests, key ids, tokens of subjects."""
    vectors = read("digests.json")
    for case in vectors["letter"]:
        assert digests.letter_digest(bytes.fromhex(case["header"])).hex() == case["letter_digest"]
    for case in vectors["content"]:
        assert digests.content_digest(bytes.fromhex(case["content"])).hex() == case["content_digest"]
    for case in vectors["leaf"]:
        leaf = digests.decode_leaf(bytes.fromhex(case["encoding"]))
        assert str(leaf.position) == case["position"]
        assert str(leaf.admitted_at_us) == case["admitted_at_us"]
        assert str(leaf.common_version) == case["common_version"]
        assert leaf.letter_digest.hex() == case["letter_digest"]
        assert leaf.hash().hex() == case["leaf_hash"]
    for case in vectors["manifest"]:
        root = digests.manifest_root(int(case["size"]), bytes.fromhex(case["digest"]), hashes(case["chunks"]))
        assert root.hex() == case["root"]
    for case in vectors["key_id"]:
        public = bytes.fromhex(case["public_key"])
        assert keys.key_id(case["department"], keys.KeyRole(case["role"]), public) == case["key_id"]
    for case in vectors["subject_token"]:
        message = b"liandong/subject/v1\0" + case["identifier"].encode()
        assert hmac.new(bytes.fromhex(case["key"]), message, "sha256").hexdigest() == case["token"]


def test_batches_are_proved_by_the_vectors() -> None:
    """Each letter alone leads to the root, and the root is signed."""
    vectors = read("batch.json")
    public = bytes.fromhex(vectors["public_key"])
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(vectors["private_key"]))
    assert keys.public_key_bytes(private) == public
    for case in vectors["batches"]:
        leaves = [digests.batch_leaf(digest) for digest in hashes(case["letter_digests"])]
        root = bytes.fromhex(case["root"])
        assert leaves[0].hex() == case["first_leaf"]
        assert merkle.BatchTree(leaves).root == root
        for index, path in enumerate(case["paths"]):
            merkle.verify_inclusion(leaves[index], index, len(leaves), hashes(path), root)
        signature = bytes.fromhex(case["signature"])
        private.public_key().verify(signature, bytes.fromhex(case["message"]))
        keys.verify_batch(public, vectors["key_id"], len(leaves), root, signature, suite=vectors["suite"])


def test_the_ledger_is_proved_by_the_vectors() -> None:
    """Roots, inclusion, consistency and multiproofs."""
    vectors = read("ledger.json")
    leaves = hashes(vectors["leaf_hashes"])
    roots = {tree["size"]: bytes.fromhex(tree["root"]) for tree in vectors["trees"]}
    for tree in vectors["trees"]:
        assert merkle.RightEdge.decode(bytes.fromhex(tree["right_edge"])).root == roots[tree["size"]]
        assert merkle.BatchTree(leaves[: tree["size"]]).root == roots[tree["size"]]
    for case in vectors["inclusion"]:
        index, size = case["index"], case["size"]
        merkle.verify_inclusion(leaves[index], index, size, hashes(case["path"]), roots[size])
    for case in vectors["consistency"]:
        first, second = case["first"], case["second"]
        merkle.verify_consistency(first, roots[first], second, roots[second], hashes(case["path"]))
    for case in vectors["multiproof"]:
        held = {index: leaves[index] for index in case["indices"]}
        merkle.verify_multiproof(held, case["size"], hashes(case["hashes"]), roots[case["size"]])


def test_heads_are_signed_as_in_the_vectors() -> None:
    """Text, key hash and signature."""
    vectors = read("checkpoint.json")
    public = bytes.fromhex(vectors["public_key"])
    for case in vectors["heads"]:
        head = checkpoint.verify_checkpoint(case["note"], case["log_id"], [public])
        assert (head.epoch, head.size, head.root.hex()) == (case["epoch"], case["size"], case["root"])
        (line,) = checkpoint.parse_checkpoint(case["note"]).signatures
        assert line.key_hash.hex() == vectors["key_hash"]
    # one tree in two epochs: the number is part of what is signed
    first, second = [case for case in vectors["heads"] if case["size"] == 100]
    assert (first["root"], first["epoch"], second["epoch"]) == (second["root"], 1, 2)
    assert first["note"].partition("\n\n")[2] != second["note"].partition("\n\n")[2]


def test_assertions_of_the_vectors_are_valid_until_they_expire() -> None:
    """Signature, claims, binding to content, time."""
    vectors = read("assertions.json")
    issuers = {vectors["issuer"]: bytes.fromhex(vectors["public_key"])}
    verifier = assertions.Verifier(issuers, vectors["audience"])
    for case in vectors["assertions"]:
        content = bytes.fromhex(case["content_digest"]) or None
        purpose = assertions.Purpose(case["purpose"])
        valid_at = datetime.fromtimestamp(case["valid_at"], UTC)
        assertion = verifier.verify(case["token"], valid_at, content, purpose)
        assert assertion.digest.hex() == case["digest"]
        with pytest.raises(assertions.ActorExpired):
            verifier.verify(case["token"], datetime.fromtimestamp(case["expired_at"], UTC))
