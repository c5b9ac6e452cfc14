"""The feed of what was published."""

from xml.etree import ElementTree as ET

from liandong.cases.v1 import public_service_pb2 as pb

from services.gateway.web.public_feed import Item, atom

SPACE = {"a": "http://www.w3.org/2005/Atom"}


def published(letter_id: str, title: str, seconds: int) -> pb.Published:
    found = pb.Published(letter_id=letter_id, kind=pb.PUBLISHED_KIND_TEXT, title=title)
    found.published_at.FromSeconds(seconds)
    return found


def test_the_feed_has_an_entry_for_each_with_what_atom_asks_for() -> None:
    """Id, title and time; the feed is as new as its newest entry; what is no text of XML is left out."""
    entries = [
        Item(published("1", "", 1_770_000_000), "text", "公开文件", "一 <b>&\x00", "甲局"),
        Item(published("2", "", 1_760_000_000), "draw", "抽取结果", "抽取结果", ""),
    ]
    root = ET.fromstring(atom("https://x.example", "标题", entries))
    found = root.findall("a:entry", SPACE)
    assert [each.findtext("a:title", namespaces=SPACE) for each in found] == ["一 <b>&", "抽取结果"]
    assert [each.findtext("a:id", namespaces=SPACE) for each in found] == ["urn:uuid:1", "urn:uuid:2"]
    assert root.findtext("a:updated", namespaces=SPACE) == found[0].findtext("a:updated", namespaces=SPACE)
    assert all(each.find("a:link", SPACE) is not None for each in found)
    assert found[0].findtext("a:author/a:name", namespaces=SPACE) == "甲局"


def test_an_empty_feed_is_a_feed() -> None:
    """With a time of its own."""
    root = ET.fromstring(atom("https://x.example", "标题", []))
    assert root.findtext("a:updated", namespaces=SPACE)
