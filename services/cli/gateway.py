"""`liandong gateway`: run the gateway of one or several departments, and keep its accounts and tokens."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from services.cli.output import facts, moment, table
from services.cli.texts import say
from services.common import log, telemetry
from services.common.clock import SystemClock
from services.common.config import ConfigurationError, load
from services.common.db import Database
from services.common.errors import InvalidField, NotFound
from services.exchange import keys
from services.exchange.keys import KeyRole
from services.gateway.accounts.certificates import parse, shown
from services.gateway.accounts.identity_store import Identity
from services.gateway.accounts.model import ROLES, Account
from services.gateway.accounts.parts import Parts
from services.gateway.bootstrap import Gateway, prepare
from services.gateway.rest.scopes import SCOPES
from services.gateway.settings import GatewaySettings

T = TypeVar("T")

app = typer.Typer(invoke_without_command=True, add_completion=False)

ConfigFile = Annotated[Path | None, typer.Option(metavar="FILE")]
Department = Annotated[str, typer.Option(metavar="NAME")]
Username = Annotated[str, typer.Argument()]
_GIVEN_BYTES = 12


@app.callback()
def run(context: typer.Context, *, config: ConfigFile = None) -> None:
    """Run a gateway."""
    if context.invoked_subcommand is not None:
        context.obj = config
        return
    settings = load(GatewaySettings, config)
    log.configure(settings.log_level)
    end = telemetry.start(settings.telemetry)
    try:
        asyncio.run(Gateway(settings).serve())
    finally:
        end()


@app.command("add-account")
def add_account(
    context: typer.Context,
    username: Username,
    *,
    department: Department,
    subject: Annotated[str, typer.Option(metavar="ID")],
    name: Annotated[str, typer.Option(metavar="NAME")],
    role: Annotated[list[str], typer.Option(metavar="ROLE")],
    certificate: Annotated[str, typer.Option(metavar="NUMBER")] = "",
    config: ConfigFile = None,
) -> None:
    """Add an account; its first password is printed once."""
    unknown = sorted(set(role) - ROLES)
    if unknown:
        known = ", ".join(sorted(ROLES))
        raise InvalidField(say("gateway.roles", unknown=", ".join(unknown), known=known), field="role")
    password = secrets.token_urlsafe(_GIVEN_BYTES)
    asked = Account(
        id="", username=username, department=department, subject=subject, name=name, roles=tuple(role),
        certificate=certificate, must_change=True, totp=False, locked_until=None, disabled=False, language="",
    )  # fmt: skip
    made = _with(context, config, department, lambda parts: parts.accounts.create(asked, password))
    _given(made.username, password)


@app.command("new-issuer")
def new_issuer(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Make the key with which a gateway vouches for a department's people."""
    file.parent.mkdir(parents=True, exist_ok=True)
    key = keys.generate(KeyRole.SIGN)
    try:
        keys.save_private_key(file, key)
    except FileExistsError:
        raise ConfigurationError([say("gateway.key_there", file=file)]) from None
    public = keys.public_key_bytes(key).hex()
    Console(highlight=False).print(facts([("file", str(file)), ("public_key", public)]))


@app.command("accounts")
def list_accounts(context: typer.Context, *, department: Department, config: ConfigFile = None) -> None:
    """The accounts of a department."""
    shown = table("username", "name", "roles", "person_id", "state")
    for each in _with(context, config, department, lambda parts: parts.accounts.accounts(department)):
        state = "disabled" if each.disabled else "locked" if each.locked_until else "active"
        words = say(f"gateway.{state}")
        shown.add_row(each.username, each.name, " ".join(each.roles), each.subject, words)
    Console(highlight=False).print(shown)


@app.command("reset-password")
def reset_password(
    context: typer.Context, username: Username, *, department: Department, config: ConfigFile = None
) -> None:
    """Give an account a new first password, printed once; its sessions end."""
    password = secrets.token_urlsafe(_GIVEN_BYTES)

    async def reset(parts: Parts) -> None:
        account = await _found(parts, department, username)
        await parts.accounts.reset_password(department, account.id, password)

    _with(context, config, department, reset)
    _given(username, password)


@app.command("disable-account")
def disable_account(
    context: typer.Context,
    username: Username,
    *,
    department: Department,
    enable: Annotated[bool, typer.Option("--enable")] = False,
    config: ConfigFile = None,
) -> None:
    """Let nobody log in with an account, or let them again."""

    async def disable(parts: Parts) -> None:
        account = await _found(parts, department, username)
        await parts.accounts.disable(department, account.id, disabled=not enable)

    _with(context, config, department, disable)
    typer.echo(say("gateway.enabled" if enable else "gateway.closed", username=username))


@app.command("add-identity")
def add_identity(
    context: typer.Context,
    username: Username,
    *,
    department: Department,
    certificate: Annotated[Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False)] = None,
    openid: Annotated[str, typer.Option(metavar="SUBJECT")] = "",
    config: ConfigFile = None,
) -> None:
    """Let a certificate, or somebody of the OpenID provider, open an account, too."""
    identity = _identity(context, config, certificate, openid)

    async def add(parts: Parts) -> None:
        account = await _found(parts, department, username)
        await parts.identities.add(department, account.id, *identity)

    _with(context, config, department, add)
    typer.echo(say("gateway.identity_added", username=username, identity=identity[2]))


