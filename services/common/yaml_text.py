"""YAML, read quickly and not too deep.

libyaml takes the text apart, an eighth of the time of the parser written in Python; the nodes are put together
here, because libyaml's own way of doing so ends the process on text that is nested without end.
"""

from __future__ import annotations

from typing import Any, Final

import yaml
from yaml.composer import Composer, ComposerError

DEPTH: Final = 40
"""How deep mappings and lists may stand in each other. A number, not what the stack holds: that would differ
between two who read the same text."""


class _Reader(Composer, yaml.CSafeLoader):
    """Events are libyaml's; `Composer` comes first, so that nodes are made of them in Python."""

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self._depth == DEPTH:
            event: Any = self.peek_event()
            raise ComposerError(None, None, f"nested deeper than {DEPTH}", event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def nodes(text: str) -> yaml.Node | None:
    """The nodes of a text, which know their lines; None if it is empty.

    Raises:
        YAMLError: It is no YAML, or nested deeper than `DEPTH`.
    """
    return _Reader(text).get_single_node()


def values(text: str) -> Any:
    """What a text says: mappings, lists, words, numbers.

    Raises:
        YAMLError: It is no YAML, or nested deeper than `DEPTH`.
    """
    return _Reader(text).get_single_data()
