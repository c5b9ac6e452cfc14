"""The sheets beside a letter: approval, materials, receipts, proof of service, due times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from services.common.titles import role_title
from services.documents.letter import Addressee, Attached, Duty, Letter
from services.documents.letters import attachment_name, subject_of
from services.documents.model import (
    HINT,
    SIZE_2,
    SIZE_4,
    Align,
    Block,
    Cell,
    Document,
    Face,
    Form,
    Language,
    Paragraph,
    Space,
    Table,
    Turn,
)
from services.documents.words import instant, pick, say
from services.procedures.facts import Urgency

HALVES: Final = (0.2, 0.3, 0.2, 0.3)


def approval(letter: Letter, language: Language, now: datetime) -> Document:
    """Who drafted, approved and sent it, and when (发文审批单); both names where one acted for another."""

    def row(*pairs: tuple[str, str]) -> tuple[Cell, ...]:
        cells: list[Cell] = []
        for key, value in pairs:
            cells += [_label(say(f"sheet.{key}", language)), Cell(value, span=5 - 2 * len(pairs))]
        return tuple(cells)

    names = say("letter.between", language)
    none = say("sheet.none", language)
    urgency = letter.urgency or Urgency.ORDINARY
    drafted = letter.drafted_by or say(
        "sheet.person", language, name=letter.actor_name, role=pick(role_title(letter.actor_role), language)
    )
    rows = [
        row(("number", _number(letter, language)), ("urgency", say(f"urgency.{urgency.name}", language))),
        row(("document", subject_of(letter, language).replace(HINT, ""))),
        row(("case", letter.case_title or none)),
        row(("mechanism", pick(letter.procedure_title, language)), ("act", pick(letter.act_title, language))),
        row(("to", names.join(pick(each.title, language) for each in letter.recipients) or none)),
        row(("copies", names.join(pick(each, language) for each in letter.copies) or none)),
        row(
            ("attachments", names.join(attachment_name(each, language) for each in letter.materials) or none)
        ),
        row(("drafted_by", drafted), ("drafted_at", _at(letter.drafted_at or letter.signed_at, language))),
    ]
    header = tuple(
        _label(say(f"sheet.{key}", language))
        for key in ("approver_role", "approver", "approved_at", "certificate")
    )
    approvals = Table((0.2, 0.3, 0.3, 0.2), (header, *_approvals(letter, language)), header=1, least=2)
    sent = []
    if not letter.draft:
        sender = say(
            "sheet.person",
            language,
            name=letter.actor_name,
            role=pick(role_title(letter.actor_role), language),
        )
        sent.append(row(("sent_by", sender), ("sent_at", _at(letter.signed_at, language))))
        ledgered = letter.ledgered
        stands = (
            say(
                "sheet.ledger_at",
                language,
                log=ledgered.log_id,
                position=ledgered.position,
                at=instant(ledgered.admitted_at, language),
            )
            if ledgered
            else say("sheet.not_ledgered", language)
        )
        sent.append(row(("ledger", stands)))
    sent.append(row(("digest", letter.content_digest.hex())))
    return _sheet(
        "approval",
        letter,
        language,
        now,
        [Table(HALVES, tuple(rows)), approvals, Table(HALVES, tuple(sent))],
    )


def _approvals(letter: Letter, language: Language) -> Iterable[tuple[Cell, ...]]:
    for each in letter.approvals:
        name = (
            say("sheet.stood_for", language, name=each.name, other=each.stood_for)
            if each.stood_for
            else each.name
        )
        yield (
            _middle(pick(role_title(each.role), language)),
            _middle(name),
            _middle(instant(each.at, language)),
            _middle(each.certificate),
        )
    for role in letter.missing:
        yield (
            _middle(pick(role_title(role), language)),
            _middle(say("sheet.awaited", language)),
            Cell(""),
            Cell(""),
        )


def materials(letter: Letter, language: Language, now: datetime) -> Document:
    """The materials with names, sizes and digests (材料清单), to hand over against signature."""

    def described(each: Attached) -> str:
        title = attachment_name(each, language)
        return f"{title}\n{each.name}" if each.name else title

    header = tuple(
        _label(say(f"sheet.{key}", language)) for key in ("index", "material", "type", "size", "sha256")
    )
    rows = [
        (
            _middle(str(number)),
            Cell(described(each)),
            Cell(each.media_type),
            Cell("" if each.announced else f"{each.size:,}", align=Align.END),
            Cell("" if each.announced else each.digest.hex()),
        )
        for number, each in enumerate(letter.materials, 1)
    ]
    total = (
        Cell(say("sheet.total", language), span=2, face=Face.HEI, align=Align.CENTRE),
        Cell(say("sheet.count", language, count=len(letter.materials))),
        Cell(f"{sum(each.size for each in letter.materials):,}", align=Align.END),
        Cell(""),
    )
    table = Table((0.08, 0.22, 0.19, 0.185, 0.325), (header, *rows, total), header=1)
    sign = Table(
        (0.5, 0.5),
        (
            (Cell(say("sheet.handed_by", language)), Cell(say("sheet.taken_by", language))),
            (Cell(say("sheet.hand_date", language)), Cell(say("sheet.take_date", language))),
        ),
        least=2,
    )
    return _sheet("materials", letter, language, now, [*_of(letter, language), table, sign])


def receipt(letter: Letter, language: Language, now: datetime) -> Document:
    """A receipt for each recipient (送达回证); what is not filled in is signed for by hand."""
    blocks: list[Block] = []
    for each in letter.recipients:
        if blocks:
            blocks += [Turn(), _head("receipt", letter, language), Space()]
        blocks.append(_receipt(letter, each, language))
    return _sheet("receipt", letter, language, now, blocks)


def _receipt(letter: Letter, each: Addressee, language: Language) -> Table:
    def row(key: str, value: str) -> tuple[Cell, ...]:
        return _label(say(f"sheet.{key}", language)), Cell(value)

    ledgered = letter.ledgered
    title = subject_of(letter, language).replace(HINT, "")
    number = "" if letter.draft else letter.number
    hand = say("sheet.signature", language)
    rows = (
        row("recipient", pick(each.title, language)),
        row("served", f"{title}\n{number}" if number else title),
        row("sender", pick(letter.author, language)),
        row("served_how", say("sheet.electronic", language)),
        row("signed_at", _at(letter.signed_at, language)),
        row("admitted_at", _at(ledgered.admitted_at if ledgered else None, language)),
        row(
            "received_at",
            instant(each.received_at, language) if each.received_at else say("sheet.not_received", language),
        ),
        row("signed_by", each.signed_by or hand),
        row(
            "signed_on", _at(each.signed_at, language) if each.signed_at else say("letter.no_date", language)
        ),
        row("remark", ""),
    )
    return Table((0.22, 0.78), rows, least=2)


def service(letter: Letter, language: Language, now: datetime) -> Document:
    """What the ledger proves of the letter's service (送达证明)."""
    author, title = pick(letter.author, language), subject_of(letter, language).replace(HINT, "")
    ledgered = letter.ledgered
    number = letter.number or say("sheet.unnumbered", language)
    told = say(
        "sheet.proved" if ledgered else "sheet.unproved", language, author=author, title=title, number=number
    )
    blocks: list[Block] = [Paragraph(told)]
    if ledgered is not None:
        header = tuple(
            _label(say(f"sheet.{key}", language)) for key in ("recipient", "received_at", "signed_by")
        )
        rows = [
            (
                Cell(pick(each.title, language)),
                _middle(
                    instant(each.received_at, language)
                    if each.received_at
                    else say("sheet.not_received", language)
                ),
                _middle(each.signed_by),
            )
            for each in letter.recipients
        ]
        proof = [
            ("letter", letter.letter_id),
            ("case_id", letter.case_id),
            ("letter_digest", ledgered.letter_digest.hex()),
            ("digest", letter.content_digest.hex()),
            ("ledger_name", ledgered.log_id),
            ("position", str(ledgered.position)),
            ("signed_at", _at(letter.signed_at, language)),
            ("admitted_at", instant(ledgered.admitted_at, language)),
        ]
        blocks += [
            Table((0.42, 0.33, 0.25), (header, *rows), header=1),
            Table(
                (0.25, 0.75),
                tuple((_label(say(f"sheet.{key}", language)), Cell(value)) for key, value in proof),
            ),
            Paragraph(say("sheet.verify", language), size=SIZE_4),
        ]
    return _sheet("service", letter, language, now, blocks)


