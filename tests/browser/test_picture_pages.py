"""The office's picture in a real browser: lights, registers, reminders by keyboard, changes as they happen, the wall."""

import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from playwright.async_api import Page, expect

from services.common.clock import SystemClock
from services.common.db import Database
from services.exchange.letters import timestamp
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.model import DISPLAY, Account

from .checks import faults_of, keep
from .conftest import HEALTH, JUSTICE, MARKET, Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")
SUBJECT = bodies.Subject(
    kind=bodies.SUBJECT_KIND_UNIT, name="清河洁源餐具消毒有限公司", identifier="91110000600037341L"
)
OFFICE_PERSON = "liaison.justice"
SEEN_WITHIN_S = 2.0


async def discover(place: Place, department: str, days: int) -> str:
    """Register a discovery made so many days ago; what is to be sent of it is overdue after three working days."""
    party = place.district.parties[department]
    answer = await party.act(
        cases.ActDraft(
            procedure="case-transfer",
            act="register",
            urgency=envelopes.URGENCY_ORDINARY,
            occurred_at=timestamp(datetime.now(UTC) - timedelta(days=days)),
            discovery=bodies.Discovery(
                title="餐饮具集中消毒单位涉嫌违法案", facts="检查中发现。", place="清河区工业园三路5号",
                source=bodies.DISCOVERY_SOURCE_INSPECTION,
                subjects=[SUBJECT],
            ),
        )
    )  # fmt: skip
    return str(answer.case_id)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def overdue(running: Place) -> AsyncIterator[str]:
    """Cases of two departments, some long overdue; gives the id of one."""
    found = [await discover(running, HEALTH, 20) for _ in range(3)]
    await discover(running, MARKET, 15)
    await discover(running, MARKET, 0)
    yield found[0]


async def _drawn(page: Page) -> None:
    await page.locator("#trend-table").wait_for()
    for chart in await page.locator("[data-chart]").all():
        await chart.scroll_into_view_if_needed()
        await chart.locator("canvas").first.wait_for()
    await page.evaluate("window.scrollTo(0, 0)")


@pytest.mark.parametrize(
    ("username", "path", "name"),
    [
        (OFFICE_PERSON, "/picture", "picture"),
        (OFFICE_PERSON, "/picture?all=1", "picture-whole"),
        (OFFICE_PERSON, "/picture/case-transfer", "picture-mechanism"),
        ("clerk.market", "/picture", "picture-department"),
    ],
)
async def test_the_picture_looks_right(look: Look, overdue: str, username: str, path: str, name: str) -> None:
    """With its charts, in both languages, on a telephone and on a desk."""
    assert overdue
    await look(username, path, name, _drawn)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/picture/register?state=overdue", "picture-register"),
        (
            f"/picture/register?department={MARKET}&procedure=case-transfer&state=open",
            "picture-register-open",
        ),
        ("/picture/register?state=disputed", "picture-register-empty"),
        ("/picture/cases/{case}", "picture-case"),
        ("/picture/wall", "picture-wall"),
    ],
)
async def test_what_lies_behind_looks_right(look: Look, overdue: str, path: str, name: str) -> None:
    """Registers, one case, the wall."""
    await look(OFFICE_PERSON, path.format(case=overdue), name)


async def test_a_cell_opens_what_it_counts(place: Place, overdue: str) -> None:
    """The figure of a light is the number of rows behind it; word and figure stand in it, not colour alone."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.goto("/picture")
    light = page.get_by_role("link", name="清河区市场监督管理局，案件移送：超期 1 件")
    assert "超期" in await light.inner_text()
    await light.click()
    await page.wait_for_url("**/picture/register?**")
    assert await page.locator("tbody tr").count() == 1
    assert "已超期" in await page.inner_text("tbody tr")


async def test_reminders_are_sent_by_keyboard_alone(place: Place, overdue: str) -> None:
    """From the light to the message: texts come from the facts, each is sent once a day, the register says so."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.goto(f"/picture/register?department={HEALTH}&procedure=case-transfer&state=overdue")
    count = await page.locator("input[name=chosen]").count()
    assert count >= 3
    await _tab_to(page, "[data-choose-all] input")
    await page.keyboard.press("Space")
    await _tab_to(page, "form[action='/picture/reminders'] button")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/picture/reminders")
    texts = [await each.input_value() for each in await page.locator("textarea").all()]
    assert len(texts) == count
    assert all("清河区卫生健康局：" in each and "已超期" in each for each in texts)
    assert await faults_of(page) == []
    await keep(page, "picture-reminders-zh-1440")
    await _tab_to(page, "form[action='/picture/reminders/send'] button")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/picture/register?**")
    assert f"已催办 {count} 项" in await page.get_by_role("status").inner_text()
    assert await page.get_by_text("共 1 次").count() == count
    # once more on the same day sends nothing
    await page.check("input[name=chosen] >> nth=0")
    await page.click("form[action='/picture/reminders'] button")
    await page.click("form[action='/picture/reminders/send'] button")
    await page.wait_for_url("**/picture/register?**")
    assert "已催办 0 项；今日已催办过 1 项" in await page.get_by_role("status").inner_text()


