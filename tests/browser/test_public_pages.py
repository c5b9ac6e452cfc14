"""The public site in a real browser: what was published, draws repeated from their files, a case by number and code."""

import csv
import io
import json
import random
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.cases.v1.case_service_pb2_grpc import CaseServiceStub
from liandong.cases.v1.public_service_pb2_grpc import PublicServiceStub
from PIL import Image
from playwright.async_api import Page

from services.cli.demo.scenario import FOLDER, Scenario, read
from services.cli.demo.stage import Stage
from services.common.channel import open_channel
from services.gateway.bootstrap import Gateway
from services.gateway.settings import DepartmentSettings, GatewaySettings
from services.procedures import draw
from services.procedures.draw import Plan

from .conftest import HEALTH, MARKET, Look, Place

pytestmark = pytest.mark.asyncio(loop_scope="session")
_UNTIL_DRAWN = 9
"""Steps of the scenario until the draw is published."""


async def play(place: Place, scenario: Scenario) -> Path:
    """Play a scenario; returns the folder with its files."""
    description = place.district.description
    await Stage(scenario, place.district.parties, description, lambda _: None).play()
    return description.parent / "scenarios" / scenario.scenario


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def published(running: Place) -> AsyncIterator[Path]:
    """An interpretation of a policy, decisions and a draw are published; gives the folder with the draw's files."""
    await play(running, read(FOLDER / "policy-interpretation.yaml"))
    decisions = read(FOLDER / "double-publicity.yaml")
    await play(running, decisions)
    # once more, only shown and corrected
    gone = {"annul", "withdraw", "end"}
    steps = [each for each in decisions.steps if getattr(each, "act", "") not in gone and not each.refused]
    await play(running, decisions.model_copy(update={"steps": steps}))
    whole = read(FOLDER / "random-inspection.yaml")
    main = whole.cases["main"]
    roles = {**main.roles, "inspectors": MARKET}
    yield await play(
        running,
        whole.model_copy(
            update={
                "cases": {**whole.cases, "main": main.model_copy(update={"roles": roles})},
                "steps": whole.steps[:_UNTIL_DRAWN],
            }
        ),
    )


async def first_of(page: Page, kind: str) -> str:
    """The path of the newest thing of a kind."""
    await page.goto(f"/public?kind={kind}")
    path = await page.locator(".list a").first.get_attribute("href")
    assert path
    return path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/public", "public"),
        ("/public?q=%25", "public-nothing"),
        ("/public/draws", "public-draws"),
        ("/public/complaints", "public-complaints"),
    ],
)
async def test_the_page_looks_right(look: Look, published: Path, path: str, name: str) -> None:
    """Without a log-in, in both languages, on a telephone and on a desk."""
    assert published
    await look("", path, name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("text", "public-text"),
        ("draw", "public-draw"),
        ("draw-notice", "public-notice"),
        ("penalty", "public-penalty"),
        ("permit", "public-permit"),
        ("withdrawal", "public-withdrawal"),
    ],
)
async def test_what_was_published_looks_right(
    place: Place, look: Look, published: Path, kind: str, name: str
) -> None:
    """A text, a draw, its announcement, a penalty, a permit, a withdrawal."""
    assert published
    path = await first_of(await place.person(), kind)
    await look("", path, name)


async def test_everybody_finds_what_was_published_and_nothing_else(place: Place, published: Path) -> None:
    """By words of the headline; a letter that publishes nothing is not there, and no page asks to log in."""
    assert published
    page = await place.person()
    await page.goto("/public")
    assert await page.get_by_role("link", name="公开信息").count() > 0
    await page.fill("#q", "分级")
    await page.press("#q", "Enter")
    await page.wait_for_url("**q=**")
    texts = await page.locator(".list a").all_inner_texts()
    assert texts
    assert all("分级" in each for each in texts)
    answer = await page.goto("/public/items/01900000-0000-7000-8000-000000000001")
    assert answer is not None
    assert answer.status == 404


