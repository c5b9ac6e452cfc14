"""Gives every call an id, the caller's own if it is well formed, and names it in all that follows."""

import re
from typing import Any, Final

import structlog
import uuid_utils
from typing_extensions import override

from services.common.caller import set_request_id
from services.common.interceptors.around import Around, Context

METADATA_KEY: Final = "liandong-request-id"
_WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{7,63}")


class RequestId(Around):
    """Gives every call an id, the caller's own if it is well formed, and names it in all that follows."""

    @override
    def before(self, method: str, context: Context) -> Any:
        """Set the id for handlers, log lines and the answer's trailing metadata."""
        chosen = ""
        for key, value in context.invocation_metadata() or ():
            if key == METADATA_KEY and isinstance(value, str) and _WELL_FORMED.fullmatch(value):
                chosen = value
        chosen = chosen or uuid_utils.uuid7().hex
        set_request_id(chosen)
        structlog.contextvars.bind_contextvars(request_id=chosen)
        context.set_trailing_metadata(((METADATA_KEY, chosen),))
