"""The slot for a seal service (电子签章): what a department may put its electronic seal on letters with.

Seals are a device or a service of the department's own; `seal_http` speaks to one over HTTP. A node without one refuses
an electronic seal; the step is then done on paper, and the scan of the stamped letter is attached to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from services.common.errors import LiandongError


class NoSealService(LiandongError):
    """No seal service is configured: seal the letter on paper and attach the scan."""

    reason = "NO_SEAL_SERVICE"
    code = "FAILED_PRECONDITION"


class SealRefused(LiandongError):
    """The seal service refused to seal the letter."""

    reason = "SEAL_REFUSED"
    code = "FAILED_PRECONDITION"


class SealServiceUnavailable(LiandongError):
    """The seal service did not answer in time; repeat the step, which seals once."""

    reason = "SEAL_SERVICE_UNAVAILABLE"
    code = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class ToSeal:
    """What is to be sealed.

    Attributes:
        content_digest: SHA-256 of the frozen content.
        number: The letter's number.
        by: Who seals, the issuer's id.
        by_name: Their name.
    """

    department: str
    document_id: str
    content_digest: bytes
    number: str
    by: str
    by_name: str

    @property
    def key(self) -> str:
        """The same for the same document and content, by which a service seals once."""
        return f"{self.document_id}-{self.content_digest.hex()}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed, and the seal's own reference."""

    what: ToSeal
    reference: str


class SealService(Protocol):
    """Puts the department's seal on a content."""

    async def seal(self, what: ToSeal) -> str:
        """Seal a content; repeating it for the same document and content gives the same seal.

        Returns:
            The seal's own reference, 1 to 200 characters.

        Raises:
            NoSealService: There is none.
            SealRefused: It was not sealed, and will not be.
            SealServiceUnavailable: Nobody knows whether it was; repeating it is safe.
        """
        ...


class NoSeal:
    """What a node has where nothing is configured."""

    async def seal(self, what: ToSeal) -> str:  # noqa: ARG002
        """Refuse.

        Raises:
            NoSealService: Always.
        """
        raise NoSealService(field="electronic_seal")
