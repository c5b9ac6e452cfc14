"""Files that come in parts: they go on where they were, and nothing of one is ever in another."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.common.errors import StorageFailed
from services.gateway.evidence.bringing import FileTooLarge
from services.gateway.evidence.parts import OtherOffset, Spool

ONE, OTHER = "1" * 32, "2" * 32


async def said(*pieces: bytes) -> AsyncIterator[bytes]:
    """Bytes as they come."""
    for each in pieces:
        yield each


async def broken(*pieces: bytes) -> AsyncIterator[bytes]:
    """Bytes as they come, until the sender is gone."""
    for each in pieces:
        yield each
    raise ConnectionResetError


async def test_a_file_goes_on_where_it_was(tmp_path: Path) -> None:
    """What came of a part that broke off stays; the next one begins there and nowhere else."""
    spool = Spool(100, 1, tmp_path)
    assert await spool.append(ONE, 0, 10, said(b"abc", b"d")) == 4
    with pytest.raises(ConnectionResetError):
        await spool.append(ONE, 4, 10, broken(b"ef"))
    assert await spool.come(ONE) == 6
    for offset in (0, 4, 7):
        with pytest.raises(OtherOffset) as told:
            await spool.append(ONE, offset, 10, said(b"x"))
        assert told.value.offset == 6
    assert await spool.append(ONE, 6, 10, said(b"ghij")) == 10
    assert (tmp_path / "parts" / ONE).read_bytes() == b"abcdefghij"
    assert await spool.come(OTHER) == 0


async def test_more_than_was_said_is_refused(tmp_path: Path) -> None:
    """Of one file, and of what the gateway takes."""
    spool = Spool(100, 1, tmp_path)
    with pytest.raises(FileTooLarge):
        await spool.append(ONE, 0, 3, said(b"ab", b"cd"))
    assert await spool.come(ONE) == 2
    with pytest.raises(FileTooLarge):
        await spool.begin(101)
    with pytest.raises(StorageFailed):
        await Spool(1 << 60, 1, tmp_path).begin(1 << 59)


async def test_nothing_but_an_id_is_a_name(tmp_path: Path) -> None:
    """No path leads out of the folder."""
    spool = Spool(100, 1, tmp_path)
    for name in ("../secret", "a" * 31, "A" * 32, ONE + "/x", ""):
        with pytest.raises(ValueError, match="32 hexadecimal"):
            await spool.come(name)


async def test_what_was_left_is_swept(tmp_path: Path) -> None:
    """After a day, when the next one begins; what is forgotten is gone at once."""
    spool = Spool(100, 1, tmp_path)
    for each in (ONE, OTHER):
        await spool.append(each, 0, 5, said(b"abc"))
    long_ago = time.time() - 2 * 86400
    os.utime(tmp_path / "parts" / ONE, (long_ago, long_ago))
    await spool.begin(1)
    assert (await spool.come(ONE), await spool.come(OTHER)) == (0, 3)
    await spool.forget(OTHER)
    assert await spool.come(OTHER) == 0


async def test_a_file_is_idle_when_nothing_came_for_a_minute(tmp_path: Path) -> None:
    """Whether it ever began or not."""
    spool, now = Spool(100, 1, tmp_path), datetime.now(UTC)
    assert not await spool.is_idle(ONE, now)
    assert await spool.is_idle(ONE, now - timedelta(minutes=2))
    await spool.append(ONE, 0, 5, said(b"abc"))
    assert not await spool.is_idle(ONE, now - timedelta(minutes=2))
    os.utime(tmp_path / "parts" / ONE, (time.time() - 90,) * 2)
    assert await spool.is_idle(ONE, now)


async def test_a_folder_of_its_own_is_gone_with_it() -> None:
    """Nothing of what people sent stays on the disk."""
    spool = Spool(100, 1)
    await spool.append(ONE, 0, 5, said(b"abc"))
    folder = spool._folder
    assert folder.exists()
    spool.close()
    assert not folder.exists()
