"""Page tokens: the key after which a page begins, in a form that nobody should build upon."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Final

from services.common.errors import InvalidField

DEFAULT_SIZE: Final = 100


class PageTokenInvalid(InvalidField):
    """The page token is not one of this list; begin again without it."""


def page_size(asked: int) -> int:
    """How many rows a page has; 0 asks for the default."""
    return asked or DEFAULT_SIZE


def token(key: Sequence[str | int]) -> str:
    """The token of a page that begins after a key."""
    return base64.urlsafe_b64encode(json.dumps([*key], separators=(",", ":")).encode()).decode()


def key(text: str, kinds: Sequence[type]) -> tuple[Any, ...] | None:
    """The key of a token; None for the first page.

    Args:
        text: The token as the caller sent it.
        kinds: The types of the key's parts.

    Raises:
        PageTokenInvalid: It is no token of such a key.
    """
    if not text:
        return None
    try:
        parts = json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise PageTokenInvalid(field="page_token") from None
    fits = isinstance(parts, list) and [type(part) for part in parts] == list(kinds)
    if not fits or any(isinstance(part, str) and "\x00" in part for part in parts):
        raise PageTokenInvalid(field="page_token")
    if any(isinstance(part, int) and abs(part) >= 1 << 63 for part in parts):
        raise PageTokenInvalid(field="page_token")
    return tuple(parts)
