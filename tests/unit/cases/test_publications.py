"""What is shown to everybody: own, admitted, not taken down; and cases by number and code."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.message import Message
from liandong.cases.v1 import (
    bodies_pb2,
    openness_bodies_pb2,
    publicity_bodies_pb2,
    sampling_bodies_pb2,
    supervision_bodies_pb2,
)
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2

from services.cases import publications, status_codes, tables
from services.cases.indexing import Index
from services.cases.publications import NotPublished
from services.cases.status_codes import CodeNotKnown
from services.common.clock import microseconds
from services.common.db import Database
from services.exchange import tables as exchange_tables
from tests.unit.procedures.deadline_samples import at

HEALTH, MARKET = "health.qinghe", "market.qinghe"
MOMENT = at("2026-03-02 10:00")


class Shelf:
    """A node's tables, in which letters are put as a node does."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._letters = 0
        self.now = MOMENT

    def put(
        self,
        body: Message,
        *,
        case: int = 1,
        author: str = HEALTH,
        state: str = "ADMITTED",
        amended: str = "",
        act: str = "publish",
    ) -> str:
        """A letter; returns its id."""
        self._letters += 1
        letter_id = f"01900000-0000-7000-8000-{self._letters:012x}"
        content = envelope_pb2.ActContent(
            case_id=f"case-{case}", act=act, body_type=body.DESCRIPTOR.full_name, amended_letter=amended
        )
        payload = body.SerializeToString()
        position = self._letters if state == "ADMITTED" else None

        def work(connection: object) -> None:
            index = Index()
            index.read(letter_id, content, payload, "")
            index.flush(connection)  # type: ignore[arg-type]
            connection.execute(  # type: ignore[attr-defined]
                exchange_tables.letters.insert().values(
                    letter_id=letter_id, kind="act", case_id=content.case_id, author=author, disposition=state,
                    position=position, signed_at_us=0, occurred_at_us=microseconds(MOMENT), letter_digest=b"",
                    header=b"", payload=payload, extras=b"", proof=b"",
                )
            )  # fmt: skip

        self.database.write(work)
        return letter_id

    def listed(self, kind: str = "", text: str = "", before: int | None = None, limit: int = 9) -> list[str]:
        """Ids of what is shown."""
        rows = self.database.read(
            lambda connection: publications.listed(connection, HEALTH, kind, text, before, limit, self.now)
        )
        return [row.letter_id for row in rows]

    def term(
        self, until: datetime, *, case: int = 1, rule: str = "shown-general", state: str = "OPEN"
    ) -> None:
        """How long a penalty is shown: an obligation of its case, written over the one before."""

        def work(connection: sa.Connection) -> None:
            table = tables.obligations
            connection.execute(table.delete().where(table.c.case_id == f"case-{case}", table.c.rule == rule))
            connection.execute(
                table.insert().values(
                    case_id=f"case-{case}", rule=rule, ordinal=1, owed_by=HEALTH, due_at_us=microseconds(until),
                    state=state, facts=b"",
                )
            )  # fmt: skip

        self.database.write(work)

    def one(self, letter_id: str) -> pb.GetPublishedResponse:
        """One of them."""
        return self.database.read(
            lambda connection: publications.one(connection, HEALTH, letter_id, self.now)
        )


@pytest.fixture
def shelf(database_url: str) -> Iterator[Shelf]:
    """Once on each database."""
    database = Database(database_url)
    database.write(tables.metadata.create_all)
    database.write(exchange_tables.metadata.create_all)
    yield Shelf(database)
    database.close()


def text(headline: str = "行政处罚决定公示", **more: str) -> openness_bodies_pb2.PublishedText:
    return openness_bodies_pb2.PublishedText(
        headline=headline, text="处罚决定全文", channel="门户网站", **more
    )


