"""Delegations, telephone approvals, posts that change hands, number series: over a real port."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import handling_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.cases.handling.seal import NoSealService
from services.common.errors import InvalidField, RoleNotPermitted
from services.exchange.assertions import ContentMismatch, Purpose
from services.exchange.letters import timestamp
from services.procedures.document import NotYourStep, StepOpen
from tests.builders.departments import JUSTICE, MARKET
from tests.wire.cases.conftest import Port
from tests.wire.cases.office import CHAIN, SIGNED_ONLY, TO_SIGN, Office

LEADER = pb.HandlingPerson(subject="chen", name="陈慧", role="leader-in-charge")
DEPUTY = pb.HandlingPerson(subject="zhou", name="周宁")


@pytest.fixture
async def office(port: Port) -> AsyncIterator[Office]:
    """The people of the department, who sign and number and do no more."""
    entry = directory_pb.Office(procedure="joint-enforcement", department=JUSTICE)
    port.ledger.common(directory_pb.CommonEntry(office=entry))
    port.node.take()
    async with port.handling() as (cases, handling):
        made = Office(port, cases, handling)
        await made.state(SIGNED_ONLY)
        yield made


def at(office: Office, **later: float) -> Timestamp:
    return timestamp(office.port.ledger.clock.now() + timedelta(**later))


async def delegate(office: Office, **changes: Any) -> pb.DelegationView:
    request = pb.SetDelegationRequest(
        absent=LEADER, delegate=DEPUTY, since=at(office, hours=-1), until=at(office, days=5), reason="出差"
    )
    for name, value in changes.items():
        if isinstance(value, Timestamp):
            getattr(request, name).CopyFrom(value)
        elif isinstance(value, list):
            getattr(request, name).extend(value)
        else:
            setattr(request, name, value)
    answer = await office.call("leader-in-charge:chen", "SetDelegation", request)
    view: pb.DelegationView = answer.delegation
    return view


# -- delegations --------------------------------------------------------------------------------------


async def test_a_delegate_signs_under_both_names(office: Office) -> None:
    """On the step, in the history, and on the approval that goes with the letter."""
    view = await delegate(office)
    assert view.in_effect
    draft = await office.draft()
    (item,) = await office.work("leader-in-charge:zhou")
    assert (item.task.step, item.acting_for.name) == ("sign", "陈慧")
    await office.do("leader-in-charge:zhou", draft.letter_id)
    found = await office.get(draft.letter_id)
    (signed,) = [each for each in found.tasks if each.step == "sign"]
    assert (signed.done_by.subject, signed.acting_for.name) == ("zhou", "陈慧")
    assert [each.acting_for.name for each in found.history if each.step == "sign"] == ["陈慧"]
    sent = await office.send(draft)
    letter = await office.call(
        "clerk", "GetLetter", cases_pb.GetLetterRequest(letter_id=sent.letter_id), office.cases
    )
    (approval,) = letter.letter.approvals
    assert (approval.subject, approval.acting_for_subject) == ("zhou", "chen")


@pytest.mark.parametrize(
    "outside",
    [
        {"scope": ["case-transfer"]},
        {"scope": ["joint-enforcement/report"]},
        {"since": timedelta(days=1)},
        {"until": timedelta(minutes=-30)},
    ],
    ids=["another procedure", "another act", "before it begins", "after it has ended"],
)
async def test_outside_a_delegation_its_role_is_refused(office: Office, outside: dict[str, Any]) -> None:
    """Also where the assertion still gives the role."""
    changes = {
        name: at(office, seconds=value.total_seconds()) if isinstance(value, timedelta) else value
        for name, value in outside.items()
    }
    view = await delegate(office, **changes)
    draft = await office.draft()
    assert await office.work("leader-in-charge:zhou") == []
    with pytest.raises(NotYourStep):
        await office.do("leader-in-charge:zhou", draft.letter_id)
    change = pb.SetDelegationRequest(
        delegation_id=view.delegation_id,
        absent=LEADER,
        delegate=DEPUTY,
        since=view.since,
        until=view.until,
        scope=view.scope,
        delegate_holds_role=True,
        reason="任命为副局长",
    )
    await office.call("principal", "SetDelegation", change)
    await office.do("leader-in-charge:zhou", draft.letter_id)
    (signed,) = [each for each in (await office.get(draft.letter_id)).tasks if each.step == "sign"]
    assert not signed.HasField("acting_for")


async def test_without_a_chain_a_delegation_limits_as_well(office: Office) -> None:
    """Approving as before, in a role that is one's own by delegation alone, is refused once it has ended."""
    (chain,) = (await office.call("clerk", "ListChains", pb.ListChainsRequest())).chains
    await office.call("principal", "WithdrawChain", pb.WithdrawChainRequest(chain_id=chain.chain_id))
    view = await delegate(office)

    async def approve(draft: cases_pb.DraftView) -> cases_pb.DraftView:
        request = cases_pb.ApproveLetterRequest(
            letter_id=draft.letter_id, content_digest=draft.content_digest, role="leader-in-charge"
        )
        bound = office.token("leader-in-charge:zhou", draft.content_digest, Purpose.APPROVE)
        answer = await office._call(office.cases.ApproveLetter(request, metadata=bound, timeout=10))
        approved: cases_pb.DraftView = answer.draft
        return approved

    (approval,) = (await approve(await office.draft())).approvals
    assert (approval.subject, approval.acting_for_name) == ("zhou", "陈慧")
    end = pb.EndDelegationRequest(delegation_id=view.delegation_id)
    await office.call("leader-in-charge:chen", "EndDelegation", end)
    with pytest.raises(NotYourStep):
        await approve(await office.draft())


