"""Templates of letters in a real browser: kept for the department and for oneself, used in acts and in new transfers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from .conftest import HEALTH, MARKET, Look, Place
from .made import transferred

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
FACTS = "{当事人}涉嫌违法一案，由{department.name}经办，{来文文号}。"


async def kept(page: Page, act: str, title: str, texts: dict[str, str], *, whole: bool = False) -> None:
    """Keep a template by its form."""
    await page.goto("/templates/new")
    await page.select_option("#act", act)
    await page.get_by_role("button", name="下一步").click()
    await page.fill("#title", title)
    for name, text in texts.items():
        await page.fill(f"#t-{name}", text)
    if whole:
        await page.get_by_label("供本部门全体人员").check()
    await page.get_by_role("button", name="保存").click()


async def test_a_departments_template_fills_a_transfer(look: Look, place: Place) -> None:
    """Kept by a head, previewed, offered to a clerk; it fills what is empty, and says what is to be written in."""
    head = await place.person("section-head.health")
    await look("section-head.health", "/templates", "templates-none")
    await look("section-head.health", "/templates/new", "template-act")
    await kept(head, "case-transfer/transfer", "违法移送", {"facts": "{没有这个}"}, whole=True)
    assert "没有占位符{没有这个}" in await head.locator("[id='text.facts-wrong']").inner_text()
    assert await head.input_value("#t-facts") == "{没有这个}"
    assert await head.get_by_label("供本部门全体人员").is_checked()
    await head.fill("#t-facts", FACTS)
    await head.fill("#t-competence", f"属{{对方单位}}职责。{HOSTILE}")
    await head.get_by_role("button", name="保存").click()
    await head.get_by_role("status").wait_for()
    assert "某餐饮管理有限公司涉嫌违法一案" in await head.inner_text("main")
    assert HOSTILE in await head.inner_text("main")
    path = head.url.removeprefix(place.url)
    await look("section-head.health", path, "template")
    await look("section-head.health", f"{path}/edit", "template-form")
    clerk = await place.person("clerk.health")
    assert (await clerk.goto(f"{path}/edit")).status == 403  # type: ignore[union-attr]
    assert (await clerk.goto(path)).status == 200  # type: ignore[union-attr]
    other = await place.person("clerk.market")
    assert (await other.goto(path)).status == 404  # type: ignore[union-attr]
    await clerk.goto("/new")
    await clerk.get_by_role("link", name="开始移送案件").click()
    await clerk.wait_for_url("**/new/sheets/*")
    await clerk.fill("#f-transfer-letter-subjects-0-name", "清河某餐馆")
    await clerk.fill("#f-transfer-letter-competence", "已写好的理由")
    await clerk.select_option("#template", label="违法移送")
    await clerk.wait_for_timeout(600)
    await clerk.get_by_role("button", name="套用模板").click()
    told = clerk.get_by_role("status").filter(has_text="已套用模板")
    await told.wait_for()
    await expect(clerk.locator("#f-transfer-letter-facts")).to_have_value(
        "清河某餐馆涉嫌违法一案，由清河区卫生健康局经办，＿＿＿＿。"
    )
    await expect(clerk.locator("#f-transfer-letter-competence")).to_have_value("已写好的理由")
    assert "1项已有内容" in await told.inner_text()
    assert "对方最近一份来文的文号" in await told.inner_text()
    await look("clerk.health", clerk.url.removeprefix(place.url).partition("#")[0], "sheet-template")


async def test_ones_own_template_fills_an_act(look: Look, place: Place, tmp_path: Path) -> None:
    """From the facts of the case, with htmx and without script; what pages mask is not filled in."""
    parties = place.district.parties
    case_id = await transferred(parties[HEALTH], parties[MARKET], tmp_path, title="模板案")
    clerk = await place.person("clerk.market")
    await kept(
        clerk,
        "case-transfer/sign-for",
        "会商",
        {"remark": "关于{案件名称}（{来文文号}，{统一社会信用代码}），{对方单位}意见？"},
    )
    await clerk.get_by_role("status").wait_for()
    for scripted in (True, False):
        page = await place.person("clerk.market", java_script_enabled=scripted)
        await page.goto(f"/cases/{case_id}/acts/sign-for")
        await page.select_option("#template", label="会商")
        await page.get_by_role("button", name="套用模板").click()
        await page.get_by_role("status").filter(has_text="已套用模板").wait_for()
        text = await page.locator("textarea[name$=remark]").input_value()
        assert "关于模板案（清卫" in text
        assert "清河区卫生健康局意见？" in text
    await look("clerk.market", f"/cases/{case_id}/acts/sign-for", "act-template")
