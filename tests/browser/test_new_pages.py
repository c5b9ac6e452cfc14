"""A transfer written as people write it: in a real browser, with files, a telephone, and two at one draft."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
from pathlib import Path

import pytest
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from PIL import Image
from playwright.async_api import FileChooser, Page, Route, expect

from .conftest import HEALTH, MARKET, Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = "91110000600037341L"
ELSEWHERE = "91330109MA2C3D4E5K"
_PASTE = """async ([data, name]) => {
    const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
    const held = new DataTransfer();
    held.items.add(new File([bytes], name, {type: "image/png"}));
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: held, bubbles: true}));
}"""


def picture(size: int = 64) -> bytes:
    """A picture as a screenshot or a telephone makes it."""
    drawn = io.BytesIO()
    Image.effect_noise((size, size), 90).save(drawn, "PNG")
    return drawn.getvalue()


async def saved(page: Page) -> None:
    """What was typed is saved."""
    await page.wait_for_timeout(1800)
    await expect(page.locator(".htmx-request")).to_have_count(0)


async def begin(page: Page) -> str:
    """A new transfer; the address of its draft."""
    await page.goto("/new")
    await page.get_by_role("link", name="开始移送案件").click()
    await page.wait_for_url("**/new/sheets/*")
    return page.url


async def fill(page: Page, title: str = "餐饮具集中消毒单位涉嫌违法案") -> None:
    """What a transfer needs, but for its materials."""
    await page.fill("#f-transfer-letter-subjects-0-identifier", CODE)
    await page.wait_for_selector("#known .badge.good")
    if not await page.input_value("#f-transfer-letter-subjects-0-name"):
        await page.fill("#f-transfer-letter-subjects-0-name", "清河洁源餐具消毒有限公司")
    await page.fill("#f-transfer-letter-title", title)
    await page.fill("#f-transfer-letter-facts", "该单位发布未经审查的医疗广告。")
    await page.fill("#f-occurred-at", "2026-01-05T10:00")
    await page.fill("#item-query", "医疗广告")
    await page.check("#item_code-codes input[value='SJ-0101']")
    await page.check(f"#receiver-choice input[value='{MARKET}']")
    await saved(page)


async def bring(page: Page, kind: str, path: Path) -> None:
    """A file by the button."""
    await page.select_option("#upload-kind", kind)
    await page.set_input_files("#upload-files", path)
    await page.wait_for_selector(f"#m-{kind} .files a")
    # what is missing is said anew at once
    await expect(page.locator(f"#checklist li:has(a[href='#m-{kind}']) .badge")).to_contain_text("已上传")


async def paste(page: Page, kind: str, content: bytes) -> None:
    """A screenshot from the clipboard."""
    await page.select_option("#upload-kind", kind)
    await page.evaluate(_PASTE, [base64.b64encode(content).decode(), "image.png"])
    await page.wait_for_selector(f"#m-{kind} .files a")


async def complete(page: Page, folder: Path, title: str) -> None:
    """A draft with everything that it needs."""
    await begin(page)
    await fill(page, title)
    source = folder / "线索来源.txt"
    await asyncio.to_thread(source.write_text, "现场检查笔录", encoding="utf-8")
    await bring(page, "source-material", source)
    await paste(page, "preliminary-evidence", picture())


async def made(page: Page) -> None:
    """The letter is made and shown."""
    await page.get_by_role("button", name="核对", exact=True).click()
    await page.wait_for_url("**/check")
    await page.get_by_role("button", name="线索登记并生成函件").click()
    await page.wait_for_selector("iframe.letter")


async def test_the_choice_looks_right(look: Look) -> None:
    """What may be opened, in groups with a sentence each."""
    await look("clerk.health", "/new", "new")


async def test_an_empty_transfer_looks_right(look: Look) -> None:
    """The whole page, on a telephone and on a desk."""
    await look("clerk.health", "/new/transfer", "new-transfer")


async def test_any_other_case_looks_right(look: Look) -> None:
    """A form made from the contract, with several parties and a copy that a rule demands."""
    await look("clerk.health", "/new/joint-enforcement/apply", "new-joint")


async def test_a_filled_transfer_and_its_check_look_right(look: Look, place: Place, tmp_path: Path) -> None:
    """With files, a proposal, what is known of the subject; then everything once more with the letter."""
    page = await place.person("clerk.health")
    await complete(page, tmp_path, "形态检查案")
    address = page.url.removeprefix(place.url)
    await look("clerk.health", address, "sheet")
    await page.reload()
    await made(page)
    await look("clerk.health", f"{address}/check", "sheet-check")


async def test_what_is_missing_is_named_and_led_to(look: Look, place: Place) -> None:
    """The check of an empty draft names each gap; a click stands before the field."""
    page = await place.person("clerk.health")
    address = (await begin(page)).removeprefix(place.url)
    await page.fill("#f-transfer-letter-title", "缺项案")
    await saved(page)
    await look("clerk.health", f"{address}/check", "sheet-incomplete")
    await page.goto(f"{address}/check")
    alert = page.get_by_role("alert")
    assert "缺少" in await alert.inner_text()
    await alert.get_by_role("link", name="线索来源材料").click()
    await page.wait_for_url("**#m-source-material")
    assert await page.input_value("#f-transfer-letter-title") == "缺项案"


async def test_the_code_brings_name_and_past_cases(place: Place) -> None:
    """What is known of the subject is filled in, and an open case of the same subject is said."""
    health = place.district.parties[HEALTH]
    discovery = bodies.Discovery(title="旧案", facts="检查发现。")
    discovery.subjects.add(
        kind=bodies.SUBJECT_KIND_UNIT, name="清河安洁洗涤有限公司", identifier="91350100M000100Y43",
        address="清河区二路8号",
    )  # fmt: skip
    await health.settled(
        await health.act(cases.ActDraft(procedure="case-transfer", act="register", discovery=discovery))
    )
    page = await place.person("clerk.health")
    await begin(page)
    await page.fill("#f-transfer-letter-subjects-0-identifier", "91350100M000100Y43")
    await expect(page.locator("#f-transfer-letter-subjects-0-name")).to_have_value("清河安洁洗涤有限公司")
    await expect(page.locator("#f-transfer-letter-subjects-0-address")).to_have_value("清河区二路8号")
    assert "1件未办结案件" in await page.inner_text("#known")
    await page.fill("#f-transfer-letter-subjects-0-identifier", "91350100M000100Y44")
    await page.wait_for_selector("#known .notice.bad")


async def test_cases_elsewhere_are_said_before_anything_is_made(look: Look, place: Place) -> None:
    """As soon as the code is there, and again at the check: department and mechanism; one's own open cases by name."""
    market, health = place.district.parties[MARKET], place.district.parties[HEALTH]
    for party, title in ((market, "市场监管在办的秘密"), (health, "本部门在办")):
        discovery = bodies.Discovery(title=title, facts="检查发现。")
        discovery.subjects.add(
            kind=bodies.SUBJECT_KIND_UNIT, name="清河顺达物流有限公司", identifier=ELSEWHERE
        )
        await party.settled(
            await party.act(cases.ActDraft(procedure="case-transfer", act="register", discovery=discovery))
        )
    page = await place.person("clerk.health")
    await begin(page)
    await page.fill("#f-transfer-letter-subjects-0-identifier", ELSEWHERE)
    told = page.locator("#known .notice.wait", has_text="请先与其沟通")
    await told.wait_for()
    assert "清河区市场监督管理局" in await told.inner_text()
    assert "市场监管在办的秘密" not in await page.inner_text("main")
    assert "1件未办结案件" in await page.inner_text("#known")
    path = page.url.removeprefix(place.url)
    await look("clerk.health", path, "sheet-elsewhere")
    await page.get_by_role("button", name="核对", exact=True).click()
    await page.locator(".notice.wait", has_text="请先与其沟通").wait_for()
    assert await page.get_by_role("link", name="本部门在办").count() == 1
    assert "市场监管在办的秘密" not in await page.inner_text("main")
    await look("clerk.health", page.url.removeprefix(place.url), "check-elsewhere")


