"""Text for files that others open: what no XML document may hold is left out."""

from __future__ import annotations

import re
from typing import Final

_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str) -> str:
    """The text without control characters."""
    return _FORBIDDEN.sub("", text)
