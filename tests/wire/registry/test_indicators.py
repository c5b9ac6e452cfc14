"""IndicatorService over real TLS: who sees what, pages, frozen months, files."""

import asyncio
import io
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from docx import Document
from liandong.oversight.v1 import indicator_service_pb2 as pb
from liandong.oversight.v1.indicator_service_pb2_grpc import IndicatorServiceStub
from openpyxl import load_workbook

from services.common.channel import open_channel, remote_errors
from services.common.clock import ManualClock
from services.common.errors import InvalidField, LiandongError, NotFound, PermissionDenied
from services.registry.indicators import catalogue
from services.registry.indicators.freeze import Freezer
from services.registry.indicators.periods import Month
from tests.builders.departments import HEALTH, JUSTICE, MARKET, WATER
from tests.builders.exchange_client import certificate
from tests.wire.registry.conftest import World


@asynccontextmanager
async def calling(world: World, department: str, kind: str = "node") -> AsyncIterator[Any]:
    """The service, as a certificate of a department."""
    tls = certificate(world.registry, world.folder / "tls", department, kind)
    async with open_channel(world.registry.address, tls) as channel:
        with remote_errors():
            yield IndicatorServiceStub(channel)


def this_month(world: World) -> Month:
    return Month.at(world.registry.clock.now())


def period(world: World) -> pb.Period:
    days = this_month(world).period
    return pb.Period(first=days.first.isoformat(), last=days.last.isoformat())


async def cases(world: World, count: int) -> None:
    """Open cases, and wait until they are counted."""
    for _ in range(count):
        await world.health.admit(world.health.opening())
    size = world.registry.replica.head.size
    async with calling(world, JUSTICE) as stub, asyncio.timeout(20):
        while True:
            found = await stub.GetFigures(pb.GetFiguresRequest(period=period(world)))
            if found.acts_counted >= size:
                return
            await asyncio.sleep(0.1)


async def whole(frames: AsyncIterable[Any]) -> bytes:
    return b"".join([each.frame async for each in frames])


def freeze(world: World, until: Month) -> None:
    """Freeze as if that month were over, beside the running registry."""
    clock = ManualClock(until.end + timedelta(days=2))
    registry = world.registry
    Freezer(
        registry.database,
        lambda: registry.replica.directory,
        catalogue.load(),
        clock,
        delay=timedelta(days=1),
    ).freeze_due()


async def test_an_office_sees_all_a_department_itself(world: World) -> None:
    """The running registry counts acts by itself, soon after they were admitted."""
    await cases(world, 3)
    asked = pb.GetFiguresRequest(
        indicators=["cases-opened"], period=period(world), group_by=pb.FIGURE_GROUP_DEPARTMENT
    )
    async with calling(world, JUSTICE) as stub:
        found = await stub.GetFigures(asked)
        assert [(each.key, each.value, each.rank, each.ranked_of) for each in found.figures] == [
            (HEALTH, 3, 1, 1)
        ]
        assert found.unfinished
        listed = await stub.ListFigureItems(
            pb.ListFigureItemsRequest(indicator="cases-opened", period=period(world), page_size=2)
        )
        assert [each.letter.act for each in listed.items] == ["register"] * 2
        rest = await stub.ListFigureItems(
            pb.ListFigureItemsRequest(
                indicator="cases-opened", period=period(world), page_size=2, page_token=listed.next_page_token
            )
        )
        assert len(rest.items) == 1
        assert not rest.next_page_token
    async with calling(world, WATER) as stub:
        assert not (await stub.GetFigures(asked)).figures
        asked.department = HEALTH
        with pytest.raises(PermissionDenied), remote_errors():
            await stub.GetFigures(asked)
        with pytest.raises(PermissionDenied), remote_errors():
            await stub.ListFigureItems(
                pb.ListFigureItemsRequest(indicator="letters", period=period(world), department=HEALTH)
            )
        owned = await stub.ListFigureItems(
            pb.ListFigureItemsRequest(indicator="letters", period=period(world))
        )
        assert not owned.items


