"""Pages of a case, of its letters and drafts, and the forms of acts, in a real browser."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from playwright.async_api import Dialog, FileChooser, Page, expect

from services.cli.demo.party import Party
from services.common.channel import remote_errors
from services.gateway.evidence.reading import name_of

from . import made
from .checks import WIDTHS, faults_of, keep
from .conftest import HEALTH, MARKET, Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = made.HOSTILE.replace("/", "")
HOSTILE_FILES = tuple(replace(each, name=f"{NAME}{each.name}") for each in made.FILES)
PAGE = made.File("supporting-material", "page.html", "text/html", b"<script>alert(1)</script>")


@dataclass(frozen=True, slots=True)
class Made:
    """What is looked at.

    Attributes:
        sent: A case that came to the market's department, not signed for.
        letter: Its transfer letter.
        files: Of that letter, by kind, as they are named in addresses.
        draft: A transfer letter of the health department that waits for approval.
        registered: Its case.
        ready: A draft of the market's department that could be sent.
        hostile: A case whose every text tries to break out of the page.
    """

    sent: str
    letter: str
    files: dict[str, str]
    draft: str
    registered: str
    ready: str
    hostile: str


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def there(running: Place, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Cases of the district."""
    folder = tmp_path_factory.mktemp("files")
    health, market = running.district.parties[HEALTH], running.district.parties[MARKET]
    sent = await made.transferred(health, market, folder, (*made.FILES, PAGE))
    letter = (await market.timeline(sent))[-1]
    registered = await made.registered(health, "校园周边无证食品摊点线索")
    draft = await made.transfer_draft(health, MARKET, registered, folder)
    asked = pb.ActDraft(case_id=sent, act="sign-for", sign_for=bodies_pb2.SignFor(signed_by="李晓云"))
    ready = await market.prepare(asked, "registry-clerk")
    words = dict.fromkeys(
        (
            "title",
            "facts",
            "provisions",
            "competence",
            "measures",
            "contact",
            "name",
            "place",
            "consultation",
        ),
        made.HOSTILE,
    )
    hostile = await made.transferred(
        health, market, folder, HOSTILE_FILES, **{**words, "contact": made.HOSTILE[:100]}
    )
    files = {each.kind: name_of(each.manifest_root) for each in letter.materials}
    return Made(sent, letter.letter_id, files, draft.letter_id, registered, ready.letter_id, hostile)


async def opened(page: Page) -> None:
    """Everything that folds is open."""
    for each in await page.query_selector_all("main details:not(.menu)"):
        await each.evaluate("each => { each.open = true; }")


async def with_menu(page: Page) -> None:
    """The menu of acts is open."""
    await page.click("main details.menu > summary")


async def proved(page: Page) -> None:
    """The proof was asked for, and stands in the page."""
    await page.get_by_role("link", name=re.compile("核验|Verify")).first.click()
    await page.wait_for_selector(".checks")


Prepare = Callable[[Page], Awaitable[None]]


@pytest.mark.parametrize(
    ("user", "path", "name", "prepare"),
    [
        ("clerk.market", "/cases/{sent}", "case", opened),
        ("clerk.market", "/cases/{sent}", "case-menu", with_menu),
        ("clerk.market", "/cases/{hostile}", "case-hostile", proved),
        ("clerk.market", "/cases/{sent}/acts/accept", "act", opened),
        ("leader-in-charge.health", "/drafts/{draft}", "draft", opened),
        ("clerk.health", "/drafts/{draft}/edit", "draft-edit", None),
        ("registry-clerk.market", "/drafts/{ready}/send", "draft-send", None),
        ("clerk.market", "/letters/{letter}", "letter", proved),
        ("clerk.market", "/letters/{letter}/proof", "proof", None),
        ("clerk.market", "/cases/{sent}/obligations/reply/1", "due-time", None),
        ("clerk.market", "/cases/{sent}/evidence/{picture}", "evidence-picture", None),
        ("clerk.market", "/cases/{sent}/evidence/{text}", "evidence-text", None),
    ],
)
async def test_the_page_looks_right(
    look: Look, there: Made, user: str, path: str, name: str, prepare: Prepare | None
) -> None:
    """In both languages, on a telephone and on a desk."""
    named = {
        each: getattr(there, each) for each in ("sent", "hostile", "registered", "draft", "ready", "letter")
    }
    named |= {"picture": there.files["preliminary-evidence"], "text": there.files["source-material"]}
    await look(user, path.format(**named), name, prepare)


