"""The load: open cases, then `progress` letters over them, timed from the sending API to the durable inbox."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Self
from uuid import uuid4

import psycopg
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services.cli.demo.party import Party
from services.cli.demo.story import evidence_material
from services.common import engines

REQUEST: Final = 64
IN_FLIGHT: Final = 4
_WAIT_S: Final = 120.0
_TEXT: Final = "已现场检查并询问当事人，正在核实进货渠道，拟于下周完成取证。"


class LoadFailed(Exception):
    """The load did not come through."""


class Bulk:
    """A stream of `SendActs` of one department's system: requests out, answers in, a few at once."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._call: Any = None
        self._sequence = itertools.count(1)
        self._assertion_at = 0.0

    async def __aenter__(self) -> Self:
        self._call = self._party.cases.SendActs(metadata=self._party.actor("system"))
        self._assertion_at = time.monotonic()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()

    async def write(self, drafts: Sequence[cases.ActDraft]) -> None:
        """Send one request."""
        request = cases.SendActsRequest(sequence=next(self._sequence))
        if time.monotonic() - self._assertion_at > 120:  # noqa: PLR2004 - well within five minutes
            request.assertion = self._party.assertion("system")
            self._assertion_at = time.monotonic()
        for draft in drafts:
            request.acts.append(cases.SendActRequest(draft=draft, idempotency_key=uuid4().hex))
        await self._call.write(request)

    async def read(self) -> list[cases.LetterAnswer]:
        """The answers to the next request.

        Raises:
            LoadFailed: One was refused.
        """
        response = await self._call.read()
        answers = []
        for each in response.results:
            if each.HasField("refused"):
                raise LoadFailed(f"{each.refused.reason} {each.refused.field}: {each.refused.message}")
            answers.append(each.answer)
        return answers

    async def send(self, drafts: Sequence[cases.ActDraft]) -> list[cases.LetterAnswer]:
        """Send drafts in requests, a few at once; returns all answers in order."""
        requests = [drafts[start : start + REQUEST] for start in range(0, len(drafts), REQUEST)]
        answers: list[cases.LetterAnswer] = []
        written = 0
        for index in range(len(requests)):
            while written < len(requests) and written - index < IN_FLIGHT:
                await self.write(requests[written])
                written += 1
            answers += await self.read()
        return answers


class Inbox:
    """A department's durable inbox, read in its database by the bench itself.

    The node is not asked: what counts is what is committed, and asking would be part of the load. A look is
    one prepared statement on the driver's own connection, since whoever looks shares the two cores.

    Args:
        url: The department's database.
        interval: Seconds between two looks; times are late by up to that.
    """

    def __init__(self, url: str, interval: float) -> None:
        self._connection, mark = _connect(url)
        self._newest = f"SELECT letter_id, position FROM letters WHERE position > {mark} ORDER BY position"  # noqa: S608 - the mark is the driver's
        self._interval = interval
        self._position = -1
        self._ended = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self.seen: dict[str, float] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        found = self._connection.execute("SELECT max(position) FROM letters").fetchone()
        self._position = -1 if found[0] is None else found[0]
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._connection.close()

    def _look(self) -> None:
        while not self._ended.wait(self._interval):
            rows = self._connection.execute(self._newest, (self._position,)).fetchall()
            now = time.perf_counter()
            for letter_id, position in rows:
                self.seen[letter_id] = now
                self._position = position
            if rows:
                self._loop.call_soon_threadsafe(self._came.set)

    async def wait(self, letter_ids: Sequence[str]) -> None:
        """Wait until all have come.

        Raises:
            LoadFailed: They did not in time.
        """
        rest = set(letter_ids)
        try:
            async with asyncio.timeout(_WAIT_S):
                while True:
                    self._came.clear()
                    rest -= self.seen.keys()
                    if not rest:
                        return
                    await self._came.wait()
        except TimeoutError:
            raise LoadFailed(f"{len(rest)} letters did not come within {_WAIT_S:.0f} s") from None


def _connect(url: str) -> tuple[Any, str]:
    """The driver's connection, every statement its own transaction, and its mark for a parameter."""
    parsed = engines.parse_url(url)
    path = engines.sqlite_path(parsed)
    if path is not None:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False), "?"
    address = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True, prepare_threshold=0), "%s"


