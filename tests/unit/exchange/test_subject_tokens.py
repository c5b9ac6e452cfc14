"""Tokens of subjects."""

import hmac
from pathlib import Path

import pytest

from services.exchange.subject_tokens import SubjectKeys, SubjectKeysInvalid, add_version, token

KEY, NEWER = bytes(range(32)), bytes(32)


def test_a_token_is_over_context_and_identifier() -> None:
    """As docs/wire.md writes it, so that others compute the same."""
    expected = hmac.new(KEY, b"liandong/subject/v1\x0091330100MA27XL0B1C", "sha256").digest()
    assert token(KEY, " 91330100ma27xl0b1c ") == expected
    assert expected.hex() == "6d7ecd26017f6c76d63cfe872d00fed1dfecaa0ecdddd82f881f0c9940d32c60"


def test_the_newest_key_makes_tokens_and_all_are_asked_with() -> None:
    """A case keeps the token that it was opened with."""
    keys = SubjectKeys({1: KEY, 2: NEWER})
    assert keys.tokens(["A", "", "A"]) == [token(NEWER, "A")]
    assert keys.every_token("A") == [token(KEY, "A"), token(NEWER, "A")]
    assert SubjectKeys().tokens(["A"]) == []


def test_a_file_of_keys_grows_by_versions(tmp_path: Path) -> None:
    """Readable by its owner alone, and never more than is held at once."""
    path = tmp_path / "subject.keys"
    assert SubjectKeys.load(path).version == 0
    assert [add_version(path) for _ in range(4)] == [1, 2, 3, 4]
    assert path.stat().st_mode & 0o077 == 0
    assert len(set(SubjectKeys.load(path).versions.values())) == 4
    with pytest.raises(SubjectKeysInvalid):
        add_version(path)


@pytest.mark.parametrize(
    "text", ["1", "x " + "00" * 32, "1 zz", "1 00", "0 " + "00" * 32, f"1 {'00' * 32}\n1 {'11' * 32}"]
)
def test_a_malformed_file_is_refused(tmp_path: Path, text: str) -> None:
    """Instead of making tokens that nobody else makes."""
    path = tmp_path / "subject.keys"
    path.write_text(text, encoding="ascii")
    with pytest.raises(SubjectKeysInvalid):
        SubjectKeys.load(path)
