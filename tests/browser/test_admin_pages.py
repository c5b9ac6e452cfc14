"""Pages of bulletins, registers, subjects and administration in a real browser."""

import pytest

from .conftest import Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADMINISTRATOR = "leader-in-charge.health"
PAGES = {
    "sharing": "/sharing",
    "sharing-new": "/sharing/new",
    "subjects": "/subjects",
    "registers": "/registers",
    "register": "/registers/case-transfer",
    "admin": "/admin",
    "admin-node": "/admin/node",
    "admin-audit": "/admin/audit",
    "admin-directory": "/admin/directory",
    "admin-department": "/admin/directory/health.qinghe",
    "admin-authority": "/admin/authority",
    "admin-procedures": "/admin/procedures",
    "admin-procedure": "/admin/procedures/case-transfer",
    "admin-calendar": "/admin/calendar",
    "admin-officers": "/admin/officers",
    "admin-codes": "/admin/codes?q=qhq",
    "admin-chains": "/admin/chains",
    "admin-series": "/admin/series",
    "admin-seals": "/admin/seals",
}


@pytest.mark.parametrize("name", PAGES)
async def test_the_page_looks_right(look: Look, name: str) -> None:
    """In both languages, on a telephone and on a desk."""
    await look(ADMINISTRATOR, PAGES[name], name)


async def test_a_bulletin_goes_from_one_department_to_another(look: Look, place: Place) -> None:
    """Written in one browser, read in another; corrected, and withdrawn."""
    health = await place.person("clerk.health")
    market = await place.person("clerk.market")
    await market.goto("/sharing")
    for button in await market.get_by_role("button", name="订阅").all():
        if "退订" not in await button.inner_text():
            await button.click()
            break
    await market.get_by_role("status").wait_for()
    category = await market.locator("form[action*=subscriptions] button", has_text="退订").first.evaluate(
        "e => e.closest('form').action.split('/').pop()"
    )
    await health.goto("/sharing/new")
    await health.select_option("#category", category)
    await health.fill("#title", "餐饮具集中消毒单位<b>抽检</b>情况")
    await health.fill("#text", "本周抽检12家，合格11家。\n<script>alert(1)</script>")
    await health.get_by_role("button", name="发布").click()
    await health.get_by_role("status").wait_for()
    item = health.url.rpartition("/")[2]
    await market.goto("/sharing")
    link = market.locator(f"a[href='/sharing/{item}']")
    for _ in range(50):
        if await link.count():
            break
        await market.wait_for_timeout(200)
        await market.reload()
    assert await link.inner_text() == "餐饮具集中消毒单位<b>抽检</b>情况"
    await link.click()
    assert "<script>alert(1)</script>" in await market.inner_text("main")
    await look("clerk.health", f"/sharing/{item}", "sharing-one")
    await health.get_by_text("撤回", exact=True).first.click()
    await health.fill("#reason", "数据有误")
    await health.get_by_role("button", name="撤回").click()
    await health.get_by_role("status").wait_for()
    assert "已撤回" in await health.inner_text("main")


async def test_a_subjects_file_is_opened_for_a_purpose(place: Place) -> None:
    """Without one it is not; a code that is none is said beside its field."""
    page = await place.person("clerk.health")
    await page.goto("/subjects")
    await page.fill("#subject", "91310000000000000X")
    await page.fill("#purpose", "移送前核实")
    await page.get_by_role("button", name="查询").click()
    await page.locator("#subject[aria-invalid=true]").wait_for()
    assert await page.input_value("#purpose") == "移送前核实"


async def test_a_register_is_taken_along_as_a_workbook(place: Place) -> None:
    """A real XLSX comes, by its first bytes."""
    page = await place.person("clerk.health")
    answer = await page.context.request.get("/registers/case-transfer/workbook")
    assert answer.ok
    assert (await answer.body())[:4] == b"PK\x03\x04"


async def test_a_chain_is_adopted_and_ended(place: Place) -> None:
    """With the forms of its page; a chain with a mistake comes back with the reason."""
    page = await place.person(ADMINISTRATOR)
    await page.goto("/admin/chains")
    await page.locator("main details").first.locator("summary").click()
    await page.get_by_role("button", name="采用").first.click()
    await page.get_by_role("status").wait_for()
    await (
        page.locator("main details", has=page.locator("button", has_text="停用"))
        .first.locator("summary")
        .click()
    )
    await page.get_by_role("button", name="停用").first.click()
    await page.get_by_role("status").wait_for()
    await page.locator("main details", has=page.locator("#source")).locator("summary").click()
    await page.fill("#source", "nothing: [")
    await page.locator("form", has=page.locator("#source")).get_by_role("button").click()
    await page.get_by_role("alert").wait_for()
    assert await page.input_value("#source") == "nothing: ["
