"""What proves a letter, on its page, before a real registry."""

import asyncio
from pathlib import Path

from .front import standing


async def test_a_letter_is_proved_by_the_keys_that_the_directory_lists(tmp_path: Path) -> None:
    """Author, leaf, signed head and inclusion all hold once it is in the ledger."""
    draft = {
        "procedure": "case-transfer",
        "act": "register",
        "discovery": {"title": "无证行医", "facts": "检查发现。"},
    }
    async with standing(tmp_path) as front:
        async with front.system() as system:
            headers = {"Idempotency-Key": "registered-once-1"}
            answer = await system.post("/api/v1/letters", json={"draft": draft}, headers=headers)
            assert answer.status_code == 200, answer.text
            sent = answer.json()["answer"]
            path = f"/api/v1/letters/{sent['letterId']}"
            async with asyncio.timeout(30):
                while True:
                    if "leaf" in (await system.get(path)).json():
                        break
                    await asyncio.sleep(0.1)
            (registry,) = (await system.get("/api/v1/registries")).json()["registries"]
            assert registry["logId"] == (await system.get(path)).json()["letter"]["position"]["logId"]
        async with await front.person("clerk") as person:
            answer = await person.get(
                f"/letters/{sent['letterId']}/proof?lang=en", headers={"Accept": "text/html"}
            )
    assert answer.status_code == 200
    assert "content, signature and place in the ledger all hold" in answer.text
