"""What is read for a sheet: from a letter of another department, a pending one, a draft's promises."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from liandong.cases.v1 import bodies_pb2
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2

from services.common.clock import ManualClock
from services.common.errors import NotFound
from services.common.title import Title
from services.documents.letter import Letter
from services.documents.store import approvals_of, read_letter
from services.exchange.letters import timestamp
from services.procedures.obligation import Limit, Unit
from tests.builders.departments import HEALTH, JUSTICE, MARKET, new_id
from tests.builders.ledger import MONDAY, Ledger, Node, node


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Node]:
    """The receiver's node."""
    with node(f"sqlite:///{tmp_path / 'node.sqlite'}", Ledger(ManualClock(MONDAY))) as made:
        yield made


def read(of: Node, letter_id: str) -> Letter:
    now = of.ledger.clock.now()
    return of.database.read(lambda connection: read_letter(connection, of.department, letter_id, now))


def test_a_letter_of_another_department_is_read_as_its_own_is(market: Node) -> None:
    """With its author, approvals, materials, clocks, and where it stands."""
    case_id, position = market.ledger.transferred()
    market.take()
    letter = read(market, market.ledger.entries[position].letter_id)
    assert letter.author == Title("部门", "Health")
    assert letter.case_title == "无证行医案"
    assert [each.role for each in letter.approvals] == ["leader-in-charge"]
    assert [each.kind for each in letter.materials] == [
        "transfer-letter",
        "source-material",
        "preliminary-evidence",
    ]
    assert letter.ledgered is not None
    assert (letter.case_id, letter.ledgered.position) == (case_id, position)
    reply = next(each for each in letter.duties if each.title.zh == "受理答复期限")
    assert (reply.limit, reply.on_receipt, reply.of_recipient) == (Limit(3, Unit.WORKING_DAYS), True, True)
    assert reply.explanation is not None


def test_who_signed_for_it_stands_on_its_receipt(tmp_path: Path) -> None:
    """By the first letter of the recipient that says so, as a third department has both."""
    with node(f"sqlite:///{tmp_path / 'office.sqlite'}", Ledger(ManualClock(MONDAY)), JUSTICE) as office:
        _signed_for(office)


def _signed_for(office: Node) -> None:
    case_id, position = office.ledger.transferred()
    office.ledger.clock.advance(timedelta(hours=2))
    letter = office.ledger.market.act(
        case_id,
        "sign-for",
        recipients=[HEALTH],
        based_on=position,
        payload=bodies_pb2.SignFor(signed_by="李强").SerializeToString(),
        body_type="liandong.cases.v1.SignFor",
    )
    office.ledger.admit(office.ledger.market, letter)
    office.take()
    (addressee,) = read(office, office.ledger.entries[position].letter_id).recipients
    assert addressee.department == MARKET
    assert addressee.signed_by == "李强"
    assert addressee.signed_at is not None


def test_a_regions_own_limit_stands_in_what_is_promised(market: Node) -> None:
    """A letter that is not admitted yet names the limit that its case will have."""
    own = directory_pb.RegionalLimit(
        procedure="case-transfer",
        obligation="send",
        within="5 wd",
        valid_from=timestamp(MONDAY - timedelta(days=1)),
    )
    market.ledger.common(directory_pb.CommonEntry(limit=own))
    market.take()
    recorded = market.register("抽检不合格")
    letter = read(market, recorded.letter_id)
    assert letter.ledgered is None
    assert [(each.title.zh, each.limit) for each in letter.duties] == [
        ("移送期限", Limit(5, Unit.WORKING_DAYS))
    ]


def test_what_is_not_here_is_not_found(market: Node) -> None:
    """Neither letter nor draft."""
    with pytest.raises(NotFound):
        read(market, new_id())


def test_who_was_stood_in_for_is_read_with_the_approval() -> None:
    """Both names, as the letter's header has them."""
    approval = envelope_pb2.Approval(role="leader-in-charge", name="赵敏", acting_for_name="孙立人")
    (read_back,) = approvals_of([approval])
    assert (read_back.name, read_back.stood_for) == ("赵敏", "孙立人")
