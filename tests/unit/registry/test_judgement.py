"""Judgement: who speaks, is it well dated, may it be judged yet, who acted, and the procedure's own rules."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.sharing.v1 import sharing_service_pb2 as sharing_pb

from services.exchange.assertions import Purpose
from services.exchange.digests import sha256
from services.exchange.letters import timestamp
from services.registry.commands import Admitted
from tests.builders.departments import HEALTH, MARKET, WATER, Sent, Signer, new_id, root_of
from tests.builders.registry import CATEGORY, Bench, altered, bench, bring_evidence, refused


@pytest.fixture
def registry(sqlite_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Judgement knows no SQL: one database is enough."""
    with bench(sqlite_url, tmp_path) as made:
        yield made


def opening(registry: Bench, **changes: object) -> Sent:
    fields: dict[str, object] = {"parties": {HEALTH: "sender"}, **changes}
    return registry.health.act(new_id(), "register", **fields)  # type: ignore[arg-type]


# -- who speaks, and when ---------------------------------------------------------------------------


def test_a_suspended_department_is_not_heard(registry: Bench) -> None:
    """Nothing of it is admitted while it is suspended."""
    entry = registry.health.entry(status=directory_pb.DEPARTMENT_STATUS_SUSPENDED)
    registry.publish(entry)
    assert registry.reason(registry.health, opening(registry)) == "DEPARTMENT_INACTIVE"


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda header: setattr(header, "suite", pb.SUITE_SM2_SM3_SM4), "SUITE_UNSUPPORTED"),
        (lambda header: setattr(header, "sealed", True), "SEALING_NOT_ENABLED"),
        (lambda header: setattr(header, "author", MARKET), "FORGED_AUTHOR"),
    ],
)
def test_what_this_region_does_not_take_is_refused(
    registry: Bench, alter: Callable[[pb.Header], None], reason: str
) -> None:
    """Another suite, a sealed body, another author."""
    assert registry.reason(registry.health, altered(registry.health, opening(registry), alter)) == reason


def test_common_entries_are_the_registrys_own(registry: Bench) -> None:
    """A department cannot publish one by submitting it."""
    header = registry.health.arrival({0: bytes(32)}).header
    header.common.version = 99
    header.common.topic = "office"
    assert registry.reason(registry.health, registry.health.seal(header, b"")) == "CALLER_NOT_PERMITTED"


def test_a_letter_dated_ahead_is_put_off(registry: Bench) -> None:
    """Five minutes are tolerated."""
    now = registry.clock.now()
    answer = refused(registry, opening(registry, signed_at=now + timedelta(minutes=5, seconds=30)))
    assert (answer.reason, answer.retry_after_ms > 0) == ("CLOCK_AHEAD", True)
    within = opening(registry, signed_at=now + timedelta(minutes=4), occurred_at=now)
    # its assertion is judged at the time of signing
    within.header.signed_at.CopyFrom(timestamp(now + timedelta(minutes=4)))
    registry.position(registry.health, within)


def test_an_observed_head_bounds_the_date_from_below(registry: Bench) -> None:
    """A head of this ledger, of any size, seen before the letter was signed."""
    registry.registered()
    first = registry.observed()
    registry.registered()
    registry.position(registry.health, opening(registry, observed=first))
    registry.position(registry.health, opening(registry, observed=registry.observed()))
    early = registry.clock.now() - timedelta(minutes=10)
    assert refused(registry, opening(registry, observed=first, signed_at=early)).reason == "HEAD_UNKNOWN"


@pytest.mark.parametrize("wrong", ["root", "size", "epoch", "log_id"])
def test_a_head_that_this_ledger_never_had_is_refused(registry: Bench, wrong: str) -> None:
    """Another root, a size that is not yet, another epoch, another ledger."""
    head = registry.observed()
    match wrong:
        case "root":
            head.root = bytes(32)
        case "log_id":
            head.log_id = "liandong.elsewhere"
        case _:
            setattr(head, wrong, getattr(head, wrong) + 1)
    assert refused(registry, opening(registry, observed=head)).reason == "HEAD_UNKNOWN"


def test_the_empty_head_is_known(registry: Bench) -> None:
    """A node may sign before it has verified any."""
    nothing = pb.ObservedHead(log_id="liandong.qinghe", epoch=1, size=0, root=bytes(32))
    registry.position(registry.health, opening(registry, observed=nothing))