async def test_whoever_was_added_signs_beside_the_other(office: Office) -> None:
    """Both approvals go with the letter."""
    draft = await office.draft()
    (task,) = await office.open(draft.letter_id)
    who = pb.Who(role="leader-in-charge", subject="second")
    add = pb.AddSignerRequest(document_id=draft.letter_id, task=task.task, who=who)
    await office.call("leader-in-charge:first", "AddSigner", add)
    await office.do("leader-in-charge:first", draft.letter_id)
    with pytest.raises(StepOpen, match="sign"):
        await office.send(draft)
    await office.do("leader-in-charge:second", draft.letter_id)
    sent = await office.send(draft)
    letter = await office.call(
        "clerk", "GetLetter", cases_pb.GetLetterRequest(letter_id=sent.letter_id), office.cases
    )
    assert {each.subject for each in letter.letter.approvals} == {"first", "second"}


async def test_a_delegation_is_the_absent_persons_to_give(office: Office) -> None:
    """Or an administrator's; it is ended at once, and stays visible."""
    view = await delegate(office)
    end = pb.EndDelegationRequest(delegation_id=view.delegation_id)
    with pytest.raises(RoleNotPermitted):
        await office.call("clerk", "EndDelegation", end)
    await office.call("leader-in-charge:chen", "EndDelegation", end)
    assert not (await office.call("clerk", "ListDelegations", pb.ListDelegationsRequest())).delegations
    request = pb.ListDelegationsRequest(subject="zhou", include_ended=True)
    (listed,) = (await office.call("clerk", "ListDelegations", request)).delegations
    assert not listed.in_effect
    with pytest.raises(InvalidField):
        await delegate(office, until=at(office, days=-2))


# -- by telephone -------------------------------------------------------------------------------------


async def call(office: Office, draft: cases_pb.DraftView, task: int, who: pb.HandlingPerson) -> None:
    request = pb.RecordCallRequest(
        document_id=draft.letter_id, task=task, approver=who, called_at=at(office, minutes=-5), words="同意"
    )
    await office.call("clerk", "RecordCall", request)


