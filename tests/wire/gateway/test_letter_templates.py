"""Templates of letters by forms over HTTP, before a real node: who may keep which, and what is refused."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.builders.hostile import TEXTS, runs

from .front import Front, standing

pytestmark = pytest.mark.xdist_group("federation")

WANTED = {
    "for": "case-transfer/transfer",
    "title": "移送",
    "text.facts": "{当事人}涉嫌违法。",
    "scope": "own",
}


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Everything."""
    async with standing(tmp_path) as made:
        yield made


async def kept(client: httpx.AsyncClient, **changes: str) -> str:
    """Keep one; its path."""
    answer = await client.post("/templates", data={**WANTED, **changes})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_templates_are_kept_by_those_who_may(front: Front) -> None:
    """One's own by oneself, the department's by its heads; by no forged form, for no act that there is not."""
    async with await front.person("clerk") as clerk, await front.person("section-head") as head:
        own, whole = await kept(clerk), await kept(head, scope="department")
        assert (await clerk.get(whole)).status_code == 200
        assert (await head.get(own)).status_code == 404
        forged = await clerk.post("/templates", data={**WANTED, "scope": "department"})
        assert forged.status_code == 403
        for path in (whole, f"{whole}/remove"):
            assert (await clerk.post(path, data=WANTED)).status_code == 403
        for path in (own, f"{own}/remove"):
            assert (await head.post(path, data=WANTED)).status_code == 404
        for act in ("case-transfer/nothing", "nothing/transfer", "", "a/b/c"):
            assert (await clerk.post("/templates", data={**WANTED, "for": act})).status_code == 404
        for wrong, field in (
            ({"title": ""}, "title-wrong"),
            ({"text.facts": ""}, "texts-wrong"),
            ({"text.facts": "{{7*7}}"}, "text.facts-wrong"),
            ({"text.facts": "{case.__class__}"}, "text.facts-wrong"),
            ({"text.nothing": "字", "text.facts": ""}, "texts-wrong"),
        ):
            answer = await clerk.post("/templates", data={**WANTED, **wrong})
            assert (answer.status_code, f'id="{field}"' in answer.text) == (400, True), wrong
        # it stays for which act it is
        changed = await clerk.post(own, data={**WANTED, "for": "case-transfer/accept", "title": "改名"})
        assert changed.status_code == 303
        assert "改名" in (await clerk.get("/templates")).text
        assert "移送案件" in (await clerk.get(own)).text
        clerk.headers.pop("x-csrf-token")
        assert (await clerk.post("/templates", data=WANTED)).status_code == 403
    async with await front.person("auditor") as auditor:
        noted = (await auditor.get("/admin/logins")).text
    assert len(re.findall("新增本部门函件模板", noted)) == 1


async def test_whatever_is_in_a_template_is_text(front: Front) -> None:
    """On its page, in its form, in lists."""
    async with await front.person("clerk") as clerk:
        for text in TEXTS.values():
            plain = (
                " ".join(text.split()).replace("{", "(").replace("}", ")").replace("\x00", "")[:60].strip()
            )
            # a title is printable
            plain = "".join(each for each in plain if each.isprintable())
            path = await kept(clerk, title=plain, **{"text.facts": f"{plain}{{due}}"})
            for each in ("/templates", path, f"{path}/edit"):
                assert not runs((await clerk.get(each)).text), (each, plain)
