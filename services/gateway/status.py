"""How the departments behind this gateway are: their nodes, and their links to the registry."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime


class NodeState(enum.StrEnum):
    """What a node says of itself."""

    SERVING = "serving"
    STOPPING = "stopping"
    UNREACHABLE = "unreachable"
    REFUSING = "refusing"


class LinkState(enum.StrEnum):
    """What the registry says of a department's link."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    REGISTRY_UNREACHABLE = "registry-unreachable"
    REFUSED = "refused"
    NOT_ASKED = "not-asked"


@dataclass(frozen=True, slots=True)
class Link:
    """The link of one department.

    Attributes:
        state: Whether it is up.
        last_seen_at: When the registry last heard of the node.
        waiting: Letters that wait for it at the registry.
    """

    state: LinkState
    last_seen_at: datetime | None = None
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class DepartmentStatus:
    """How one department is.

    Attributes:
        name: Its dotted name.
        titles: Chinese and English title; empty until the registry told them.
        node: What its node says.
        link: What the registry says.
    """

    name: str
    titles: tuple[str, str]
    node: NodeState
    link: Link

    @property
    def ready(self) -> bool:
        """Whether people can work: a department works for days without the registry, so the link is no part."""
        return self.node is NodeState.SERVING
