"""Documents on their chains, over a real port: steps, returns, signers, work lists."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from liandong.cases.v1 import case_service_pb2 as cases_pb
from liandong.cases.v1 import handling_service_pb2 as pb
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.errors import InvalidField, NotFound, RoleNotPermitted
from services.exchange.assertions import ContentMismatch, Purpose
from services.procedures.document import NotYourStep, StepOpen
from tests.builders.departments import JUSTICE
from tests.wire.cases.conftest import Port
from tests.wire.cases.office import SIGNED_ONLY, TO_SIGN, Office


@pytest.fixture
async def office(port: Port) -> AsyncIterator[Office]:
    """The people of the department."""
    entry = directory_pb.Office(procedure="joint-enforcement", department=JUSTICE)
    port.ledger.common(directory_pb.CommonEntry(office=entry))
    port.node.take()
    async with port.handling() as (cases, handling):
        yield Office(port, cases, handling)


def steps_done(found: pb.GetDocumentResponse) -> list[str]:
    return [each.step for each in found.tasks if each.outcome == pb.TASK_OUTCOME_DONE and each.stands]


async def test_a_letter_goes_through_its_chain(office: Office) -> None:
    """Each step in order and timed; sent under the number issued at signing, and not one step before its turn."""
    await office.state()
    draft = await office.draft()
    with pytest.raises(StepOpen, match="check"):
        await office.send(draft)
    with pytest.raises(NotYourStep):
        await office.do(
            "leader-in-charge", draft.letter_id
        )  # whom the law asks, but it is not yet their turn
    assert [each.task.step for each in await office.work("duty-officer")] == ["check"]
    await office.through(draft.letter_id, TO_SIGN)
    assert [each.task.step for each in await office.work("leader-in-charge", pb.WORK_LIST_TO_APPROVE)] == [
        "sign"
    ]
    request = pb.GetDocumentRequest(document_id=draft.letter_id)
    own = (await office.call("leader-in-charge", "GetDocument", request)).own
    assert [(each.task, each.HasField("acting_for")) for each in own] == [(6, False)]
    assert not (await office.call("clerk", "GetDocument", request)).own
    signed = await office.do("leader-in-charge", draft.letter_id)
    assert signed.number == "清m〔2026〕1号"
    with pytest.raises(StepOpen, match="seal"):
        await office.send(draft)
    await office.do("registry-clerk", draft.letter_id)
    sent = await office.send(draft)
    assert sent.number == signed.number
    found = await office.get(draft.letter_id)
    assert found.document.state == pb.DOCUMENT_STATE_DONE
    assert [each.task for each in found.own] == []
    assert steps_done(found) == [
        "draft", "check", "review", "countersign", "countersign", "sign", "number", "seal", "send",
    ]  # fmt: skip
    assert all(each.started_at.seconds and each.done_at.seconds for each in found.tasks)
    assert [each.what for each in found.history][-2:] == ["sealed", "sent"]


async def test_nobody_does_what_is_anothers(office: Office) -> None:
    """Neither in a wrong role, nor what somebody took up, nor for another content."""
    await office.state()
    draft = await office.draft()
    task = pb.TakeStepRequest(document_id=draft.letter_id, task=2)
    with pytest.raises(NotYourStep):
        await office.call("legal-reviewer", "TakeStep", task)
    await office.call("duty-officer:zhou", "TakeStep", task)
    with pytest.raises(NotYourStep):
        await office.do("duty-officer:wu", draft.letter_id)
    assert await office.work("duty-officer:wu") == []
    with pytest.raises(ContentMismatch):
        await office.call(
            "duty-officer:zhou",
            "CompleteStep",
            pb.CompleteStepRequest(document_id=draft.letter_id, task=2, content_digest=bytes(32)),
        )
    unnamed = pb.CompleteStepRequest(document_id=draft.letter_id, task=2)
    with pytest.raises(InvalidField, match="Name the content"):
        await office.call("duty-officer:zhou", "CompleteStep", unnamed)
    with pytest.raises(RoleNotPermitted):
        await office.call("auditor", "TakeStep", task)
    with pytest.raises(NotFound):
        await office.get("0" * 36)
    assert (await office.do("duty-officer:zhou", draft.letter_id)).step == "review"


async def test_changed_content_voids_what_was_agreed(office: Office) -> None:
    """Returned with a reason, drafted anew: everybody agrees again, and the old letter is gone."""
    await office.state()
    draft = await office.draft()
    await office.through(draft.letter_id, TO_SIGN[:2])
    (first, _) = await office.open(draft.letter_id)
    await office.call(
        "liaison",
        "ReturnDocument",
        pb.ReturnDocumentRequest(document_id=draft.letter_id, task=first.task, reason="事实不清"),
    )
    (mine,) = await office.work("clerk")
    assert mine.task.step == "draft"
    discard = cases_pb.DiscardDraftRequest(letter_id=draft.letter_id)
    with pytest.raises(NotYourStep):
        await office.call("officer", "DiscardDraft", discard, office.cases)
    with pytest.raises(StepOpen):
        await office.send(draft)
    again = await office.draft(replaces=draft.letter_id, summary="补充事实。")
    found = await office.get(draft.letter_id)
    assert (found.document.case_id, found.document.title) == (again.case_id, "夜市联合执法")
    assert found.document.letter_id == again.letter_id
    assert found.document.step == "check"
    assert steps_done(found) == ["draft"]
    await office.through(draft.letter_id, (*TO_SIGN, "leader-in-charge", "registry-clerk"))
    assert (await office.send(again)).number
    assert [each.note for each in found.history if each.what == "returned"] == ["事实不清"]


async def test_a_signature_on_another_content_approves_nothing(office: Office) -> None:
    """Changed after it was signed, the letter has no approval, and goes round again under its number."""
    await office.state(SIGNED_ONLY)
    draft = await office.draft()
    signed = await office.do("leader-in-charge", draft.letter_id)
    again = await office.draft(draft.case_id, replaces=draft.letter_id, summary="又改了。")
    assert list(again.missing_approvals) == ["leader-in-charge"]
    with pytest.raises(StepOpen, match="sign"):
        await office.send(again)
    await office.do("leader-in-charge", draft.letter_id)
    assert (await office.send(again)).number == signed.number


async def test_approving_as_before_is_signing(office: Office) -> None:
    """ApproveLetter does the step of signing, when it is its turn and not before."""
    await office.state()
    draft = await office.draft()

    async def approve() -> cases_pb.DraftView:
        metadata = office.token("leader-in-charge", draft.content_digest, Purpose.APPROVE)
        request = cases_pb.ApproveLetterRequest(
            letter_id=draft.letter_id, content_digest=draft.content_digest, role="leader-in-charge"
        )
        answer = await office._call(office.cases.ApproveLetter(request, metadata=metadata, timeout=10))
        view: cases_pb.DraftView = answer.draft
        return view

    with pytest.raises(StepOpen, match="check"):
        await approve()
    await office.through(draft.letter_id, TO_SIGN)
    assert list((await approve()).missing_approvals) == []
    assert (await office.get(draft.letter_id)).document.step == "seal"


async def test_both_ways_to_approve_are_one(office: Office) -> None:
    """By letter and role, or by task: the same approval, the same step done, the same refusal when it is done."""
    await office.state()
    seen = []
    for by_task in (True, False):
        draft = await office.draft()

        async def approve(draft: cases_pb.DraftView = draft, by_task: bool = by_task) -> None:
            found = await office.get(draft.letter_id)
            metadata = office.token("leader-in-charge", draft.content_digest, Purpose.APPROVE)
            if by_task:
                (task,) = [each.task for each in found.tasks if each.kind == pb.STEP_KIND_SIGN]
                complete = pb.CompleteStepRequest(
                    document_id=draft.letter_id, task=task, content_digest=draft.content_digest
                )
                await office._call(office.handling.CompleteStep(complete, metadata=metadata, timeout=10))
            else:
                asked = cases_pb.ApproveLetterRequest(
                    letter_id=draft.letter_id, content_digest=draft.content_digest, role="leader-in-charge"
                )
                await office._call(office.cases.ApproveLetter(asked, metadata=metadata, timeout=10))

        await office.through(draft.letter_id, TO_SIGN)
        await approve()
        with pytest.raises(StepOpen):
            await approve()
        listed = await office.call("clerk", "ListDrafts", cases_pb.ListDraftsRequest(), office.cases)
        (shown,) = [each for each in listed.drafts if each.letter_id == draft.letter_id]
        found = await office.get(draft.letter_id)
        approvals = [(each.role, each.subject, each.name) for each in shown.approvals]
        seen.append((approvals, list(shown.missing_approvals), found.document.step, steps_done(found)))
    assert seen[0] == seen[1]
    assert len(seen[0][0]) == 1


async def test_without_a_chain_all_is_as_before(office: Office) -> None:
    """Approved as the law asks, then sent; the implicit chain shows it, and keeps nobody."""
    draft = await office.draft()
    assert [each.task.step for each in await office.work("leader-in-charge")] == ["sign"]
    assert [each.document.step for each in await office.work("clerk", pb.WORK_LIST_WAITING)] == ["sign"]
    await office.do("leader-in-charge", draft.letter_id)
    assert [each.task.step for each in await office.work("clerk")] == ["send"]
    assert (await office.send(draft)).number
    assert await office.work("clerk") == []


async def test_running_letters_keep_their_chain(office: Office) -> None:
    """One for the act is stronger than one for all; a chain that is withdrawn goes on for what began on it."""
    everything = await office.state(SIGNED_ONLY)
    closing = await office.state(procedure="joint-enforcement", act="initiate")
    draft = await office.draft()
    await office.call("principal", "WithdrawChain", pb.WithdrawChainRequest(chain_id=closing.chain_id))
    later = await office.draft()
    first, second = [(await office.get(each.letter_id)).document for each in (draft, later)]
    assert (first.chain_id, first.step) == (closing.chain_id, "check")
    assert (second.chain_id, second.step) == (everything.chain_id, "sign")
    listed = await office.call("clerk", "ListChains", pb.ListChainsRequest())
    assert [each.chain_id for each in listed.chains] == [everything.chain_id]
    assert {each.name for each in listed.shipped} == {"outbound", "inbound"}


async def test_a_defective_chain_is_refused_by_line(office: Office) -> None:
    """With every defect; and nobody but those who answer for it states one."""
    broken = SIGNED_ONLY.replace("leader-in-charge", "chief").replace("kind: number}", "kind: stamp}")
    with pytest.raises(InvalidField) as refused:
        await office.state(broken)
    assert "chain.yaml:7: No person holds such a role" in refused.value.message
    assert "chain.yaml:8: The word is none" in refused.value.message
    with pytest.raises(RoleNotPermitted):
        await office.call("clerk", "SetChain", pb.SetChainRequest(source=SIGNED_ONLY))
    with pytest.raises(InvalidField):
        await office.state(SIGNED_ONLY, procedure="case-transfer", act="no-such-act")


async def test_one_more_signs_and_work_is_handed_on(office: Office) -> None:
    """An added signer is waited for; a task that is handed on keeps its limit."""
    await office.state()
    draft = await office.draft()
    (task,) = await office.open(draft.letter_id)
    with pytest.raises(InvalidField):
        await office.call(
            "duty-officer",
            "AddSigner",
            pb.AddSignerRequest(document_id=draft.letter_id, task=task.task, who=pb.Who(role="clerk")),
        )
    request = pb.HandOnRequest(
        document_id=draft.letter_id, task=task.task, who=pb.Who(subject="wu"), note="熟悉案情"
    )
    await office.call("duty-officer", "HandOn", request)
    (handed,) = await office.open(draft.letter_id)
    assert handed.due_at == task.due_at
    assert [each.task.task for each in await office.work("clerk:wu")] == [handed.task]
    await office.do("clerk:wu", draft.letter_id)
    await office.do("legal-reviewer", draft.letter_id)
    await office.do("liaison", draft.letter_id)
    (last,) = await office.open(draft.letter_id)
    await office.call(
        "officer",
        "AddSigner",
        pb.AddSignerRequest(document_id=draft.letter_id, task=last.task, who=pb.Who(subject="li")),
    )
    assert (await office.do("officer", draft.letter_id)).step == "countersign"
    assert (await office.do("clerk:li", draft.letter_id)).step == "sign"


async def test_a_list_goes_on_page_by_page_and_shows_what_is_late(office: Office) -> None:
    """What is due first comes first; each item once."""
    await office.state()
    drafts = [await office.draft() for _ in range(5)]
    token, seen = "", []
    while True:
        answer = await office.call(
            "duty-officer", "ListWork", pb.ListWorkRequest(page_size=2, page_token=token)
        )
        seen += [each.document.letter_id for each in answer.items]
        token = answer.next_page_token
        if not token:
            break
    assert sorted(seen) == sorted(each.letter_id for each in drafts)
    late = pb.ListWorkRequest(overdue=True)
    assert not (await office.call("duty-officer", "ListWork", late)).items
    office.port.ledger.clock.advance(timedelta(days=2))
    items = (await office.call("duty-officer", "ListWork", late)).items
    assert len(items) == 5
    assert all(each.task.overdue and each.document.overdue for each in items)
    request = pb.ListDocumentsRequest(case_id=drafts[0].case_id)
    listed = (await office.call("clerk", "ListDocuments", request)).documents
    assert [each.letter_id for each in listed] == [drafts[0].letter_id]


async def test_a_watch_tells_what_comes(office: Office) -> None:
    """And what goes again."""
    await office.state()
    watch = office.handling.WatchWork(
        pb.WatchWorkRequest(), metadata=office.token("duty-officer"), timeout=20
    )
    await watch.initial_metadata()
    draft = await office.draft()
    came = await watch.read()
    assert isinstance(came, pb.WatchWorkResponse)
    assert [each.step for each in came.tasks] == ["check"]
    await office.do("duty-officer", draft.letter_id)
    gone = await watch.read()
    assert isinstance(gone, pb.WatchWorkResponse)
    assert (gone.document.step, len(gone.tasks)) == ("review", 0)
    watch.cancel()


async def test_a_list_of_work_is_narrowed_by_due_time(office: Office) -> None:
    """From a time until a time, the end exclusive."""
    await office.state()
    await office.draft()
    (item,) = await office.work("duty-officer")
    due = item.task.due_at
    for asked, found in (
        (pb.ListWorkRequest(due_from=due), 1),
        (pb.ListWorkRequest(due_before=due), 0),
        (pb.ListWorkRequest(due_from=item.task.started_at, due_before=due), 0),
    ):
        assert len((await office.call("duty-officer", "ListWork", asked)).items) == found


async def test_a_first_screen_counts_in_one_call(office: Office) -> None:
    """What waits for a person, what waits for others, what was sent, and what is late."""

    async def counted(who: str) -> pb.CountWorkResponse:
        answer = await office.call(who, "CountWork", pb.CountWorkRequest())
        assert isinstance(answer, pb.CountWorkResponse)
        return answer

    await office.state()
    drafts = [await office.draft() for _ in range(3)]
    assert await counted("clerk") == pb.CountWorkResponse(waiting=3)
    assert await counted("duty-officer") == pb.CountWorkResponse(to_do=3, to_approve=3, tasks_due_soon=3)
    await office.through(drafts[0].letter_id, (*TO_SIGN, "leader-in-charge", "registry-clerk"))
    await office.send(drafts[0])
    (sent,) = await office.work("clerk", pb.WORK_LIST_SENT)
    assert sent.document.letter_id == drafts[0].letter_id
    assert len(await office.work("clerk", pb.WORK_LIST_WAITING)) == 2
    found = await counted("clerk")
    assert (found.waiting, found.sent) == (2, 1)
    office.port.ledger.clock.advance(timedelta(days=2))
    assert (await counted("duty-officer")).tasks_overdue == 2
