"""Measurements for Prometheus."""

import urllib.request

import pytest

from services.common import telemetry
from services.common.config import ConfigurationError
from tests.builders.ports import free_port


def test_metrics_are_served_and_the_port_is_given_back() -> None:
    """`/metrics` while it runs, nothing afterwards; a taken port is a mistake of the settings."""
    settings = telemetry.TelemetrySettings(metrics_port=free_port())
    end = telemetry.start(settings)
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.metrics_port}/metrics", timeout=5) as answer:
        assert b"python_info" in answer.read()
    with pytest.raises(ConfigurationError, match="metrics_port"):
        telemetry.start(settings)
    end()
    telemetry.start(settings)()


def test_nothing_configured_starts_nothing() -> None:
    """The default is silence."""
    telemetry.start(telemetry.TelemetrySettings())()