# -- whom and what it names -------------------------------------------------------------------------


def test_a_case_stays_with_its_home_registry(registry: Bench) -> None:
    """Another registry's case is refused here."""
    letter = opening(registry)
    content = pb.ActContent.FromString(letter.header.act.content)
    content.home_registry = "registry.elsewhere"
    letter.header.act.content = content.SerializeToString()
    answer = refused(
        registry, registry.health.seal(letter.header, letter.envelope.payload, letter.envelope.assertions)
    )
    assert (answer.reason, answer.field) == ("WRONG_REGISTRY", "act.content.home_registry")


@pytest.mark.parametrize("field", ["recipients", "parties"])
@pytest.mark.parametrize("name", ["nobody.qinghe", "../nobody.qinghe", "никто.qinghe"])
def test_a_department_that_is_not_in_the_directory_is_refused(registry: Bench, field: str, name: str) -> None:
    """By the field that names it, whatever characters the name has."""
    changes: dict[str, object] = (
        {"recipients": [name]} if field == "recipients" else {"parties": {HEALTH: "sender", name: "receiver"}}
    )
    answer = refused(registry, opening(registry, **changes))
    assert (answer.reason, answer.field) == ("UNKNOWN_DEPARTMENT", f"act.content.{field}")


@pytest.mark.parametrize("wrong", ["x\0", "no id"])
def test_a_predecessor_is_a_letter_id(registry: Bench, wrong: str) -> None:
    """Anything else is refused for good, not waited for."""
    answer = refused(registry, opening(registry, predecessor=wrong))
    assert (answer.reason, answer.field, answer.retry_after_ms) == ("INVALID_FIELD", "act.predecessor", 0)


def test_a_letter_waits_for_its_predecessor(registry: Bench) -> None:
    """Until that was admitted, or refused: then this one is judged without it."""
    first = opening(registry)
    case_id = pb.ActContent.FromString(first.header.act.content).case_id
    second = registry.health.act(case_id, "close", predecessor=first.letter_id, approved_by=["section-head"])
    answer = refused(registry, second)
    assert (answer.reason, answer.retry_after_ms > 0) == ("PREDECESSOR_PENDING", True)
    registry.position(registry.health, first)
    registry.position(registry.health, second)


def test_a_letter_waits_for_the_evidence_that_its_author_brings(registry: Bench) -> None:
    """What another department brought under the same root does not count."""
    case_id, at = registry.registered()
    transfer = registry.health.act(
        case_id, "transfer", parties={MARKET: "receiver"}, based_on=at, approved_by=["leader-in-charge"],
        materials=["transfer-letter", "source-material", "preliminary-evidence", "further"],
    )  # fmt: skip
    answer = refused(registry, transfer)
    assert (answer.reason, answer.field) == ("EVIDENCE_PENDING", "act.content.materials")
    registry.database.write(lambda connection: bring_evidence(connection, WATER, ["further"]))
    assert refused(registry, transfer).reason == "EVIDENCE_PENDING"
    registry.database.write(lambda connection: bring_evidence(connection, HEALTH, ["further"]))
    registry.position(registry.health, transfer)


def test_an_urgent_act_does_not_wait_for_what_it_announces(registry: Bench) -> None:
    """It is admitted at once and owes the rest; evidence that it names by its root has to be there."""
    health, kinds = registry.health, ("stop-order", "preserved-evidence")
    case_id, _ = registry.registered()

    def notice(root: bytes | None) -> Sent:
        materials = [health.material(kind, root) for kind in kinds]
        return health.act(
            case_id, "immediate-notice", parties={MARKET: "receiver"}, based_on=0, materials=materials
        )

    answer = refused(registry, notice(None))
    assert (answer.reason, answer.retry_after_ms > 0) == ("EVIDENCE_PENDING", True)
    registry.position(health, notice(bytes(32)))