def test_only_what_was_published_is_shown(shelf: Shelf) -> None:
    """Newest first; not what others published, not what is on its way or was refused, no other letter."""
    first = shelf.put(text(number="清卫公〔2026〕1号"))
    shelf.put(text(), author=MARKET)
    shelf.put(text(), state="RECORDED")
    shelf.put(text(), state="REFUSED")
    shelf.put(bodies_pb2.Discovery(title="无证行医", facts="当事人张某"))
    result = shelf.put(
        supervision_bodies_pb2.SupervisionPublication(text="查处结果\n详情", channel="公告栏"), case=2
    )
    assert shelf.listed() == [result, first]
    assert shelf.listed(publications.RESULT) == [result]
    assert shelf.listed(text="〔2026〕1号") == [first]
    assert shelf.listed(text="结果") == [result]
    assert shelf.listed(text="%") == []
    assert shelf.listed(limit=1) == [result]
    assert shelf.listed(before=6) == [first]
    whole = shelf.one(first)
    assert (whole.text, whole.channel, whole.published.title) == (
        "处罚决定全文",
        "门户网站",
        "行政处罚决定公示",
    )
    assert whole.published.published_at.ToDatetime(MOMENT.tzinfo) == MOMENT
    with pytest.raises(NotPublished):
        shelf.one("01900000-0000-7000-8000-000000000005")


def test_what_was_taken_down_is_gone(shelf: Shelf) -> None:
    """In its own case, from then on, until it is published again; a refused take-down and a question change nothing."""
    returned = openness_bodies_pb2.ReturnedText(grounds="含个人信息")
    kept, gone = shelf.put(text(), case=1), shelf.put(text(), case=2)
    shelf.put(returned, case=1, state="REFUSED", act="take-down")
    shelf.put(returned, case=1, act="ask-further", author=MARKET)
    shelf.put(returned, case=2, act="take-down")
    assert shelf.listed() == [kept]
    with pytest.raises(NotPublished):
        shelf.one(gone)
    again = shelf.put(text(), case=2)
    assert shelf.listed() == [again, kept]


def test_what_was_corrected_says_so(shelf: Shelf) -> None:
    """Once the correction is admitted."""
    first = shelf.put(text())
    correction = bodies_pb2.Correction()
    shelf.put(correction, amended=first, state="RECORDED")
    assert not shelf.one(first).published.corrected
    shelf.put(correction, amended=first)
    assert shelf.one(first).published.corrected


def test_a_draw_shows_what_is_needed_to_repeat_it_and_no_conflicts(shelf: Shelf) -> None:
    """Method, commitment, seed and pairs; who was left out for a conflict stays inside."""
    notice = sampling_bodies_pb2.DrawNotice(method="liandong-draw/1", commitment=b"c" * 32, margin=16)
    announced = shelf.put(notice)
    drawn = shelf.put(
        sampling_bodies_pb2.DrawResult(
            method="liandong-draw/1", seed="ab" * 32, tree_size=40, commitment=b"c" * 32, excluded=["张三：亲属"],
            pairs=[sampling_bodies_pb2.DrawnPair(object="O-1", officers=["A", "B"])],
        )
    )  # fmt: skip
    assert shelf.listed() == [drawn, announced]
    assert shelf.one(announced).draw.margin == 16
    whole = shelf.one(drawn)
    assert list(whole.draw.pairs[0].officers) == ["A", "B"]
    assert "张三".encode() not in whole.SerializeToString()


def penalty(**more: str) -> publicity_bodies_pb2.PublicisedPenalty:
    known: dict[str, Any] = {
        "party": "清河某某餐饮有限公司", "party_code": "91350211M000100Y46", "number": "清卫罚〔2026〕7号",
        "violation": "未取得卫生许可证擅自营业", "facts": "经查……", "basis": "《公共场所卫生管理条例》第十四条",
        "penalty_kind": "罚款", "content": "罚款五千元",
    }  # fmt: skip
    return publicity_bodies_pb2.PublicisedPenalty(
        party_kind=bodies_pb2.SUBJECT_KIND_UNIT, penalty_fen=500_000, **{**known, **more}
    )


def test_a_penalty_is_shown_for_its_term(shelf: Shelf) -> None:
    """Until the obligation is due, filed early or not; not before it is admitted, not once the record was repaired."""
    first = shelf.put(penalty())
    assert shelf.listed() == []
    until = MOMENT + timedelta(days=365)
    shelf.term(until)
    assert shelf.listed() == [first]
    shown = shelf.one(first)
    assert shown.published.shown_until.ToDatetime(MOMENT.tzinfo) == until
    assert shown.penalty.penalty_fen == 500_000
    shelf.term(until, state="LAPSED")
    assert shelf.listed() == [first]
    shelf.now = until
    assert shelf.listed() == []
    with pytest.raises(NotPublished):
        shelf.one(first)
    shelf.now = MOMENT
    shelf.term(until, state="ON_TIME")
    assert shelf.listed() == []


