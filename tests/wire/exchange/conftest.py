"""A registry with an author, a recipient and a stranger, for the tests of evidence."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.wire.exchange.evidence_world import EvidenceWorld


@pytest.fixture
async def evidence(tmp_path: Path) -> AsyncIterator[EvidenceWorld]:
    """The registry runs; nobody has brought anything yet."""
    async with EvidenceWorld(tmp_path) as world:
        yield world
