"""Phrases that people keep."""

from collections.abc import Iterator
from functools import partial

import pytest

from services.common.clock import SystemClock
from services.common.db import Database
from services.common.errors import InvalidField, LimitExceeded
from services.common.migrations import migrate
from services.gateway import schema
from services.gateway.accounts import store
from services.gateway.accounts.model import Account
from services.gateway.phrases import LONGEST, MOST, Phrases


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A store with two accounts."""
    migrate(database_url, schema.MIGRATIONS, version_table=schema.VERSION_TABLE)
    made = Database(database_url)
    for name in ("zhao", "qian"):
        account = Account(
            id=name, username=name, department="health.qinghe", subject=name, name=name, roles=("clerk",),
            certificate="", must_change=False, totp=False, locked_until=None, disabled=False, language="",
        )  # fmt: skip
        made.write(partial(store.add, account=account, password="", now=SystemClock().now()))
    yield made
    made.close()


def test_phrases_are_ones_own(database: Database) -> None:
    """In the order in which they came, each once; nobody takes away another's."""
    phrases = Phrases(database, SystemClock())
    for text in ("同意。", " 请补充材料。 ", "同意。"):
        phrases.add("zhao", text)
    phrases.add("qian", "同意。")
    assert [text for _, text in phrases.of("zhao")] == ["同意。", "请补充材料。"]
    (kept,) = phrases.of("qian")
    phrases.remove("zhao", kept[0])
    assert phrases.of("qian") == [kept]
    phrases.remove("qian", kept[0])
    assert phrases.of("qian") == []


@pytest.mark.parametrize("text", ["", "  ", "一行\n两行", "长" * (LONGEST + 1)])
def test_a_phrase_is_one_line(database: Database, text: str) -> None:
    """Neither nothing, nor several lines, nor a letter."""
    with pytest.raises(InvalidField):
        Phrases(database, SystemClock()).add("zhao", text)


def test_phrases_are_bounded(database: Database) -> None:
    """One too many is refused, and those that are kept stay."""
    phrases = Phrases(database, SystemClock())
    for number in range(MOST):
        phrases.add("zhao", f"常用语{number}")
    with pytest.raises(LimitExceeded):
        phrases.add("zhao", "再来一条")
    assert len(phrases.of("zhao")) == MOST
