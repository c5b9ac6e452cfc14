"""What somebody with bad intentions types, and how to see that it stayed text.

Every field that people write and every page that shows it is tried with `TEXTS`, every upload with `FILE_NAMES`. A
payload that runs would set `window.hostile`; `runs` reads a page's source for what must not be in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final

MARK: Final = "hostile"
"""In every payload: a page that shows one shows this, too."""

TEXTS: Final[Mapping[str, str]] = {
    "element": f"<script>window.{MARK}=1</script>",
    "image": f"<img src=x onerror=window.{MARK}=1>",
    "attribute": f'" autofocus onfocus="window.{MARK}=1',
    "single quote": f"' onmouseover='window.{MARK}=1",
    "out of a text area": f"</textarea><svg onload=window.{MARK}=1>",
    "out of a title": f"</title><script>window.{MARK}=1</script>",
    "out of a comment": f"--><script>window.{MARK}=1</script><!--",
    "link": f"javascript:window.{MARK}=1",
    "data link": f"data:text/html,<script>window.{MARK}=1</script>",
    "template": "{{7*191}}{% for x in range(3) %}hostile{% endfor %}${7*191}#{7*191}",
    "entity": f"&lt;script&gt;window.{MARK}=1&lt;/script&gt;",
    "halves": f"<<script>script>window.{MARK}=1<</script>/script>",
    "htmx": f"<div hx-get=/logout hx-trigger=load data-hx-on:load=window.{MARK}=1>{MARK}</div>",
    "style": f"<style>*{{background:url(//evil.example/{MARK})}}</style>",
    "right to left": f"\u202egnp.exe\u202c {MARK}",
    "wide": f"＜script＞window.{MARK}=1＜/script＞",
    "formula": f'=HYPERLINK("//evil.example","{MARK}")',
    "sql": f"'; DROP TABLE accounts; -- {MARK}",
    "header": f"{MARK}\r\nSet-Cookie: {MARK}=1",
}
"""By what they try."""

FILE_NAMES: Final[Mapping[str, str]] = {
    "path": f"../../../../etc/{MARK}",
    "windows path": f"..\\..\\{MARK}.pdf",
    "absolute": f"/etc/{MARK}",
    "element": f"<img src=x onerror=window.{MARK}=1>.pdf",
    "quote": f'"; filename="{MARK}.html',
    "header": f"{MARK}\r\nContent-Type: text/html",
    "long": MARK + "长" * 300 + ".pdf",
    "only dots": "..",
    "device": f"CON.{MARK}",
    "script": f"{MARK}.html",
    "picture with script": f"{MARK}.svg",
}
"""Likewise; what a file is called says nothing of what it holds."""

PLACES: Final = (
    "https://evil.example/", "//evil.example/", "///evil.example/", "/\\evil.example/", "\\\\evil.example/",
    "/\t/evil.example/", "/\n/evil.example", "https:evil.example", "javascript:alert(1)", "data:text/html,x",
    "/%0d%0aSet-Cookie:%20x=1\r\nSet-Cookie: x=1", "http://user@evil.example/", "evil.example", ".//evil.example",
    "/\u2028/evil.example",
)  # fmt: skip
"""Where `next=` must not lead."""

_LINKS: Final = frozenset(
    {"href", "src", "action", "formaction", "xlink:href", "data", "srcdoc", "hx-get", "hx-post"}
)
_ACTIVE: Final = frozenset({"script", "style", "svg", "iframe", "object", "embed", "base", "meta", "link"})
_COMPUTED: Final = str(7 * 191)


class _Reader(HTMLParser):
    """Reads a page as a browser does, and keeps what would run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in {"script", "style"} else self._inside
        for name, value in attrs:
            told = (value or "").strip().lower()
            if name.startswith(("on", "hx-on", "data-hx-on")):
                self.found.append(f"<{tag} {name}>")
            if name in _LINKS and told.startswith(
                ("javascript:", "vbscript:", "data:text", "//evil", "https://evil")
            ):
                self.found.append(f"<{tag} {name}={told[:60]}>")
            if tag in _ACTIVE and MARK in told:
                self.found.append(f"<{tag} {name}={told[:60]}>")

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside and MARK in data:
            self.found.append(f"<{self._inside}>{data[:60]}")
        if _COMPUTED in data:
            self.found.append(_COMPUTED)


def runs(source: str) -> list[str]:
    """What of a page's source would run, or was computed; empty for a page that shows payloads as text."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return reader.found