async def reach(page: Page, text: str) -> None:
    """Go on with the tabulator until something of that name has the focus."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            "() => { const it = document.activeElement;"
            " return (it.labels && it.labels[0] ? it.labels[0].innerText : it.innerText || '').trim(); }"
        )
        if found.startswith(text):
            return
    raise AssertionError(f"no way to {text}")


async def at_signing_for(place: Place, folder: Path, title: str) -> tuple[Page, str]:
    """The page of a case that came, with the focus on signing for it; and the case's id."""
    health, market = place.district.parties[HEALTH], place.district.parties[MARKET]
    case_id = await made.transferred(health, market, folder, title=title)
    page = await place.person("registry-clerk.market")
    await page.goto(f"/cases/{case_id}")
    await reach(page, "签收")
    return page, case_id


async def test_news_does_not_take_the_focus_away(place: Place, tmp_path: Path) -> None:
    """Who has reached a button by keyboard is still on it after the case was shown anew."""
    page, case_id = await at_signing_for(place, tmp_path, "焦点案")
    before = await page.evaluate_handle("document.getElementById('case')")
    await page.evaluate("htmx.trigger(document.body, 'live:cases')")
    await page.wait_for_function("before => !before.isConnected", arg=before)
    assert await page.evaluate("document.activeElement.textContent.trim()") == "签收"
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/cases/{case_id}/acts/sign-for")


async def test_a_letter_is_signed_for_and_accepted_by_keyboard_alone(place: Place, tmp_path: Path) -> None:
    """No mouse: the registry clerk signs for it at once, the clerk attaches a notice and lets the seconds pass."""
    market = place.district.parties[MARKET]
    page, case_id = await at_signing_for(place, tmp_path, "键盘签收案")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/cases/{case_id}/acts/sign-for")
    await reach(page, "签收人")
    await page.keyboard.type("李晓云")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/send")
    assert await page.evaluate("document.activeElement.id") == "undo"
    assert not any(each.act == "sign-for" for each in await market.timeline(case_id))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/cases/{case_id}")
    await expect(page.locator("main .badge").first).to_have_text("已签收")

    page = await place.person("clerk.market")
    # heard from the beginning: a dialogue that opens before anybody listens is never heard of
    asked: asyncio.Queue[FileChooser] = asyncio.Queue()
    page.on("filechooser", asked.put_nowait)
    await page.goto(f"/cases/{case_id}")
    await reach(page, "受理告知")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/cases/{case_id}/acts/accept")
    await reach(page, "上传")
    await page.keyboard.press("Enter")
    # the dialogue is the system's
    chooser = await asyncio.wait_for(asked.get(), 30)
    await chooser.set_files(
        {"name": "受理通知书.pdf", "mimeType": "application/pdf", "buffer": made.PDF},
    )
    await expect(page.locator("#f-material-acceptance-notice-said")).to_have_text("已上传，可直接提交。")
    assert await page.evaluate("document.activeElement.type") == "file"
    await reach(page, "受理告知")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/send")
    shown = await page.inner_text("[data-left]")
    assert 0 < int(shown) <= 10
    assert not any(each.act == "accept" for each in await market.timeline(case_id))
    await page.wait_for_url(f"**/cases/{case_id}", timeout=20_000)
    await expect(page.locator("main .badge").first).to_have_text("已受理")
    await expect(page.get_by_role("link", name="受理通知书.pdf")).to_be_visible()


async def test_the_printed_letter_is_the_notice_that_nobody_brings(place: Place, tmp_path: Path) -> None:
    """The clerk writes nothing elsewhere: what the form says is printed, attached and sent."""
    health, market = place.district.parties[HEALTH], place.district.parties[MARKET]
    case_id = await made.transferred(health, market, tmp_path, title="自动生成通知书案")
    page = await place.person("registry-clerk.market")
    await page.goto(f"/sign-for/{case_id}")
    await page.get_by_role("button", name="签收").click()
    await expect(page.locator("main .badge").first).to_have_text("已签收")
    page = await place.person("clerk.market")
    await page.goto(f"/cases/{case_id}/acts/accept")
    await expect(page.locator("#f-material-acceptance-notice")).to_have_value("itself")
    await page.fill("#f-acceptance-notice-file-number", "清市监立〔2026〕9号")
    await page.click("#act button.primary")
    await page.wait_for_url("**/send")
    await page.wait_for_url(f"**/cases/{case_id}", timeout=20_000)
    await expect(page.locator("main .badge").first).to_have_text("已受理")
    (accepted,) = [each for each in await market.timeline(case_id) if each.act == "accept"]
    (notice,) = accepted.materials
    assert (notice.kind, notice.media_type) == ("acceptance-notice", "application/pdf")
    assert notice.size > 10_000


