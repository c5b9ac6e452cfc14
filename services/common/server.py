"""A gRPC server as every process of ours runs it: mutual TLS, interceptors, health, and a calm end."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final

import grpc
import grpc.aio
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_channelz.v1 import channelz, channelz_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from services.common import edge
from services.common.caller import Caller
from services.common.channel import FRAMEWORK_MESSAGE_LIMIT, FRAMEWORK_METADATA_LIMIT
from services.common.clock import Clock
from services.common.interceptors import VerifyActor, check_order, stack
from services.common.permissions import STANDARD_RULES, PermissionTable
from services.common.tls import TlsFiles, TlsMaterial
from services.common.tls_watch import TlsWatch

__all__ = ["Server", "TlsFiles", "server_tls_only"]

MAX_CONNECTION_AGE_MS: Final = 3_600_000
"""After an hour a client connects anew, so that a renewed certificate and a moved server are felt."""

_log = structlog.get_logger(__name__)


class Server:
    """One port of one department.

    Args:
        listen: `host:port`; port 0 takes a free one.
        tls: Our certificate and key, and the authority that issues client certificates. Replaced files
            are used from the next connection on.
        department: The department that is served here.
        rules: A row for each RPC of the services that will be added; health, reflection and channelz have
            theirs.
        client_certificates: Whether callers must show a certificate.
        verify_actor: How actor assertions are verified.
        is_revoked: Whether a caller's certificate or key was revoked; from memory.
        clock: To judge certificates by.
        max_connection_age_ms: When a connection is ended, in calm.
        traces: Whether to open a span for each call.
        further: Interceptors of the service itself, inside all of ours.
    """

    def __init__(
        self,
        listen: str,
        tls: TlsFiles,
        *,
        department: str,
        rules: PermissionTable,
        client_certificates: bool = True,
        verify_actor: VerifyActor | None = None,
        is_revoked: Callable[[Caller], bool] | None = None,
        clock: Clock | None = None,
        max_connection_age_ms: int = MAX_CONNECTION_AGE_MS,
        traces: bool = False,
        further: Sequence[grpc.aio.ServerInterceptor] = (),
    ) -> None:
        self._listen = listen
        self._rules: PermissionTable = {**STANDARD_RULES, **rules}
        interceptors: list[grpc.aio.ServerInterceptor] = [
            *stack(
                self._rules,
                department=department,
                verify_actor=verify_actor,
                is_revoked=is_revoked,
                clock=clock,
                certificates=client_certificates,
                traces=traces,
            ),
            *further,
        ]
        check_order(interceptors)
        self.server = grpc.aio.server(interceptors=interceptors, options=_options(max_connection_age_ms))
        self._credentials = _credentials(TlsWatch(tls), client_certificates=client_certificates)
        self._services: list[str] = []
        self.health = health.aio.HealthServicer()
        self.port = 0
        self._is_started = False

    def add(self, servicer: object, service: ServiceDescriptor) -> None:
        """Offer a service; before `start`.

        Raises:
            TypeError: A method or a permission row is missing.
        """
        edge.register(self.server, servicer, service, self._rules)
        self._services.append(service.full_name)

    def bind(self) -> int:
        """Take the address, so that services can be made that name it; `start` does it where nobody did.

        Raises:
            OSError: The address cannot be listened on.
        """
        if not self.port:
            try:
                self.port = self.server.add_secure_port(self._listen, self._credentials)
            except RuntimeError:
                raise OSError(
                    f"Cannot listen on {self._listen}: it is taken, or not an address of ours."
                ) from None
        return self.port

    async def start(self) -> int:
        """Listen and serve; the port is returned, and kept as `port`.

        Raises:
            OSError: The address cannot be listened on.
        """
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self.server)
        channelz.add_channelz_servicer(self.server)
        names = [
            *self._services,
            health.SERVICE_NAME,
            reflection.SERVICE_NAME,
            channelz_pb2.DESCRIPTOR.services_by_name["Channelz"].full_name,
        ]
        reflection.enable_server_reflection(names, self.server)
        self.bind()
        await self.server.start()
        self._is_started = True
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        _log.info("server.started", listen=self._listen, port=self.port, services=self._services)
        return self.port

    async def stop(self, grace_s: float = 10) -> None:
        """Take no new calls, let open ones end, cancel those that do not within the grace."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self.server.stop(grace_s)
        _log.info("server.stopped", port=self.port)

    async def run(self, grace_s: float = 10) -> None:
        """Serve until SIGTERM or SIGINT, then stop with grace. Starts if not started."""
        if not self._is_started:
            await self.start()
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # not every loop and not every thread may handle signals; such a host stops us by itself
            with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
                loop.add_signal_handler(number, asked.set)
        await asked.wait()
        await self.stop(grace_s)

    async def _say(self, status: Any) -> None:
        for name in ("", *self._services):
            await self.health.set(name, status)


def server_tls_only(
    listen: str,
    tls: TlsFiles,
    *,
    department: str,
    rules: PermissionTable,
    clock: Clock | None = None,
) -> Server:
    """A server that asks for no client certificate, for those who have none yet: the enrolment port.

    Its own port, since grpc's Python servers know no optional client certificate. Its rows name `NOBODY`.
    """
    return Server(listen, tls, department=department, rules=rules, clock=clock, client_certificates=False)


def _options(max_connection_age_ms: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", FRAMEWORK_MESSAGE_LIMIT),
        ("grpc.max_send_message_length", FRAMEWORK_MESSAGE_LIMIT),
        # soft and hard limit are the same: between the two the framework refuses by chance
        ("grpc.max_metadata_size", FRAMEWORK_METADATA_LIMIT),
        ("grpc.absolute_max_metadata_size", FRAMEWORK_METADATA_LIMIT),
        ("grpc.max_connection_age_ms", max_connection_age_ms),
        ("grpc.max_connection_age_grace_ms", 30_000),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # clients ping every 30 s; stricter than that the server would cut them for it
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.max_concurrent_streams", 512),
        # a second process on the same port must fail, not take half of the connections
        ("grpc.so_reuseport", 0),
        ("grpc.enable_channelz", 1),
    ]


def _credentials(watch: TlsWatch, *, client_certificates: bool) -> grpc.ServerCredentials:
    def configuration(material: TlsMaterial) -> grpc.ServerCertificateConfiguration:
        authority = material.ca if client_certificates else None
        return grpc.ssl_server_certificate_configuration([(material.key, material.cert)], authority)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        # asked by the framework before every handshake
        material = watch.changed()
        return configuration(material) if material is not None else None

    return grpc.dynamic_ssl_server_credentials(
        configuration(watch.material),
        # the stub forgets that None stands for no change
        fetch,  # type: ignore[arg-type]
        require_client_authentication=client_certificates,
    )
