"""The public site in a real browser: what was published, draws repeated from their files, a case by number and code."""

import csv
import io
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.cases.v1 import public_service_pb2 as pb
from liandong.cases.v1.public_service_pb2_grpc import PublicServiceStub
from playwright.async_api import Page

from services.cli.demo.scenario import FOLDER, Scenario, read
from services.cli.demo.stage import Stage
from services.common.channel import open_channel
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
    """An interpretation of a policy and a draw are published; gives the folder with the draw's files."""
    await play(running, read(FOLDER / "policy-interpretation.yaml"))
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
    ("kind", "name"), [("text", "public-text"), ("draw", "public-draw"), ("draw-notice", "public-notice")]
)
async def test_what_was_published_looks_right(
    place: Place, look: Look, published: Path, kind: str, name: str
) -> None:
    """A text, a draw, its announcement."""
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
