"""An act as a letter: title, recipients, text, attachments, signature and date, in the order of GB/T 9704-2012, 7.3."""

from __future__ import annotations

from math import ceil
from typing import Final

from services.common.titles import material_title
from services.documents import bodies
from services.documents.letter import Attached, Duty, Letter
from services.documents.model import (
    HINT,
    MM,
    SEALED_AT,
    SIZE_2,
    SIZE_3,
    Align,
    Block,
    Document,
    Face,
    Form,
    Imprint,
    Language,
    Paragraph,
    Space,
    Stamp,
)
from services.documents.pages import LEADING
from services.documents.words import act_texts, date, instant, limit, pick, say
from services.procedures.facts import Urgency
from services.procedures.obligation import Unit

_ELSEWHERE: Final = ("contact",)
"""Fields that stand in a note after the date, not in the text."""
_AUTHORITY: Final = 4
"""Characters left free at the right of the date where a seal goes over it, 7.3.5.1."""


def letter_document(letter: Letter, form: Form, language: Language) -> Document:
    """A letter in the letter form or under a red head."""
    title = subject_of(letter, language)
    blocks = [
        Paragraph(title, face=Face.SONG, size=SIZE_2, first=0, align=Align.CENTRE, keep=True),
        Space(),
        *_recipients(letter, language),
        *text_of(letter, language),
        *_attachments(letter, language),
        *_signature(letter, language),
    ]
    author = pick(letter.author, language)
    signed = date(letter.signed_at, language) if letter.signed_at else ""
    head = author + (say("letter.document", language) if form is Form.OFFICIAL else "")
    copies = say("letter.between", language).join(pick(each, language) for each in letter.copies)
    return Document(
        title=title.replace(HINT, ""),
        form=form,
        blocks=tuple(blocks),
        authority=head,
        number="" if letter.draft else letter.number,
        urgency=_urgency(letter, language),
        imprint=Imprint(copies + say("letter.end", language) if copies else "", author, signed),
        mark=say("letter.draft", language) if letter.draft else "",
        language=language,
    )


def subject_of(letter: Letter, language: Language) -> str:
    """The title: the authority, what it is about, that it is a letter (7.3.1)."""
    subject = _text(letter, "subject", language)
    if not subject or not letter.case_title:
        key = "letter.subject" if letter.case_title else "letter.subject_alone"
        subject = say(key, language, case=letter.case_title, act=pick(letter.act_title, language), hint=HINT)
    about = say("letter.about", language, subject=subject, hint=HINT)
    return f"{pick(letter.author, language)}{HINT}{about}" if language == "zh" else about


def text_of(letter: Letter, language: Language) -> list[Block]:
    """The text: opening, what people wrote, limits, closing."""
    opening = _text(letter, "opening", language) if letter.case_title else ""
    if not opening:
        key = "letter.opening" if letter.case_title else "letter.opening_alone"
        opening = say(key, language, case=letter.case_title, act=pick(letter.act_title, language))
    blocks: list[Block] = [Paragraph(opening, keep=True)]
    if letter.body is None:
        blocks.append(Paragraph(say("letter.sealed" if letter.sealed else "letter.unreadable", language)))
    else:
        skip = (*_ELSEWHERE, *(["title"] if getattr(letter.body, "title", "") == letter.case_title else []))
        blocks += bodies.blocks(bodies.parts(letter.body, language, skip), language)
    if letter.requested_limit is not None:
        blocks.append(
            Paragraph(say("letter.requested", language, at=instant(letter.requested_limit, language)))
        )
    duties = [each for each in letter.duties if each.of_recipient and each.fixed is None]
    if duties:
        join = say("letter.join", language)
        told = join.join(_duty(each, language) for each in duties)
        blocks.append(Paragraph(say("letter.limits", language, duties=told)))
    texts = act_texts(letter.procedure, letter.act)
    closing = _text(letter, "closing", language) if "closing" in texts else say("letter.closing", language)
    if closing:
        blocks.append(Paragraph(closing))
    return [*blocks[:-1], _kept(blocks[-1])]


