"""The settings of a registry's process."""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field

from services.common.config import Settings
from services.common.telemetry import TelemetrySettings


class RegistryTelemetry(TelemetrySettings):
    """Under the name of this role, unless another is given."""

    service_name: str = "registry"


class RegistrySettings(Settings):
    """What an operator says about one registry process.

    Attributes:
        region: The region that it is home registry of, such as `qinghe`.
        database_url: `sqlite:///file`, or `postgresql://...` which several replicas may share.
        data_dir: Keys, certificates and evidence. Replicas share its content.
        listen: Main port, `host:port`; port 0 takes a free one.
        enrolment_listen: Enrolment port, likewise.
        address: Main port as departments reach it; what it listens on if empty.
        enrolment_address: Enrolment port, likewise.
        hosts: Further host names and addresses for the server's certificate.
        replica: The name of this process among its replicas.
        indicators: File with the region's own indicators; those of the product if empty.
        freeze_after_hours: How long after its end a month's figures are frozen.
        log_level: The lowest level logged.
        telemetry: Measurements and traces.
    """

    region: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
    database_url: str
    data_dir: Path
    listen: str = "0.0.0.0:7443"
    enrolment_listen: str = "0.0.0.0:7444"
    address: str = ""
    enrolment_address: str = ""
    hosts: tuple[str, ...] = ()
    replica: str = Field(
        default_factory=lambda: socket.gethostname().lower(), pattern=r"^[a-z0-9][a-z0-9.-]{0,79}$"
    )
    indicators: str = ""
    freeze_after_hours: int = Field(default=24, ge=1, le=24 * 28)
    log_level: str = "INFO"
    telemetry: RegistryTelemetry = Field(default_factory=RegistryTelemetry)

    @property
    def name(self) -> str:
        """Of the registry in the directory, such as `registry.qinghe`."""
        return f"registry.{self.region}"

    @property
    def log_id(self) -> str:
        """Of its ledger, such as `liandong.qinghe`."""
        return f"liandong.{self.region}"