async def test_decisions_are_found_by_name_number_code_and_kind(place: Place, published: Path) -> None:
    """Corrected they say so; a withdrawn one is named by its number alone; nobody reads the name of a natural person."""
    assert published
    page = await place.person()

    async def found(query: str) -> list[str]:
        await page.goto(f"/public?{query}")
        return await page.locator(".list > li").all_inner_texts()

    for query in ("q=康宁口腔", "q=91330100ma27xl0b1a", "kind=penalty", f"kind=penalty&department={HEALTH}"):
        (penalty,) = await found(query)
        assert "清河康宁口腔门诊部" in penalty
        assert "已更正" in penalty
    assert not await found(f"kind=penalty&department={MARKET}")
    both = await found("q=清卫医罚〔2026〕12号")
    assert len(both) == 2
    (withdrawn,) = await found("kind=withdrawal")
    assert "康宁" not in withdrawn
    permits = await found("q=医师执业证书")
    assert len(permits) == 2
    assert all("张某某" in each for each in permits)
    for kind in ("penalty", "permit", "withdrawal"):
        await page.goto(await first_of(page, kind))
        said = await page.inner_text("main")
        for hidden in ("三丰", "建国", "11010519491231002X"):
            assert hidden not in said
    await page.goto(await first_of(page, "penalty"))
    said = await page.inner_text("main")
    for part in ("罚款人民币贰仟元", "更正罚款金额", "公示截止日期", "孙某某", "91330100MA27XL0B1A"):
        assert part in said, part


async def test_an_old_address_of_a_decision_leads_to_what_stands(place: Place, published: Path) -> None:
    """To the correction, and to the notice of a withdrawal; the feed names what stands only."""
    assert published
    party = place.district.parties[HEALTH]
    page = await place.person()
    async with open_channel(party.address, party.tls) as channel:
        stub = CaseServiceStub(channel)
        listed = await stub.ListCases(
            cases.ListCasesRequest(procedure="double-publicity", page_size=20, include_closed=True),
            metadata=party.actor("clerk"),
            timeout=10,
        )
        ends = set()
        for case in listed.cases:
            timeline = await stub.GetTimeline(
                cases.GetTimelineRequest(case_id=case.case_id), metadata=party.actor("clerk"), timeout=10
            )
            for letter in timeline.letters:
                if letter.act == "publicise-penalty":
                    await page.goto(f"/public/items/{letter.letter_id}")
                    assert letter.letter_id not in page.url
                    ends.add(await page.locator("main .badge").first.inner_text())
    assert ends == {"行政处罚公示", "撤回公示"}
    feed = await (await page.request.get("/public/feed.xml")).text()
    assert "撤回公示：清卫医罚〔2026〕12号" in feed
    assert "三丰" not in feed


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def open_house(running: Place) -> AsyncIterator[str]:
    """The address of another gateway, which takes in what the public complains of."""
    folder = running.district.folder
    settings = GatewaySettings(
        departments=[
            DepartmentSettings(
                name=name, address=party.address, folder=folder / name / "gateway",
                registry=running.district.registry_address, issuer=party.issuer,
                issuer_key=party.folder / "issuer.key",
            )
            for name, party in running.district.parties.items()
        ],
        database_url=f"sqlite:///{folder / 'open-house.sqlite'}", listen="127.0.0.1:0",
        public_departments=(HEALTH,), public_intake=HEALTH, public_intake_code="TS-0504",
    )  # fmt: skip
    gateway = Gateway(settings)
    port = await gateway.start()
    yield f"http://127.0.0.1:{port}"
    await gateway.stop()


async def wrongly_filled(place: Place, page: Page) -> None:
    """Send the form with a code that is none."""
    await page.fill("#facts", "学府路餐饮店油烟直排。")
    await page.fill("#unit_code", "91330100MA27XL0B1D")
    await page.wait_for_timeout(2100)
    await page.click("form button.primary")
    await page.locator("form [role=alert]").wait_for()
    # that the answer is a refusal
    for window in place.windows.values():
        window.noise.clear()


async def test_the_form_for_complaints_looks_right(place: Place, look: Look, open_house: str) -> None:
    """Empty and with something wrong on it; where it is off, too."""
    await look("", f"{open_house}/public/complaints/new", "intake")
    await look("", f"{open_house}/public/complaints/new", "intake-wrong", partial(wrongly_filled, place))
    await look("", "/public/complaints/new", "intake-closed")


