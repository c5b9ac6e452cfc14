"""What people type becomes messages, or a complaint that names the option."""

import base64
from datetime import UTC
from pathlib import Path

import pytest
import typer
from liandong.cases.v1 import case_service_pb2 as pb

from services.cli import inputs
from services.cli.assertion import digest
from services.cli.enrol import issuer_key, read_issuers
from services.exchange import keys
from services.exchange.keys import KeyRole


@pytest.mark.parametrize(
    ("text", "ends_day", "instant"),
    [
        ("2026-02-25", False, "2026-02-24T16:00:00+00:00"),
        ("2026-02-25", True, "2026-02-25T16:00:00+00:00"),
        ("2026-02-25 09:30", False, "2026-02-25T01:30:00+00:00"),
        ("2026-02-25T09:30:00Z", True, "2026-02-25T09:30:00+00:00"),
    ],
)
def test_times_are_of_the_region(text: str, ends_day: bool, instant: str) -> None:
    """A date is its beginning, of a limit its end."""
    found = inputs.moment(text, option="--limit", ends_day=ends_day)
    assert found.ToDatetime(UTC).isoformat() == instant


def test_no_time_is_a_complaint() -> None:
    """With an example."""
    with pytest.raises(typer.BadParameter, match="2026-02-25 09:30"):
        inputs.moment("tomorrow", option="--limit")


@pytest.mark.parametrize(
    "body", ['{"discovery": {"title": "无证经营", "facts": "…"}}', '{"title": "无证经营", "facts": "…"}']
)
def test_a_body_is_named_or_its_acts(body: str) -> None:
    """By the name of its field, or by the act that it is for."""
    draft = pb.ActDraft(act="register", procedure="case-transfer")
    inputs.fill_body(draft, body)
    assert draft.discovery.title == "无证经营"


def test_a_body_comes_from_a_file(tmp_path: Path) -> None:
    """With an @ before its name."""
    file = tmp_path / "body.json"
    file.write_text('{"signed_by": "王芳"}', encoding="utf-8")
    draft = pb.ActDraft(act="sign-for")
    inputs.fill_body(draft, f"@{file}")
    assert draft.sign_for.signed_by == "王芳"


@pytest.mark.parametrize(
    ("act", "body", "said"),
    [
        ("register", '{"titel": "x"}', "titel"),
        ("register", "{", "JSON"),
        ("register", "[]", "JSON"),
        ("of-the-region", '{"title": "x", "facts": "y"}', "extension_body"),
    ],
)
def test_a_wrong_body_is_a_complaint(act: str, body: str, said: str) -> None:
    """That says what is wrong with it."""
    with pytest.raises(typer.BadParameter, match=said):
        inputs.fill_body(pb.ActDraft(act=act), body)


def test_a_party_has_a_role() -> None:
    """Role and department, nothing less."""
    found = inputs.party("receiver=market.qinghe")
    assert (found.role, found.department) == ("receiver", "market.qinghe")
    for wrong in ("receiver", "=market.qinghe", "receiver="):
        with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
            inputs.party(wrong)


def test_a_digest_is_hexadecimal_or_base64() -> None:
    """Both alphabets of Base64, with padding or without."""
    value = bytes(range(224, 256))
    forms = [
        value.hex(),
        base64.b64encode(value).decode(),
        base64.urlsafe_b64encode(value).decode().rstrip("="),
    ]
    assert [digest(each) for each in forms] == [value] * 3
    for wrong in ("", "00", "zz" * 32, "===="):
        with pytest.raises(typer.BadParameter):
            digest(wrong)


def test_an_issuers_key_is_read_in_any_form(tmp_path: Path) -> None:
    """PEM, raw, hexadecimal, Base64; a private key gives its public half."""
    key = keys.generate(KeyRole.SIGN)
    public = keys.public_key_bytes(key)
    keys.save_private_key(tmp_path / "pem", key)
    (tmp_path / "raw").write_bytes(public)
    (tmp_path / "hex").write_text(public.hex() + "\n", encoding="ascii")
    (tmp_path / "base64").write_bytes(base64.b64encode(public))
    assert {issuer_key(tmp_path / form) for form in ("pem", "raw", "hex", "base64")} == {public}
    (found,) = read_issuers([f"https://id.example/?a=b={tmp_path / 'pem'}"])
    assert found.issuer == "https://id.example/?a=b"


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """An issuer signs with Ed25519."""
    keys.save_private_key(tmp_path / "tls.key", keys.generate(KeyRole.TLS))
    for wrong in (f"name={tmp_path / 'tls.key'}", f"name={tmp_path / 'none'}", "name", "=file"):
        with pytest.raises(typer.BadParameter):
            read_issuers([wrong])
