"""Names as they are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exchange.subject_names import name_key, plain

FORMS = st.sampled_from(
    [
        "有限公司",
        "有限责任公司",
        "股份有限公司",
        "公司",
        "（有限合伙）",
        " ",
        "",
        "(",
        "）",
        "责任",
        "Co., Ltd.",
    ]
)
NAMES = st.one_of(
    st.text(max_size=40), st.lists(st.one_of(FORMS, st.text(max_size=4)), max_size=8).map("".join)
)


@given(NAMES)
def test_a_key_is_its_own_key(name: str) -> None:
    """Whatever is written, folding it again changes nothing."""
    assert name_key(name_key(name)) == name_key(name)
    assert plain(plain(name)) == plain(name)


@given(NAMES)
def test_width_and_brackets_make_no_difference(name: str) -> None:
    """A name in full-width letters and Chinese brackets is the same name."""
    wide = "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in name)
    assert name_key(wide) == name_key(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("青禾食品有限公司", "青禾食品有限责任公司"),
        ("青禾（华东）食品有限公司", "青禾(华东)食品 有限公司"),
        ("青禾〔华东〕食品股份有限公司", "青禾【华东】食品公司"),
        ("ＡＢＣ诊所", "abc 诊所"),
        ("青禾投资中心（有限合伙）", "青禾投资中心"),
        ("Qinghe Foods Co., Ltd.", "QINGHE FOODS"),
        ("阿不都·热合曼", "阿不都•热合曼"),
    ],
)
def test_one_name_in_two_forms(one: str, other: str) -> None:
    """As different hands write it."""
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("青禾食品厂", "青禾食品有限公司"), ("青禾一公司", "青禾二公司"), ("张三", "张三丰")]
)
def test_other_names_stay_apart(one: str, other: str) -> None:
    """What is no legal form distinguishes."""
    assert name_key(one) != name_key(other)


def test_a_name_that_is_a_legal_form_keeps_it() -> None:
    """Nothing is left without a key."""
    assert name_key("公司") == "公司"