async def test_somebody_complains_without_script_and_by_keyboard(
    place: Place, look: Look, open_house: str, tmp_path: Path
) -> None:
    """With a photograph; number and code tell how it stands, and people of the department see who wrote it."""
    photograph = tmp_path / "现场.png"
    Image.new("RGB", (60, 40), "red").save(photograph)
    page = await place.person(width=360, java_script_enabled=False)
    await page.goto(f"{open_house}/public/complaints/new")
    await page.focus("#facts")
    await page.keyboard.type("学府路餐饮店夜间噪声很大，请处理。")
    for text in ("学府路18号", "学府餐饮店"):
        await page.keyboard.press("Tab")
        await page.keyboard.type(text)
    await page.set_input_files("#photographs", photograph)
    await page.fill("#contact_name", "王小明")
    await page.fill("#contact_phone", "138 1234 5678")
    await page.wait_for_timeout(2100)
    await page.focus("form button.primary")
    await page.keyboard.press("Enter")
    await page.locator("#code").wait_for()
    number, code = await page.inner_text("#number"), await page.inner_text("#code")
    said = ""
    for _ in range(20):
        await page.goto(f"{open_house}/public/complaints")
        await page.fill("#number", number)
        await page.fill("#code", code)
        await page.press("#code", "Enter")
        await page.locator("form [role=alert], section[role=status]").first.wait_for()
        said = await page.inner_text("main")
        if "已登记" in said:
            break
        await page.wait_for_timeout(500)
    assert "已登记" in said
    assert "王小明" not in said
    party = place.district.parties[HEALTH]
    async with open_channel(party.address, party.tls) as channel:
        listed = await CaseServiceStub(channel).SearchCases(
            cases.SearchCasesRequest(query="夜间噪声很大"), metadata=party.actor("clerk"), timeout=10
        )
        case_id = listed.cases[0].case_id
        timeline = await CaseServiceStub(channel).GetTimeline(
            cases.GetTimelineRequest(case_id=case_id), metadata=party.actor("clerk"), timeout=10
        )
    clerk = await place.person("clerk.health")
    await clerk.goto(f"/letters/{timeline.letters[0].letter_id}")
    await clerk.get_by_role("link", name="网上投诉人联系方式").click()
    await clerk.get_by_role("button", name="查看").click()
    await clerk.locator("main dl").wait_for()
    assert "138 1234 5678" in await clerk.inner_text("main")
    await look("clerk.health", f"/cases/{case_id}/writer", "intake-writer")


async def test_the_feed_and_the_heads_are_for_programs(place: Place, published: Path) -> None:
    """Atom with an entry for each, links that lead to it; the signed head as the registry gives it."""
    assert published
    page = await place.person()
    feed = await page.request.get("/public/feed.xml")
    assert feed.headers["content-type"].startswith("application/atom+xml")
    root = ET.fromstring(await feed.text())
    space = {"a": "http://www.w3.org/2005/Atom"}
    entries = root.findall("a:entry", space)
    assert len(entries) >= 3
    link = entries[0].find("a:link", space)
    assert link is not None
    assert (await page.request.get(link.attrib["href"])).ok
    head = await (await page.request.get("/public/heads")).json()
    assert head["checkpoint"].split("\n")[1] == str(head["size"])
    assert head["size"] > 0


async def test_a_published_draw_is_repeated_from_its_files(place: Place, published: Path) -> None:
    """It fits the announcement, the seed and what was published; with one cell changed it does not."""
    page = await place.person()
    await page.goto(await first_of(page, "draw"))
    files = {
        "proof": published / "draw-proof.json", "objects": published / "objects.csv",
        "officers": published / "officers.csv", "exclusions": published / "conflicts.csv",
    }  # fmt: skip
    for name, path in files.items():
        await page.set_input_files(f"#{name}", path)
    await page.click("#repeat button")
    await page.locator("#repeated li").first.wait_for()
    verdicts = await page.locator("#repeated li.due").all_inner_texts()
    assert len(verdicts) == 4
    assert all(each.startswith("✓") for each in verdicts), verdicts
    changed = (
        (published / "objects.csv")
        .read_text(encoding="utf-8")
        .replace("中心小学,school,C", "中心小学,school,A", 1)
    )
    await page.set_input_files(
        "#objects", {"name": "objects.csv", "mimeType": "text/csv", "buffer": changed.encode()}
    )
    await page.click("#repeat button")
    await page.locator("#repeated li.bad").first.wait_for()


