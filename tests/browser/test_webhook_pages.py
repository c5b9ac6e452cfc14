"""Pages of webhooks in a real browser: kept by an administrator, to a target that nothing answers at."""

import pytest

from .conftest import Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADMINISTRATOR = "admin.health"
SILENT = "https://[2001:4860:4860::8888]:9/events"
"""On the internet, and not reached from a machine that tests."""


async def test_a_webhook_is_kept_by_hand(look: Look, place: Place) -> None:
    """Refused inside, made outside, its secret shown once, tested; the log says that nothing answered."""
    await look(ADMINISTRATOR, "/admin/webhooks", "webhooks-empty")
    page = await place.person(ADMINISTRATOR)
    await page.goto("/admin/webhooks")
    await page.get_by_label("系统名称").fill("案件办理系统<b>")
    await page.get_by_label("接收地址").fill("https://127.0.0.1/events")
    await page.get_by_label("收到其他部门函件").check()
    await page.get_by_role("button", name="新增事件推送").click()
    assert "内部网络" in await page.locator("#url-wrong").inner_text()
    assert await page.get_by_label("收到其他部门函件").is_checked()
    await page.get_by_label("接收地址").fill(SILENT)
    await page.get_by_role("button", name="新增事件推送").click()
    secret = await page.locator("code", has_text="whsec_").inner_text()
    await page.get_by_role("link", name="返回").click()
    path = page.url.removeprefix(place.url)
    assert secret not in await page.content()
    await page.get_by_role("button", name="发送测试事件").click()
    await page.get_by_role("status").wait_for()
    await page.locator("#log", has_text="无答复").wait_for(timeout=40_000)
    await look(ADMINISTRATOR, path, "webhook")
    await look(ADMINISTRATOR, "/admin/webhooks", "webhooks")
    await page.get_by_role("button", name="更换密钥").click()
    assert secret not in await page.content()
    assert await page.locator("code", has_text="whsec_").count() == 1
    await page.get_by_role("link", name="返回").click()
    await page.get_by_role("button", name="停用").click()
    await page.get_by_role("status").wait_for()
    assert await page.get_by_role("button", name="发送测试事件").count() == 0
    await look(ADMINISTRATOR, path, "webhook-off")
    await page.locator("summary", has_text="删除").click()
    await page.get_by_role("button", name="删除").click()
    await page.get_by_role("status").wait_for()
    assert (await page.goto(path)).status == 404  # type: ignore[union-attr]


async def test_webhooks_are_an_administrators(place: Place) -> None:
    """Nobody else is shown the page, nor offered it."""
    page = await place.person("leader-in-charge.health")
    answer = await page.goto("/admin/webhooks")
    assert answer is not None
    assert answer.status == 403
    await page.goto("/admin")
    assert await page.locator("a[href='/admin/webhooks']").count() == 0
