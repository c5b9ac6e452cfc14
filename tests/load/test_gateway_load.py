"""The pages of a district with a past: what one person waits for, and what a hundred at once.

A stock of cases is signed, folded and loaded in bulk; then the real processes run over it. First it is held against
itself: the ledger verifies, and a case that is opened has the same state at its node as at the registry. Then pages
are asked for by HTTP: the first screen, the search, the office's picture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.oversight.v1.oversight_service_pb2_grpc import OversightServiceStub

from services.cases import pinyin
from services.cli.demo import district as demo
from services.cli.demo.district import District
from services.cli.ledger_check import verify_database
from services.common.channel import open_channel
from services.common.db import Database
from tests.load import measure, visits
from tests.load.district import DEPARTMENTS, FULL, JUSTICE, MARKET, SHORT, Size, plan_of, start

Tell = Callable[[str], None]

_ONE_MS: Final = 300
_MANY_MS: Final = 1_000
_USERS: Final = 100
_THINK_S: Final = 5.0


@asynccontextmanager
async def loaded(folder: Path, size: Size, tell: Tell, database_url: str = "") -> AsyncIterator[District]:
    """A running district of so many cases, with a gateway."""
    district = await start(plan_of(folder, database_url, gateway=True), size, tell)
    try:
        yield district
    finally:
        await district.stop()


async def pages_of(district: District) -> tuple[dict[str, str], dict[str, str]]:
    """What a clerk of the market bureau looks at, and what the office of case transfer does."""
    market = district.parties[MARKET]
    over = cases.ListCasesRequest(procedure="case-transfer", include_closed=True, page_size=500)
    listed = await market.cases.ListCases(over, metadata=market.actor("clerk"))
    case = listed.cases[-1].case_id
    subject = (await market.case(case)).subjects[0]
    number = [each.number for each in await market.timeline(case) if each.number][-1]
    tabs = ("todo", "approve", "sign", "sent", "soon", "overdue")
    clerk = {f"first screen, {tab}": f"/?tab={tab}" for tab in tabs}
    clerk |= {"cases": "/cases", "case": f"/cases/{case}"}
    clerk |= {
        f"search for {what}": f"/search?q={quote(words)}"
        for what, words in {
            "a letter number": number,
            "a code": subject.identifier,
            "a name": subject.name,
            "a telephone": subject.telephone,
            "initials": pinyin.initials(subject.name)[0],
            "a phrase": "涉嫌无证行医",
            "nothing that is there": "紫檀木雕展览",
        }.items()
    }
    office = {
        "picture": "/picture",
        "picture of a mechanism": "/picture/case-transfer",
        "trend in the picture": "/picture/trend",
    }
    return clerk, office


async def hold_together(district: District, folder: Path, database_url: str = "") -> int:
    """See that the ledger verifies and that every fortieth case is the same at its node and at the registry."""
    plan = plan_of(folder, database_url)
    database = Database(demo.database(plan, "registry", folder / "registry"), pool_size=1)
    try:
        size = verify_database(database).head.size
    finally:
        database.close()
    market = district.parties[MARKET]
    asked = cases.ListCasesRequest(include_closed=True, page_size=500)
    listed = await market.cases.ListCases(asked, metadata=market.actor("clerk"))
    assert district.operator is not None
    async with open_channel(district.registry_address, district.operator) as channel:
        sees = OversightServiceStub(channel)
        for each in listed.cases[::40]:
            here = await market.case(each.case_id)
            there = await sees.GetCaseOverview(oversight.GetCaseOverviewRequest(case_id=each.case_id))
            assert here.state_digest == there.state_digest
            assert len(await market.timeline(each.case_id)) == len(there.acts)
    return size


@pytest.mark.timeout(600)
async def test_a_district_with_a_past_holds_together_and_shows_its_pages(tmp_path: Path, tell: Tell) -> None:
    """The short form: a thousand cases, ten thousand letters; every page is shown."""
    async with loaded(tmp_path, SHORT, tell) as district:
        assert await hold_together(district, tmp_path) > SHORT.letters
        clerk, office = await pages_of(district)
        (cookie,) = await visits.log_in(district, MARKET, ["clerk"])
        await visits.visit(district, cookie, clerk, 1)
        (cookie,) = await visits.log_in(district, JUSTICE, ["leader-in-charge"])
        await visits.visit(district, cookie, office, 1)
        many = await crowded(tmp_path, district, clerk, users=20, seconds=5, think_s=1)
        assert many.visits > 20
        assert not many.failed


async def crowded(
    folder: Path, district: District, clerk: Mapping[str, str], *, users: int, seconds: int, think_s: float
) -> visits.Crowd:
    """Everybody who works in cases looks at what a clerk looks at."""
    program = visits.k6()
    assert program is not None, "k6 is not installed"
    cookies = [each for name in DEPARTMENTS for each in await visits.log_in(district, name, [])]
    # a case is there for those who take part in it, and not for everybody
    pages = {name: path for name, path in clerk.items() if name != "case"}
    return await visits.crowd(
        program, folder, district.gateway_url, cookies, pages, users=users, seconds=seconds, think_s=think_s
    )


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_a_million_letters_on_sqlite(tmp_path: Path, tell: Tell) -> None:
    """The long form."""
    await _long(tmp_path, tell, "")


@pytest.mark.soak
@pytest.mark.postgresql
@pytest.mark.timeout(7200)
async def test_a_million_letters_on_postgresql(tmp_path: Path, tell: Tell, postgresql_urls: str) -> None:
    """The long form."""
    await _long(tmp_path, tell, postgresql_urls)


async def _long(folder: Path, tell: Tell, database_url: str) -> None:
    async with loaded(folder, FULL, tell, database_url) as district:
        tell(f"{await hold_together(district, folder, database_url)} leaves verify")
        tell(f"settled after {await measure.settled(district):.0f} s")
        clerk, office = await pages_of(district)
        slow = []
        for department, role, pages in ((MARKET, "clerk", clerk), (JUSTICE, "leader-in-charge", office)):
            (cookie, *_) = await visits.log_in(district, department, [role])
            found = await visits.visit(district, cookie, pages, 40)
            tell("; ".join(f"{name}: {each}" for name, each in found.items()))
            slow += [name for name, each in found.items() if each.p95_ms >= _ONE_MS]
        many = await crowded(folder, district, clerk, users=_USERS, seconds=120, think_s=_THINK_S)
        tell(f"{_USERS} users: {many}")
        assert not slow, f"one user waits for {slow}"
        assert not many.failed
        assert many.p95_ms < _MANY_MS
