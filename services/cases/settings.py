"""What an operator may say about a department's cases."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from services.common.config import Section


class SealSettings(Section):
    """The department's seal service, where it has one that speaks HTTP.

    Attributes:
        url: Where a letter is posted to be sealed; empty: there is none. `https` unless `plain_http` is set.
        headers_file: A file with further headers as a JSON object, such as an access token.
        ca_file: The authority that the server's certificate is checked against; the system's if empty.
        plain_http: Let it be `http`: for a device on a network of the department's own.
        deadline_s: How long a person waits for a seal at most, repetitions included.
        attempts: How often it is asked within that.
    """

    url: str = ""
    headers_file: Path | None = None
    ca_file: Path | None = None
    plain_http: bool = False
    deadline_s: float = Field(default=10.0, gt=0, le=60)
    attempts: int = Field(default=3, ge=1, le=10)

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        if not self.url:
            return self
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and self.plain_http):
            raise ValueError("url: https, or http with plain_http")
        if not parts.hostname or parts.username or parts.password or parts.fragment:
            raise ValueError("url: a host, and neither account nor fragment")
        return self