def test_a_bulletin_waits_for_what_it_attaches(registry: Bench) -> None:
    """As a letter of a case waits for its materials; a revision that none can have is refused."""
    health, item_id, root = registry.health, new_id(), root_of("photo", HEALTH)
    bulletin = sharing_pb.Bulletin(title="检查经验", text="先看台账。", attachments=[root])
    published = health.item(pb.ITEM_ACT_PUBLISH, CATEGORY, item_id, bulletin, revision=1)
    answer = refused(registry, published)
    assert (answer.reason, answer.field) == ("EVIDENCE_PENDING", "payload.attachments")
    registry.database.write(lambda connection: bring_evidence(connection, HEALTH, ["photo"]))
    registry.position(health, published)
    for act, revision in ((pb.ITEM_ACT_PUBLISH, 2), (pb.ITEM_ACT_WITHDRAW, 2**31)):
        letter = health.item(act, CATEGORY, item_id, bulletin, revision=revision)
        assert (refused(registry, letter).reason, refused(registry, letter).field) == (
            "INVALID_FIELD",
            "item.revision",
        )


def test_an_act_under_a_delegation_that_ended_is_refused(registry: Bench) -> None:
    """A missing row is a flag; a delegation past its end refuses."""
    now = registry.clock.now()
    title = directory_pb.Title(zh="事项", en="Matter")
    rows = {
        HEALTH: ("A1", now - timedelta(days=1)),
        WATER: ("B2", now + timedelta(days=1)),
    }
    for name, (code, until) in rows.items():
        row = directory_pb.Authority(
            item_code=code, title=title, department=name, mode=directory_pb.AUTHORITY_MODE_DELEGATED,
            delegated_by=f"{MARKET} 1号", valid_from=timestamp(now - timedelta(days=9)), valid_until=timestamp(until),
        )  # fmt: skip
        registry.publish(directory_pb.CommonEntry(authority=row))
    assert refused(registry, opening(registry, item_code="A1")).reason == "DELEGATION_EXPIRED"
    position = registry.position(registry.health, opening(registry, item_code="B2"))
    entry = registry.replica.recent.entry(position)
    assert entry is not None
    assert entry.flags == "MISSING_AUTHORITY"


# -- who acted --------------------------------------------------------------------------------------


def transfer(registry: Bench, alter: Callable[[Signer, bytes, pb.Header, list[bytes]], None]) -> str:
    """What is said to a transfer whose assertions were altered."""
    case_id, at = registry.registered()
    letter = registry.transfer(case_id, at)
    assertions = list(letter.envelope.assertions)
    alter(registry.health, letter.header.act.content, letter.header, assertions)
    letter.header.ClearField("assertion_digests")
    letter.header.assertion_digests.extend(sha256(each) for each in assertions)
    again = registry.health.seal(letter.header, letter.envelope.payload, assertions)
    (result,) = registry.submit(registry.health, again)
    return "" if isinstance(result, Admitted) else result.reason


def approve(header: pb.Header, assertions: list[bytes], token: bytes) -> None:
    assertions[0] = token
    header.act.approvals[0].assertion_digest = sha256(token)


def test_a_person_sends_with_an_assertion_for_this_content(registry: Bench) -> None:
    """And a system with that of its session."""
    registry.position(registry.health, opening(registry, by_person=True))
    registry.position(registry.health, opening(registry))


def test_approvals_are_backed_by_assertions_for_this_content(registry: Bench) -> None:
    """Each way in which an approval may be hollow has its reason."""

    def other_content(signer: Signer, _content: bytes, header: pb.Header, assertions: list[bytes]) -> None:
        approve(header, assertions, signer.assertion("leader-in-charge", b"other", Purpose.APPROVE))

    def other_purpose(signer: Signer, content: bytes, header: pb.Header, assertions: list[bytes]) -> None:
        approve(header, assertions, signer.assertion("leader-in-charge", content, Purpose.SEND))

    def other_role(signer: Signer, content: bytes, header: pb.Header, assertions: list[bytes]) -> None:
        approve(header, assertions, signer.assertion("clerk", content, Purpose.APPROVE))

    def missing(_signer: Signer, _content: bytes, _header: pb.Header, assertions: list[bytes]) -> None:
        del assertions[0]

    def foreign(_signer: Signer, content: bytes, header: pb.Header, assertions: list[bytes]) -> None:
        stranger = Signer(HEALTH, registry.clock)
        approve(header, assertions, stranger.assertion("leader-in-charge", content, Purpose.APPROVE))

    def elsewhere(signer: Signer, content: bytes, header: pb.Header, assertions: list[bytes]) -> None:
        token = signer.assertion("leader-in-charge", content, Purpose.APPROVE, audience=MARKET)
        approve(header, assertions, token)

    def later(_signer: Signer, _content: bytes, header: pb.Header, _assertions: list[bytes]) -> None:
        at = registry.clock.now() + timedelta(hours=1)
        header.act.approvals[0].approved_at.CopyFrom(timestamp(at))

    assert transfer(registry, lambda *_: None) == ""
    assert transfer(registry, other_content) == "CONTENT_MISMATCH"
    assert transfer(registry, other_purpose) == "ACTOR_INVALID"
    assert transfer(registry, other_role) == "ROLE_NOT_PERMITTED"
    assert transfer(registry, missing) == "ACTOR_MISSING"
    assert transfer(registry, foreign) == "ACTOR_INVALID"
    assert transfer(registry, elsewhere) == "ACTOR_INVALID"
    assert transfer(registry, later) == "ACTOR_EXPIRED"


