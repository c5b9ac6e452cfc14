"""What of WordprocessingML the library has no words for: rules of paragraphs, frames, fields."""

from __future__ import annotations

from typing import Any, Final

from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt

from services.documents.model import SIZE_4
from services.documents.pages import WIDTH

TWIPS: Final = 20
"""In a point."""
_DIGITS: Final = "Times New Roman"


def border(target: Any, edge: str, kind: str, eighths: int, space: int, *, red: bool = False) -> None:
    """A rule above or below a paragraph, in eighths of a point and points."""
    properties = target._p.get_or_add_pPr()  # noqa: SLF001 - the library offers no borders
    borders = properties.find(qn("w:pBdr"))
    if borders is None:
        borders = OxmlElement("w:pBdr")
        properties.insert_element_before(
            borders, "w:shd", "w:tabs", "w:suppressAutoHyphens", "w:kinsoku", "w:wordWrap", "w:snapToGrid",
            "w:spacing", "w:ind", "w:jc", "w:rPr",
        )  # fmt: skip
    rule = OxmlElement(f"w:{edge}")
    for name, value in (
        ("val", kind), ("sz", eighths), ("space", space), ("color", "E60012" if red else "000000"),
    ):  # fmt: skip
        rule.set(qn(f"w:{name}"), str(value))
    borders.append(rule)


def switched_off(name: str) -> Any:
    """An element that says no."""
    element = OxmlElement(name)
    element.set(qn("w:val"), "0")
    return element


def frame(target: Any, **places: object) -> None:
    """Take a paragraph out of the flow and put it into a frame on a place of the page."""
    box = OxmlElement("w:framePr")
    for name, value in {"w": round(WIDTH * TWIPS), "wrap": "notBeside", **places}.items():
        box.set(qn(f"w:{name}"), str(value))
    properties = target._p.get_or_add_pPr()  # noqa: SLF001
    properties.insert_element_before(
        box, "w:widowControl", "w:pBdr", "w:tabs", "w:snapToGrid", "w:spacing", "w:ind", "w:jc", "w:rPr"
    )


def field(target: Any, code: str) -> None:
    """A field such as the page's number, with a text that stands there until it is computed."""
    for kind, text in (("begin", ""), ("", code), ("separate", ""), ("text", "1"), ("end", "")):
        run = target.add_run()
        run.font.size = Pt(SIZE_4)
        run.font.name = _DIGITS
        if kind == "text":
            run.text = text
            continue
        element = OxmlElement("w:fldChar" if kind else "w:instrText")
        if kind:
            element.set(qn("w:fldCharType"), kind)
        else:
            element.text = text
        run._r.append(element)  # noqa: SLF001


def floating(run: Any, left: float, top: float) -> None:
    """Take a run's picture out of the line and put it behind the text, in points from column and paragraph."""
    inline = run._r.find(f".//{qn('wp:inline')}")  # noqa: SLF001 - the library knows pictures in lines alone
    anchor = OxmlElement("wp:anchor")
    for name, value in (
        ("distT", 0), ("distB", 0), ("distL", 0), ("distR", 0), ("simplePos", 0), ("relativeHeight", 1),
        ("behindDoc", 1), ("locked", 0), ("layoutInCell", 1), ("allowOverlap", 1),
    ):  # fmt: skip
        anchor.set(name, str(value))
    corner = OxmlElement("wp:simplePos")
    corner.set("x", "0")
    corner.set("y", "0")
    anchor.append(corner)
    for name, of, points in (("positionH", "column", left), ("positionV", "paragraph", top)):
        place, offset = OxmlElement(f"wp:{name}"), OxmlElement("wp:posOffset")
        place.set("relativeFrom", of)
        offset.text = str(Pt(points))
        place.append(offset)
        anchor.append(place)
    for child in list(inline):
        anchor.append(child)
        if child.tag == qn("wp:extent"):
            anchor.append(OxmlElement("wp:wrapNone"))
    inline.getparent().replace(inline, anchor)
