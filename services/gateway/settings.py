"""The settings of a gateway's process."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, IPvAnyNetwork

from services.common.config import Section, Settings
from services.common.telemetry import TelemetrySettings
from services.common.tls import TlsFiles


class DepartmentSettings(Section):
    """One department that this gateway stands in front of.

    Attributes:
        name: Dotted name, such as `health.qinghe`.
        address: Its node, `host:port`.
        folder: The gateway's own identity for this department: `ca.crt`, `tls.crt`, `tls.key`.
        server_name: The DNS name in the node's certificate, where it is not the host.
        registry: The registry's main port, `host:port`, to ask about the link; not asked if empty.
        registry_server_name: The DNS name in the registry's certificate, where it is not the host.
        issuer: The department's issuer of actor assertions whose key this gateway holds; without one
            nobody works here, and only the status is shown.
        issuer_key: Its private key (Ed25519, PEM).
    """

    name: str = Field(min_length=3, max_length=120)
    address: str = Field(min_length=3)
    folder: Path
    server_name: str = ""
    registry: str = ""
    registry_server_name: str = ""
    issuer: str = ""
    issuer_key: Path | None = None

    @property
    def tls(self) -> TlsFiles:
        """The files of the gateway's identity."""
        return TlsFiles(self.folder / "ca.crt", self.folder / "tls.crt", self.folder / "tls.key")


class GatewayTelemetry(TelemetrySettings):
    """Under the name of this role, unless another is given."""

    service_name: str = "gateway"


class GatewaySettings(Settings):
    """What an operator says about one gateway process.

    Attributes:
        departments: The departments that it stands in front of.
        database_url: The gateway's own store of accounts, SQLite or PostgreSQL; empty: it knows nobody, and
            only the status is shown.
        calls_per_second: How often one caller may call, on average.
        calls_at_once: How often in one moment.
        upload_limit: Bytes of a file of evidence that comes in one request.
        uploads_at_once: How many such files at a time; `upload_folder` must hold so many of that size.
        upload_folder: Where they lie until the node has them; none: the system's for temporary files.
        webhook_networks: Inner networks, such as `10.20.0.0/16`, into which events may be posted, also by `http`;
            none: only to the internet.
        webhook_ca_file: Further authorities of the certificates of those who are told of events.
        listen: `host:port`; port 0 takes a free one. TLS for browsers is the business of the proxy before it.
        language: Spoken to browsers that ask for none we have.
        timeout_s: How long a node or the registry may take to say how it is.
        log_level: The lowest level logged.
        telemetry: Measurements and traces.
    """

    departments: list[DepartmentSettings] = Field(min_length=1)
    database_url: str = ""
    calls_per_second: float = Field(default=20.0, gt=0, le=10_000)
    calls_at_once: int = Field(default=100, ge=1, le=100_000)
    upload_limit: int = Field(default=4 * 1024**3, ge=1, le=64 * 1024**3)
    uploads_at_once: int = Field(default=4, ge=1, le=1000)
    upload_folder: Path | None = None
    webhook_networks: tuple[IPvAnyNetwork, ...] = ()
    webhook_ca_file: Path | None = None
    listen: str = Field(default="127.0.0.1:8080", pattern=r"^.+:\d{1,5}$")
    language: Literal["zh", "en"] = "zh"
    timeout_s: float = Field(default=2.0, gt=0, le=30)
    log_level: str = "INFO"
    telemetry: GatewayTelemetry = Field(default_factory=GatewayTelemetry)