async def test_a_telephone_approval_sends_nothing_the_law_wants_approved(office: Office) -> None:
    """It is noted and waits; the leader's own assertion over the content confirms it, and is the approval."""
    draft = await office.draft()
    (task,) = await office.open(draft.letter_id)
    with pytest.raises(NotYourStep):
        await call(office, draft, task.task, pb.HandlingPerson(subject="wu", name="吴", role="officer"))
    await call(office, draft, task.task, LEADER)
    with pytest.raises(StepOpen, match="telephone"):
        await office.send(draft)
    assert await office.work("leader-in-charge:other") == []
    (item,) = await office.work("leader-in-charge:chen", pb.WORK_LIST_TO_APPROVE)
    assert item.task.call.words == "同意"
    assert item.task.call.clerk.role == "clerk"
    confirm = pb.ConfirmCallRequest(
        document_id=draft.letter_id, task=task.task, content_digest=draft.content_digest
    )
    with pytest.raises(ContentMismatch):
        await office.call("leader-in-charge:chen", "ConfirmCall", confirm)  # asserts no content
    bound = office.token("leader-in-charge:chen", draft.content_digest, Purpose.APPROVE)
    await office._call(office.handling.ConfirmCall(confirm, metadata=bound, timeout=10))
    assert (await office.send(draft)).number


async def test_another_step_goes_on_after_a_call(office: Office) -> None:
    """Provisionally, until it is confirmed, also after the letter is gone; what is denied is open again."""
    await office.state(CHAIN)
    draft = await office.draft()
    (task,) = await office.open(draft.letter_id)
    checker = pb.HandlingPerson(subject="duty", name="钱", role="duty-officer")
    await call(office, draft, task.task, checker)
    assert (await office.get(draft.letter_id)).document.step == "review"
    denied = pb.ConfirmCallRequest(document_id=draft.letter_id, task=task.task, denied="没有说过")
    with pytest.raises(NotYourStep):
        await office.call("duty-officer:else", "ConfirmCall", denied)
    await office.call("duty-officer:duty", "ConfirmCall", denied)
    (again,) = await office.open(draft.letter_id)
    assert again.step == "check"
    await call(office, draft, again.task, checker)
    await office.through(draft.letter_id, (*TO_SIGN[1:], "leader-in-charge", "registry-clerk"))
    await office.send(draft)
    office.port.ledger.clock.advance(timedelta(days=3))
    (item,) = (await office.call("duty-officer:duty", "ListWork", pb.ListWorkRequest(overdue=True))).items
    assert item.document.state == pb.DOCUMENT_STATE_DONE
    confirm = pb.ConfirmCallRequest(
        document_id=draft.letter_id, task=again.task, content_digest=draft.content_digest
    )
    await office.call("duty-officer:duty", "ConfirmCall", confirm)
    assert await office.work("duty-officer:duty") == []


# -- a post changes hands -----------------------------------------------------------------------------


async def test_everything_open_goes_over_in_one_command(office: Office) -> None:
    """What was taken, handed on and drafted; calls that only the person confirms are named and stay."""
    await office.state(CHAIN)
    drafts = [await office.draft() for _ in range(3)]
    take = pb.TakeStepRequest(document_id=drafts[0].letter_id, task=2)
    await office.call("duty-officer:old", "TakeStep", take)
    hand_on = pb.HandOnRequest(document_id=drafts[1].letter_id, task=2, who=pb.Who(subject="old"))
    await office.call("duty-officer", "HandOn", hand_on)
    await call(office, drafts[2], 2, pb.HandlingPerson(subject="old", name="老李", role="duty-officer"))
    request = pb.HandOverRequest(
        before=pb.HandlingPerson(subject="old"),
        after=pb.HandlingPerson(subject="new", name="小王"),
        reason="岗位调整",
    )
    with pytest.raises(RoleNotPermitted):
        await office.call("clerk", "HandOver", request)
    done = await office.call("principal", "HandOver", request)
    assert sorted(each.document.letter_id for each in done.moved) == sorted(
        each.letter_id for each in drafts[:2]
    )
    assert [each.document.letter_id for each in done.left] == [drafts[2].letter_id]
    mine = await office.work("duty-officer:new")
    assert {each.document.letter_id for each in mine} == {each.letter_id for each in drafts[:2]}
    assert [each.document.letter_id for each in await office.work("duty-officer:old")] == [
        drafts[2].letter_id
    ]
    again = await office.call("principal", "HandOver", request)
    assert not again.moved
    clerk = pb.HandOverRequest(
        before=pb.HandlingPerson(subject="clerk-1"), after=request.after, reason="岗位调整"
    )
    moved = (await office.call("principal", "HandOver", clerk)).moved
    assert len(moved) == 3
    assert {each.document.drafter.name for each in moved} == {"小王"}


