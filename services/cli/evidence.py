"""`liandong evidence`: attachment bytes, moved in chunks and resumed after any cut."""

import mimetypes
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from liandong.exchange.v1 import evidence_service_pb2 as pb
from rich.markup import escape
from rich.table import Table

from services.cli import inputs
from services.cli.assertion import digest as parse_digest
from services.cli.connection import Connection, connected
from services.cli.due import instant
from services.cli.output import facts, moment, size
from services.cli.progress import moving
from services.cli.texts import say
from services.common.errors import LiandongError
from services.exchange.digests import CHUNK_SIZE
from services.exchange.evidence import Manifest, chunks_of_file, manifest_of
from services.exchange.evidence_client import download, upload
from services.exchange.evidence_store import EvidenceStore, FolderStore, off_loop

app = typer.Typer(no_args_is_help=True, add_completion=False)

Root = Annotated[str, typer.Argument(metavar="ROOT")]


@app.command("upload")
@connected
async def upload_file(
    link: Connection,
    path: Annotated[Path, typer.Argument(metavar="PATH", exists=True, dir_okay=False)],
    *,
    media_type: Annotated[str, typer.Option()] = "",
    collected_by: Annotated[str, typer.Option()] = "",
    collected_at: Annotated[str, typer.Option(metavar="TIME")] = "",
    collected_place: Annotated[str, typer.Option()] = "",
) -> None:
    """Upload a file."""
    when = instant(inputs.moment(collected_at, option="--collected-at")) if collected_at else None
    manifest = await manifest_of(
        path,
        media_type=media_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        collected_by=collected_by,
        collected_at=when,
        collected_place=collected_place,
    )
    with moving(path.name) as moved:
        await upload(link.evidence, manifest, chunks_of_file(path), moved)
    link.output.show(manifest.to_wire(), lambda: _rendered(manifest), lambda: say("evidence.uploaded"))


@app.command("download")
@connected
async def download_file(
    link: Connection, root: Root, *, out: Annotated[Path | None, typer.Option(metavar="PATH")] = None
) -> None:
    """Download evidence into a file."""
    wanted = parse_digest(root)
    # beside the file: what has arrived is still there when a cut download is run again
    folder = (out.parent if out else Path()) / f".{wanted.hex()[:16]}.parts"
    store = await off_loop(FolderStore, folder)
    with moving(root[:16]) as moved:
        manifest = await download(link.evidence, wanted, store, moved)
    # a stranger chose the name: it may hide nothing and replace nothing
    path = out or _free(Path(manifest.file_name.lstrip(".") or wanted.hex()))
    await off_loop(_assemble, store, manifest, path)
    await off_loop(shutil.rmtree, folder)
    link.output.show(
        manifest.to_wire(), lambda: say("evidence.downloaded", file=path, size=size(manifest.size))
    )


@app.command("show")
@connected
async def show(link: Connection, root: Root) -> None:
    """A manifest and what of it is there."""
    found = await link.evidence.GetManifest(pb.GetManifestRequest(root=parse_digest(root)))
    manifest = Manifest.from_wire(found.manifest)
    link.output.show(found, lambda: _rendered(manifest, len(found.missing)))


def _free(path: Path) -> Path:
    """The path, or one beside it that nothing stands at."""
    number = 1
    found = path
    while found.exists() or found.is_symlink():
        number += 1
        found = path.with_name(f"{path.stem} ({number}){path.suffix}")
    return found


def _assemble(store: EvidenceStore, manifest: Manifest, path: Path) -> None:
    """Write the chunks one after the other; the file appears whole or not at all."""
    draft = path.with_name(f".{path.name}.part")
    whole = sha256()
    try:
        with draft.open("wb") as file:
            for chunk in manifest.chunks:
                for frame in store.frames(chunk):
                    whole.update(frame)
                    file.write(frame)
        if whole.digest() != manifest.digest:
            raise LiandongError(reason="DIGEST_MISMATCH")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _rendered(manifest: Manifest, missing: int = 0) -> Table:
    there = len(manifest.chunks) - missing
    collected = [manifest.collected_by, manifest.collected_place]
    if manifest.collected_at is not None:
        collected.append(moment(manifest.collected_at))
    return facts(
        [
            ("root", manifest.root.hex()),
            ("digest", manifest.digest.hex()),
            ("file", escape(manifest.file_name)),
            ("size", size(manifest.size)),
            ("media_type", manifest.media_type),
            ("chunks", f"{there}/{len(manifest.chunks)} x {size(CHUNK_SIZE)}"),
            ("missing", str(missing) if missing else say("evidence.complete")),
            ("collected", escape(" ".join(filter(None, collected)))),
        ]
    )
