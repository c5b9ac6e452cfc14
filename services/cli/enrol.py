"""`liandong enrol`: a department's node joins the federation with an invitation."""

import asyncio
import base64
import binascii
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from liandong.directory.v1 import common_entry_pb2 as entries
from rich.console import Console

from services.cli.output import facts
from services.cli.texts import say
from services.exchange.digests import DIGEST_SIZE
from services.exchange.enrolment_client import EnrolmentClient, Membership
from services.exchange.joining import InvitationText

app = typer.Typer(add_completion=False)


@app.command()
def enrol(
    invitation: Annotated[str, typer.Argument()],
    *,
    folder: Annotated[Path, typer.Option(metavar="DIR")],
    host: Annotated[list[str] | None, typer.Option(metavar="HOST")] = None,
    issuer: Annotated[list[str] | None, typer.Option(metavar="NAME=KEYFILE")] = None,
    server_name: Annotated[str, typer.Option(metavar="NAME")] = "",
) -> None:
    """Join the federation."""
    line = sys.stdin.read() if invitation == "-" else invitation
    console = Console(highlight=False)
    client = EnrolmentClient(folder, server_name=server_name)
    text = InvitationText.parse(line)
    issuers = read_issuers(issuer or ())
    with console.status(say("enrol.joining", department=text.department, address=text.enrolment)):
        membership = asyncio.run(client.join(line, hosts=host or (), issuers=issuers))
    _tell(console, folder, membership)


def read_issuers(named: Iterable[str]) -> list[entries.Issuer]:
    """Issuers of actor assertions from `NAME=KEYFILE`.

    Raises:
        BadParameter: One is not of that form, or its file holds no Ed25519 key.
    """
    found = []
    for each in named:
        name, sign, file = each.rpartition("=")
        if not sign or not name:
            raise typer.BadParameter(say("failures.issuer", value=each), param_hint="--issuer")
        found.append(entries.Issuer(issuer=name, public_key=issuer_key(Path(file))))
    return found


def issuer_key(file: Path) -> bytes:
    """The raw Ed25519 public key in a file: PEM of a public or private key, 32 bytes, hexadecimal or Base64.

    Raises:
        BadParameter: The file cannot be read or holds none.
    """
    try:
        content = file.read_bytes()
        if content.lstrip().startswith(b"-----BEGIN"):
            return _from_pem(content)
        text = content.decode("ascii", "replace").strip()
        for decode in (bytes.fromhex, lambda value: base64.b64decode(value, validate=True)):
            try:
                if len(key := decode(text)) == DIGEST_SIZE:
                    return key
            except (ValueError, binascii.Error):
                continue
        if len(content) == DIGEST_SIZE:
            return content
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--issuer") from None
    raise typer.BadParameter(say("failures.issuer_key", file=file), param_hint="--issuer")


def _from_pem(content: bytes) -> bytes:
    if b"PRIVATE" in content:
        private = serialization.load_pem_private_key(content, None)
        if isinstance(private, Ed25519PrivateKey):
            return private.public_key().public_bytes_raw()
    else:
        public = serialization.load_pem_public_key(content)
        if isinstance(public, Ed25519PublicKey):
            return public.public_bytes_raw()
    raise ValueError("no Ed25519 key")


def _tell(console: Console, folder: Path, membership: Membership) -> None:
    console.print(f"[green]✓[/] {say('enrol.joined', department=membership.department)}")
    console.print(
        facts(
            [
                ("folder", str(folder)),
                ("registry", f"{membership.registry_name} ({membership.registry})"),
                ("sign_key", membership.sign_key_id),
                ("hosts", ", ".join(membership.hosts)),
            ]
        )
    )
    console.print(say("enrol.next", folder=folder))
