"""The OpenID provider of the tests, started and ended, and a browser that logs in at it."""

from __future__ import annotations

import contextlib
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.builders.authority import Authority
from tests.builders.openid_provider import CLIENT_SECRET


@dataclass(frozen=True)
class RunningProvider:
    """A provider that runs.

    Attributes:
        issuer: Its URL.
        ca_file: Of its certificate's authority.
        secret_file: The gateway's secret.
        client: A browser that trusts it.
    """

    issuer: str
    ca_file: Path
    secret_file: Path
    client: httpx.Client

    def knows(self, sub: str, **claims: Any) -> None:
        """It knows somebody."""
        self._put(f"/test/people/{sub}", claims)

    def sends_back_to(self, *urls: str) -> None:
        """The client is registered with these."""
        self._put("/test/redirects", list(urls))

    def breaks(self, key: str = "", without: tuple[str, ...] = (), **claims: Any) -> None:
        """What is wrong with the next ID token."""
        self._put("/test/fault", {"key": key, "without": list(without), "claims": claims})

    def log_in(self, url: str, sub: str) -> str:
        """Log in where the gateway sent the browser; returns where the provider sends it back."""
        page = self.client.get(url)
        assert page.status_code == 200, page.text
        answer = self.client.post(url, data={"sub": sub})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def _put(self, path: str, content: Any) -> None:
        answer = self.client.put(f"{self.issuer}{path}", json=content)
        assert answer.status_code == 204, answer.text


@contextlib.contextmanager
def running_provider(folder: Path) -> Iterator[RunningProvider]:
    """Start one; it ends with the block."""
    authority = Authority("Provider's authority")
    cert, key = authority.server("localhost", "127.0.0.1").write(folder, "provider")
    ca_file, secret_file = folder / "provider-ca.crt", folder / "provider-secret"
    ca_file.write_bytes(authority.root.pem)
    secret_file.write_text(f"{CLIENT_SECRET}\n", encoding="utf-8")
    command = [sys.executable, "-m", "tests.builders.openid_provider", str(cert), str(key)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        try:
            port = int(process.stdout.readline())
            context = ssl.create_default_context(cafile=ca_file)
            with httpx.Client(verify=context, timeout=20) as client:
                yield RunningProvider(f"https://localhost:{port}", ca_file, secret_file, client)
        finally:
            process.terminate()
            process.wait(20)
