"""YAML, judged by the reader that is written in Python."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from services.common import yaml_text

SERVICES = Path(__file__).parents[3] / "services"
OWN = sorted(SERVICES.rglob("*.yaml"))


def flat(node: yaml.Node | None) -> Any:
    """A node with its kind, its place and what is in it."""
    if node is None:
        return None
    at = (type(node).__name__, node.tag, node.start_mark.line, node.start_mark.column)
    if isinstance(node, yaml.MappingNode):
        return (*at, [(flat(key), flat(value)) for key, value in node.value])
    if isinstance(node, yaml.SequenceNode):
        return (*at, [flat(each) for each in node.value])
    return (*at, node.value)


@pytest.mark.parametrize("file", OWN, ids=[str(path.relative_to(SERVICES)) for path in OWN])
def test_every_file_of_ours_reads_alike(file: Path) -> None:
    """The same nodes on the same lines, and the same values."""
    text = file.read_text(encoding="utf-8")
    assert flat(yaml_text.nodes(text)) == flat(yaml.compose(text, Loader=yaml.SafeLoader))
    assert yaml_text.values(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "a: &x [1, 2]\nb: *x\n",
        "a: |\n  two\n  lines\nb: >\n  one\n  line\n",
        "a: '汉字'\n",
        "a: !!str 1",
    ],
)
def test_forms_that_our_files_do_not_use_read_alike(text: str) -> None:
    """Anchors, blocks, tags, nothing."""
    assert flat(yaml_text.nodes(text)) == flat(yaml.compose(text, Loader=yaml.SafeLoader))
    assert yaml_text.values(text) == yaml.safe_load(text)


@pytest.mark.parametrize("form", ["[{}]", "{{a: {}}}", "- {}"])
def test_text_is_nested_so_deep_and_no_deeper(form: str) -> None:
    """By a number: one more is refused with its line, and so is nesting without end."""

    def nested(depth: int) -> str:
        opening, closing = form.split("{}") if form != "{{a: {}}}" else ("{a: ", "}")
        return opening * depth + "1" + closing * depth

    # the innermost value counts as well
    assert yaml_text.nodes(nested(yaml_text.DEPTH - 1)) is not None
    for depth in (yaml_text.DEPTH, 1000, 100_000):
        with pytest.raises(yaml.MarkedYAMLError, match="nested deeper") as refused:
            yaml_text.nodes("# a line\n" + nested(depth))
        assert refused.value.problem_mark is not None
        assert refused.value.problem_mark.line == 1


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\n b: 2\n", "\x00", "a: *nobody", "!!python/object:os.system {}"]
)
def test_what_is_no_yaml_of_ours_is_refused(text: str) -> None:
    """Broken text, an anchor that is none, an object."""
    with pytest.raises(yaml.YAMLError):
        yaml_text.values(text)
