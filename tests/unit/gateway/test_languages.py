"""Which language is spoken to whom."""

import pytest

from services.gateway.languages import Language, choose


@pytest.mark.parametrize(
    ("asked", "accepted", "expected"),
    [
        (None, None, "zh"),
        (None, "", "zh"),
        (None, "en-GB,en;q=0.9", "en"),
        (None, "en;q=0.3, zh-CN;q=0.8", "zh"),
        (None, "fr, de;q=0.9", "zh"),
        (None, "en;q=0", "zh"),
        (None, "en;q=nan, zh;q=0.1", "zh"),
        (None, "en;q=much", "zh"),
        (None, "EN-us", "en"),
        ("en", "zh-CN", "en"),
        ("zh", "en", "zh"),
        ("fr", "en", "en"),
        ("", None, "zh"),
    ],
)
def test_the_address_wins_over_the_browser(
    asked: str | None, accepted: str | None, expected: Language
) -> None:
    """First `?lang=`, then the browser's order by weight, then the setting."""
    assert choose(asked, accepted, "zh") == expected


def test_a_setting_decides_for_browsers_that_ask_for_neither() -> None:
    """The fallback is the operator's."""
    assert choose(None, "fr", "en") == "en"
