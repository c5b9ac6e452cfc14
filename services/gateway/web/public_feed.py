"""The feed of what was published (RFC 4287)."""

from __future__ import annotations

from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

from liandong.cases.v1 import public_service_pb2 as pb

from services.gateway.web.filters import at

_ATOM: Final = "http://www.w3.org/2005/Atom"


class Item(NamedTuple):
    """A publication as the feed shows it: its kind as programs and as people call it, its headline, its department."""

    published: pb.Published
    kind: str
    word: str
    headline: str
    author: str


def atom(base: str, title: str, items: list[Item]) -> bytes:
    """A feed of publications."""
    ET.register_namespace("", _ATOM)
    root = ET.Element(f"{{{_ATOM}}}feed")

    def add(parent: ET.Element, name: str, text: str = "", **more: str) -> ET.Element:
        made = ET.SubElement(parent, f"{{{_ATOM}}}{name}", more)
        made.text = "".join(each for each in text if each.isprintable()) or None
        return made

    add(root, "id", f"{base}/public")
    add(root, "title", title)
    add(root, "link", rel="self", href=f"{base}/public/feed.xml")
    add(root, "link", rel="alternate", href=f"{base}/public")
    newest = max(items, key=lambda each: each.published.published_at.seconds, default=None)
    add(root, "updated", _time(newest.published if newest else pb.Published()))
    for each in items:
        entry = add(root, "entry")
        add(entry, "id", f"urn:uuid:{each.published.letter_id}")
        add(entry, "title", each.headline)
        add(entry, "updated", _time(each.published))
        if each.author:
            add(add(entry, "author"), "name", each.author)
        add(entry, "category", term=each.kind, label=each.word)
        add(entry, "link", rel="alternate", href=f"{base}/public/items/{each.published.letter_id}")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _time(each: pb.Published) -> str:
    moment = at(each.published_at)
    return moment.isoformat(timespec="seconds") if moment else "1970-01-01T00:00:00+00:00"