async def test_undone_in_time_nothing_is_sent_and_nothing_is_lost(place: Place, tmp_path: Path) -> None:
    """The draft is there, also when the page was just closed; what was typed stands in its form again."""
    health, market = place.district.parties[HEALTH], place.district.parties[MARKET]
    case_id = await made.transferred(health, market, tmp_path, title="撤销案")
    page = await place.person("registry-clerk.market")
    await page.goto(f"/cases/{case_id}/acts/sign-for")
    await page.fill("#f-sign-for-signed-by", "李晓云")
    await page.click("#act button.primary")
    await page.wait_for_url("**/send")
    await page.click("#undo")
    await page.wait_for_url(re.compile(r"/drafts/[0-9a-f-]+$"))
    await asyncio.sleep(11)
    assert not any(each.act == "sign-for" for each in await market.timeline(case_id))
    assert "/drafts/" in page.url
    await page.get_by_role("link", name="修改").first.click()
    await page.wait_for_url("**/edit")
    assert await page.input_value("#f-sign-for-signed-by") == "李晓云"
    await page.goto(f"/cases/{case_id}")
    await expect(page.get_by_role("heading", name="草稿")).to_be_visible()


async def test_a_letter_is_approved_as_it_is_shown_and_sent_by_its_drafter(
    place: Place, tmp_path: Path
) -> None:
    """The leader approves the digest of the page; the button says to whom it goes."""
    health, market = place.district.parties[HEALTH], place.district.parties[MARKET]
    case_id = await made.registered(health, "审批案")
    draft = await made.transfer_draft(health, MARKET, case_id, tmp_path)
    page = await place.person("leader-in-charge.health")
    await page.goto(f"/drafts/{draft.letter_id}")
    assert draft.content_digest.hex() in await page.inner_text("main")
    await page.get_by_role("button", name="批准").click()
    await expect(page.locator("main .notice.good")).to_have_text("已批准。")

    page = await place.person("clerk.health")
    await page.goto(f"/drafts/{draft.letter_id}")
    await page.get_by_role("link", name="发送移送案件给清河区市场监督管理局").click()
    await page.get_by_role("button", name="发送移送案件给清河区市场监督管理局").click()
    await page.wait_for_url(f"**/cases/{case_id}")
    assert "发文字号" in await page.inner_text("main .notice.good")
    letter = (await health.timeline(case_id))[-1]
    assert letter.act == "transfer"
    await market.reached(case_id, 0)
    # a second time there is nothing to send
    await page.goto(f"/drafts/{draft.letter_id}/send")
    assert page.url.endswith(f"/letters/{draft.letter_id}")


async def test_a_form_works_without_script_and_says_what_is_wrong_beside_the_field(
    place: Place, there: Made
) -> None:
    """Rows come and go, and nothing typed is lost."""
    page = await place.person("clerk.health", java_script_enabled=False)
    await page.goto(f"/cases/{there.registered}/acts/transfer")
    await page.fill("#f-transfer-letter-title", "无脚本")
    await page.get_by_role("button", name="添加当事人").click()
    await page.fill("#f-transfer-letter-subjects-0-name", "乙公司")
    await page.select_option("#f-transfer-letter-subjects-0-kind", "UNIT")
    await page.fill("#f-transfer-letter-subjects-0-identifier", "91330109MA2B1Q7L00")
    await page.get_by_role("button", name="添加当事人").click()
    assert await page.input_value("#f-transfer-letter-subjects-0-name") == "乙公司"
    await page.get_by_role("button", name="删除当事人（第2项）").click()
    await page.click("#act button.primary")
    await expect(page.locator("#f-transfer-letter-facts-wrong")).to_have_text("请填写此项。")
    assert await page.get_attribute("#f-transfer-letter-facts", "aria-describedby") is not None
    await page.fill("#f-transfer-letter-facts", "事实")
    await page.select_option("#f-party-receiver", MARKET)
    for kind in ("source-material", "preliminary-evidence"):
        assert await page.locator(f"#f-material-{kind}-wrong").count() == 1
    # the letter itself is printed
    assert await page.locator("#f-material-transfer-letter-wrong").count() == 0
    assert await page.locator("main [role=alert] li").count() == 4
    assert await page.input_value("#f-transfer-letter-title") == "无脚本"


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_refused_form_looks_right(place: Place, there: Made, width: int) -> None:
    """What is wrong stands above and beside its fields, and is read with them."""
    page = await place.person("clerk.health", width=width)
    await page.goto(f"/cases/{there.registered}/acts/transfer")
    await page.click("#act button.primary")
    await page.wait_for_selector("main [role=alert]")
    await keep(page, f"act-refused-zh-{width}")
    assert await faults_of(page) == []
    await page.get_by_role("alert").get_by_role("link", name="基本情况").click()
    assert await page.evaluate("location.hash") == "#f-transfer-letter-facts"