@app.command("identities")
def list_identities(
    context: typer.Context, username: Username, *, department: Department, config: ConfigFile = None
) -> None:
    """What opens an account beside its password."""

    async def read(parts: Parts) -> list[Identity]:
        return await parts.identities.of((await _found(parts, department, username)).id)

    found = table("issuer", "id", "title", "at")
    for each in _with(context, config, department, read):
        found.add_row(each.issuer, each.subject, each.title, moment(each.added_at))
    Console(highlight=False).print(found)


@app.command("remove-identity")
def remove_identity(
    context: typer.Context,
    username: Username,
    subject: Annotated[str, typer.Argument(metavar="ID")],
    *,
    department: Department,
    config: ConfigFile = None,
) -> None:
    """Let a certificate or a subject of the provider no longer open an account; its sessions end."""

    async def remove(parts: Parts) -> None:
        account = await _found(parts, department, username)
        for each in await parts.identities.of(account.id):
            if each.subject == subject:
                await parts.identities.remove(department, account.id, each.issuer, each.subject)
                return
        raise NotFound(say("gateway.no_identity", username=username, identity=subject), field="id")

    _with(context, config, department, remove)
    typer.echo(say("gateway.identity_removed", username=username, identity=subject))


@app.command("add-token")
def add_token(
    context: typer.Context,
    title: Annotated[str, typer.Argument()],
    *,
    department: Department,
    scope: Annotated[list[str], typer.Option(metavar="SCOPE")],
    days: Annotated[int, typer.Option(min=1, max=366)] = 90,
    config: ConfigFile = None,
) -> None:
    """Make a token for a system; it is printed once."""
    unknown = sorted(set(scope) - set(SCOPES))
    if unknown:
        raise InvalidField(
            say("gateway.scopes", unknown=", ".join(unknown), known=", ".join(SCOPES)), field="scope"
        )
    token, secret = _with(
        context,
        config,
        department,
        lambda parts: parts.tokens.create(department, title, scope, timedelta(days=days)),
    )
    Console(highlight=False).print(
        facts([("token", secret), ("id", token.id), ("valid_until", moment(token.expires_at))])
    )


@app.command("tokens")
def list_tokens(context: typer.Context, *, department: Department, config: ConfigFile = None) -> None:
    """The tokens of a department."""
    shown = table("id", "title", "scopes", "valid_until", "last_used", "state")
    now = SystemClock().now()
    for each in _with(context, config, department, lambda parts: parts.tokens.all_of(department)):
        state = "revoked" if each.revoked_at else "expired" if each.expires_at <= now else "active"
        scopes, until = " ".join(each.scopes), moment(each.expires_at)
        shown.add_row(each.id, each.title, scopes, until, moment(each.seen_at), say(f"gateway.{state}"))
    Console(highlight=False).print(shown)


@app.command("revoke-token")
def revoke_token(
    context: typer.Context,
    token: Annotated[str, typer.Argument(metavar="ID")],
    *,
    department: Department,
    config: ConfigFile = None,
) -> None:
    """Revoke a token at once."""
    _with(context, config, department, lambda parts: parts.tokens.revoke(department, token))
    typer.echo(say("gateway.token_revoked", token=token))


@app.command("audit")
def show_audit(
    context: typer.Context,
    *,
    department: Annotated[str, typer.Option(metavar="NAME")] = "",
    refused: Annotated[bool, typer.Option("--refused")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    config: ConfigFile = None,
) -> None:
    """What was done and refused at the gateway, the newest first."""
    shown = table("at", "department", "username", "action", "about", "result", "origin", "times")
    chosen = department or None
    for each in _with(
        context, config, department, lambda parts: parts.audit.read(chosen, refused=refused, limit=limit)
    ):
        event = each.event
        shown.add_row(
            moment(each.at), event.department, event.who, event.action, event.about, event.result, event.origin,
            str(each.times),
        )  # fmt: skip
    Console(highlight=False).print(shown)


def _with(
    context: typer.Context, config: Path | None, department: str, work: Callable[[Parts], Awaitable[T]]
) -> T:
    """Work on the accounts of the gateway that the settings are of."""
    settings = load(GatewaySettings, config or context.obj)
    log.configure("WARNING")
    if not settings.database_url:
        raise ConfigurationError([say("gateway.no_store")])
    if department and department not in {each.name for each in settings.departments}:
        raise ConfigurationError([say("gateway.not_served", department=department)])
    prepare(settings)
    database = Database(settings.database_url)

    async def done() -> T:
        return await work(Parts.over(database, SystemClock(), timedelta(days=settings.audit_days)))

    try:
        return asyncio.run(done())
    finally:
        database.close()


def _identity(
    context: typer.Context, config: Path | None, certificate: Path | None, openid: str
) -> tuple[str, str, str]:
    """Issuer, subject and title of what the options name."""
    if (certificate is None) == (not openid):
        raise InvalidField(say("gateway.one_identity"), field="certificate")
    if certificate is not None:
        found = shown(parse(certificate.read_bytes()))
        return found.issuer, found.serial, found.title
    settings = load(GatewaySettings, config or context.obj)
    if settings.oidc is None:
        raise ConfigurationError([say("gateway.no_openid")])
    return settings.oidc.issuer, openid, openid


async def _found(parts: Parts, department: str, username: str) -> Account:
    for each in await parts.accounts.accounts(department):
        if each.username == username.strip().lower():
            return each
    raise NotFound(say("gateway.no_account", username=username), field="username")


def _given(username: str, password: str) -> None:
    Console(highlight=False).print(facts([("username", username), ("password", password)]))
    typer.echo(say("gateway.given"))