async def test_another_department_asks_for_a_sentence(place: Place) -> None:
    """Who does not follow the proposal says why; it stands in the letter."""
    page = await place.person("clerk.health")
    await begin(page)
    await fill(page, "改选案")
    await page.select_option("#other-receiver", "justice.qinghe")
    await saved(page)
    assert "请说明理由" in await page.inner_text("#checklist")
    await page.fill("#override-reason", "经会商由司法局承办。")
    await saved(page)
    assert "请说明理由" not in await page.inner_text("#checklist")
    await page.reload()
    assert await page.input_value("#other-receiver") == "justice.qinghe"
    assert not await page.is_checked(f"#receiver-choice input[value='{MARKET}']")


async def approve_and_send(place: Place, letter_id: str) -> str:
    """The leader approves what is on the page, the clerk sends; the case's id."""
    clerk = await place.person("clerk.health")
    await clerk.goto("/new")
    leader = await place.person("leader-in-charge.health")
    await leader.goto("/account")

    async def call(page: Page, path: str, data: dict[str, str]) -> dict[str, object]:
        word = await page.evaluate("JSON.parse(document.body.getAttribute('hx-headers'))['X-CSRF-Token']")
        answer = await page.request.post(path, data=data, headers={"X-CSRF-Token": word, "Origin": place.url})
        assert answer.ok, await answer.text()
        found: dict[str, object] = await answer.json()
        return found

    listed = await (await clerk.request.get("/api/v1/drafts")).json()
    draft = next(each for each in listed["drafts"] if each["letterId"] == letter_id)
    digest = str(draft["contentDigest"])
    role = {"contentDigest": digest, "role": "leader-in-charge"}
    await call(leader, f"/api/v1/drafts/{letter_id}:approve", role)
    sent = await call(clerk, f"/api/v1/drafts/{letter_id}:send", {"contentDigest": digest})
    assert sent["answer"]["disposition"] == "DISPOSITION_RECORDED"  # type: ignore[index]
    return str(draft["caseId"])


