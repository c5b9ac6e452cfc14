"""The form on which the public complains: words that are fresh once, what is typed, what is a photograph."""

import base64
from datetime import timedelta

import pytest

from services.gateway.web import intake_form
from services.gateway.web.intake_form import Freshness, NotFresh, TooFast
from tests.builders.hostile import TEXTS
from tests.unit.procedures.deadline_samples import at

MOMENT = at("2026-03-02 10:00")
WORDS = Freshness(b"k" * 32)


def test_a_word_says_which_form_it_is_and_no_two_are_alike() -> None:
    """Whenever it is shown again; another form has another."""
    word = WORDS.word(MOMENT)
    first = WORDS.check(word, MOMENT + timedelta(seconds=5))
    assert WORDS.check(word, MOMENT + timedelta(hours=11)) == first
    assert WORDS.check(WORDS.word(MOMENT), MOMENT + timedelta(seconds=5)) != first


def test_a_word_is_neither_too_young_nor_too_old() -> None:
    """Nobody fills in a form in a second; one that was left open over night is shown again; none is of tomorrow."""
    word = WORDS.word(MOMENT)
    with pytest.raises(TooFast):
        WORDS.check(word, MOMENT + timedelta(seconds=1))
    for moment in (MOMENT + timedelta(hours=13), MOMENT - timedelta(minutes=1)):
        with pytest.raises(NotFresh):
            WORDS.check(word, moment)


@pytest.mark.parametrize("said", ["", "x", "中文", "é", "A" * 54, "A" * 10_000, *TEXTS.values()])
def test_what_is_no_word_of_ours_is_refused(said: str) -> None:
    """Whatever it is."""
    with pytest.raises(NotFresh):
        WORDS.check(said, MOMENT)


def test_a_word_with_any_flipped_bit_is_refused() -> None:
    """And one of another key."""
    word = base64.urlsafe_b64decode(WORDS.word(MOMENT))
    moment = MOMENT + timedelta(seconds=5)
    for index in range(len(word) * 8):
        flipped = bytearray(word)
        flipped[index // 8] ^= 1 << index % 8
        with pytest.raises(NotFresh):
            WORDS.check(base64.urlsafe_b64encode(flipped).decode(), moment)
    with pytest.raises(NotFresh):
        WORDS.check(Freshness(b"l" * 32).word(MOMENT), moment)


def test_what_was_typed_is_kept_and_what_cannot_be_seen_is_not() -> None:
    """Line ends as everywhere; no direction marks, no zeros; what is no field of the form is left out."""
    values = intake_form.typed(
        {"facts": " 一\r\n二\u202e\x00 ", "place": object(), "may_pass_contact_on": "1", "role": "admin"}
    )
    assert values["facts"] == "一\n二"
    assert (values["place"], values["may_pass_contact_on"]) == ("", "1")
    assert "role" not in values
    request = intake_form.request_of(values, "01", "public-1")
    assert request.may_pass_contact_on
    assert intake_form.wrong_in(request, "zh") == {}


def test_what_breaks_a_rule_is_said_at_its_field() -> None:
    """In the page's language, all of it at once."""
    values = intake_form.typed({"place": "长" * 301, "contact_phone": "call me"})
    for language in ("zh", "en"):
        wrong = intake_form.wrong_in(intake_form.request_of(values, "01", "public-1"), language)
        assert set(wrong) == {"facts", "place", "contact_phone"}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(20), "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"GIF89a", ""),
        (b"%PDF-1.7", ""),
        (b"<svg onload=alert(1)>", ""),
        (b"PK\x03\x04", ""),
        (b"", ""),
    ],
)
def test_a_photograph_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    """Nothing that a browser might run."""
    assert intake_form.photograph_kind(head) == kind