@pytest.mark.parametrize("seed", range(4))
async def test_the_browser_draws_what_the_command_draws(place: Place, seed: int) -> None:
    """With quotas, shares, weights, exclusions and names in many scripts; to the last officer."""
    chance = random.Random(seed)
    objects = [
        [f"{chance.choice('Oö字𠀀')}-{number}", f'单位"{number}", 甲', f"c{number % 3}", chance.choice("ABC")]
        for number in range(chance.randint(9, 60))
    ]
    officers = [[f"证{number}", f"姓名{number}", HEALTH] for number in range(chance.randint(2, 9))]
    excluded = [[officers[0][0], objects[0][0], "亲属"], [officers[-1][0], objects[1][0], ""]]
    texts = [
        _csv(["id", "name", "class", "risk"], objects),
        _csv(["certificate", "name", "department"], officers),
        _csv(["certificate", "object", "reason"], excluded),
    ]
    plan = Plan("试抽", {"c0": 2}, {"c1": 333}, {"A": 1, "B": 2, "C": 4}, 2, 7)
    lists = draw.read_lists(*texts)
    draw.check(plan, lists)
    root, size = chance.randbytes(32), 2**33 + seed
    committed = draw.commitment(plan, lists)
    pairs = draw.draw(draw.seed_of(committed, size, root), plan, lists)
    page = await place.person()
    await page.goto("/public/draws")
    said = json.loads(
        await page.evaluate(
            """([plan, lists, size, root]) => {
              const read = LiandongDraw.readLists(...lists);
              const committed = LiandongDraw.commitment(plan, read);
              const seed = LiandongDraw.seedOf(committed, size, LiandongDraw.unhex(root));
              return JSON.stringify([LiandongDraw.hex(committed), LiandongDraw.draw(seed, plan, read)]);
            }""",
            [
                {
                    "name": plan.name, "quotas": plan.quotas, "shares": plan.shares, "weights": plan.weights,
                    "officers_each": plan.officers_each, "margin": plan.margin,
                },
                texts, size, root.hex(),
            ],
        )
    )  # fmt: skip
    assert said[0] == committed.hex()
    assert [(each["object"], tuple(each["officers"])) for each in said[1]] == [
        (each.object, each.officers) for each in pairs
    ]


async def test_a_case_is_followed_by_number_and_code(place: Place) -> None:
    """It says the state and no name; a wrong number reads like a wrong code; who guesses is slowed down."""
    party = place.district.parties[HEALTH]
    body = bodies.Discovery(title="投诉", facts="投诉人张三丰", source=bodies.DISCOVERY_SOURCE_INSPECTION)
    answer = await party.act(cases.ActDraft(procedure="case-transfer", act="register", discovery=body))
    await party.settled(answer)
    async with open_channel(party.address, party.tls) as channel:
        issued = await PublicServiceStub(channel).IssueStatusCode(
            pb.IssueStatusCodeRequest(case_id=answer.case_id), metadata=party.actor("clerk"), timeout=10
        )
    page = await place.person()

    async def ask(number: str, code: str) -> str:
        await page.goto("/public/complaints")
        await page.fill("#number", number)
        await page.fill("#code", code)
        await page.press("#code", "Enter")
        await page.locator("[role=alert]:visible, [role=status]").first.wait_for()
        return await page.inner_text("main")

    said = await ask(issued.number, issued.code.lower())
    assert "已登记" in said
    assert "张三丰" not in said
    assert "编号或查询码不正确" in await ask(issued.number, "AAAAAAAAAAAA")
    assert "编号或查询码不正确" in await ask("20260101-00000000", issued.code)
    for _ in range(20):
        said = await ask(issued.number, "AAAAAAAAAAAA")
        if "查询次数过多" in said:
            return
    raise AssertionError("nobody is slowed down")


def _csv(header: list[str], rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue()
