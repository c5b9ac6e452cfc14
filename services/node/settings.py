"""The settings of a node's process, and of each department that it hosts."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.cases.settings import SealSettings
from services.common.config import Section, Settings
from services.common.telemetry import TelemetrySettings
from services.documents.settings import DocumentSettings
from services.notices.settings import NoticeSettings


class HostedSettings(Section):
    """What an operator says about one hosted department.

    Attributes:
        name: Dotted name, such as `health.qinghe`.
        folder: Its membership, as `liandong enrol` made it; also its evidence and, by default, its database.
        listen: `host:port`; port 0 takes a free one.
        database_url: `sqlite:///file` or `postgresql://...`; a file in its folder if empty.
        notices: How its people are told.
        seal: Its seal service.
    """

    name: str = Field(min_length=3, max_length=120)
    folder: Path
    listen: str = "0.0.0.0:7445"
    database_url: str = ""
    notices: NoticeSettings = Field(default_factory=NoticeSettings)
    seal: SealSettings = Field(default_factory=SealSettings)

    @property
    def database(self) -> str:
        """The URL of its database."""
        return self.database_url or f"sqlite:///{self.folder / 'node.sqlite3'}"


class NodeTelemetry(TelemetrySettings):
    """Under the name of this role, unless another is given."""

    service_name: str = "node"


class NodeSettings(Settings):
    """What an operator says about one node process.

    Attributes:
        departments: The departments that it hosts, each with its own port, database and keys.
        registries: Addresses of the registry's replicas, `host:port`; those told at joining if empty. The link
            goes to the next one whenever it ends.
        registry_server_name: The DNS name in the registry's certificate, where it is not the host.
        documents: How letters are printed.
        log_level: The lowest level logged.
        telemetry: Measurements and traces.
    """

    departments: list[HostedSettings] = Field(min_length=1)
    registries: tuple[str, ...] = ()
    registry_server_name: str = ""
    documents: DocumentSettings = Field(default_factory=DocumentSettings)
    log_level: str = "INFO"
    telemetry: NodeTelemetry = Field(default_factory=NodeTelemetry)
