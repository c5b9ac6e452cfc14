"""As whom a client command calls, and where: a connection profile.

Either a federation file and a department with a role (`--federation DIR/federation.json --as
health.qinghe:clerk`), or each part by itself. Paths in a federation file are relative to it:

    {"ca", "registry": {"address", "enrolment_address", "operator": {"certificate", "key"}},
     "departments": [{"name", "title", "address", "certificate", "key",
                      "actors": [{"role", "name", "issuer", "key"}]}], "gateway": {...}}

`operator` may be missing; an actor may also say its `subject`, and `service` for a system.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

from services.cli.texts import say
from services.common.config import ConfigurationError
from services.common.errors import LiandongError
from services.common.tls import TlsFiles
from services.exchange.assertions import MAX_LIFETIME, Claims, Purpose, issue
from services.exchange.authority import peer_identity
from services.exchange.keys import load_sign_key

AUTHENTICATED_BY_KEY: Final = "key"
"""How an actor of the command line was authenticated: whoever holds the issuer's key speaks for it."""

OPERATOR: Final = "operator"
_SYSTEM: Final = "system"


@dataclass(frozen=True, slots=True)
class ActorProfile:
    """Who acts.

    Attributes:
        issuer: The `iss` that the department lists.
        key: File with the issuer's Ed25519 private key.
        subject: The issuer's stable id of the actor.
        name: Name of the person or system.
        roles: The roles acted in, the main one first.
        service: A system of the department, not a person.
    """

    issuer: str
    key: Path
    subject: str
    name: str
    roles: tuple[str, ...]
    service: bool = False


@dataclass(frozen=True, slots=True)
class Profile:
    """Where a command calls, with which certificate, and who acts.

    Attributes:
        department: The department that the certificate names.
        tls: The client certificate.
        address: The department's node, `host:port`; empty if not known.
        registry: The registry's main port; empty if not known.
        enrolment: The registry's enrolment port; empty if not known.
        actor: Who acts; None where nobody has to.
        server_name: The DNS name in the server's certificate, where it is not the host.
    """

    department: str
    tls: TlsFiles
    address: str = ""
    registry: str = ""
    enrolment: str = ""
    actor: ActorProfile | None = None
    server_name: str = ""

    @classmethod
    def from_federation(cls, file: Path, named: str) -> Self:
        """The profile of a department and a role in a federation file.

        Args:
            file: The federation file.
            named: `DEPARTMENT:ROLE`, `DEPARTMENT:ROLE:NAME` to tell persons of one role apart,
                `DEPARTMENT` for calls without an actor, `operator` for those of the registry's operators.

        Raises:
            ConfigurationError: The file cannot be read, or names no such department, role or operator.
        """
        content = read_federation(file)
        folder = file.parent
        registry = _part(content, "registry", file)
        ca = folder / str(content.get("ca", "ca.crt"))
        name, _, rest = named.partition(":")
        if name == OPERATOR:
            known = OPERATOR in registry
            found = cls(
                "",
                _files(ca, folder, _part(registry, OPERATOR, file), file)
                if known
                else operator_files(folder / "registry"),
            )
        else:
            entry = _department(content, name, file)
            role, _, person = rest.partition(":")
            found = cls(
                name,
                _files(ca, folder, entry, file),
                address=str(entry.get("address", "")),
                actor=_actor(entry, role, person, folder, file) if role else None,
            )
        return replace(
            found,
            registry=str(registry.get("address", "")),
            enrolment=str(registry.get("enrolment_address", "")),
        )

    @classmethod
    def from_parts(
        cls,
        tls: TlsFiles,
        *,
        address: str = "",
        registry: str = "",
        enrolment: str = "",
        actor: ActorProfile | None = None,
        server_name: str = "",
    ) -> Self:
        """The profile of parts; the department is the one that the certificate names.

        Raises:
            ConfigurationError: The certificate cannot be read or names none.
        """
        try:
            department = peer_identity(tls.cert.read_bytes()).department
        except (OSError, LiandongError) as error:
            raise ConfigurationError([f"{tls.cert}: {error}"]) from None
        return cls(department, tls, address, registry, enrolment, actor, server_name)

    def assertion(
        self,
        now: datetime,
        *,
        purpose: Purpose = Purpose.ACT,
        content_digest: bytes | None = None,
        lifetime: timedelta = MAX_LIFETIME,
    ) -> bytes:
        """A fresh assertion of the actor, for this department, as a compact JWS.

        Raises:
            ConfigurationError: The profile names no actor, or its key cannot be read.
            LiandongError: No verifier would take the assertion.
        """
        if self.actor is None:
            raise ConfigurationError(["No actor: name one with --as DEPARTMENT:ROLE or --actor-key."])
        actor = self.actor
        try:
            key = load_sign_key(actor.key)
        except (OSError, LiandongError) as error:
            raise ConfigurationError([f"{actor.key}: {error}"]) from None
        whole = now.replace(microsecond=0)
        return issue(
            key,
            Claims(
                issuer=actor.issuer,
                subject=actor.subject,
                name=actor.name,
                audience=self.department,
                roles=actor.roles,
                acr=AUTHENTICATED_BY_KEY,
                issued_at=whole,
                expires_at=whole + lifetime,
                token_id=str(uuid4()),
                content_digest=content_digest,
                purpose=purpose,
                service=actor.service,
            ),
        )


