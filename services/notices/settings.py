"""What an operator says about telling people: hours and channels."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from services.common.config import Section

PLACES: Final = ("id", "address", "subject", "text")
"""What stands in double braces in the template of a hook."""


class MailSettings(Section):
    """E-mail by SMTP.

    Attributes:
        host: The server; empty: no mail is sent.
        port: Its port.
        security: `tls` from the first byte, `starttls`, or `none`, which is for a relay on this machine only.
        user: The account; empty: the server asks for none.
        password_file: A file that holds its password.
        sender: Who the mail is from, such as `liandong@health.example`.
        ca_file: The authority that the server's certificate is checked against; the system's if empty.
    """

    host: str = ""
    port: int = Field(default=465, ge=1, le=65535)
    security: Literal["tls", "starttls", "none"] = "tls"
    user: str = ""
    password_file: Path | None = None
    sender: str = ""
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.host and not self.sender:
            raise ValueError("sender: mail needs one")
        if self.host and self.security == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("security: without TLS only to a relay on this machine")
        if self.user and self.password_file is None:
            raise ValueError("password_file: the account needs one")
        return self


class HookSettings(Section):
    """A gateway for SMS or work chat that takes HTTP POST.

    Attributes:
        name: The channel's name, such as `sms`.
        url: Where it is posted; `https` unless `plain_http` is set.
        template: JSON with `{{address}}`, `{{subject}}`, `{{text}}`, `{{id}}` inside strings.
        secret_file: A file that holds the secret that requests are signed with.
        headers_file: A file with further headers as a JSON object, such as an access token.
        plain_http: Let it be `http`: for a gateway on a network of the department's own.
        repeats: The gateway knows the `webhook-id` of what came before, so that an unanswered post may be repeated.
        ca_file: The authority that the server's certificate is checked against; the system's if empty.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    url: str
    template: str = '{"id": "{{id}}", "to": "{{address}}", "subject": "{{subject}}", "text": "{{text}}"}'
    secret_file: Path | None = None
    headers_file: Path | None = None
    plain_http: bool = False
    repeats: bool = False
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and self.plain_http):
            raise ValueError("url: https, or http with plain_http")
        if not parts.hostname or parts.username or parts.password or parts.fragment:
            raise ValueError("url: a host, and neither account nor fragment")
        if self.name == "mail":
            raise ValueError("name: mail is e-mail")
        filled = self.template
        for place in PLACES:
            filled = filled.replace("{{" + place + "}}", "x")
        try:
            json.loads(filled)
        except ValueError as error:
            raise ValueError(f"template: no JSON: {error}") from error
        return self


class NoticeSettings(Section):
    """How a department's people are told.

    Attributes:
        digest_at: When the digest of a working day goes out, unless a person wants another hour.
        quiet_from: From this hour on only urgent matter goes out.
        quiet_until: Until this hour.
        attempts: How often a delivery is tried before it counts as failed.
        mail: E-mail.
        hooks: Gateways for SMS and work chat.
    """

    digest_at: time = time(8, 30)
    quiet_from: time = time(20)
    quiet_until: time = time(7, 30)
    attempts: int = Field(default=8, ge=1, le=50)
    mail: MailSettings = Field(default_factory=MailSettings)
    hooks: list[HookSettings] = Field(default_factory=list)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [each.name for each in self.hooks]
        if len(set(names)) != len(names):
            raise ValueError("hooks: two have one name")
        return self
