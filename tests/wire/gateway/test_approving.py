"""Approving on a page: who approves what, and what a page says to those who cannot."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .front import Front, standing

LETTER = {
    "title": "委托实施公共场所卫生监督", "basis": "《行政处罚法》第二十条", "matters": ["公共场所卫生监督检查"],
    "scope": "河西镇", "validFrom": "2026-12-01T00:00:00Z", "validUntil": "2027-12-01T00:00:00Z",
}  # fmt: skip
OFFER = {"draft": {"procedure": "delegation", "act": "offer", "delegationLetter": LETTER}}


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Everything."""
    async with standing(tmp_path) as made:
        yield made


async def test_who_has_two_roles_approves_in_one(front: Front) -> None:
    """Then the page offers no second approval and says why; asked for all the same, it is refused."""
    both = await front.person("legal-reviewer", "principal", "clerk")
    async with both as page:
        draft = (await page.post("/api/v1/drafts", json=OFFER)).json()["draft"]
        path = f"/drafts/{draft['letterId']}"
        shown = (await page.get(path)).text
        assert "批准（以法制审核" in shown
        assert "批准（以主要负责人" in shown
        digest = re.search(r'name="digest" value="([^"]+)"', shown)
        assert digest is not None
        word = {"csrf": page.headers["x-csrf-token"], "digest": digest[1]}
        done = await page.post(f"{path}/approve", data={**word, "role": "legal-reviewer"})
        assert done.status_code == 303
        after = (await page.get(path)).text
        assert "批准（以" not in after
        assert "其余批准须由其他人员作出" in after
        again = await page.post(f"{path}/approve", data={**word, "role": "principal"})
        assert again.status_code == 409
        assert "以其他身份批准过本件" in again.text
    async with await front.person("principal") as page:
        word["csrf"] = page.headers["x-csrf-token"]
        assert (await page.post(f"{path}/approve", data={**word, "role": "principal"})).status_code == 303
        assert "尚缺批准" not in (await page.get(path)).text
