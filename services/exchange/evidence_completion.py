"""The last check of a manifest: that its chunks, each checked when it came, are together what it claims.

It reads everything again, minutes for the largest files, so it runs on its own, once for each manifest, and
those who ask wait for a while and are told to ask again. What the disk has spoilt meanwhile is asked for
anew; a manifest whose claim is wrong is forgotten, since no chunk could ever mend it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Connection

from services.exchange.digests import ManifestInvalid
from services.exchange.evidence import EvidencePending, spoilt_chunks, verify_whole
from services.exchange.evidence_records import EvidenceRecords, HeldManifest, mark_complete
from services.exchange.evidence_store import EvidenceStore, off_loop

PATIENCE_S: Final = 20.0
_AT_ONCE: Final = 2
_RETRY_AFTER_MS: Final = 2000

_log = structlog.get_logger(__name__)

OnComplete = Callable[[Connection, bytes, str], None]
"""Called with root and holder in the transaction that notes completeness; what it writes is kept with it."""


class Completion:
    """Verifies manifests whose chunks are all here.

    Args:
        store: Where the chunks lie.
        records: Where the state is kept.
        on_complete: What else the same transaction does.
    """

    def __init__(
        self, store: EvidenceStore, records: EvidenceRecords, on_complete: OnComplete | None = None
    ) -> None:
        self._store = store
        self._records = records
        self._on_complete = on_complete
        self._running: dict[tuple[bytes, str], asyncio.Task[HeldManifest]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def settle(self, held: HeldManifest, patience_s: float = PATIENCE_S) -> HeldManifest:
        """Verify a manifest if it is all here and not yet verified.

        Returns:
            Its state: complete, or with the chunks that are missing.

        Raises:
            EvidencePending: It is being verified; ask again.
            ManifestInvalid: The whole has not the digest that the manifest claims; the manifest is gone.
            StorageFailed: The storage cannot be read.
        """
        if held.complete or held.missing:
            return held
        key = held.manifest.root, held.holder
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._verify(held))
            task.add_done_callback(lambda done: self._ended(key, done))
        # not awaited itself: who stops waiting must not stop it
        done, _ = await asyncio.wait({task}, timeout=patience_s)
        if not done:
            raise EvidencePending("The evidence is being verified.", retry_after_ms=_RETRY_AFTER_MS)
        return task.result()

    async def close(self) -> None:
        """Stop verifying; what was not ended is begun again when somebody asks."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _verify(self, held: HeldManifest) -> HeldManifest:
        manifest, holder = held.manifest, held.holder
        async with self._turns:
            spoilt = await off_loop(self._verify_now, held)
        if spoilt:
            _log.error("evidence.spoilt", root=manifest.root.hex(), chunks=spoilt)
            await off_loop(self._records.mark_missing, manifest.root, holder, spoilt)
        return await off_loop(self._records.manifest, manifest.root, holder)

    def _verify_now(self, held: HeldManifest) -> list[int]:
        manifest, holder = held.manifest, held.holder
        try:
            verify_whole(self._store, manifest)
        except ManifestInvalid:
            spoilt = spoilt_chunks(self._store, manifest)
            if not spoilt:
                self._records.forget(manifest.root, holder)
                raise
            return spoilt

        def work(connection: Connection) -> None:
            mark_complete(connection, manifest.root, holder)
            if self._on_complete is not None:
                self._on_complete(connection, manifest.root, holder)

        self._records.database.write(work)
        return []

    def _ended(self, key: tuple[bytes, str], task: asyncio.Task[HeldManifest]) -> None:
        self._running.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("evidence.not_verified", root=key[0].hex(), error=type(error).__name__)
