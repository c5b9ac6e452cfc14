"""Channels against real servers: what is sent, and how each way of failing is told apart."""

import base64
import hmac
import json
import socket
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.common.clock import ManualClock
from services.notices.channels import FateUnknown, NotTaken, Outgoing, Rejected
from services.notices.hook import Hook, body_of
from services.notices.mail import Mail
from services.notices.settings import HookSettings, MailSettings, NoticeSettings
from tests.builders.ports import free_port
from tests.unit.notices.servers import certificate, http_server, mail_server
from tests.unit.procedures.deadline_samples import at

CLOCK = ManualClock(at("2026-03-02 08:30"))
TEXT = Outgoing(
    "digest/chen-hui/2026-03-02", "chen.hui@health.example", "联动 2026-03-02", "1. 【提醒】移送期限"
)


def mail(port: int, **changes: object) -> Mail:
    said: dict[str, object] = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "a@b.example"}
    return Mail(MailSettings.model_validate({**said, **changes}), CLOCK)


def hook(port: int, **changes: object) -> Hook:
    said: dict[str, object] = {"name": "sms", "url": f"http://127.0.0.1:{port}/send?k=1", "plain_http": True}
    return Hook(HookSettings.model_validate({**said, **changes}), CLOCK)


def test_mail_arrives_as_it_was_written() -> None:
    """Chinese subject and text, one id in every attempt, marked as made by a machine."""
    with mail_server() as (mailbox, port):
        mail(port).send(TEXT)
        mail(port).send(TEXT)
    first, second = mailbox.mails
    assert mailbox.recipients == [TEXT.address] * 2
    assert (first["Subject"], first["To"], first["From"]) == (TEXT.subject, TEXT.address, "a@b.example")
    assert str(first.get_content()).strip() == TEXT.text  # type: ignore[attr-defined]
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_mail_goes_over_tls_with_an_account(tmp_path: Path, security: str) -> None:
    """The certificate is checked; a wrong password waits for the operator, an unknown authority too."""
    made = certificate(tmp_path)
    password = tmp_path / "password"
    password.write_text("geheim\n", encoding="utf-8")
    options = {"security": security, "user": "liandong", "password_file": password}
    offered = {"tls": made.context} if security == "tls" else {"starttls": made.context}
    with mail_server(account=("liandong", "geheim"), **offered) as (mailbox, port):
        mail(port, ca_file=made.cert, **options).send(TEXT)
        assert len(mailbox.mails) == 1
        with pytest.raises(NotTaken):
            mail(port, **options).send(TEXT)
        password.write_text("wrong", encoding="utf-8")
        with pytest.raises(NotTaken, match="SMTPAuthenticationError"):
            mail(port, ca_file=made.cert, **options).send(TEXT)
        assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [("451 later", NotTaken), ("552 too large", Rejected)],
)
def test_mail_that_is_not_taken(answer: str, expected: type[Exception]) -> None:
    """For now, or for good, as the server says."""
    with mail_server() as (mailbox, port):
        mailbox.answers.append(answer)
        with pytest.raises(expected, match=answer):
            mail(port).send(TEXT)
        assert not mailbox.mails


def test_mail_to_nobody_there() -> None:
    """Where no server listens, nothing was taken."""
    with pytest.raises(NotTaken):
        mail(free_port()).send(TEXT)


