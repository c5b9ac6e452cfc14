"""E-mail by SMTP (RFC 5321), over TLS."""

from __future__ import annotations

import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from hashlib import sha256
from typing import Final

from services.common.clock import Clock
from services.notices.channels import FateUnknown, NotTaken, Outgoing, Rejected
from services.notices.model import is_mail_address
from services.notices.settings import MailSettings
from services.procedures.calendar import ZONE

NAME: Final = "mail"
_TIMEOUT_S: Final = 20.0
_FAREWELL_S: Final = 2.0
_LAST_TEMPORARY: Final = 499
_OK: Final = 250


class Mail:
    """Sends e-mail. A repetition has the same `Message-ID`, so that mail systems may see that it is one."""

    name = NAME
    repeats = True

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, message: Outgoing) -> None:
        """Hand a mail to the server; see `Channel.send`."""
        if not is_mail_address(message.address):
            raise Rejected("This is no e-mail address.")
        mail = self._compose(message, self._clock.now())
        server = self._connect()
        try:
            self._envelope(server, message.address)
            try:
                code, said = server.data(mail)
            except smtplib.SMTPDataError as error:
                code, said = error.smtp_code, _bytes(error.smtp_error)
            except (OSError, smtplib.SMTPException) as error:
                # its last line may have reached the server
                raise FateUnknown(f"{type(error).__name__}") from error
            if code != _OK:
                raise _answered(code, said)
        finally:
            _leave(server)

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file and str(settings.ca_file))
        try:
            if settings.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    settings.host, settings.port, timeout=_TIMEOUT_S, context=context
                )
            else:
                server = smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_S)
        except (OSError, smtplib.SMTPException) as error:
            raise NotTaken(f"{type(error).__name__}: {error}") from error
        try:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user and settings.password_file is not None:
                server.login(settings.user, settings.password_file.read_text(encoding="utf-8").strip())
        except (OSError, smtplib.SMTPException) as error:
            # not by a farewell: after a handshake that failed nobody would answer it
            server.close()
            # a wrong password is the operator's to change: the mail waits for it
            raise NotTaken(type(error).__name__) from error
        return server

    def _envelope(self, server: smtplib.SMTP, address: str) -> None:
        try:
            server.ehlo_or_helo_if_needed()
            for code, said in (server.mail(self._settings.sender), server.rcpt(address)):
                if code not in (_OK, _OK + 1):
                    raise _answered(code, said)
        except (OSError, smtplib.SMTPException) as error:
            raise NotTaken(type(error).__name__) from error
        except UnicodeEncodeError as error:
            raise Rejected("The address is none that SMTP can carry.") from error

    def _compose(self, message: Outgoing, now: datetime) -> bytes:
        mail = EmailMessage(policy=SMTP)
        domain = self._settings.sender.rpartition("@")[2] or "liandong"
        try:
            mail["From"] = self._settings.sender
            mail["To"] = message.address
        except (ValueError, IndexError) as error:
            raise Rejected("The address is none.") from error
        mail["Subject"] = " ".join(message.subject.split())
        mail["Date"] = format_datetime(now.astimezone(ZONE))
        mail["Message-ID"] = f"<{sha256(message.id.encode()).hexdigest()[:40]}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail.as_bytes()


def _answered(code: int, said: bytes) -> Exception:
    words = f"{code} {said.decode('utf-8', 'replace')}"[:300]
    return NotTaken(words) if code <= _LAST_TEMPORARY else Rejected(words)


def _bytes(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode()


def _leave(server: smtplib.SMTP) -> None:
    try:
        # what counts has been answered: nobody waits long for a farewell
        if server.sock is not None:
            server.sock.settimeout(_FAREWELL_S)
        server.quit()
    except (OSError, smtplib.SMTPException):
        server.close()
