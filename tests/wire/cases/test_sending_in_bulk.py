"""SendActs over a real port: many acts on one stream."""

import asyncio
import contextlib
import threading

import grpc.aio
import pytest
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as pb

from services.cases.handlers import writing
from tests.wire.cases.conftest import Port

_STREAMING = "WritingHandlers.SendActs"


def running() -> list[str]:
    """What the server still does for streams of acts."""
    names = [getattr(each.get_coro(), "__qualname__", "") for each in asyncio.all_tasks()]
    return [name for name in names if name.startswith(_STREAMING)]


async def test_a_client_that_goes_away_leaves_nothing_waiting(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the writer is held up and as many requests wait as may, its stream ends altogether."""
    monkeypatch.setattr(writing, "_REQUESTS_IN_FLIGHT", 2)
    department, hold = port.node.department, threading.Event()
    token = port.node.signer.assertion("system", service=True).decode()
    found = bodies.Discovery(title="餐具消毒单位涉嫌违法案", facts="未附消毒合格证明。")
    draft = pb.ActDraft(procedure="case-transfer", act="register", discovery=found)
    act = pb.SendActRequest(draft=draft, idempotency_key="one")
    held = department.committer.submit(lambda session: hold.wait(20))
    try:
        async with port.calling() as stub:
            call = stub.SendActs(metadata=(("liandong-actor", token),), timeout=20)
            for sequence in range(1, 7):
                await call.write(pb.SendActsRequest(sequence=sequence, acts=[act]))
            async with asyncio.timeout(10):
                while department.committer.waiting < 2:  # noqa: ASYNC110 - the writer is a thread
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert running()
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError):
                await call.read()
            async with asyncio.timeout(5):
                while running():  # noqa: ASYNC110 - tasks of the server are what is looked at
                    await asyncio.sleep(0.01)
    finally:
        hold.set()
    await held
