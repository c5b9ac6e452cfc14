"""For schemathesis: every second request is a person's, the others are those of the system that it was told of.

A run for each of the two would cost nearly twice the processor time: most of it goes into getting ready to make
requests of an operation, not into making them.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final
from urllib.parse import unquote

import schemathesis
from requests import PreparedRequest
from requests.auth import AuthBase

_KEYED: Final = frozenset({"/api/v1/complaints"})
"""Operations whose body has to have a key, unless the header has."""
_SESSION: Final = "LIANDONG_TEST_SESSION"
"""Environment: the headers of a person's session, as JSON."""


class _Person(AuthBase):
    def __init__(self, headers: dict[str, str]) -> None:
        self._headers = headers

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers.update(self._headers)
        return request


_person = _Person(json.loads(os.environ[_SESSION]))
_sent = 0


@schemathesis.hook
def filter_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> bool:
    """Leave out texts with an escape such as `%25` in them: schemathesis sends those shorter than it made them."""
    values = (path_parameters or {}).values()
    return all(unquote(each) == each for each in values if isinstance(each, str))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Say who asks; the requests by which it looks whether anybody is served do not come here."""
    if case.path in _KEYED and isinstance(case.body, dict) and not case.body.get("idempotencyKey"):
        # the header stands for the field: a body that lacks it is wrong only without
        case.headers.pop("Idempotency-Key", None)
    global _sent  # noqa: PLW0603 - hooks are functions of a module
    _sent += 1
    if _sent % 2 == 0:
        kwargs["auth"] = _person
