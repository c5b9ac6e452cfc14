"""Browsers by the names that people know."""

import pytest

from services.gateway.web.agents import named

_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4"
_KIT = "AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (
            f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_KIT} Chrome/156.0.0.0 Safari/537.36",
            "Chrome 156 · Windows",
        ),
        (
            f"Mozilla/5.0 (X11; Linux x86_64) {_KIT} HeadlessChrome/156.0.8078.79 Safari/537.36",
            "Chrome 156 · Linux",
        ),
        (
            f"Mozilla/5.0 (Windows NT 6.1) {_KIT} Chrome/109.0.0.0 Safari/537.36 Edg/109.0.1518",
            "Edge 109 · Windows",
        ),
        (
            f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) {_APPLE} Mobile/15E148 Safari/604.1",
            "Safari 17 · iPhone",
        ),
        (
            f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_APPLE} Safari/605.1.15",
            "Safari 17 · macOS",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox 128 · Linux"),
        (
            f"Mozilla/5.0 (Linux; Android 14; V2183A) {_KIT} Chrome/116.0.0.0 Mobile Safari/537.36 MicroMessenger/8.0.47",
            "WeChat 8 · Android",
        ),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("x" * 500, "x" * 60),
        ("", ""),
    ],
)
def test_a_browser_is_named(agent: str, name: str) -> None:
    """Browser, version and system; what is none of the known is left as it is, short."""
    assert named(agent) == name