async def test_what_is_masked_is_shown_for_a_purpose_that_is_noted(place: Place, there: Made) -> None:
    """Neither in the page nor in its source before; whoever looks stands in the audit."""
    page = await place.person("clerk.market")
    for path in (f"/cases/{there.sent}", f"/letters/{there.letter}"):
        await page.goto(path)
        source = await page.content()
        assert made.CITIZEN not in source
        assert "13812345678" not in source
        assert "3幢2单元" not in source
        await page.click("details.reveal > summary")
        await page.click("details.reveal button")
        await expect(page.locator("#purpose-wrong")).to_have_text("请选择用途。")
        await page.select_option("#purpose", "serve")
        await page.fill("#purpose_text", "送达受理告知")
        await page.click("details.reveal button")
        await expect(page.get_by_text("13812345678").first).to_be_visible()
        assert made.CITIZEN in await page.content()
        await page.goto(path)
        assert made.CITIZEN not in await page.content()
    lines = await audited(place.district.parties[MARKET], there.sent)
    asked = [each.object_id for each in lines if each.method == "RevealSubjects"]
    assert asked == [f"{there.letter} | 联系或送达当事人：送达受理告知", "联系或送达当事人：送达受理告知"]


async def audited(party: Party, case_id: str) -> list[pb.AuditLine]:
    """The audit of a case, newest first."""
    with remote_errors():
        found = await party.cases.ListAudit(
            pb.ListAuditRequest(case_id=case_id), metadata=party.actor("auditor"), timeout=30
        )
    return list(found.lines)


async def test_whatever_people_wrote_is_text(place: Place, there: Made) -> None:
    """Of a case, its letters and the names of its files nothing becomes a part of the page."""
    market = place.district.parties[MARKET]
    letters = await market.timeline(there.hostile)
    page = await place.person("clerk.market")
    dialogs: list[str] = []

    async def seen(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        await dialog.dismiss()

    page.on("dialog", seen)
    names = [name_of(each.manifest_root) for each in letters[-1].materials]
    paths = [
        f"/cases/{there.hostile}", *(f"/letters/{each.letter_id}" for each in letters),
        *(f"/cases/{there.hostile}/evidence/{each}" for each in names),
        f"/cases/{there.hostile}/acts/accept", f"/letters/{letters[-1].letter_id}/proof",
    ]  # fmt: skip
    for path in paths:
        await page.goto(path)
        assert await page.locator("img[src=x]").count() == 0, path
        assert "49" not in await page.inner_text("h1"), path
    await page.goto(f"/letters/{letters[-1].letter_id}")
    assert (await page.inner_text("main")).count(made.HOSTILE) >= 6
    assert dialogs == []


async def test_evidence_comes_in_parts_and_only_harmless_kinds_in_place(place: Place, there: Made) -> None:
    """A part is asked for by its bytes; a page among the evidence is only kept."""
    page = await place.person("clerk.market")
    await page.goto(f"/cases/{there.sent}/evidence/{there.files['preliminary-evidence']}")
    assert await page.evaluate("document.querySelector('img.preview').naturalWidth") == 8
    base = f"{place.url}/cases/{there.sent}/evidence/"
    part = await page.request.get(
        f"{base}{there.files['preliminary-evidence']}/content", headers={"Range": "bytes=1-3"}
    )
    assert (part.status, await part.body()) == (206, b"PNG")
    hostile = await page.request.get(f"{base}{there.files['supporting-material']}/content")
    assert hostile.headers["content-type"] == "application/octet-stream"
    assert hostile.headers["content-disposition"].startswith("attachment")
    stranger = await place.person("clerk.justice")
    kept = await stranger.request.get(f"{base}{there.files['preliminary-evidence']}/content")
    assert kept.status == 404


async def test_a_case_of_others_is_not_there(place: Place, there: Made) -> None:
    """Neither the case nor its letters, drafts and calculations are shown to another department."""
    page = await place.person("clerk.justice")
    for path in (
        f"/cases/{there.registered}", f"/letters/{there.letter}", f"/drafts/{there.draft}",
        f"/cases/{there.registered}/acts/transfer", f"/cases/{there.registered}/obligations/send/1",
    ):  # fmt: skip
        answer = await page.goto(path)
        assert answer is not None
        assert answer.status == 404, path