def test_a_decision_is_found_by_party_number_and_code(shelf: Shelf) -> None:
    """By parts of name and number, by the whole code in any case; by kind; no pattern is one."""
    first = shelf.put(penalty())
    shelf.term(MOMENT + timedelta(days=9))
    permit = shelf.put(
        publicity_bodies_pb2.PublicisedPermit(
            party_kind=bodies_pb2.SUBJECT_KIND_CITIZEN, party="张某某", document_name="准予行政许可决定书",
            number="清卫许〔2026〕3号", permit_class="普通", certificate_name="医师执业证书", content="执业注册",
        ),
        case=2,
    )  # fmt: skip
    assert shelf.listed() == [permit, first]
    assert shelf.listed(publications.PENALTY) == [first]
    assert shelf.listed(publications.PERMIT) == [permit]
    for text, found in (
        ("餐饮", [first]), ("〔2026〕", [permit, first]), ("91350211m000100y46", [first]), ("9135", []),
        ("医师执业", [permit]), ("张某", [permit]), ("_某", []),
    ):  # fmt: skip
        assert shelf.listed(text=text) == found, text
    ended = publicity_bodies_pb2.PublicityEnding(grounds="许可期满")
    shelf.put(ended, case=2, state="REFUSED")
    assert permit in shelf.listed()
    shelf.put(ended, case=2)
    assert shelf.listed() == [first]


def test_the_newest_letter_of_a_decision_stands(shelf: Shelf) -> None:
    """Corrected it says so, the old address leads to it, and only once the correction is admitted."""
    first = shelf.put(penalty())
    shelf.term(MOMENT + timedelta(days=9))
    shelf.put(penalty(content="罚款三千元"), state="RECORDED")
    assert not shelf.one(first).published.corrected
    second = shelf.put(penalty(content="罚款四千元", change_note="更正罚款金额"))
    assert shelf.listed() == [second]
    led = shelf.one(first)
    assert (led.published.letter_id, led.published.corrected) == (second, True)
    assert led.penalty.content == "罚款四千元"


def test_a_withdrawn_decision_leaves_its_notice(shelf: Shelf) -> None:
    """Number and reasons, nothing of whom it concerned; found by the number; the old address leads to it."""
    first = shelf.put(penalty())
    shelf.term(MOMENT + timedelta(days=9), state="ON_TIME")
    notice = shelf.put(publicity_bodies_pb2.PublicityWithdrawal(grounds="行政复议决定撤销"))
    assert shelf.listed() == [notice]
    assert shelf.listed(text="7号") == [notice]
    assert shelf.listed(text="餐饮") == []
    whole = shelf.one(first)
    assert (whole.published.letter_id, whole.published.number, whole.text) == (
        notice,
        "清卫罚〔2026〕7号",
        "行政复议决定撤销",
    )
    assert "餐饮".encode() not in whole.SerializeToString()


def test_a_code_opens_its_case_and_nothing_else(shelf: Shelf) -> None:
    """Typed in small letters and with blanks, too; a wrong number is answered like a wrong code; no code is kept."""
    number, code = shelf.database.write(lambda connection: status_codes.issue(connection, "case-1", MOMENT))
    other, _ = shelf.database.write(lambda connection: status_codes.issue(connection, "case-2", MOMENT))
    assert number.startswith("20260302-")
    typed = f" {code[:4].lower()} {code[4:]} "

    def case_of(number: str, code: str) -> str:
        return shelf.database.read(lambda connection: status_codes.case_of(connection, number, code))

    assert case_of(number, typed) == "case-1"
    messages = set()
    for wrong in ((other, code), ("20260302-00000000", code), (number, code[:-1]), (number, "")):
        with pytest.raises(CodeNotKnown) as error:
            case_of(*wrong)
        messages.add((error.value.message, error.value.field))
    assert len(messages) == 1
    kept = shelf.database.read(lambda connection: connection.execute(tables.status_codes.select()).all())
    assert code not in str(kept)
