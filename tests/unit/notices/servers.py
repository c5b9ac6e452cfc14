"""A real SMTP server and a real HTTP server on loopback, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Certificate(NamedTuple):
    """A self-signed certificate for 127.0.0.1 and localhost."""

    cert: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        return context


def certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Certificate(folder / "server.pem", folder / "server.key")
    files.cert.write_bytes(made.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


class Mailbox:
    """What an SMTP server took; `answers` are given instead of taking, one a message."""

    def __init__(self) -> None:
        self.mails: list[Message[str, str]] = []
        self.recipients: list[str] = []
        self.answers: list[str] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.recipients += envelope.rcpt_tos
        return "250 OK"


def _authenticates(user: str, password: str) -> Any:
    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        fits = isinstance(data, LoginPassword) and (data.login, data.password) == (
            user.encode(),
            password.encode(),
        )
        # `handled` says that the answer was sent already: of a refusal it is the server that sends it
        return AuthResult(success=fits, handled=fits)

    return check


@contextmanager
def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    account: tuple[str, str] | None = None,
) -> Iterator[tuple[Mailbox, int]]:
    """A mail server: plain, in TLS from the first byte, or by STARTTLS; with an account if one is given."""
    mailbox = Mailbox()
    options: dict[str, Any] = {}
    if account is not None:
        options = {
            "auth_required": True,
            "authenticator": _authenticates(*account),
        }
    loop = asyncio.new_event_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings():
            # it knows TLS by STARTTLS only, and warns where passwords come inside TLS from the first byte
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(
                mailbox,
                loop=loop,
                tls_context=starttls,
                hostname="localhost",
                auth_require_tls=tls is None,
                **options,
            )

    async def listen() -> asyncio.Server:
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(listen(), loop).result(5)
    try:
        yield mailbox, int(server.sockets[0].getsockname()[1])
    finally:

        async def end() -> None:
            server.close()
            rest = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
            for each in rest:
                each.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Post(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Gateway:
    """What an HTTP server was posted; `answers` are statuses in order, 0 breaks the connection unanswered."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.answers: list[int] = []
        self.redirect = ""


@contextmanager
def http_server(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Gateway, int]]:
    """A web server for posts."""
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            gateway.posts.append(Post(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status = gateway.answers.pop(0) if gateway.answers else 200
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            if gateway.redirect:
                self.send_header("location", gateway.redirect)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield gateway, server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
