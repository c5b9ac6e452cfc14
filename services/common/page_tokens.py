"""Page tokens: the key after which a page begins, in a form that nobody should build upon."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, Final

from services.common.errors import InvalidField

_LARGEST: Final = (1 << 63) - 1


class PageTokenInvalid(InvalidField):
    """The page token is not one of this list; begin again without it."""


def encode(key: Sequence[str | int | None]) -> str:
    """The token of the page that begins after a key."""
    written = json.dumps([*key], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(written.encode()).decode()


def decode(token: str, kinds: Sequence[tuple[type, ...]]) -> tuple[Any, ...] | None:
    """The key in a token; None for the first page.

    Args:
        token: As the caller sent it.
        kinds: The types that each part of the key may have.

    Raises:
        PageTokenInvalid: It is no token of such a key.
    """
    if not token:
        return None
    try:
        parts = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise PageTokenInvalid(field="page_token") from None
    if not isinstance(parts, list) or len(parts) != len(kinds):
        raise PageTokenInvalid(field="page_token")
    for part, kind in zip(parts, kinds, strict=True):
        # bool is an int to Python, and no number to a database
        fits = type(part) in kind and not (isinstance(part, str) and "\x00" in part)
        if not fits or (isinstance(part, int) and abs(part) > _LARGEST):
            raise PageTokenInvalid(field="page_token")
    return tuple(parts)