async def handed_on(page: Page) -> str:
    """Send it for approval; the letter's id."""
    await page.get_by_role("button", name=re.compile("送.*审批")).click()
    await page.wait_for_url("**/drafts/*")
    return page.url.rpartition("/")[2]


async def arrived(place: Place, case_id: str, title: str) -> None:
    """The market department has the case with its materials, and signs for it."""
    market = place.district.parties[MARKET]
    for _ in range(200):
        try:
            view = await market.case(case_id)
            break
        except Exception:  # noqa: BLE001 - not there yet
            await asyncio.sleep(0.1)
    assert (view.title, view.state) == (title, "sent")
    letters = await market.cases.GetTimeline(
        cases.GetTimelineRequest(case_id=case_id), metadata=market.actor("clerk"), timeout=30
    )
    kinds = sorted(each.kind for each in letters.letters[-1].materials)
    assert kinds == ["preliminary-evidence", "source-material", "transfer-letter"]
    signed = await market.act(
        cases.ActDraft(case_id=case_id, act="sign-for", sign_for=bodies.SignFor(signed_by="马超群"))
    )
    assert (await market.settled(signed)).act == "sign-for"


async def test_a_transfer_from_discovery_to_signing_for(place: Place, tmp_path: Path) -> None:
    """Typed, two files (one pasted), letter looked at, sent for approval; approved, sent, signed for."""
    page = await place.person("clerk.health")
    await complete(page, tmp_path, "全程移送案")
    await made(page)
    text = await page.inner_text("main")
    assert "对违法发布医疗广告的处罚" in text
    assert "清河区市场监督管理局" in text
    sheet = page.url.removesuffix("/check")
    letter = await page.request.get(f"{sheet}/letter.pdf")
    assert (await letter.body()).startswith(b"%PDF-")
    letter_id = await handed_on(page)
    case_id = await approve_and_send(place, letter_id)
    await arrived(place, case_id, "全程移送案")
    await page.goto("/new")
    assert "全程移送案" not in await page.inner_text("main")


