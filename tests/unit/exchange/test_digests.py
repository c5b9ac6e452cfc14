import hashlib

import pytest

from services.exchange import digests


def test_every_context_is_distinct_and_ends_with_a_zero_byte() -> None:
    """No context is the beginning of another, so no bytes can be read under two of them."""
    contexts = [value for name, value in vars(digests).items() if name.endswith("_CONTEXT")]

    assert len(set(contexts)) == len(contexts) == 6
    assert all(context.endswith(b"\0") and context.count(b"\0") == 1 for context in contexts)


def test_a_letter_digest_is_the_hash_of_context_and_header() -> None:
    """The digest is over the exact header bytes behind the context."""
    expected = hashlib.sha256(b"liandong/letter/v1\0" + b"header").digest()

    assert digests.letter_digest(b"header") == expected


def test_the_same_bytes_have_another_digest_under_each_context() -> None:
    """A header shown as content, or as a bare file, is not recognised."""
    seen = {digests.letter_digest(b"x"), digests.content_digest(b"x"), digests.sha256(b"x")}

    assert len(seen) == 3


def test_a_leaf_decodes_to_what_was_encoded() -> None:
    """The encoding loses nothing, at the ends of its ranges too."""
    leaf = digests.Leaf(2**64 - 1, 2**63 - 1, 2**64 - 1, b"\xff" * 32)

    assert len(leaf.encode()) == 73
    assert digests.decode_leaf(leaf.encode()) == leaf
    assert leaf.hash() == hashlib.sha256(b"\0" + leaf.encode()).digest()


@pytest.mark.parametrize("change", [b"", b"\0" * 73, b"liandong/leaf/v1\0" + b"\0" * 55])
def test_other_bytes_are_no_leaf(change: bytes) -> None:
    """Wrong length or context is refused."""
    with pytest.raises(ValueError, match="no encoded leaf"):
        digests.decode_leaf(change)


@pytest.mark.parametrize("digest", [b"", b"\0" * 31, b"\0" * 33])
def test_a_digest_of_another_length_is_never_padded(digest: bytes) -> None:
    """Padding would let two different inputs share an encoding."""
    with pytest.raises(ValueError, match="32 bytes"):
        digests.encode_leaf(0, 0, 0, digest)
    with pytest.raises(ValueError, match="32 bytes"):
        digests.batch_leaf(digest)
    with pytest.raises(ValueError, match="32 bytes"):
        digests.batch_message(1, "a.b/sign/00000000", 1, digest)


@pytest.mark.parametrize("key_id", ["", "x" * 201])
def test_a_key_id_that_does_not_fit_is_refused(key_id: str) -> None:
    """The length of the key id is one byte and at most 200."""
    with pytest.raises(ValueError, match="key id"):
        digests.batch_message(1, key_id, 1, b"\0" * 32)


def test_a_batch_message_holds_suite_key_size_and_root() -> None:
    """Never a bare root: every part that a verifier relies on is signed."""
    assert digests.batch_message(1, "k", 3, b"\7" * 32) == (
        b"liandong/batch/v1\0" + b"\1" + b"\1k" + b"\0\0\0\0\0\0\0\3" + b"\7" * 32
    )


@pytest.mark.parametrize(
    ("size", "chunks"), [(0, 0), (1, 1), (digests.CHUNK_SIZE, 1), (digests.CHUNK_SIZE + 1, 2)]
)
def test_a_manifest_has_one_chunk_per_eight_mebibytes(size: int, chunks: int) -> None:
    """Only the last chunk is shorter; an empty file has none."""
    root = digests.manifest_root(size, b"\1" * 32, [b"\2" * 32] * chunks)

    expected = b"liandong/manifest/v1\0" + size.to_bytes(8) + b"\1" * 32 + b"\2" * 32 * chunks
    assert root == hashlib.sha256(expected).digest()


@pytest.mark.parametrize(
    ("size", "digest", "chunks", "field"),
    [
        (1, b"\1" * 32, [], "manifest.chunks"),
        (0, b"\1" * 32, [b"\2" * 32], "manifest.chunks"),
        (1, b"\1" * 31, [b"\2" * 32], "manifest.digest"),
        (1, b"\1" * 32, [b"\2" * 33], "manifest.chunks"),
        (digests.MAX_EVIDENCE_SIZE + 1, b"\1" * 32, [b"\2" * 32], "manifest.size"),
        (-1, b"\1" * 32, [], "manifest.size"),
    ],
)
def test_an_inconsistent_manifest_has_no_root(
    size: int, digest: bytes, chunks: list[bytes], field: str
) -> None:
    """Sizes, counts and lengths are checked before anything is hashed."""
    with pytest.raises(digests.ManifestInvalid) as refusal:
        digests.manifest_root(size, digest, chunks)

    assert (refusal.value.reason, refusal.value.field) == ("MANIFEST_INVALID", field)
