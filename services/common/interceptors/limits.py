"""Refuses metadata above our limit, typed, before the framework would cut the connection."""

from typing import Any, Final

from typing_extensions import override

from services.common.errors import LimitExceeded
from services.common.interceptors.around import Around, Context

METADATA_LIMIT: Final = 16 * 1024


class Limits(Around):
    """Refuses metadata above our limit, typed, before the framework would cut the connection."""

    @override
    def before(self, method: str, context: Context) -> Any:
        """Add up the keys and values.

        Raises:
            LimitExceeded: More than 16 KiB.
        """
        size = 0
        for key, value in context.invocation_metadata() or ():
            size += len(key) + len(value)
        if size > METADATA_LIMIT:
            raise LimitExceeded(f"Metadata of {size} bytes, at most {METADATA_LIMIT}.", field="metadata")