async def test_a_transfer_by_keyboard_alone(place: Place, tmp_path: Path) -> None:
    """No mouse from the list to the approval; only the dialogue that chooses a file is the system's."""
    page = await place.person("clerk.health")
    # heard from the beginning: a dialogue that opens before anybody listens is never heard of
    opened: asyncio.Queue[FileChooser] = asyncio.Queue()
    page.on("filechooser", opened.put_nowait)
    await page.goto("/new")

    async def reach(selector: str) -> None:
        """Press Tab until the focus is there."""
        for _ in range(250):
            if await page.evaluate("(one) => document.activeElement?.matches(one) ?? false", selector):
                return
            await page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {selector}")

    async def write(selector: str, text: str) -> None:
        await reach(selector)
        await page.keyboard.insert_text(text)

    await reach("a[href='/new/transfer']")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/new/sheets/*")
    await write("#f-transfer-letter-subjects-0-identifier", CODE)
    await page.wait_for_selector("#known .badge.good")
    await reach("#f-transfer-letter-subjects-0-name")
    if not await page.input_value("#f-transfer-letter-subjects-0-name"):
        await page.keyboard.insert_text("清河洁源餐具消毒有限公司")
    await write("#f-transfer-letter-title", "键盘移送案")
    await write("#f-transfer-letter-facts", "该单位发布未经审查的医疗广告。")
    await reach("#f-occurred-at")
    await page.keyboard.type("01052026")
    await page.keyboard.press("ArrowRight")
    await page.keyboard.type("1000AM")
    await write("#item-query", "医疗广告")
    await page.wait_for_selector("#item_code-codes input[value='SJ-0101']")
    await reach("#item_code-codes input")
    await page.keyboard.press("Space")
    await page.wait_for_selector(f"#receiver-choice input[value='{MARKET}']")
    await reach("#receiver-choice input")
    await page.keyboard.press("Space")
    source = tmp_path / "线索来源.txt"
    await asyncio.to_thread(source.write_text, "现场检查笔录", encoding="utf-8")
    await reach("#upload-files")
    await page.keyboard.press("Enter")
    chooser = await asyncio.wait_for(opened.get(), 60)
    await chooser.set_files(source)
    await page.wait_for_selector("#m-source-material .files a")
    await page.keyboard.press("Shift+Tab")
    await reach("#upload-kind")
    await page.keyboard.press("ArrowDown")
    assert await page.input_value("#upload-kind") == "preliminary-evidence"
    await page.evaluate(_PASTE, [base64.b64encode(picture()).decode(), "image.png"])
    await page.wait_for_selector("#m-preliminary-evidence .files a")
    await reach("button[value=check]")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/check")
    await reach("form[action$='/prepare'] button.primary")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("iframe.letter")
    await reach("form[action$='/hand-on'] button")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/drafts/*")


async def test_an_upload_goes_on_after_a_cut(place: Place, tmp_path: Path) -> None:
    """The connection breaks in the middle of a file: it goes on where it was, and is whole."""
    page = await place.person("clerk.health")
    await begin(page)
    await page.fill("#f-transfer-letter-title", "断点案")
    content = hashlib.shake_256(b"film").digest(9 * 1024 * 1024)
    path = tmp_path / "film.bin"
    await asyncio.to_thread(path.write_bytes, content)
    offsets: list[int] = []

    async def cut(route: Route) -> None:
        if route.request.method != "PUT":
            await route.continue_()
            return
        offsets.append(int(route.request.url.rpartition("=")[2]))
        if len(offsets) == 2:
            await page.context.set_offline(True)
            await route.abort("connectionreset")
            return
        await route.continue_()

    await page.route("**/uploads/**", cut)
    await page.select_option("#upload-kind", "source-material")
    await page.set_input_files("#upload-files", path)
    await page.get_by_text("网络中断，恢复后继续").wait_for()
    await page.fill("#f-transfer-letter-facts", "边传边填。")
    await page.context.set_offline(False)
    link = page.locator("#m-source-material .files a")
    await link.wait_for(timeout=60_000)
    assert offsets[:3] == [0, 4 * 1024 * 1024, 4 * 1024 * 1024]
    assert offsets == sorted(offsets)
    back = await page.request.get(str(await link.get_attribute("href")))
    assert await back.body() == content


async def test_two_people_at_one_draft_lose_nothing(place: Place) -> None:
    """The second reads, takes over; the first is told, sees the difference, takes it back, and chooses."""
    first = await place.person("clerk.health")
    address = await begin(first)
    await first.fill("#f-transfer-letter-title", "甲写的题目")
    await saved(first)
    second = await place.person("registry-clerk.health")
    await second.goto(address)
    assert "正在填写" in await second.inner_text("#presence")
    assert await second.is_disabled("#f-transfer-letter-title")
    await second.get_by_role("button", name="接手填写").click()
    await second.wait_for_load_state()
    assert not await second.is_disabled("#f-transfer-letter-title")
    await first.get_by_text("已接手这份草稿").first.wait_for()
    await second.fill("#f-transfer-letter-title", "乙改的题目")
    await second.fill("#f-transfer-letter-contact", "吴思远")
    await saved(second)
    await first.fill("#f-transfer-letter-title", "甲再改的题目")
    conflict = first.locator("#conflict [role=alert]")
    await conflict.wait_for()
    told = await conflict.inner_text()
    assert "甲再改的题目" in told
    assert "乙改的题目" in told
    assert await first.input_value("#f-transfer-letter-title") == "甲再改的题目"
    await first.get_by_role("button", name="接回并按以上选择保存").click()
    await first.wait_for_load_state()
    await expect(first.locator("#conflict [role=alert]")).to_have_count(0)
    assert await first.input_value("#f-transfer-letter-title") == "甲再改的题目"
    assert await first.input_value("#f-transfer-letter-contact") == "吴思远"
    await second.get_by_text("已接手这份草稿").first.wait_for()


async def test_a_second_window_shows_the_difference(place: Place) -> None:
    """One person in two windows: the stale one is told which field differs, and may take the saved one."""
    first = await place.person("clerk.health")
    address = await begin(first)
    await first.fill("#f-transfer-letter-title", "一")
    await saved(first)
    second = await place.person("clerk.health")
    await second.goto(address)
    await first.fill("#f-transfer-letter-title", "二")
    await saved(first)
    await second.fill("#f-transfer-letter-title", "三")
    conflict = second.locator("#conflict [role=alert]")
    await conflict.wait_for()
    await conflict.get_by_label("已保存的").check()
    await second.get_by_role("button", name="按以上选择保存").click()
    await second.wait_for_load_state()
    await expect(second.locator("#f-transfer-letter-title")).to_have_value("二")


async def test_photographs_come_from_a_telephone(place: Place, tmp_path: Path) -> None:
    """By the code, without a log-in, live on the desk; not for a second telephone, and not for ever."""
    desk = await place.person("clerk.health")
    await begin(desk)
    await desk.fill("#f-transfer-letter-title", "拍照案")
    await desk.select_option("#upload-kind", "preliminary-evidence")
    await desk.get_by_role("button", name="用手机拍照").click()
    link = str(await desk.get_attribute("#capture a", "href"))
    drawn = await desk.request.get(str(await desk.get_attribute("#capture img", "src")))
    assert drawn.headers["content-type"].startswith("image/svg+xml")
    phone = await place.person("", width=360)
    await phone.goto(link)
    photo = tmp_path / "现场.png"
    await asyncio.to_thread(photo.write_bytes, picture(400))
    await phone.set_input_files("#upload-files", photo)
    await phone.wait_for_selector(".thumbnails img")
    await desk.locator("#m-preliminary-evidence .files img").wait_for()
    other = await place.person("", width=360)
    answer = await other.goto(link)
    assert answer is not None
    assert answer.status == 404
    assert "另一部手机" in await other.inner_text("main")
    await desk.get_by_role("button", name="关闭二维码").click()
    await desk.wait_for_load_state()
    answer = await phone.goto(link)
    assert answer is not None
    assert answer.status == 404


async def test_signing_can_be_undone_for_ten_seconds(place: Place) -> None:
    """An act that needs no approval: the button says what it does, waits, can be stopped, and then sends."""
    page = await place.person("clerk.health")
    await page.goto("/new/duty-order/order")
    await page.wait_for_url("**/new/sheets/*")
    await page.fill("#f-duty-order-title", "值班指令")
    await page.fill("#f-duty-order-text", "请立即派员到场。")
    await page.fill("#f-duty-order-ordered-by", "韩磊")
    await page.fill("#f-occurred-at", "2026-01-05T10:00")
    unit = page.locator("[name='parties.unit']")
    if await unit.evaluate("(one) => one.tagName") == "SELECT":
        await unit.select_option(MARKET)
    else:
        await page.check(f"[name='parties.unit'][value='{MARKET}']")
    await saved(page)
    await page.get_by_role("button", name="核对", exact=True).click()
    await page.wait_for_url("**/check")
    await page.get_by_role("button", name="生成函件").click()
    await page.get_by_role("button", name="发送至清河区市场监督管理局").click()
    await page.wait_for_url("**/drafts/*/send")
    letter = page.url.removesuffix("/send")
    await page.locator("#undo").click()
    await page.wait_for_url(letter)
    await page.wait_for_timeout(11_000)
    assert page.url == letter
    await page.goto(f"{letter}/send")
    await page.wait_for_url("**/cases/*", timeout=30_000)
    view = await place.district.parties[HEALTH].case(page.url.rpartition("/")[2])
    assert view.title == "值班指令"
