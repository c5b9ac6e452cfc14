"""Pages for everybody, and those of one's own account, in a real browser."""

import re

import pytest

from .conftest import HEALTH, Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("username", "path", "name"),
    [
        ("", "/login", "login"),
        ("", "/status", "status"),
        ("clerk.health", "/", "work-empty"),
        ("clerk.health", "/account", "account"),
        ("clerk.health", "/account/password", "password"),
        ("clerk.health", "/account/authenticator", "authenticator"),
        ("admin.health", "/admin", "administrator"),
        ("admin.health", "/admin/accounts", "accounts"),
        ("admin.health", "/admin/accounts/new", "account-new"),
        ("admin.health", "/admin/tokens", "tokens"),
        ("admin.health", "/admin/logins", "logins"),
    ],
)
async def test_the_page_looks_right(look: Look, username: str, path: str, name: str) -> None:
    """In both languages, on a telephone and on a desk."""
    await look(username, path, name)


async def test_a_wrong_password_says_so_and_nothing_more(place: Place) -> None:
    """Neither whether there is such a user, nor what was typed."""
    page = await place.person()
    await page.goto("/login")
    await page.fill("#username", "clerk.health")
    await page.fill("#password", "not the password")
    await page.press("#password", "Enter")
    await page.get_by_role("alert").wait_for()
    assert "用户名或密码不正确" in await page.get_by_role("alert").inner_text()
    assert await page.input_value("#password") == ""


async def test_a_log_in_leads_to_where_one_wanted_to_go(place: Place) -> None:
    """The path is kept; one that leads away is not."""
    page = await place.person()
    await page.goto("/account")
    assert "/login?next=/account" in page.url
    await page.fill("#username", "clerk.health")
    await page.fill("#password", place.password)
    await page.press("#password", "Enter")
    await page.wait_for_url("**/account")
    await page.context.clear_cookies()
    await page.goto("/login?next=//evil.example/")
    assert await page.input_value("input[name=next]") == "/"


async def test_the_language_is_kept(place: Place) -> None:
    """Chosen once, it is spoken on every page."""
    page = await place.person("clerk.health")
    await page.goto("/")
    await page.get_by_role("link", name="English").click()
    await page.wait_for_load_state()
    assert await page.inner_text("h1") == "My work"
    await page.goto("/account")
    assert await page.inner_text("h1") == "My account"


async def test_an_account_is_kept_by_hand(look: Look, place: Place) -> None:
    """From the list to the account; a first password is shown once."""
    page = await place.person("admin.health")
    await page.goto("/admin/accounts")
    await page.get_by_role("link", name="新增账号").click()
    await page.fill("#username", "new.person")
    await page.fill("#name", "新来的")
    await page.fill("#subject", "new-person-1")
    await page.get_by_label("承办人").check()
    await page.get_by_role("button", name="新增账号").click()
    assert "只显示这一次" in await page.inner_text("main")
    await page.get_by_role("link", name="返回").click()
    path = page.url.removeprefix(place.url)
    await look("admin.health", path, "account-kept")


async def test_a_session_is_ended_by_hand(place: Place) -> None:
    """The other browser is sent to log in."""
    first = await place.person("liaison.health")
    place.cookies.pop("liaison.health")
    second = await place.person("liaison.health")
    await second.goto("/account")
    await second.get_by_role("button", name="退出其他登录").click()
    await second.get_by_role("status").wait_for()
    await first.goto("/account")
    assert "/login" in first.url


async def test_everybody_begins_on_a_page_that_is_there(place: Place) -> None:
    """Whatever one's role: where one comes after the log-in, and every area that is offered there."""
    by_role = {each.role: each.username for each in place.district.accounts if each.department == HEALTH}
    assert len(by_role) > 10
    for role, username in by_role.items():
        context = await place.browser.new_context(base_url=place.url)
        await context.add_cookies(await place.entered(username))
        first = await context.request.get("/")
        assert first.status == 200, role
        side = (await first.text()).partition('<nav class="side"')[2].partition("</nav>")[0]
        areas = set(re.findall(r'href="([^"]+)"', side))
        assert areas, role
        # what an area is for everybody, one person is enough to see
        for path in areas if role in {"auditor", "system-administrator", "clerk"} else ():
            assert (await context.request.get(path)).status == 200, (role, path)
        await context.close()