def attachment_name(each: Attached, language: Language) -> str:
    """What a material is called in a note of attachments."""
    name = pick(material_title(each.kind), language)
    return name + (say("letter.announced", language) if each.announced else "")


def _text(letter: Letter, part: str, language: Language) -> str:
    pair = act_texts(letter.procedure, letter.act).get(part)
    if pair is None:
        return ""
    amends = letter.amends or say("letter.before", language)
    return pair[language == "en"].format(
        hint=HINT,
        case=letter.case_title,
        act=pick(letter.act_title, language),
        author=("我单位" if language == "zh" else pick(letter.author, language)),
        recipient=say("letter.between", language).join(
            pick(each.title, language) for each in letter.recipients
        ),
        amends=say("letter.amended", language, letter=amends),
    )


def _urgency(letter: Letter, language: Language) -> str:
    if letter.urgency in (None, Urgency.ORDINARY):
        return ""
    return say(f"urgency.{letter.urgency.name}", language) if letter.urgency else ""


def _recipients(letter: Letter, language: Language) -> list[Block]:
    if not letter.recipients:
        return []
    names = say("letter.between", language).join(pick(each.title, language) for each in letter.recipients)
    return [Paragraph(say("letter.to", language, names=names), first=0, keep=True)]


def _duty(each: Duty, language: Language) -> str:
    title, unit = pick(each.title, language), each.limit.unit
    if unit is Unit.FIXED:
        return title
    start = "from_occurred" if each.from_occurred else "from_receipt" if each.on_receipt else "from_admitted"
    return say(
        "letter.limit",
        language,
        title=title,
        limit=limit(each.limit, language),
        start=say(f"letter.{start}", language),
    )


def _attachments(letter: Letter, language: Language) -> list[Block]:
    """One line below the text, two characters in, further names below the first (7.3.4)."""
    names = [attachment_name(each, language) for each in letter.materials]
    if not names:
        return []
    label = say("letter.attachments", language)
    hang = 2 + (len(label) if language == "zh" else 5.0)
    if len(names) == 1:
        line = say("letter.attachment", language, name=names[0])
        return [Space(), Paragraph(line, first=2, left=hang, keep=True)]
    first, *others = (
        say("letter.item", language, number=number, text=name) for number, name in enumerate(names, 1)
    )
    return [
        Space(),
        Paragraph(label + first, first=2, left=hang + 1, keep=True),
        *(Paragraph(each, first=hang, left=hang + 1, keep=True) for each in others),
    ]


def _signature(letter: Letter, language: Language) -> list[Block]:
    """The authority's name in the middle above the date, room for a seal over both (7.3.5.1)."""
    author = letter.sub_unit or pick(letter.author, language)
    day = date(letter.signed_at, language) if letter.signed_at else say("letter.no_date", language)
    wide, narrow = _cells(author), _cells(day)
    name_right = max(0.0, _AUTHORITY + (narrow - wide) / 2)
    day_right = max(float(_AUTHORITY), name_right + (wide - narrow) / 2)
    contact = str(getattr(letter.body, "contact", "")) if letter.body is not None else ""
    seal = letter.seal
    # name and date alone, with room for a seal by hand, or as much as the seal has above them
    above = (
        2 if seal is None else max(2, ceil((seal.height_mm * MM * SEALED_AT + SIZE_3 / 2) / LEADING - 1.5))
    )
    stamp = [] if seal is None else [Stamp(seal.png, seal.width_mm, seal.height_mm)]
    return [
        Space(above),
        Paragraph(author, first=0, right=name_right, align=Align.END, keep=True),
        Paragraph(day, first=0, right=day_right, align=Align.END, keep=bool(contact or stamp)),
        *stamp,
        *([Paragraph(say("letter.contact", language, contact=contact))] if contact else []),
    ]


def _cells(text: str) -> float:
    return sum(1.0 if ord(each) > 0x2E7F else 0.5 for each in text)  # noqa: PLR2004 - where CJK begins


def _kept(block: Block) -> Block:
    """The last of the text stays with what follows it: no page bears a signature alone (7.3.5.4)."""
    if not isinstance(block, Paragraph):
        return block
    return Paragraph(
        block.text, block.face, block.size, block.align, block.first, block.left, block.right, keep=True
    )
