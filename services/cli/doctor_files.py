"""Doctor: files, their modes, keys and certificates, room on the disk."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from services.cli.findings import Findings
from services.cli.output import moment, size
from services.cli.texts import say
from services.common.errors import LiandongError
from services.common.tls import TlsFiles
from services.exchange.authority import validity
from services.exchange.enrolment_client import Membership
from services.exchange.keys import load_sign_key
from services.registry.credentials import Credentials

SOON: Final = timedelta(days=10)
"""Half of a certificate's life is 15 days: one with less left was not renewed when it was due."""
_OTHERS: Final = 0o077
_GIB: Final = 1 << 30
_RED_SPACE: Final = _GIB
_YELLOW_SPACE: Final = 5 * _GIB


def check_membership(findings: Findings, folder: Path, name: str, now: datetime) -> Membership | None:
    """The folder of a node: its five files. None where it holds no usable membership."""
    if not folder.is_dir():
        findings.red("folder", say("found.missing", path=folder), "enrol", folder=folder)
        return None
    check_modes(findings, folder, [folder / "sign.key", folder / "tls.key"])
    try:
        membership = Membership.load(folder)
    except (LiandongError, ValueError, OSError) as error:
        findings.red("membership", str(error), "enrol", folder=folder)
        return None
    if name not in ("", membership.department):
        findings.red(
            "membership", say("found.other_department", found=membership.department, name=name), "folder_name"
        )
    else:
        findings.green("membership", f"{membership.department} · {membership.registry_name}")
    try:
        load_sign_key(folder / "sign.key")
        findings.green("sign_key", membership.sign_key_id)
    except (LiandongError, OSError) as error:
        findings.red("sign_key", str(error), "sign_key")
    tls = TlsFiles(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
    check_certificate(findings, "certificate", tls, now, "renew", folder=folder)
    return membership


def check_registry_folder(findings: Findings, folder: Path, name: str, replica: str, now: datetime) -> bool:
    """The data folder of a registry; whether its keys are usable."""
    if not folder.is_dir():
        findings.red("folder", say("found.missing", path=folder), "init")
        return False
    check_modes(findings, folder, sorted(folder.glob("*.key")))
    try:
        credentials = Credentials.load(folder, name)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with them, they cannot be used
        findings.red("keys", str(error), "init")
        return False
    findings.green("keys", credentials.sign_key_id)
    end = credentials.authority.certificate.not_valid_after_utc
    if end - now < timedelta(days=365):
        findings.yellow("authority", say("found.until", until=moment(end)), "authority")
    else:
        findings.green("authority", say("found.until", until=moment(end)))
    server = folder / f"server-{replica}.crt"
    if server.exists():
        files = TlsFiles(folder / "ca.crt", server, server.with_suffix(".key"))
        check_certificate(findings, "certificate", files, now, "server_certificate")
    else:
        findings.yellow("certificate", say("found.missing", path=server), "start")
    for certificate in sorted(folder.glob("operator-*.crt")):
        files = TlsFiles(folder / "ca.crt", certificate, certificate.with_suffix(".key"))
        operator = certificate.stem.removeprefix("operator-")
        check_certificate(findings, "operator", files, now, "operator", name=operator)
    return True


def check_modes(findings: Findings, folder: Path, private: Iterable[Path]) -> None:
    """Who may read the folder and its private keys."""
    open_keys = [path.name for path in private if path.exists() and path.stat().st_mode & _OTHERS]
    missing = [path.name for path in private if not path.exists()]
    if open_keys:
        paths = " ".join(str(folder / each) for each in open_keys)
        findings.red("modes", say("found.readable", files=", ".join(open_keys)), "chmod", paths=paths)
    if missing:
        findings.red("modes", say("found.missing", path=", ".join(missing)), "restore", folder=folder)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & _OTHERS:
        findings.yellow(
            "modes", say("found.mode", path=folder, mode=f"{mode:04o}"), "chmod_folder", path=folder
        )
    elif not open_keys and not missing:
        findings.green("modes", say("found.private"))
    if folder.stat().st_uid != os.geteuid() and os.geteuid() != 0:
        findings.yellow("modes", say("found.owner", path=folder), "owner")


def check_certificate(
    findings: Findings, check: str, files: TlsFiles, now: datetime, remedy: str, **values: object
) -> None:
    """Key and certificate belong together, and how long the certificate is good."""
    try:
        start, end = validity(files.read().cert)
    except (OSError, ValueError, TypeError) as error:
        findings.red(check, str(error), remedy, **values)
        return
    if now >= end:
        findings.red(check, say("found.ended", until=moment(end)), remedy, **values)
    elif now < start:
        findings.red(check, say("found.not_yet", since=moment(start)), "clock")
    elif end - now < SOON:
        findings.yellow(check, say("found.days", days=(end - now).days, until=moment(end)), remedy, **values)
    else:
        findings.green(check, say("found.days", days=(end - now).days, until=moment(end)))


def check_writable(findings: Findings, folder: Path) -> None:
    """Whether evidence can be written, and how much room there is."""
    # a node makes the folder when it is first needed
    there = folder if folder.is_dir() else folder.parent
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor-") as file:
            file.write(b"liandong")
            file.flush()
            os.fsync(file.fileno())
        findings.green("evidence", str(folder))
    except OSError as error:
        findings.red("evidence", f"{there}: {error.strerror}", "writable", path=there)
        return
    check_space(findings, there)


def check_space(findings: Findings, folder: Path) -> None:
    """Room on the disk of a folder."""
    free = shutil.disk_usage(folder).free
    found = say("found.free", size=size(free), path=folder)
    if free < _RED_SPACE:
        findings.red("space", found, "space")
    elif free < _YELLOW_SPACE:
        findings.yellow("space", found, "space")
    else:
        findings.green("space", found)