def test_somebody_stands_behind_every_act(registry: Bench) -> None:
    """No assertion, one of another person, one that a person did not give for this content."""

    def nobody(_signer: Signer, _content: bytes, _header: pb.Header, assertions: list[bytes]) -> None:
        del assertions[1]

    def another(_signer: Signer, _content: bytes, header: pb.Header, _assertions: list[bytes]) -> None:
        header.actor.subject = "somebody-else"

    def grander(_signer: Signer, _content: bytes, header: pb.Header, _assertions: list[bytes]) -> None:
        header.actor.role = "leader-in-charge"

    def unbound(signer: Signer, _content: bytes, header: pb.Header, assertions: list[bytes]) -> None:
        header.actor.CopyFrom(pb.Actor(name="张三", subject="clerk-1", role="clerk"))
        assertions[1] = signer.assertion("clerk")

    assert transfer(registry, nobody) == "ACTOR_MISSING"
    assert transfer(registry, another) == "ACTOR_MISSING"
    assert transfer(registry, grander) == "ROLE_NOT_PERMITTED"
    assert transfer(registry, unbound) == "CONTENT_MISMATCH"


# -- shared items -----------------------------------------------------------------------------------


def test_items_are_published_corrected_and_withdrawn_by_their_author(registry: Bench) -> None:
    """In the order of their revisions, under a category of the catalogue, and by nobody else."""
    health, market, item_id = registry.health, registry.market, new_id()

    def item(act: "pb.ItemAct.ValueType", revision: int, **changes: object) -> Sent:
        fields: dict[str, object] = {"category": CATEGORY, "item_id": item_id, **changes}
        return health.item(act, revision=revision, **fields)  # type: ignore[arg-type]

    assert registry.reason(health, item(pb.ITEM_ACT_CORRECT, 2)) == "ITEM_NOT_YOURS"
    assert registry.reason(health, item(pb.ITEM_ACT_PUBLISH, 1, category="no.such")) == "UNKNOWN_CATEGORY"
    assert registry.reason(health, item(pb.ITEM_ACT_PUBLISH, 1, item_id="x\0")) == "INVALID_FIELD"
    unknown = item(pb.ITEM_ACT_PUBLISH, 1, recipients=["nobody.qinghe"])
    assert registry.reason(health, unknown) == "UNKNOWN_DEPARTMENT"
    registry.position(health, item(pb.ITEM_ACT_PUBLISH, 1))
    assert registry.reason(health, item(pb.ITEM_ACT_PUBLISH, 1)) == "CASE_EXISTS"
    assert registry.reason(health, item(pb.ITEM_ACT_CORRECT, 3)) == "STALE"
    foreign = market.item(pb.ITEM_ACT_CORRECT, CATEGORY, item_id, revision=2)
    assert registry.reason(market, foreign) == "ITEM_NOT_YOURS"
    registry.position(health, item(pb.ITEM_ACT_CORRECT, 2))
    registry.position(health, item(pb.ITEM_ACT_WITHDRAW, 2))
    assert registry.reason(health, item(pb.ITEM_ACT_CORRECT, 3)) == "ITEM_NOT_YOURS"


def test_what_goes_by_hand_does_not_go_here(registry: Bench) -> None:
    """The category says so."""
    title = directory_pb.Title(zh="专报", en="Special report")
    category = directory_pb.Category(name="report.special", title=title, by_hand=True)
    registry.publish(directory_pb.CommonEntry(category=category))
    letter = registry.health.item(pb.ITEM_ACT_PUBLISH, "report.special", new_id(), revision=1)
    assert registry.reason(registry.health, letter) == "INVALID_FIELD"