def due_time(letter: Letter, language: Language, now: datetime) -> Document:
    """How each due time that the letter set running comes about, day by day (期限计算说明)."""
    counted = [_counted(duty, language) for duty in letter.duties if duty.explanation is not None]
    blocks: list[Block] = [*_of(letter, language), *counted]
    return _sheet("due_time", letter, language, now, blocks)


def _counted(duty: Duty, language: Language) -> Table:
    explanation = duty.explanation
    assert explanation is not None
    rows = (
        ("duty", pick(duty.title, language)),
        ("owed_by", pick(duty.owed_by, language)),
        ("due", instant(explanation.due, language)),
        ("counting", "\n".join(explanation.lines(language))),
    )
    return Table(
        (0.2, 0.8), tuple((_label(say(f"sheet.{key}", language)), Cell(value)) for key, value in rows)
    )


# -- what all of them have ------------------------------------------------------------------------


def _sheet(key: str, letter: Letter, language: Language, now: datetime, blocks: Sequence[Block]) -> Document:
    name, author = say(f"sheet.{key}", language), pick(letter.author, language)
    mark = say("letter.draft", language) if letter.draft else ""
    return sheet_of(name, author, language, now, blocks, mark)


def sheet_of(
    name: str, authority: str, language: Language, now: datetime, blocks: Sequence[Block], mark: str = ""
) -> Document:
    """A sheet under its head, with the time when it was printed at its foot."""
    head = _headed(name, authority, language)
    return Document(
        title=head.text.replace(HINT, ""),
        form=Form.SHEET,
        blocks=(head, Space(), *blocks),
        authority=authority,
        mark=mark,
        language=language,
        footnote=say("sheet.printed", language, at=instant(now, language)),
    )


def _head(key: str, letter: Letter, language: Language) -> Paragraph:
    return _headed(say(f"sheet.{key}", language), pick(letter.author, language), language)


def _headed(name: str, authority: str, language: Language) -> Paragraph:
    title = f"{authority}{HINT}{name}" if language == "zh" else name
    return Paragraph(title, face=Face.SONG, size=SIZE_2, first=0, align=Align.CENTRE, keep=True)


def _of(letter: Letter, language: Language) -> list[Block]:
    title = subject_of(letter, language).replace(HINT, "")
    key = "sheet.of_letter" if letter.number and not letter.draft else "sheet.of_draft"
    return [
        Paragraph(
            say(key, language, title=title, number=letter.number), size=SIZE_4, first=0, align=Align.START
        )
    ]


def _number(letter: Letter, language: Language) -> str:
    if letter.draft:
        return say("sheet.no_number", language)
    return letter.number or say("sheet.unnumbered", language)


def _at(at: datetime | None, language: Language) -> str:
    return instant(at, language) if at else ""


def _label(text: str) -> Cell:
    return Cell(text, face=Face.HEI, align=Align.CENTRE)


def _middle(text: str) -> Cell:
    return Cell(text, align=Align.CENTRE)
