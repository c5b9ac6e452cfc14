"""`liandong assert`: an actor assertion for foreign clients, such as grpcurl."""

import base64
import binascii
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Final

import typer

from services.cli.connection import with_profile
from services.cli.profile import Profile
from services.cli.texts import say
from services.common.clock import SystemClock
from services.exchange.assertions import Purpose
from services.exchange.digests import DIGEST_SIZE

app = typer.Typer(add_completion=False)

_HEX_SIZE: Final = 2 * DIGEST_SIZE


def digest(text: str) -> bytes:
    """The 32 bytes that hexadecimal or Base64 text stands for.

    Raises:
        BadParameter: The text is neither.
    """
    try:
        if len(text) == _HEX_SIZE:
            return bytes.fromhex(text)
        value = base64.b64decode(text.rstrip("=").translate({45: 43, 95: 47}) + "=", validate=True)
    except (ValueError, binascii.Error):
        value = b""
    if len(value) != DIGEST_SIZE:
        raise typer.BadParameter(say("failures.digest"))
    return value


@app.command()
@with_profile
def print_assertion(
    profile: Profile,
    *,
    content_digest: Annotated[str, typer.Option(metavar="HEX|BASE64")] = "",
    purpose: Annotated[Purpose, typer.Option()] = Purpose.ACT,
    minutes: Annotated[int, typer.Option(min=1, max=5)] = 5,
    service: Annotated[bool, typer.Option("--service")] = False,
) -> None:
    """Print an actor assertion."""
    if service and profile.actor is not None:
        profile = replace(profile, actor=replace(profile.actor, service=True))
    token = profile.assertion(
        SystemClock().now(),
        purpose=purpose,
        content_digest=digest(content_digest) if content_digest else None,
        lifetime=timedelta(minutes=minutes),
    )
    typer.echo(token.decode())
