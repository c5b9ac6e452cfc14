"""The catalogue is data that is checked whole."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common.config import ConfigurationError
from services.registry.indicators import catalogue
from services.registry.indicators.catalogue import Target
from tests.unit.procedures.case_samples import SHIPPED


def altered(folder: Path, alter: Any) -> Path:
    """The shipped catalogue with something changed."""
    root = yaml.safe_load(catalogue.SHIPPED.read_text(encoding="utf-8"))
    alter(root)
    file = folder / "indicators.yaml"
    file.write_text(yaml.safe_dump(root, allow_unicode=True), encoding="utf-8")
    return file


def test_the_shipped_catalogue_names_what_exists() -> None:
    """Every procedure, obligation and act that an indicator counts is one of the product's."""
    for indicator in catalogue.load().indicators.values():
        assert indicator.source[0] == "M20"
        for measure in indicator.measures:
            assert set(measure.procedures) <= set(SHIPPED)
            for name, rules in measure.rules.items():
                assert set(rules) <= set(SHIPPED[name].obligations), (indicator.name, name)
            for name, acts in measure.acts.items():
                assert set(acts) <= set(SHIPPED[name].acts), (indicator.name, name)


def test_targets_are_data() -> None:
    """Coverage is to be whole, cases are to grow by a fifth."""
    indicators = catalogue.load().indicators
    assert indicators["area-coverage"].target == Target(at_least=10_000)
    assert indicators["cases-opened"].target == Target(growth=2_000)


def test_a_region_changes_targets_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Without code."""

    def alter(root: Any) -> None:
        root["base_year"] = 2026
        root["indicators"]["timeliness"]["target"] = {"at_least": 9_500}

    found = catalogue.load(altered(tmp_path, alter))
    assert found.base_year == 2026
    assert found.indicators["timeliness"].target == Target(at_least=9_500)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("timeliness", "title"), ["按时办结率"], "indicators.timeliness.title is [中文, English]"),
        (("timeliness", "unit"), "percent", "indicators.timeliness.unit is one of"),
        (("timeliness", "denominator"), None, "indicators.timeliness.denominator belongs to shares"),
        (("letters", "denominator"), {"count": "due"}, "indicators.letters.denominator belongs to shares"),
        (("letters", "numerator"), {"count": "letters", "states": ["LATE"]}, "does not go with letters"),
        (("letters", "numerator"), {"count": "sent"}, "indicators.letters.numerator.count is one of"),
        (("due", "numerator"), {"count": "due", "states": ["LAPSED"]}, "states is one of"),
        (("due", "numerator"), {"count": "due", "acts": {"x": ["y"]}}, "acts does not go with due"),
        (("due", "numerator"), {"count": "due", "rule": {}}, "rule is not known"),
        (("due", "median"), True, "median is of times"),
        (("due", "areas"), True, "areas are named by acts only"),
        (("due", "target"), {"at_least": 1, "growth": 2}, "target is one whole number"),
        (("due", "better"), "more", "better is one of higher, lower"),
        (("handling-mean", "numerator"), {"count": "due"}, "of times is what was due and discharged"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(
    tmp_path: Path, path: tuple[str, str], value: Any, said: str
) -> None:
    """And the registry does not start with it."""

    def alter(root: Any) -> None:
        root["indicators"][path[0]][path[1]] = value

    with pytest.raises(ConfigurationError) as refused:
        catalogue.load(altered(tmp_path, alter))
    assert said in str(refused.value)


@pytest.mark.parametrize("text", ["", "[", "indicators: {}", "base_year: 1", "- a"])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path: Path, text: str) -> None:
    """Empty, broken, of another shape; a file that is not there too."""
    file = tmp_path / "indicators.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        catalogue.load(file)
    with pytest.raises(ConfigurationError):
        catalogue.load(tmp_path / "none.yaml")