async def test_nothing_chosen_says_so(place: Place, overdue: str) -> None:
    """And keeps the register as it was."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.goto("/picture/register?state=overdue")
    await page.click("form[action='/picture/reminders'] button")
    assert "请先勾选" in await page.get_by_role("alert").inner_text()


async def test_only_the_office_gets_to_remind(place: Place, overdue: str) -> None:
    """A department sees its own part without boxes to tick; an auditor of the office reads only."""
    assert overdue
    for username in ("clerk.market", "auditor.justice"):
        page = await place.person(username)
        await page.goto("/picture/register?state=overdue")
        assert await page.locator("tbody tr").count() > 0
        assert await page.locator("input[name=chosen]").count() == 0


async def test_an_act_on_any_node_shows_within_two_seconds(
    place: Place, overdue: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the open picture, without loading it again; measured from before the act is recorded."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.goto("/picture")
    await page.evaluate("window.unloaded = false")
    figure = page.locator(".tile.good .figure, .tile .figure").nth(3)
    taken = []
    for _ in range(3):
        before = int(await figure.inner_text())
        began = time.monotonic()
        await discover(place, MARKET, 0)
        await expect(figure).to_have_text(str(before + 1), timeout=10_000)
        taken.append(time.monotonic() - began)
    assert await page.evaluate("window.unloaded") is False
    with capsys.disabled():
        sys.stdout.write(f"\nan act shows after {', '.join(f'{each:.2f}' for each in taken)} s\n")
    assert sorted(taken)[1] < SEEN_WITHIN_S, taken


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160)])
async def test_the_wall_fits_its_screen_and_can_be_read(
    place: Place, overdue: str, width: int, height: int
) -> None:
    """Nothing is cut or scrolled, nothing is to be pressed, and words are large."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto("/picture/wall")
    await keep(page, f"picture-wall-{width}")
    assert await faults_of(page) == []
    assert await page.evaluate("document.documentElement.scrollHeight") <= height
    assert await page.locator("a, button, input").count() == 0
    smallest = await page.evaluate(
        "Math.min(...[...document.querySelectorAll('td, th, p, li, h2')]"
        ".map((e) => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= width * 0.0125
    figure = await page.evaluate("parseFloat(getComputedStyle(document.querySelector('.figure')).fontSize)")
    assert figure >= width * 0.05


async def test_the_wall_comes_back_after_the_network_was_lost(place: Place, overdue: str) -> None:
    """It says that it is out of date meanwhile, and then shows what happened, by itself."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.set_viewport_size({"width": 1920, "height": 1080})
    await page.goto("/picture/wall")
    figure = page.locator(".tile .figure").nth(3)
    before = int(await figure.inner_text())
    await page.context.set_offline(True)
    await expect(page.locator("#offline")).to_be_visible()
    await discover(place, MARKET, 0)
    await page.context.set_offline(False)
    await expect(figure).to_have_text(str(before + 1), timeout=40_000)
    await expect(page.locator("#offline")).to_be_hidden()


async def test_the_wall_says_when_it_hears_nothing(place: Place, overdue: str) -> None:
    """A line that is cut in silence: nothing fails, yet what is shown may be old; it listens again by itself."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.clock.install()
    async with page.expect_response("**/live?*"):
        await page.goto("/picture/wall")
    await page.route("**/live?*", lambda route: route.abort())
    await page.clock.run_for(25_000)
    await expect(page.locator("#offline")).to_be_hidden()
    await page.clock.run_for(11_000)
    await expect(page.locator("#offline")).to_be_visible()
    await page.unroute_all()
    await expect(page.locator("#offline")).to_be_hidden(timeout=15_000)


async def test_a_display_stays_logged_in_and_sees_the_wall_alone(place: Place, overdue: str) -> None:
    """It lands on the wall; its cookie lasts for weeks; nothing else is shown to it, and it calls no service."""
    assert overdue
    database = Database(f"sqlite:///{place.district.folder / 'gateway' / 'gateway.sqlite3'}")
    account = Account(
        id="", username="wall.justice", department=JUSTICE, subject="wall@justice.qinghe", name="大屏",
        roles=(DISPLAY,), certificate="", must_change=False, totp=False, locked_until=None, disabled=False, language="",
    )  # fmt: skip
    try:
        await Accounts(database, SystemClock()).create(account, place.password)
    finally:
        database.close()
    page = await place.person()
    await page.goto("/login")
    await page.fill("#username", "wall.justice")
    await page.fill("#password", place.password)
    await page.press("#password", "Enter")
    await page.wait_for_url("**/picture/wall")
    (cookie,) = [each for each in await page.context.cookies() if each.get("httpOnly")]
    assert cookie.get("expires", 0) > time.time() + timedelta(days=80).total_seconds()
    for path in ("/picture", "/account", "/"):
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 403, path
    assert (await page.request.get("/api/v1/oversight/matrix")).status == 403


async def test_charts_and_figures_leave_the_page(place: Place, overdue: str) -> None:
    """A chart as PNG, the figures as a workbook."""
    assert overdue
    page = await place.person(OFFICE_PERSON)
    await page.goto("/picture")
    await _drawn(page)
    async with page.expect_download() as picture:
        await page.click("[data-image=trend]")
    assert (await (await picture.value).path()).read_bytes().startswith(b"\x89PNG")
    async with page.expect_download() as workbook:
        await page.get_by_role("link", name="导出表格").click()
    assert (await (await workbook.value).path()).read_bytes().startswith(b"PK")


async def test_one_cannot_look_into_others_mechanisms(place: Place, overdue: str) -> None:
    """A case of others is not there for a department that has no part in it."""
    page = await place.person("clerk.gov")
    answer = await page.goto(f"/picture/cases/{overdue}")
    assert answer is not None
    assert answer.status == 404


async def _tab_to(page: Page, selector: str) -> None:
    wanted = page.locator(selector).first
    for _ in range(80):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("(e) => e === document.activeElement"):
            return
    raise AssertionError(f"{selector} is not reached by the keyboard")
