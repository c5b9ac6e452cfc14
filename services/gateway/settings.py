"""The settings of a gateway's process."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, model_validator

from services.common.config import Section, Settings
from services.common.telemetry import TelemetrySettings
from services.common.tls import TlsFiles
from services.gateway.accounts.claims import ClaimNames
from services.gateway.accounts.model import ROLES


def _loopback() -> list[IPv4Network | IPv6Network]:
    return [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]


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


class OidcSettings(Section):
    """An OpenID provider by which people log in (OpenID Connect Core 1.0, code flow with PKCE).

    Attributes:
        issuer: Its URL, as it names itself; `https` unless `plain_http` is set.
        title: What people call it, on the button.
        client_id: As which the gateway is registered there, with `{public_url}/login/openid/back`.
        client_secret_file: A file that holds its secret; a public client if not given.
        scopes: What is asked for.
        name_claim: The claim with the person's name.
        username_claim: The claim with what is typed at the provider.
        department_claim: The claim that names the department.
        roles_claim: The claim that names roles; a path such as `realm_access.roles` leads into objects.
        departments: What the department's values mean here; a department of this gateway need not be named.
        roles: What the roles' values mean here. Values that are not named mean nothing.
        ca_file: The authority that its certificate is checked against; the system's if empty.
        plain_http: Let it be `http`: for a provider on this machine.
        deadline_s: How long it may take to answer.
    """

    issuer: str = Field(pattern=r"^https?://[^\s?#]+$")
    title: str = Field(default="OpenID", min_length=1, max_length=60)
    client_id: str = Field(min_length=1, max_length=200)
    client_secret_file: Path | None = None
    scopes: list[str] = Field(default_factory=lambda: ["openid", "profile"])
    name_claim: str = "name"
    username_claim: str = "preferred_username"
    department_claim: str = "department"
    roles_claim: str = "roles"
    departments: dict[str, str] = Field(default_factory=dict)
    roles: dict[str, str] = Field(default_factory=dict)
    ca_file: Path | None = None
    plain_http: bool = False
    deadline_s: float = Field(default=10.0, gt=0, le=60)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if not self.plain_http and not self.issuer.startswith("https://"):
            raise ValueError("the issuer is not https")
        unknown = sorted(set(self.roles.values()) - ROLES)
        if unknown:
            raise ValueError(f"no such roles: {', '.join(unknown)}")
        return self

    @property
    def names(self) -> ClaimNames:
        """Where claims stand, and what they mean."""
        return ClaimNames(
            name=self.name_claim, username=self.username_claim, department=self.department_claim,
            roles=self.roles_claim, departments=self.departments, role_names=self.roles,
        )  # fmt: skip


class CertificateSettings(Section):
    """Log-ins by a certificate that the browser has shown to the proxy before the gateway.

    Attributes:
        ca_file: The authorities that persons' certificates are issued by, PEM; each directly.
        crl_file: Their lists of revoked certificates, PEM; read again when it changes. Without one nothing is revoked.
        header: In which the proxy sends the certificate, PEM and escaped as in URLs (nginx:
            `$ssl_client_escaped_cert`). It is believed from `proxies` only.
    """

    ca_file: Path
    crl_file: Path | None = None
    header: str = Field(default="x-client-certificate", pattern=r"^[A-Za-z0-9-]{1,60}$")


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
        pages_per_second: How often one person may ask for pages and parts of pages, on average.
        pages_at_once: How often in one moment.
        streams_at_once: How many streams of changes one person or system may hold open; every open page has one.
        upload_limit: Bytes of a file of evidence that comes in one request.
        uploads_at_once: How many such files at a time; `upload_folder` must hold so many of that size.
        upload_folder: Where they lie until the node has them, on a disk; none: the system's for temporary files.
        public_url: Where browsers reach it, such as `https://liandong.health.example`; its origin is the only one
            that forms are taken from.
        proxies: Addresses and networks of the proxies before it; what they say of browsers is believed, and
            nobody else's word. This machine's own if not given.
        oidc: An OpenID provider by which people log in, beside their passwords.
        certificates: Log-ins by certificate, beside passwords.
        audit_days: How long it is kept who logged in, what was refused, what was changed.
        public_departments: Whose publications everybody may read at `/public`; none: nothing is shown there.
        public_intake: Which department takes in complaints that the public writes at `/public/complaints/new`;
            empty: none are taken in, and the page says to call 12345.
        public_intake_code: Class of complaints under which they are registered, until somebody sorts them.
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
    pages_per_second: float = Field(default=20.0, gt=0, le=10_000)
    pages_at_once: int = Field(default=120, ge=1, le=100_000)
    streams_at_once: int = Field(default=24, ge=1, le=10_000)
    upload_limit: int = Field(default=4 * 1024**3, ge=1, le=64 * 1024**3)
    uploads_at_once: int = Field(default=4, ge=1, le=1000)
    upload_folder: Path | None = None
    public_url: str = Field(default="", pattern=r"^(https?://[^/\s?#]+)?$")
    proxies: list[IPvAnyNetwork] = Field(default_factory=_loopback)
    oidc: OidcSettings | None = None
    certificates: CertificateSettings | None = None
    audit_days: int = Field(default=183, ge=1, le=36_600)
    public_departments: tuple[str, ...] = Field(default=(), max_length=50)
    public_intake: str = Field(default="", max_length=120)
    public_intake_code: str = Field(default="", max_length=40)
    webhook_networks: tuple[IPvAnyNetwork, ...] = ()
    webhook_ca_file: Path | None = None
    listen: str = Field(default="127.0.0.1:8080", pattern=r"^.+:\d{1,5}$")
    language: Literal["zh", "en"] = "zh"
    timeout_s: float = Field(default=2.0, gt=0, le=30)
    log_level: str = "INFO"
    telemetry: GatewayTelemetry = Field(default_factory=GatewayTelemetry)

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.oidc is not None and not (self.public_url and self.database_url):
            raise ValueError("oidc needs public_url and database_url")
        served = {each.name: each for each in self.departments}
        unknown = sorted({*self.public_departments, self.public_intake} - {"", *served})
        if unknown:
            raise ValueError(f"public_departments, public_intake: not before {', '.join(unknown)}")
        if self.public_intake:
            department = served[self.public_intake]
            if not (self.public_intake_code and department.issuer and department.issuer_key):
                raise ValueError("public_intake needs public_intake_code, and issuer and issuer_key there")
        return self
