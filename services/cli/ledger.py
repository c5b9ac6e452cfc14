"""`liandong ledger`: recompute a ledger from scratch and compare it with what was signed."""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory

from services.cli.connection import AsJson, Connection, deferred_profile, run
from services.cli.ledger_check import Verdict, verify_database, verify_registry
from services.cli.output import Output, facts
from services.cli.profile import Profile
from services.cli.progress import counting
from services.cli.texts import say
from services.common.config import ConfigurationError
from services.common.db import Database
from services.exchange.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from services.exchange.digests import DIGEST_SIZE
from services.exchange.enrolment_client import Membership

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def group() -> None:
    """The ledger."""


@app.command("verify")
@deferred_profile
def verify(
    describe: Callable[[], Profile],
    *,
    database: Annotated[str, typer.Option(metavar="URL")] = "",
    registry_key: Annotated[str, typer.Option("--registry-key", metavar="HEX")] = "",
    folder: Annotated[Path | None, typer.Option(metavar="DIR")] = None,
    earlier: Annotated[list[Path] | None, typer.Option(metavar="FILE")] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Verify a ledger."""
    output = Output(as_json=as_json)
    if database:
        _show(output, _verify_stored(database, registry_key, folder, earlier or ()), "ledger.stored")
        return

    async def work(link: Connection) -> None:
        log_id, keys, pinned = await known_keys(link, registry_key, folder)
        if not pinned:
            link.output.say("ledger.unpinned")
        before = [read_head(path, log_id, keys) for path in earlier or ()]
        with counting(say("ledger.leaves")) as moved:
            verdict = await verify_registry(link.exchange, log_id, keys, earlier=before, moved=moved)
        if save is not None:
            await asyncio.to_thread(save.write_text, verdict.note, encoding="utf-8")
        _show(output, verdict, "ledger.holds")

    run(describe(), output, work)


def _verify_stored(url: str, registry_key: str, folder: Path | None, earlier: Iterable[Path]) -> Verdict:
    before = []
    for path in earlier:
        key = bytes.fromhex(Membership.load(folder).registry_key) if folder else public_key(registry_key)
        log_id = parse_checkpoint(path.read_text(encoding="utf-8")).checkpoint.log_id
        before.append(read_head(path, log_id, [key]))
    try:
        database = Database(url, pool_size=1)
    except ValueError as error:
        raise ConfigurationError([str(error)]) from None
    try:
        with counting(say("ledger.leaves")) as moved:
            return verify_database(database, earlier=before, moved=moved)
    finally:
        database.close()


async def known_keys(link: Connection, given: str, folder: Path | None) -> tuple[str, list[bytes], bool]:
    """The ledger's name, the keys that sign its heads, and whether they are known from elsewhere.

    From a node's folder, from the option, or else from the registry's own entries: what is verified then is
    that the registry is consistent in itself.
    """
    if folder is not None:
        membership = Membership.load(folder)
        return membership.log_id, [bytes.fromhex(membership.registry_key)], True
    identities = await read_identities(link)
    if not identities:
        raise ConfigurationError([say("ledger.no_key")])
    log_id = identities[-1].log_id
    if given:
        return log_id, [public_key(given)], True
    return log_id, [each.key.public_key for each in identities], False


async def read_identities(link: Connection) -> list[entries.RegistryIdentity]:
    """What the common entries say about the registry itself, oldest first."""
    newest = (await link.published.ListDepartments(directory.ListDepartmentsRequest())).common_version
    found: list[entries.RegistryIdentity] = []
    if not newest:
        return found
    call = link.published.WatchEntries(directory.WatchEntriesRequest(from_version=1))
    async for response in call:
        if response.entry.HasField("registry"):
            found.append(response.entry.registry)
        if response.version >= newest:
            break
    call.cancel()
    return found


def public_key(text: str) -> bytes:
    """A public key from hexadecimal.

    Raises:
        BadParameter: It is none.
    """
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != DIGEST_SIZE:
        raise typer.BadParameter(say("ledger.need_key"), param_hint="--registry-key")
    return value


def read_head(path: Path, log_id: str, keys: list[bytes]) -> Checkpoint:
    """A signed head in a file.

    Raises:
        LiandongError: It is none of this ledger, or not signed by a known key.
        OSError: The file cannot be read.
    """
    return verify_checkpoint(path.read_text(encoding="utf-8"), log_id, keys)


def _show(output: Output, verdict: Verdict, said: str) -> None:
    head = verdict.head
    if output.as_json:
        output.line({"log_id": head.log_id, "epoch": head.epoch, "size": head.size, "root": head.root.hex()})
        return
    output.console.print(
        facts(
            [
                ("verdict", f"[green]✓ {say(said)}[/]"),
                ("ledger", f"{head.log_id}, {say('ledger.epoch', epoch=head.epoch)}"),
                ("leaves", str(head.size)),
                ("merkle_root", head.root.hex()),
                ("continues", ", ".join(_earlier(each, head) for each in verdict.earlier)),
            ]
        )
    )


def _earlier(each: Checkpoint, head: Checkpoint) -> str:
    return (
        str(each.size)
        if each.epoch == head.epoch
        else f"{each.size} ({say('ledger.epoch', epoch=each.epoch)})"
    )
