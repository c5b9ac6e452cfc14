"""Gateways for SMS and work chat: one signed HTTP POST each, as Standard Webhooks has it.

Targets are settings of the operator, never of a person: only the address inside the body is theirs. Nothing
is followed, no proxy is asked, no answer is read beyond its status, so that a hook is no way into the
network around the node.
"""

from __future__ import annotations

import base64
import hmac
import http.client
import json
import ssl
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from services.common.clock import Clock
from services.notices.channels import FateUnknown, NotTaken, Outgoing, Rejected
from services.notices.settings import PLACES, HookSettings

_TIMEOUT_S: Final = 15.0
_TAKEN: Final = range(200, 300)
_AGAIN: Final = frozenset({408, 425, 429, 503})
"""Answers by which a server says that it did not take it."""
_DOUBTFUL: Final = range(500, 600)


class Hook:
    """Posts to one gateway."""

    def __init__(self, settings: HookSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.name = settings.name
        self.repeats = settings.repeats

    def send(self, message: Outgoing) -> None:
        """Post a text; see `Channel.send`."""
        settings, parts = self._settings, urlsplit(self._settings.url)
        body = body_of(settings.template, message)
        try:
            headers = self._headers(message.id, body)
        except (OSError, ValueError) as error:
            raise NotTaken(f"A file of the hook cannot be read: {type(error).__name__}") from error
        host = parts.hostname or ""
        connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=settings.ca_file and str(settings.ca_file))
            connection = http.client.HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=context)
        else:
            connection = http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise NotTaken(f"{type(error).__name__}: {error}") from error
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            try:
                connection.request("POST", path, body, headers)
                status = connection.getresponse().status
            except (OSError, http.client.HTTPException) as error:
                raise FateUnknown(type(error).__name__) from error
        finally:
            connection.close()
        if status in _TAKEN:
            return
        if status in _AGAIN:
            raise NotTaken(f"HTTP {status}")
        if status in _DOUBTFUL:
            raise FateUnknown(f"HTTP {status}")
        raise Rejected(f"HTTP {status}")

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        settings = self._settings
        headers: dict[str, str] = {}
        if settings.headers_file is not None:
            given = json.loads(settings.headers_file.read_text(encoding="utf-8"))
            headers = {str(name): str(value) for name, value in given.items()}
        headers["content-type"] = "application/json; charset=utf-8"
        headers["webhook-id"] = message_id
        headers["webhook-timestamp"] = timestamp = str(int(self._clock.now().timestamp()))
        if settings.secret_file is not None:
            secret = settings.secret_file.read_bytes().strip()
            headers["webhook-signature"] = signature(secret, message_id, timestamp, body)
        return headers


def signature(secret: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """The signature of a post: `v1,` and the Base64 of HMAC-SHA-256 over `id.timestamp.body`.

    A secret that begins with `whsec_` is Base64, as Standard Webhooks writes it.
    """
    key = base64.b64decode(secret[6:]) if secret.startswith(b"whsec_") else secret
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def body_of(template: str, message: Outgoing) -> bytes:
    """The template with its places filled; values are escaped, so that no text can leave its string."""
    values = {
        "id": message.id,
        "address": message.address,
        "subject": message.subject,
        "text": message.text,
    }

    def filled(value: object) -> object:
        match value:
            case str():
                # one place at a time, and what was put in is not searched again
                return "".join(_parts(value, values))
            case list():
                return [filled(each) for each in value]
            case dict():
                return {name: filled(each) for name, each in value.items()}
            case _:
                return value

    return json.dumps(filled(json.loads(template)), ensure_ascii=False).encode()


def _parts(text: str, values: dict[str, str]) -> list[str]:
    parts: list[str] = []
    rest = text
    while True:
        found = [(at, place) for place in PLACES if (at := rest.find("{{" + place + "}}")) >= 0]
        if not found:
            return [*parts, rest]
        at, place = min(found)
        parts += [rest[:at], values[place]]
        rest = rest[at + len(place) + 4 :]
