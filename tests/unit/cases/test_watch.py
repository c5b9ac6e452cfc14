"""Watchers hear of changes after the commit, in order, and a slow one holds up nobody."""

import asyncio

import pytest
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1.bodies_pb2 import SignFor

from services.cases import watch
from services.cases.handlers.reading import ReadingHandlers
from services.cases.watch import CaseWatch, SlowReader
from tests.builders.ledger import Ledger, Node


class Stream:
    """The context of a watch; takes what is written unless it is closed."""

    def __init__(self, *, takes: bool = True) -> None:
        self.begun = asyncio.Event()
        self.answers: asyncio.Queue[pb.WatchCasesResponse] = asyncio.Queue()
        self._takes = takes

    async def send_initial_metadata(self, _metadata: object) -> None:
        self.begun.set()

    async def write(self, message: pb.WatchCasesResponse) -> None:
        if not self._takes:
            await asyncio.Event().wait()
        self.answers.put_nowait(message)


async def begin(
    reading: ReadingHandlers, request: pb.WatchCasesRequest, stream: Stream
) -> "asyncio.Task[None]":
    task = asyncio.create_task(reading.WatchCases(request, stream))
    async with asyncio.timeout(5):
        await stream.begun.wait()
    return task


async def end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_watcher_sees_what_changes(market: Node, reading: ReadingHandlers, ledger: Ledger) -> None:
    """Letters that come and own ones, each with the case as it is then."""
    market.act_as("clerk")
    stream = Stream()
    task = await begin(reading, pb.WatchCasesRequest(), stream)
    case_id, _ = ledger.transferred()
    await asyncio.to_thread(market.take)
    seen = [await asyncio.wait_for(stream.answers.get(), 5) for _ in range(2)]
    assert [each.letter.act for each in seen] == ["register", "transfer"]
    assert {each.case.case_id for each in seen} == {case_id}
    market.record(pb.ActDraft(case_id=case_id, act="sign-for", sign_for=SignFor()))
    answer = await asyncio.wait_for(stream.answers.get(), 5)
    assert (answer.letter.act, answer.case.state, answer.case.pending) == ("sign-for", "signed", 1)
    await end(task)


async def test_one_case_is_watched_alone(market: Node, reading: ReadingHandlers, ledger: Ledger) -> None:
    """Changes of others are not told."""
    wanted, _ = ledger.transferred()
    market.take()
    market.act_as("clerk")
    stream = Stream()
    task = await begin(reading, pb.WatchCasesRequest(case_id=wanted), stream)
    ledger.transferred()
    await asyncio.to_thread(market.take)
    market.record(pb.ActDraft(case_id=wanted, act="sign-for", sign_for=SignFor()))
    answer = await asyncio.wait_for(stream.answers.get(), 5)
    assert (answer.case.case_id, answer.letter.act) == (wanted, "sign-for")
    assert stream.answers.empty()
    await end(task)


async def test_a_reader_that_does_not_take_is_ended(
    market: Node, reading: ReadingHandlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed, after the write's deadline; the node's own work went on."""
    monkeypatch.setattr(watch, "WRITE_TIMEOUT_S", 0.05)
    market.act_as("clerk")
    task = await begin(reading, pb.WatchCasesRequest(), Stream(takes=False))
    await asyncio.to_thread(market.register, "一")
    with pytest.raises(SlowReader) as caught:
        await asyncio.wait_for(task, 5)
    assert caught.value.reason == "SLOW_READER"


async def test_what_waits_for_a_watcher_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More changes than may wait end it, and it is forgotten afterwards."""
    monkeypatch.setattr(watch, "WAITING", 3)
    watches = CaseWatch()
    with watches.watch("") as watcher, watches.watch("other") as other:
        await asyncio.to_thread(watches.changed, [("case", str(number)) for number in range(4)])
        await asyncio.sleep(0)
        with pytest.raises(SlowReader):
            await watcher.take()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.take(), 0.01)
    watches.changed([("other", "letter")])


async def test_a_change_told_twice_is_taken_once() -> None:
    """Until it is taken."""
    watches = CaseWatch()
    with watches.watch("") as watcher:
        watches.changed([("case", "letter"), ("case", "letter")])
        watches.changed([("case", "letter")])
        assert await asyncio.wait_for(watcher.take(), 1) == [("case", "letter")]