# -- numbers ------------------------------------------------------------------------------------------


async def test_a_series_is_of_a_section_and_a_kind(office: Office) -> None:
    """The most specific word; each counts by itself; what was drafted outside the section has the general one."""
    directory = office.port.ledger.market.entry(number_word="清市监")
    directory.department.sections.add(id="legal", title=directory_pb.Title(zh="法监科", en="Legal"))
    office.port.ledger.common(directory)
    person = directory_pb.Person(
        id="clerk-1", department=MARKET, name="张三", roles=["clerk"], section="legal"
    )
    office.port.ledger.common(directory_pb.CommonEntry(person=person))
    office.port.node.take()
    general = pb.SetSeriesRequest(word="清市监函", procedure="joint-enforcement")
    own = pb.SetSeriesRequest(word="清市监法监", procedure="joint-enforcement", section="legal")
    for request in (general, own):
        await office.call("principal", "SetSeries", request)
    with pytest.raises(InvalidField):
        await office.call("principal", "SetSeries", pb.SetSeriesRequest(word="x", section="nowhere"))
    first, second = [await office.draft() for _ in range(2)]
    assert (await office.do("leader-in-charge", first.letter_id)).number == "清市监法监〔2026〕1号"
    assert (await office.do("leader-in-charge", second.letter_id)).number == "清市监法监〔2026〕2号"
    (newest, _) = (await office.call("clerk", "ListSeries", pb.ListSeriesRequest())).series
    withdraw = pb.WithdrawSeriesRequest(series_id=newest.series_id)
    await office.call("principal", "WithdrawSeries", withdraw)
    third = await office.draft()
    assert (await office.do("leader-in-charge", third.letter_id)).number == "清市监函〔2026〕1号"


async def test_a_void_number_stays_visible_and_is_never_issued_again(office: Office) -> None:
    """Voided with its reason, discarded with its draft; the sequence has each number once."""
    first, second = [await office.draft() for _ in range(2)]
    signed = await office.do("leader-in-charge", first.letter_id)
    void = pb.VoidNumberRequest(document_id=first.letter_id, number=signed.number, reason="错号")
    document = (await office.call("principal", "VoidNumber", void)).document
    assert (document.number, document.step) == ("", "number")
    with pytest.raises(StepOpen, match="number"):
        await office.send(first)
    assert (await office.do("registry-clerk", first.letter_id)).number.endswith("〔2026〕2号")
    await office.send(first)
    await office.do("leader-in-charge", second.letter_id)
    discard = cases_pb.DiscardDraftRequest(letter_id=second.letter_id)
    await office.call("clerk", "DiscardDraft", discard, office.cases)
    third = await office.draft()
    await office.do("leader-in-charge", third.letter_id)
    answers = [
        await office.call("clerk", "ListNumbers", pb.ListNumbersRequest(word="清m", year=2026, page_size=3)),
    ]
    answers.append(
        await office.call(
            "clerk",
            "ListNumbers",
            pb.ListNumbersRequest(word="清m", year=2026, page_token=answers[0].next_page_token),
        )
    )
    numbers = [each for answer in answers for each in answer.numbers]
    assert [each.running for each in numbers] == [1, 2, 3, 4]
    assert [pb.NumberState.Name(each.state).removeprefix("NUMBER_STATE_") for each in numbers] == [
        "VOID", "LETTER", "VOID", "RESERVED",
    ]  # fmt: skip
    assert numbers[0].reason == "错号"


async def test_an_electronic_seal_needs_a_service(office: Office) -> None:
    """Without one it is refused, and the paper is sealed instead."""
    await office.state(CHAIN)
    draft = await office.draft()
    await office.through(draft.letter_id, (*TO_SIGN, "leader-in-charge"))
    with pytest.raises(NoSealService):
        await office.do("registry-clerk", draft.letter_id, electronic_seal=True)
    assert (await office.do("registry-clerk", draft.letter_id)).step == "send"
