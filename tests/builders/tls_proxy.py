"""nginx before a gateway: TLS for browsers, who may show a certificate of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {cert}; ssl_certificate_key {key};
    ssl_client_certificate {ca}; ssl_verify_client {verify};
    location / {{
      proxy_pass http://127.0.0.1:{gateway};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Client-Certificate $ssl_client_escaped_cert;
    }}
  }}
}}
"""


def nginx() -> str:
    """The program; a machine that checks changes has it."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("There is no nginx on this machine.")
        pytest.skip("There is no nginx on this machine.")
    return found


@contextlib.contextmanager
def tls_proxy(
    folder: Path, port: int, gateway: int, server: tuple[Path, Path], ca: Path, verify: str = "optional"
) -> Iterator[None]:
    """Run one; it ends with the block.

    Args:
        folder: Its own.
        port: Where it listens.
        gateway: The gateway's port.
        server: Its certificate and key.
        ca: Of browsers' certificates.
        verify: How it checks them; `optional_no_ca` does not.
    """
    folder.mkdir(parents=True)
    conf = folder / "nginx.conf"
    cert, key = server
    conf.write_text(
        _CONF.format(folder=folder, port=port, gateway=gateway, cert=cert, key=key, ca=ca, verify=verify)
    )
    with subprocess.Popen([nginx(), "-p", str(folder), "-c", str(conf)]) as process:
        try:
            _until_open(port, process, folder)
            yield
        finally:
            process.terminate()
            process.wait(20)


def _until_open(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(200):
        assert process.poll() is None, (folder / "error.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError
