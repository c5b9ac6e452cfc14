"""The words of the pages: both languages, and every one that a page asks for."""

import re
from importlib import resources

import pytest
from liandong.exchange.v1 import reason_pb2

from services.gateway.web import texts

TEMPLATES = resources.files("services.gateway.web").joinpath("templates")
AREAS = sorted(
    each.name for each in resources.files("services.gateway.web").iterdir() if each.name.endswith(".py")
)


def test_every_text_has_both_languages_and_the_same_values() -> None:
    """No page shows a hole, and no language drops a figure."""
    for name, pair in texts.catalogue().items():
        assert len(pair) == 2, name
        assert all(pair), name
        zh, en = (set(re.findall(r"\{(\w+)", each)) for each in pair)
        assert zh == en, name


def test_every_text_that_is_asked_for_by_name_is_there() -> None:
    """Templates and modules name only texts that exist."""
    sources = {each.name: each.read_text(encoding="utf-8") for each in TEMPLATES.iterdir() if each.is_file()}
    web = resources.files("services.gateway.web")
    sources |= {name: web.joinpath(name).read_text(encoding="utf-8") for name in AREAS}
    for name, source in sources.items():
        for asked in re.findall(r"""\bt\(["']([\w.-]+)["'][,)]""", source):
            assert asked in texts.catalogue(), f"{name}: {asked}"


def test_a_text_that_is_missing_is_a_fault() -> None:
    """It is not shown as its name."""
    with pytest.raises(KeyError):
        texts.text("no.such", "zh")


def test_every_reason_has_words() -> None:
    """Whatever a service refuses, people read why; and no words are kept of a reason that is none."""
    reasons = {name.removeprefix("REASON_") for name in reason_pb2.Reason.keys()} - {"UNSPECIFIED"}  # noqa: SIM118 - an enum wrapper is no mapping
    said = {name.removeprefix("reasons.") for name in texts.catalogue() if name.startswith("reasons.")}
    assert said == reasons
