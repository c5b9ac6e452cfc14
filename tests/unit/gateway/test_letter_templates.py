"""Templates of letters: their places, who has them, what is refused."""

from collections.abc import Iterator
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.clock import ManualClock
from services.common.db import Database
from services.common.errors import InvalidField, LimitExceeded, NotFound
from services.common.migrations import migrate
from services.gateway import schema
from services.gateway.accounts import store
from services.gateway.accounts.model import Account
from services.gateway.audit import Audit, By
from services.gateway.letter_templates import places, templates
from services.gateway.letter_templates.templates import LONGEST_TEXT, LetterTemplates, Template
from services.gateway.web.texts import catalogue
from tests.builders.ledger import MONDAY

HEALTH, MARKET = "health.qinghe", "market.qinghe"
BY = By("zhao")
FACTS = {"case.title": "某餐馆无证经营案", "subject.name": "某餐馆", "due": "2026年3月9日"}


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A store with three accounts of two departments."""
    migrate(database_url, schema.MIGRATIONS, version_table=schema.VERSION_TABLE)
    made = Database(database_url)
    for name, department in (("zhao", HEALTH), ("qian", HEALTH), ("sun", MARKET)):
        account = Account(
            id=name, username=name, department=department, subject=name, name=name, roles=("clerk",),
            certificate="", must_change=False, totp=False, locked_until=None, disabled=False, language="",
        )  # fmt: skip
        made.write(partial(store.add, account=account, password="", now=MONDAY))
    yield made
    made.close()


@pytest.fixture
def kept(database: Database) -> LetterTemplates:
    return LetterTemplates(database, ManualClock(MONDAY), Audit(database, ManualClock(MONDAY)))


def template(**changes: object) -> Template:
    values = {
        "department": HEALTH, "owner": "zhao", "procedure": "case-transfer", "act": "transfer",
        "title": "无证经营", "texts": {"facts": "{案件名称}：{subject.name}涉嫌无证经营。"},
        "changed_by": "赵文博", **changes,
    }  # fmt: skip
    return Template(**values)  # type: ignore[arg-type]


def test_places_are_filled_once_and_the_rest_is_left_blank() -> None:
    """Under either name; what a fact says is put in as it is, braces and all."""
    text = "{案件名称}，{ subject.name }，{due}，{来文文号}。{ 不是 }"
    assert places.filled(text, FACTS) == f"某餐馆无证经营案，某餐馆，2026年3月9日，{places.BLANK}。{{ 不是 }}"
    assert places.blanks([text, text], FACTS) == ["letter.number"]
    hostile = {"case.title": "{due}{subject.name}\n<script>", "due": "今天"}
    assert places.filled("{case.title}", hostile) == "{due}{subject.name} <script>"
    assert [each.place for each in places.pieces("甲{due}乙", FACTS)] == ["", "due", ""]


def test_what_is_no_place_is_found() -> None:
    """Nothing is evaluated: neither attributes nor formats nor expressions."""
    for text in (
        "{case}",
        "{case.title.__class__}",
        "{0}",
        "{due!r}",
        "{due:>10}",
        "{7*7}",
        "{{due}}x{案件}",
    ):
        assert places.unknown(text) == [text.split("{")[-1].split("}")[0]] or text.startswith("{{due}}")
    assert places.unknown("{due}{办理期限}{ today }") == []
    assert places.unknown("一{二\n三}四}") == []


@given(st.text(), st.dictionaries(st.sampled_from(sorted(places.PLACES)), st.text()))
def test_any_text_can_be_filled(text: str, facts: dict[str, str]) -> None:
    """What stands outside of places stays to the letter."""
    parts = list(places.pieces(text, facts))
    assert all(each.text for each in parts)
    assert "".join(each.text for each in parts) == places.filled(text, facts)
    if not any(each.place for each in parts):
        assert places.filled(text, facts) == text


def test_every_place_has_its_words() -> None:
    """What it means and an example, in both languages; no two are called alike."""
    names = [each.replace(".", "_") for each in places.PLACES]
    for name in names:
        assert f"letter_templates.place_{name}" in catalogue()
        assert f"letter_templates.example_{name}" in catalogue()
    assert len(set(places.PLACES.values())) == len(places.PLACES)
    for zh in places.PLACES.values():
        assert places.unknown(f"{{{zh}}}") == []


async def test_ones_own_and_the_departments_are_offered(kept: LetterTemplates) -> None:
    """To the person, and to everybody of the department; to nobody of another, by no id."""
    own = await kept.keep(template(), "zhao", BY)
    whole = await kept.keep(template(owner="", title="部门"), "zhao", BY)
    await kept.keep(template(owner="sun", department=MARKET), "sun", BY)
    other = await kept.keep(template(act="accept"), "zhao", BY)
    assert [each.id for each in await kept.of(HEALTH, "zhao", "case-transfer", "transfer")] == [
        whole.id,
        own.id,
    ]
    assert [each.id for each in await kept.of(HEALTH, "qian")] == [whole.id]
    assert {each.id for each in await kept.of(HEALTH, "zhao")} == {own.id, whole.id, other.id}
    for department, account, template_id in (
        (HEALTH, "qian", own.id), (MARKET, "sun", whole.id), (MARKET, "zhao", own.id),
    ):  # fmt: skip
        with pytest.raises(NotFound):
            await kept.get(department, account, template_id)
        with pytest.raises(NotFound):
            await kept.remove(department, account, template_id, BY)
        changed = template(id=template_id, department=department, owner=account)
        with pytest.raises(NotFound):
            await kept.keep(changed, account, BY)


async def test_what_a_department_keeps_is_noted(kept: LetterTemplates, database: Database) -> None:
    """Made, changed, removed; what is somebody's own is not."""
    own = await kept.keep(template(), "zhao", BY)
    await kept.keep(template(id=own.id, title="改"), "zhao", BY)
    whole = await kept.keep(template(owner="", title="部门"), "zhao", BY)
    changed = await kept.keep(template(id=whole.id, owner="", title="部门二"), "zhao", BY)
    assert (changed.id, changed.title, changed.changed_at) == (whole.id, "部门二", MONDAY)
    private = await kept.keep(template(id=whole.id, title="自用"), "zhao", BY)
    assert private.owner == "zhao"
    await kept.remove(HEALTH, "zhao", private.id, BY)
    await kept.remove(HEALTH, "zhao", own.id, BY)
    noted = await Audit(database, ManualClock(MONDAY)).read(HEALTH)
    assert [(each.event.action, each.event.about) for each in noted[::-1]] == [
        ("template.add", whole.id), ("template.change", whole.id), ("template.change", whole.id),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "长" * 61}, "title"),
        ({"title": "两\n行"}, "title"),
        ({"texts": {}}, "texts"),
        ({"texts": {f"f{number}": "字" for number in range(21)}}, "texts"),
        ({"texts": {"facts": "字" * (LONGEST_TEXT + 1)}}, "text.facts"),
        ({"texts": {"facts": " "}}, "text.facts"),
        ({"texts": {"facts": "空\x00"}}, "text.facts"),
        ({"texts": {"title": "好", "facts": "{case.secret}"}}, "text.facts"),
    ],
)
async def test_what_is_no_template_is_refused(
    kept: LetterTemplates, changes: dict[str, object], field: str
) -> None:
    """With the field that is wrong."""
    with pytest.raises(InvalidField) as caught:
        await kept.keep(template(**changes), "zhao", BY)
    assert caught.value.field == field
    assert await kept.of(HEALTH, "zhao") == []


async def test_there_are_so_many_and_no_more(kept: LetterTemplates, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a person and of a department; one that is changed counts once."""
    monkeypatch.setattr(templates, "MOST_OWN", 2)
    monkeypatch.setattr(templates, "MOST_DEPARTMENT", 1)
    first = await kept.keep(template(), "zhao", BY)
    await kept.keep(template(), "zhao", BY)
    for one_more in (template(), template(department=HEALTH, title="又一")):
        with pytest.raises(LimitExceeded):
            await kept.keep(one_more, "zhao", BY)
    await kept.keep(template(id=first.id, title="改"), "zhao", BY)
    await kept.keep(template(owner="qian"), "qian", BY)
    await kept.keep(template(owner=""), "qian", BY)
    with pytest.raises(LimitExceeded):
        await kept.keep(template(owner=""), "zhao", BY)
    # nor by the way of another's place
    with pytest.raises(LimitExceeded):
        await kept.keep(template(id=first.id, owner=""), "zhao", BY)