def read_federation(file: Path) -> Mapping[str, Any]:
    """A federation file.

    Raises:
        ConfigurationError: It cannot be read, or is none.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{file}: {error.strerror}."]) from None
    except ValueError as error:
        raise ConfigurationError([f"{file}: {error}."]) from None
    if not isinstance(content, dict) or not isinstance(content.get("departments"), list):
        raise ConfigurationError([f"{file}: it describes no federation."])
    return content


def operator_files(data_dir: Path) -> TlsFiles:
    """The files of an operator's certificate in a registry's folder.

    Raises:
        ConfigurationError: There is none.
    """
    for certificate in sorted(data_dir.glob("operator-*.crt")):
        return TlsFiles(data_dir / "ca.crt", certificate, certificate.with_suffix(".key"))
    raise ConfigurationError([say("failures.no_operator", folder=data_dir)])


def default_subject(department: str, role: str) -> str:
    """The stable id of an actor whose issuer says none."""
    return f"{role}@{department}"[:100]


def _department(content: Mapping[str, Any], name: str, file: Path) -> Mapping[str, Any]:
    entries = [each for each in content["departments"] if isinstance(each, dict)]
    for entry in entries:
        if entry.get("name") == name:
            return entry
    known = ", ".join(str(each.get("name")) for each in entries)
    raise ConfigurationError([f"{file}: no department is called {name}; there are {known}."])


def _actor(entry: Mapping[str, Any], role: str, person: str, folder: Path, file: Path) -> ActorProfile:
    actors = [each for each in entry.get("actors", []) if isinstance(each, dict)]
    for each in actors:
        if each.get("role") == role and person in ("", each.get("name")):
            try:
                name, issuer, key = str(each["name"]), str(each["issuer"]), folder / str(each["key"])
            except KeyError as error:
                raise ConfigurationError([f"{file}: the actor {role} has no {error}."]) from None
            subject = str(each.get("subject") or default_subject(str(entry["name"]), role))
            return ActorProfile(
                issuer, key, subject, name, (role,), bool(each.get("service", role == _SYSTEM))
            )
    known = ", ".join(f"{each.get('role')} ({each.get('name')})" for each in actors)
    raise ConfigurationError([f"{file}: {entry['name']} has no actor {role} {person}; there are {known}."])


def _files(ca: Path, folder: Path, entry: Mapping[str, Any], file: Path) -> TlsFiles:
    try:
        return TlsFiles(ca, folder / str(entry["certificate"]), folder / str(entry["key"]))
    except KeyError as error:
        raise ConfigurationError([f"{file}: {error} is missing."]) from None


def _part(content: Mapping[str, Any], name: str, file: Path) -> Mapping[str, Any]:
    part = content.get(name)
    if not isinstance(part, dict):
        raise ConfigurationError([f"{file}: it has no {name}."])
    return part