def test_a_mail_that_is_cut_off_is_in_doubt() -> None:
    """A server that goes after the text was sent may have taken it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]

        def play() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 there\r\n")
                stream = connection.makefile("rb")
                for answer in (b"250 hello\r\n", b"250 from\r\n", b"250 to\r\n", b"354 go\r\n"):
                    stream.readline()
                    connection.sendall(answer)
                while stream.readline() != b".\r\n":
                    pass
                stream.close()

        thread = threading.Thread(target=play)
        thread.start()
        with pytest.raises(FateUnknown):
            mail(port).send(TEXT)
        thread.join()


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: c@d.example", "no\x00pe@b.example", ""])
def test_no_address_adds_a_header(address: str) -> None:
    """What is no address is refused for good, and nothing is sent."""
    with mail_server() as (mailbox, port):
        with pytest.raises((Rejected, NotTaken)):
            mail(port).send(Outgoing("i", address, "s", "t"))
        assert not mailbox.mails


def test_a_post_is_signed_as_standard_webhooks_has_it(tmp_path: Path) -> None:
    """The receiver can check who sent it, when, and that nothing was changed; the template is filled."""
    secret = tmp_path / "secret"
    key = b"0123456789abcdef0123456789abcdef"
    secret.write_bytes(b"whsec_" + base64.b64encode(key) + b"\n")
    headers = tmp_path / "headers.json"
    headers.write_text('{"authorization": "Bearer x"}', encoding="utf-8")
    template = '{"touser": "{{address}}", "text": {"content": "{{subject}}\\n{{text}}"}, "safe": 0}'
    with http_server() as (gateway, port):
        hook(port, secret_file=secret, headers_file=headers, template=template).send(TEXT)
    (post,) = gateway.posts
    assert post.path == "/send?k=1"
    assert json.loads(post.body) == {
        "touser": TEXT.address,
        "text": {"content": f"{TEXT.subject}\n{TEXT.text}"},
        "safe": 0,
    }
    signed = f"{TEXT.id}.{post.headers['webhook-timestamp']}.".encode() + post.body
    expected = base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()
    assert post.headers["webhook-signature"] == f"v1,{expected}"
    assert post.headers["webhook-id"] == TEXT.id
    assert post.headers["webhook-timestamp"] == str(int(CLOCK.now().timestamp()))
    assert post.headers["authorization"] == "Bearer x"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, NotTaken),
        (503, NotTaken),
        (500, FateUnknown),
        (0, FateUnknown),
        (400, Rejected),
        (302, Rejected),
    ],
)
def test_a_post_that_is_not_taken(status: int, expected: type[Exception]) -> None:
    """Said to be tried again, refused, or in doubt; a redirection is not followed."""
    with http_server() as (other, other_port), http_server() as (gateway, port):
        gateway.answers.append(status)
        gateway.redirect = f"http://127.0.0.1:{other_port}/"
        with pytest.raises(expected):
            hook(port).send(TEXT)
        assert len(gateway.posts) == 1
        assert not other.posts


def test_a_post_over_tls_checks_the_certificate(tmp_path: Path) -> None:
    """With the authority named it goes; without, nothing is sent."""
    made = certificate(tmp_path)
    with http_server(made.context) as (gateway, port):
        url = f"https://127.0.0.1:{port}/"
        hook(port, url=url, ca_file=made.cert).send(TEXT)
        with pytest.raises(NotTaken):
            hook(port, url=url).send(TEXT)
        assert len(gateway.posts) == 1
    with pytest.raises(NotTaken):
        hook(free_port()).send(TEXT)


@given(st.text(), st.text(), st.text())
def test_no_text_leaves_its_place_in_the_template(address: str, subject: str, text: str) -> None:
    """Quotes, braces and places inside values stay values."""
    template = '{"{{kept}}": ["{{address}} {{subject}}", {"t": "{{text}}"}], "n": 1}'
    body = json.loads(body_of(template, Outgoing("i", address, subject, text)))
    assert body == {"{{kept}}": [f"{address} {subject}", {"t": text}], "n": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {"hooks": [{"name": "sms", "url": "http://sms.example/"}]},
        {"hooks": [{"name": "sms", "url": "file:///etc/passwd"}]},
        {"hooks": [{"name": "sms", "url": "https://user:secret@sms.example/"}]},
        {"hooks": [{"name": "sms", "url": "https://sms.example/", "template": "{{text}}"}]},
        {"hooks": [{"name": "mail", "url": "https://sms.example/"}]},
        {
            "hooks": [
                {"name": "sms", "url": "https://a.example/"},
                {"name": "sms", "url": "https://b.example/"},
            ]
        },
        {"mail": {"host": "mail.example", "security": "none", "sender": "a@b.example"}},
        {"mail": {"host": "mail.example"}},
        {"mail": {"host": "mail.example", "sender": "a@b.example", "user": "x"}},
    ],
)
def test_settings_that_would_not_do_are_refused(settings: dict[str, object]) -> None:
    """Before anything is started: plain text to elsewhere, accounts in URLs, templates that are no JSON."""
    with pytest.raises(ValidationError):
        NoticeSettings.model_validate(settings)
