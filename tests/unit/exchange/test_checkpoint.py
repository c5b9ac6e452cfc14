import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from services.exchange.checkpoint import (
    Checkpoint,
    CheckpointInvalid,
    ForeignCheckpoint,
    note_key_hash,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from services.exchange.keys import BadSignature, public_key_bytes

LOG = "liandong.qinghe"
KEY = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"\2" * 32)
PUBLIC = public_key_bytes(KEY)
HEAD = Checkpoint(LOG, 2, 10_000_000, b"\7" * 32)
NOTE = sign_checkpoint(HEAD, KEY)


def signature_line(note: str) -> str:
    return note.rpartition("\n\n")[2]


def test_key_hash_and_text_are_those_of_the_go_note_package() -> None:
    """The published sample of golang.org/x/mod/sumdb/note, made by another implementation."""
    public = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    line = base64.b64decode(
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"

    assert note_key_hash("PeterNeumann", public).hex() == "c74f20a3" == line[:4].hex()
    Ed25519PublicKey.from_public_bytes(public).verify(line[4:], text.encode())


def test_a_head_is_a_note_of_origin_size_root_and_epoch() -> None:
    """The form is C2SP tlog-checkpoint with one extension line."""
    text, _, line = NOTE.partition("\n\n")

    assert text == f"{LOG}\n10000000\n{base64.b64encode(HEAD.root).decode()}\nepoch 2"
    assert line.startswith(f"\u2014 {LOG} ")
    assert line.endswith("\n")


def test_a_signed_head_verifies_and_is_read_back() -> None:
    """Under any of the keys that the ledger may use."""
    assert verify_checkpoint(NOTE, LOG, [public_key_bytes(OTHER), PUBLIC]) == HEAD
    assert parse_checkpoint(NOTE).checkpoint == HEAD
    assert sign_checkpoint(HEAD, KEY) == NOTE


def test_the_epoch_is_signed() -> None:
    """The origin stays the ledger's name; one tree in two epochs is two texts, and neither signs the other."""
    before = sign_checkpoint(Checkpoint(LOG, 1, HEAD.size, HEAD.root), KEY)
    assert parse_checkpoint(before).text.splitlines()[:3] == parse_checkpoint(NOTE).text.splitlines()[:3]
    moved = (
        parse_checkpoint(before).text.decode().replace("epoch 1", "epoch 2") + "\n" + signature_line(before)
    )
    assert parse_checkpoint(moved).checkpoint == HEAD
    with pytest.raises(BadSignature):
        verify_checkpoint(moved, LOG, [PUBLIC])


def test_an_empty_ledger_has_a_head() -> None:
    """Size 0 is written as 0."""
    head = Checkpoint(LOG, 1, 0, b"\0" * 32)

    assert verify_checkpoint(sign_checkpoint(head, KEY), LOG, [PUBLIC]) == head


def test_signatures_of_witnesses_are_ignored() -> None:
    """Lines by unknown names or keys neither help nor harm."""
    witness = signature_line(sign_checkpoint(HEAD, OTHER))
    renamed = signature_line(NOTE).replace(LOG, "witness.example/1")

    assert verify_checkpoint(NOTE + witness + renamed, LOG, [PUBLIC]) == HEAD
    assert len(parse_checkpoint(NOTE + witness + renamed).signatures) == 3


def test_a_head_that_no_known_key_signed_is_refused() -> None:
    """Another key, or the right key under another name."""
    with pytest.raises(BadSignature):
        verify_checkpoint(NOTE, LOG, [public_key_bytes(OTHER)])
    with pytest.raises(BadSignature):
        verify_checkpoint(NOTE, LOG, [])
    with pytest.raises(BadSignature):
        verify_checkpoint(NOTE.replace(f"\u2014 {LOG}", "\u2014 other.qinghe"), LOG, [PUBLIC])


def test_one_false_signature_of_a_known_key_spoils_the_note() -> None:
    """signed-note, "Signatures": a known key's signature must verify."""
    false = signature_line(sign_checkpoint(Checkpoint(LOG, 2, 1, b"\7" * 32), OTHER))

    with pytest.raises(BadSignature):
        verify_checkpoint(NOTE + false, LOG, [PUBLIC, public_key_bytes(OTHER)])


def test_a_head_of_another_ledger_is_foreign() -> None:
    """The origin is the ledger's name."""
    with pytest.raises(ForeignCheckpoint):
        verify_checkpoint(NOTE, "liandong.other", [PUBLIC])


def test_a_note_with_any_changed_character_fails() -> None:
    """Text and signature are bound; what is no longer a checkpoint is malformed."""
    for place, character in enumerate(NOTE):
        changed = NOTE[:place] + ("A" if character != "A" else "B") + NOTE[place + 1 :]
        with pytest.raises((CheckpointInvalid, ForeignCheckpoint, BadSignature)):
            verify_checkpoint(changed, LOG, [PUBLIC])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n10000000\n", "\n010000000\n"),
        ("\n10000000\n", "\n+10000000\n"),
        ("\n10000000\n", "\n-1\n"),
        ("\n10000000\n", "\n１\n"),
        ("\n10000000\n", "\n10000000\r\n"),
        ("epoch 2", "epoch 0"),
        ("epoch 2", "epoch 02"),
        ("epoch 2", "epoch"),
        ("epoch 2\n", ""),
        ("epoch 2\n", "\nepoch 2\n"),
        ("Bwc=\n", "Bwd=\n"),
        ("Bwc=\n", "\n"),
        ("BwcHBwc=\n", "Bwc=\n"),
        ("\u2014 ", "-- "),
        (f"\u2014 {LOG} ", "\u2014  "),
        (f"\u2014 {LOG} ", "\u2014 a+b "),
        (NOTE[NOTE.index("\n\n") :], "\n"),
        (NOTE[NOTE.index("\n\n") :], f"\n\n\u2014 {LOG} AAAA\n"),
        (NOTE[NOTE.index("\n\n") :], "\n\n" + signature_line(NOTE) * 65),
        (NOTE[-1:], ""),
        (NOTE, ""),
        (NOTE, "a\n1\n\n\u2014 a AAAAAAAA\n"),
    ],
)
def test_other_text_is_no_checkpoint(old: str, new: str) -> None:
    """Numbers and Base64 have one spelling, lines are complete, the epoch is named."""
    assert old in NOTE
    changed = NOTE[: -len(old)] + new if NOTE.endswith(old) else NOTE.replace(old, new, 1)
    with pytest.raises(CheckpointInvalid) as refusal:
        parse_checkpoint(changed)

    assert refusal.value.reason == "MALFORMED"


def test_an_oversized_note_is_not_read() -> None:
    """The limit stands before any other work."""
    with pytest.raises(CheckpointInvalid):
        parse_checkpoint("x" * 200_000)


@pytest.mark.parametrize(
    "head",
    [
        Checkpoint("", 1, 0, b"\0" * 32),
        Checkpoint("a b", 1, 0, b"\0" * 32),
        Checkpoint("a+b", 1, 0, b"\0" * 32),
        Checkpoint(LOG, 0, 0, b"\0" * 32),
        Checkpoint(LOG, 1, -1, b"\0" * 32),
        Checkpoint(LOG, 1, 0, b"\0" * 31),
    ],
)
def test_what_cannot_be_read_back_is_not_signed(head: Checkpoint) -> None:
    """A registry with a wrong setting stops here, not at its readers."""
    with pytest.raises(ValueError, match=r".+"):
        sign_checkpoint(head, KEY)
