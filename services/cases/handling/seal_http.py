"""A seal service over HTTP: one POST for a letter, repeated under the same key until it is answered or time is over.

What is posted is JSON with `department`, `document_id`, `content_digest` (hexadecimal), `number`, `by`, `by_name`, and
the header `Idempotency-Key`, the same for the same document and content: the service seals once and answers what it
answered before. It answers 200 or 201 with `{"reference": "..."}`. Nothing is followed and no proxy is asked; the
content itself stays here.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

import structlog

from services.cases.handling.seal import SealRefused, SealServiceUnavailable, ToSeal
from services.cases.settings import SealSettings

_log = structlog.get_logger(__name__)

_DONE: Final = frozenset({200, 201})
_AGAIN: Final = frozenset({408, 409, 425, 429, *range(500, 600)})
"""Answers that say nothing of whether it was or will be sealed."""
_LONGEST: Final = 200
_ANSWER: Final = 64 * 1024
_AT_ONCE: Final = 4
_PAUSE_S: Final = 0.2
_RETRY_AFTER_MS: Final = 5_000


class _Doubt(Exception):
    """It is not known whether it was sealed."""


class HttpSeal:
    """Has letters sealed by a service; see `SealService`.

    Args:
        settings: Where, and how long it may take; with a URL.
    """

    def __init__(self, settings: SealSettings) -> None:
        self._settings = settings
        # of their own: a service that hangs holds no thread that others wait for
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seal")

    async def seal(self, what: ToSeal) -> str:
        """Seal a content.

        Raises:
            SealRefused: The service says no.
            SealServiceUnavailable: It did not answer in time, or not in its form.
        """
        end = time.monotonic() + self._settings.deadline_s
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                return await loop.run_in_executor(self._threads, self._repeated, what, end)
        except TimeoutError:
            why = "no answer in time"
        except _Doubt as doubt:
            why = str(doubt)
        _log.warning("seal.unavailable", document=what.document_id, why=why)
        raise SealServiceUnavailable(retry_after_ms=_RETRY_AFTER_MS)

    def close(self) -> None:
        """Wait for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _repeated(self, what: ToSeal, end: float) -> str:
        pause = _PAUSE_S
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return self._posted(what, end)
            except _Doubt:
                if attempt == self._settings.attempts or time.monotonic() + pause >= end:
                    raise
            time.sleep(pause)
            pause *= 2
        raise AssertionError

    def _posted(self, what: ToSeal, end: float) -> str:
        connection = self._connection(end)
        parts = urlsplit(self._settings.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        body = json.dumps(
            {
                "department": what.department,
                "document_id": what.document_id,
                "content_digest": what.content_digest.hex(),
                "number": what.number,
                "by": what.by,
                "by_name": what.by_name,
            },
            ensure_ascii=False,
        ).encode()
        try:
            connection.request("POST", path, body, self._headers(what))
            response = connection.getresponse()
            answer = response.read(_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise _Doubt(type(error).__name__) from error
        finally:
            connection.close()
        if response.status in _DONE:
            return _reference(answer)
        if response.status in _AGAIN:
            raise _Doubt(f"HTTP {response.status}")
        raise SealRefused(f"The seal service refused to seal the letter (HTTP {response.status}).")

    def _connection(self, end: float) -> http.client.HTTPConnection:
        settings, parts = self._settings, urlsplit(self._settings.url)
        host, left = parts.hostname or "", end - time.monotonic()
        if left <= 0:
            raise _Doubt("no time left")
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=left)
        try:
            context = ssl.create_default_context(cafile=settings.ca_file and str(settings.ca_file))
        except (OSError, ssl.SSLError) as error:
            raise _Doubt(f"ca_file: {type(error).__name__}") from error
        return http.client.HTTPSConnection(host, parts.port, timeout=left, context=context)

    def _headers(self, what: ToSeal) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._settings.headers_file is not None:
            try:
                given = json.loads(self._settings.headers_file.read_text(encoding="utf-8"))
                headers = {str(name): str(value) for name, value in given.items()}
            except (OSError, ValueError, AttributeError) as error:
                raise _Doubt(f"headers_file: {type(error).__name__}") from error
        headers["content-type"] = "application/json; charset=utf-8"
        headers["idempotency-key"] = what.key
        return headers


def _reference(answer: bytes) -> str:
    try:
        reference = json.loads(answer)["reference"]
    except (ValueError, LookupError, TypeError) as error:
        raise _Doubt("no reference in its answer") from error
    if not isinstance(reference, str) or not 0 < len(reference) <= _LONGEST or not reference.isprintable():
        raise _Doubt("no reference in its answer")
    return reference