async def test_what_is_malformed_is_refused_with_its_field(world: World) -> None:
    """By the contract's rules before anything is read, and by ours."""
    async with calling(world, JUSTICE, "gateway") as stub:
        for request, error in (
            (pb.GetFiguresRequest(period=pb.Period(first="1.3.2026", last="2026-03-31")), InvalidField),
            (pb.GetFiguresRequest(), InvalidField),
            (pb.GetFiguresRequest(period=pb.Period(first="2026-02-30", last="2026-03-31")), InvalidField),
            (pb.GetFiguresRequest(period=period(world), indicators=["none"]), NotFound),
        ):
            with pytest.raises(error), remote_errors():
                await stub.GetFigures(request)
        with pytest.raises(LiandongError), remote_errors():
            await stub.GetFrozen(pb.GetFrozenRequest(month="2026-13"))
        with pytest.raises(NotFound), remote_errors():
            await stub.GetFrozen(pb.GetFrozenRequest(month="2026-01"))


async def test_frozen_months_and_the_bulletin(world: World) -> None:
    """Two months are frozen; the office gets the bulletin in both forms, a department is refused."""
    await cases(world, 2)
    first = this_month(world)
    second = first.shifted(1)
    await asyncio.to_thread(freeze, world, second)
    request = pb.CompileBulletinRequest(month=str(second), format=pb.BULLETIN_FORMAT_DOCX)
    async with calling(world, JUSTICE) as stub:
        listed = await stub.ListFrozen(pb.ListFrozenRequest(page_size=1))
        assert [each.month for each in listed.months] == [str(second)]
        older = await stub.ListFrozen(pb.ListFrozenRequest(page_token=listed.next_page_token))
        assert [each.month for each in older.months] == [str(first)]
        frozen = await stub.GetFrozen(
            pb.GetFrozenRequest(month=str(first), indicators=["cases-opened"], with_live=True)
        )
        (figure,) = frozen.figures
        assert (figure.value, figure.live.value, figure.live.differs) == (2, 2, False)
        document = Document(io.BytesIO(await whole(stub.CompileBulletin(request))))
        assert "通报" in document.paragraphs[0].text
        request.format, request.language = pb.BULLETIN_FORMAT_XLSX, pb.BULLETIN_LANGUAGE_EN
        book = load_workbook(io.BytesIO(await whole(stub.CompileBulletin(request))))
        assert book.sheetnames[0] == "Bulletin"
        request.month = str(second.shifted(1))
        with pytest.raises(NotFound), remote_errors():
            await whole(stub.CompileBulletin(request))
    request.month = str(second)
    async with calling(world, MARKET) as stub:
        with pytest.raises(PermissionDenied), remote_errors():
            await whole(stub.CompileBulletin(request))
        with pytest.raises(PermissionDenied), remote_errors():
            await whole(stub.GetFrozenContent(pb.GetFrozenContentRequest(month=str(first))))
    async with calling(world, "registry.qinghe", "operator/ops") as stub:
        content = await whole(stub.GetFrozenContent(pb.GetFrozenContentRequest(month=str(first))))
        assert sha256(content).digest() == frozen.month.digest


async def test_figures_come_as_a_workbook(world: World) -> None:
    """With definitions, for whoever may see the figures."""
    await cases(world, 1)
    asked = pb.ExportFiguresRequest(
        figures=pb.GetFiguresRequest(
            period=period(world),
            group_by=pb.FIGURE_GROUP_DEPARTMENT,
            compare=pb.COMPARE_PREVIOUS_YEAR,
        ),
        language=pb.BULLETIN_LANGUAGE_EN,
    )
    async with calling(world, JUSTICE) as stub:
        book = load_workbook(io.BytesIO(await whole(stub.ExportFigures(asked))))
    rows = [[cell.value for cell in row] for row in book.worksheets[0].iter_rows()]
    assert ["Cases opened", "Health", 1, None, 1, 1] in [row[:6] for row in rows]
    assert book.sheetnames == ["Figures", "Definitions"]


@pytest.mark.parametrize("kind", ["node", "gateway", "system/reports", "operator/ops"])
async def test_every_client_of_a_member_may_ask(world: World, kind: str) -> None:
    """Nodes, gateways, systems of departments, operators: what they see is decided by what they are."""
    async with calling(world, JUSTICE, kind) as stub:
        found = await stub.ListIndicators(pb.ListIndicatorsRequest())
        assert {each.name for each in found.indicators} == set(catalogue.load().indicators)


async def test_a_registry_has_no_business_with_figures(world: World) -> None:
    """A certificate of a kind without a row is refused on every method."""
    async with calling(world, "registry.qinghe", "registry") as stub:
        with pytest.raises(PermissionDenied), remote_errors():
            await stub.ListIndicators(pb.ListIndicatorsRequest())
        with pytest.raises(PermissionDenied), remote_errors():
            await whole(stub.ExportFigures(pb.ExportFiguresRequest()))
