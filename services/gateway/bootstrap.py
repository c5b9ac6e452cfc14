"""Where a gateway is wired, and nothing else: settings in, a running gateway out."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import signal
import socket
from collections.abc import Iterator
from datetime import timedelta

import structlog
import uvicorn
from typing_extensions import override

from services.common.clock import Clock, SystemClock
from services.common.config import ConfigurationError
from services.common.db import Database
from services.common.migrations import migrate
from services.exchange.keys import load_sign_key
from services.gateway import schema
from services.gateway.accounts.callers import AccountCallers
from services.gateway.accounts.certificates import Certificates
from services.gateway.accounts.openid import OpenId
from services.gateway.accounts.parts import Parts
from services.gateway.accounts.ways import Ways
from services.gateway.app import create_app
from services.gateway.callers import Issuer
from services.gateway.calls import Calls
from services.gateway.evidence.bringing import Uploads
from services.gateway.evidence.parts import Spool
from services.gateway.letter_templates.templates import LetterTemplates
from services.gateway.phrases import Phrases
from services.gateway.probes import Probe, Probes
from services.gateway.proxies import Proxies
from services.gateway.rest.api import Api
from services.gateway.rest.entrance import Entrance
from services.gateway.rest.evidence import EvidenceRoutes
from services.gateway.rest.limits import RateLimit, Streams
from services.gateway.settings import GatewaySettings
from services.gateway.sheets.sheets import Sheets
from services.gateway.upstream import Upstream
from services.gateway.web.directory import Directory
from services.gateway.web.intake_form import PHOTOGRAPH_LIMIT, Freshness
from services.gateway.web.kept import Kept
from services.gateway.web.live import Live
from services.gateway.web.procedures import Procedures
from services.gateway.web.site import Site, environment
from services.gateway.webhooks.running import Running
from services.gateway.webhooks.targets import Targets
from services.gateway.webhooks.webhook_handlers import WebhookHandlers
from services.gateway.webhooks.webhooks import Webhooks

_DRAIN_S = 10
_log = structlog.get_logger(__name__)


class _Calm(uvicorn.Server):
    """Ends with 0 after a drain: uvicorn would raise the signal again, which looks like a crash."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Gateway:
    """One gateway process.

    Args:
        settings: What the operator says.
        clock: The time.

    Attributes:
        port: The one listened on; once started.
        parts: What keeps the accounts; None where only the status is shown.

    Raises:
        ConfigurationError: A certificate is missing or not usable.
    """

    def __init__(self, settings: GatewaySettings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.port = 0
        try:
            upstreams = {each.name: Upstream(each) for each in settings.departments}
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError([f"departments: {error}"]) from None
        time = clock or SystemClock()
        self._database: Database | None = None
        issuers = _issuers(settings, time)
        calls = Calls(upstreams, issuers)
        self.parts: Parts | None = None
        self._running: Running | None = None
        api = phrases = webhooks = letter_templates = None
        ways = Ways()
        streams = Streams(settings.streams_at_once)
        sheets = spool = None
        if settings.database_url:
            prepare(settings)
            self._database = Database(settings.database_url)
            phrases = Phrases(self._database, time)
            limit = RateLimit(settings.calls_per_second, settings.calls_at_once)
            self.parts = Parts.over(self._database, time, timedelta(days=settings.audit_days))
            ways = _ways(settings, self._database, time, self.parts)
            callers = AccountCallers(self.parts.accounts, self.parts.tokens, settings.public_url)
            entrance = Entrance(callers, limit)
            uploads = Uploads(settings.upload_limit, settings.uploads_at_once, settings.upload_folder)
            targets = _targets(settings)
            self._running = Running(self._database, time, calls, targets)
            webhooks = Webhooks(self._database, time, targets, self._running.begin, self.parts.audit)
            own = {"WebhookService": WebhookHandlers(webhooks)}
            api = Api(entrance, calls, streams, EvidenceRoutes(entrance, calls, uploads), own=own)
            letter_templates = LetterTemplates(self._database, time, self.parts.audit)
            sheets = Sheets(self._database, time)
            spool = Spool(settings.upload_limit, settings.uploads_at_once, settings.upload_folder)
        words, photographs = Freshness(secrets.token_bytes(32)), None
        if settings.public_intake in issuers:
            # the same for every process of this gateway, and after it was started again
            key = issuers[settings.public_intake].key.private_bytes_raw()
            words = Freshness(hmac.digest(key, b"liandong intake", "sha256"))
            photographs = Uploads(PHOTOGRAPH_LIMIT, settings.uploads_at_once, settings.upload_folder)
        probes = Probes([Probe(each, settings.timeout_s) for each in upstreams.values()])
        site = Site(
            statuses=probes,
            clock=time,
            language=settings.language,
            accounts=self.parts.accounts if self.parts is not None else None,
            calls=calls,
            directory=Directory(calls, time),
            procedures=Procedures(calls),
            live=Live(calls),
            figures=Kept(time),
            elsewhere=Kept(time),
            templates=environment(),
            parts=self.parts,
            ways=ways,
            public_url=settings.public_url,
            served=frozenset(upstreams),
            visits=RateLimit(settings.pages_per_second, settings.pages_at_once),
            streams=streams,
            public_departments=settings.public_departments,
            public_answers=Kept(time),
            public_intake=settings.public_intake,
            public_intake_code=settings.public_intake_code,
            public_photographs=photographs,
            public_words=words,
            phrases=phrases,
            letter_templates=letter_templates,
            sheets=sheets,
            spool=spool,
            webhooks=webhooks,
        )
        app = create_app(site, api)
        self._server = _Calm(
            uvicorn.Config(
                Proxies(app, settings.proxies, settings.public_url),
                proxy_headers=False,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_DRAIN_S,
                lifespan="on",
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen and serve; returns the port.

        Raises:
            OSError: The address cannot be listened on.
        """
        host, _, port = self.settings.listen.rpartition(":")
        listener = _listen(host.strip("[]"), int(port))
        self.port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve([listener]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
                raise OSError("The web server did not start.")
            await asyncio.sleep(0.01)
        if self._running is not None:
            self._running.start()
        _log.info("gateway.started", listen=self.settings.listen, port=self.port)
        return self.port

    async def stop(self) -> None:
        """Take no new requests, let open ones end."""
        if self._running is not None:
            await self._running.stop()
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        if self.parts is not None:
            await self.parts.audit.close()
        if self._database is not None:
            self._database.close()
        _log.info("gateway.stopped", port=self.port)

    async def serve(self) -> None:
        """Run until SIGTERM or SIGINT, then drain."""
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        await self.start()
        await asked.wait()
        await self.stop()


def prepare(settings: GatewaySettings) -> None:
    """Bring the gateway's tables to this version."""
    migrate(settings.database_url, schema.MIGRATIONS, version_table=schema.VERSION_TABLE)


def _ways(settings: GatewaySettings, database: Database, clock: Clock, parts: Parts) -> Ways:
    openid = certificates = None
    if settings.oidc is not None:
        try:
            openid = OpenId(settings.oidc, settings.public_url, database, clock, parts.audit)
        except OSError as error:
            raise ConfigurationError([f"oidc: {error}"]) from None
    if settings.certificates is not None:
        try:
            certificates = Certificates(settings.certificates, clock)
        except (OSError, ValueError) as error:
            raise ConfigurationError([f"certificates: {error}"]) from None
    return Ways(openid, certificates)


def _issuers(settings: GatewaySettings, clock: Clock) -> dict[str, Issuer]:
    found = {}
    for each in settings.departments:
        if each.issuer and each.issuer_key is not None:
            try:
                key = load_sign_key(each.issuer_key)
            except (OSError, ValueError, TypeError) as error:
                raise ConfigurationError([f"departments: {each.name}: issuer_key: {error}"]) from None
            found[each.name] = Issuer(each.issuer, key, clock)
    return found


def _targets(settings: GatewaySettings) -> Targets:
    try:
        return Targets(settings.webhook_networks, settings.webhook_ca_file)
    except OSError as error:
        raise ConfigurationError([f"webhook_ca_file: {error}"]) from None


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
