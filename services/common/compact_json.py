"""Compact JSON, quickly: for the small values that every admitted letter writes.

`JSONEncoder.encode` makes a new C encoder for each call, which for a small value costs more than encoding
it. Here one is made once; where the interpreter has none, the ordinary way is taken.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json import encoder
from typing import Any, Final


def _build() -> Callable[[Any], str]:
    ordinary = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False)
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return ordinary.encode
    # markers, default, encode strings, indent, separators, sort keys, skip keys, allow NaN
    chunks = make(None, ordinary.default, encoder.encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(chunks(value, 0))


encode: Final = _build()
"""Compact JSON of plain values without cycles; keys keep their order, texts their characters."""