async def open_cases(sender: Party, receiver: Party, count: int) -> list[str]:
    """Open cases by the API and bring them to `accepted`; returns their ids."""
    material = {
        kind: await evidence_material(sender, kind, "…")
        for kind in ("transfer-letter", "source-material", "preliminary-evidence")
    }
    notice = await evidence_material(receiver, "acceptance-notice", "受理告知书", "system")
    register = cases.ActDraft(
        procedure="case-transfer",
        act="register",
        urgency=envelopes.URGENCY_ORDINARY,
        discovery=bodies.Discovery(title="基准案件", facts="基准", source=bodies.DISCOVERY_SOURCE_INSPECTION),
    )
    async with Bulk(sender) as bulk:
        case_ids = [each.case_id for each in await bulk.send([register] * count)]
    slots = asyncio.Semaphore(16)

    async def transfer(case_id: str) -> None:
        draft = cases.ActDraft(
            case_id=case_id,
            act="transfer",
            parties=[envelopes.Party(role="receiver", department=receiver.name)],
            materials=list(material.values()),
            transfer_letter=bodies.TransferLetter(title="基准案件", facts="基准"),
        )
        async with slots:
            await sender.act(draft, approver="leader-in-charge")

    await asyncio.gather(*(transfer(case_id) for case_id in case_ids))
    for case_id in case_ids[-3:]:
        await receiver.reached(case_id, 0)
    await _all_here(receiver, case_ids)
    async with Bulk(receiver) as bulk:
        await bulk.send(
            [
                cases.ActDraft(case_id=each, act="sign-for", sign_for=bodies.SignFor(signed_by="系统"))
                for each in case_ids
            ]
        )
        await bulk.send(
            [
                cases.ActDraft(
                    case_id=each,
                    act="accept",
                    materials=[notice],
                    acceptance_notice=bodies.AcceptanceNotice(),
                )
                for each in case_ids
            ]
        )
    await drained(receiver)
    await drained(sender)
    return case_ids


async def _all_here(party: Party, case_ids: Sequence[str]) -> None:
    for case_id in case_ids:
        await party.reached(case_id, 0)


async def drained(party: Party) -> None:
    """Wait until a department's outbox is empty.

    Raises:
        LoadFailed: It is not within two minutes.
    """
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        state = await party.cases.GetNodeState(
            cases.GetNodeStateRequest(), metadata=party.actor("system"), timeout=30
        )
        if state.outbox == 0:
            return
        await asyncio.sleep(0.02)
    raise LoadFailed(f"the outbox of {party.name} does not empty")


def progress(case_id: str) -> cases.ActDraft:
    """One letter of the load."""
    return cases.ActDraft(case_id=case_id, act="progress", progress_report=bodies.ProgressReport(text=_TEXT))


async def throughput(
    author: Party, recipient: Party, inbox: str, case_ids: Sequence[str], count: int
) -> float:
    """Send as fast as it goes; letters per second until all are in the inbox and all Arrivals are admitted."""
    drafts = [progress(case_id) for case_id in itertools.islice(itertools.cycle(case_ids), count)]
    with Inbox(inbox, 0.05) as arrivals:
        async with Bulk(author) as bulk:
            began = time.perf_counter()
            answers = await bulk.send(drafts)
            await arrivals.wait([each.letter_id for each in answers])
            await drained(recipient)
            return count / (time.perf_counter() - began)


async def one_in_flight(author: Party, inbox: str, case_ids: Sequence[str], count: int) -> list[float]:
    """Milliseconds from sending a letter to the recipient's durable inbox, one after the other."""
    times: list[float] = []
    with Inbox(inbox, 0.001) as arrivals:
        async with Bulk(author) as bulk:
            for case_id in itertools.islice(itertools.cycle(case_ids), count):
                began = time.perf_counter()
                (answer,) = await bulk.send([progress(case_id)])
                await arrivals.wait([answer.letter_id])
                times.append((arrivals.seen[answer.letter_id] - began) * 1000)
    return times


async def open_loop(
    author: Party, inbox: str, case_ids: Sequence[str], rate: int, seconds: float
) -> list[float]:
    """Milliseconds at a given rate, counted from when each letter was to be sent."""
    count = int(rate * seconds)
    due: dict[str, float] = {}
    planned: asyncio.Queue[float] = asyncio.Queue()
    with Inbox(inbox, 0.002) as arrivals:
        async with Bulk(author) as bulk:

            async def answers() -> None:
                for _ in range(count):
                    (answer,) = await bulk.read()
                    due[answer.letter_id] = planned.get_nowait()

            reading = asyncio.create_task(answers())
            began = time.perf_counter()
            async for index, case_id in _paced(case_ids, rate, count, began):
                planned.put_nowait(began + index / rate)
                await bulk.write([progress(case_id)])
            await reading
            await arrivals.wait(list(due))
            return [(arrivals.seen[letter_id] - at) * 1000 for letter_id, at in due.items()]


async def _paced(
    case_ids: Sequence[str], rate: int, count: int, began: float
) -> AsyncIterator[tuple[int, str]]:
    for index, case_id in enumerate(itertools.islice(itertools.cycle(case_ids), count)):
        wait = began + index / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        yield index, case_id
