"""Measurements for Prometheus and traces for OpenTelemetry, each only when configured."""

from collections.abc import Callable
from typing import Any

import structlog
from prometheus_client import start_http_server
from pydantic import Field

from services.common.config import ConfigurationError, Section

_log = structlog.get_logger(__name__)


class TelemetrySettings(Section):
    """Where measurements and traces go.

    Attributes:
        metrics_port: Serve `/metrics` on this port; 0 for not at all.
        metrics_host: On this address.
        traces_endpoint: Send traces by OTLP over gRPC to this URL; empty for not at all.
        service_name: The name that traces carry.
    """

    metrics_port: int = Field(default=0, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    traces_endpoint: str = ""
    service_name: str = "liandong"


def start(settings: TelemetrySettings) -> Callable[[], None]:
    """Start what is configured.

    Returns:
        What to call at the end: it sends the last traces and closes the port.

    Raises:
        ConfigurationError: Traces are asked for and the extra `telemetry` is not installed, or the port
            is taken.
    """
    ends: list[Callable[[], Any]] = []
    if settings.metrics_port:
        try:
            server, thread = start_http_server(settings.metrics_port, settings.metrics_host)
        except OSError as error:
            raise ConfigurationError(
                [f"telemetry.metrics_port {settings.metrics_port}: {error.strerror}."]
            ) from None

        def close() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        ends.append(close)
        _log.info("telemetry.metrics", host=settings.metrics_host, port=settings.metrics_port)
    if settings.traces_endpoint:
        ends.append(_start_traces(settings))

    def end() -> None:
        for each in ends:
            each()

    return end


def _start_traces(settings: TelemetrySettings) -> Callable[[], None]:
    # imported here: an optional extra, and slow to load
    try:
        from opentelemetry import trace  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            ["telemetry.traces_endpoint: install the extra `telemetry` to send traces."]
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": settings.service_name}))
    exporter = OTLPSpanExporter(
        endpoint=settings.traces_endpoint, insecure=settings.traces_endpoint.startswith("http://")
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _log.info("telemetry.traces", endpoint=settings.traces_endpoint)
    return provider.shutdown
