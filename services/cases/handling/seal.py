"""The slot for a seal service (电子签章): what a department may put its electronic seal on letters with.

The product brings none: seals are a device or a service of the department's own. A node without one refuses an
electronic seal; the step is then done on paper, and the scan of the stamped letter is attached to it.
"""

from __future__ import annotations

from typing import Protocol

from services.common.errors import LiandongError


class NoSealService(LiandongError):
    """No seal service is configured: seal the letter on paper and attach the scan."""

    reason = "NO_SEAL_SERVICE"
    code = "FAILED_PRECONDITION"


class SealService(Protocol):
    """Puts the department's seal on a content."""

    def seal(self, document_id: str, content_digest: bytes, number: str, by: str) -> str:
        """Seal a content; repeating it for the same document and content gives the same seal.

        Called in the department's writer: it must answer at once, or refuse.

        Args:
            document_id: The document.
            content_digest: SHA-256 of the frozen content.
            number: The letter's number.
            by: Who seals, the issuer's id.

        Returns:
            The seal's own reference, at most 200 characters.

        Raises:
            LiandongError: It was not sealed.
        """
        ...


class NoSeal:
    """What a node has where nothing is configured."""

    def seal(self, document_id: str, content_digest: bytes, number: str, by: str) -> str:  # noqa: ARG002
        """Refuse.

        Raises:
            NoSealService: Always.
        """
        raise NoSealService(field="electronic_seal")
