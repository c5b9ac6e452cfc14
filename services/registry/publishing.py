"""Common entries: signed by the registry, put into its ledger, followed by whoever watches them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from uuid_utils import uuid7

from services.common.db import Database
from services.common.errors import Conflict, Internal
from services.exchange import digests, keys
from services.exchange.directory import Directory
from services.exchange.directory_handlers import LedgeredEntry
from services.exchange.entry_check import completed
from services.exchange.letters import Letter, open_letter, timestamp
from services.exchange.merkle import BatchTree
from services.registry import mailboxes
from services.registry.commands import Admitted, Change, Publication, Publications, Result
from services.registry.group import Signed
from services.registry.handlers.exchange import Committer
from services.registry.ledger import Head
from services.registry.links import LinkOutage
from services.registry.recent import BatchProof
from services.registry.replica import Replica

_SUITE: Final = pb.SUITE_ED25519_SHA256_AES256GCM
_READ_AT_ONCE: Final = 256


class Publisher:
    """Puts common entries into the ledger and follows them.

    Args:
        database: The registry's.
        replica: What this process remembers; signs.
        committer: Appends.
    """

    def __init__(self, database: Database, replica: Replica, committer: Committer) -> None:
        self._database = database
        self._replica = replica
        self._committer = committer

    async def publish(self, entry: directory_pb.CommonEntry, idempotency_key: str = "") -> tuple[int, int]:
        """Put an entry into the ledger, completed by what stands there before it (`entry_check.completed`).

        Returns:
            Version and position, once it is durable and applied.

        Raises:
            Conflict: The key was used before with another entry.
        """
        return await self._submit(publication(self._replica, entry, idempotency_key))

    async def publish_all(
        self, entries: Sequence[directory_pb.CommonEntry], idempotency_key: str
    ) -> tuple[int, int]:
        """Put entries into the ledger together, or none of them; each completed as by `publish`.

        Returns:
            Version and position of the last, once all are durable and applied.

        Raises:
            Conflict: The key was used before with other entries.
        """
        each = [
            publication(self._replica, entry, f"{idempotency_key}/{index}")
            for index, entry in enumerate(entries)
        ]
        results = await self._committer.submit(Publications(tuple(each)))
        return self._placed(results[-1])

    async def publish_change(self, change: Change) -> tuple[int, int]:
        """Put an entry into the ledger that is made under the head's lock, from the one that it replaces.

        Returns:
            Version and position, once it is durable and applied; of the newest entry if the change made none.

        Raises:
            LiandongError: What the change raised; nothing was published.
        """
        return await self._submit(changing(self._replica, change))

    async def _submit(self, command: Publication) -> tuple[int, int]:
        (result,) = await self._committer.submit(command)
        return self._placed(result)

    def _placed(self, result: Result) -> tuple[int, int]:
        if not isinstance(result, Admitted):
            raise Internal(f"A common entry was answered by {result}.")
        return self._replica.version_at(result.position), result.position

    async def publish_outage(self, outage: LinkOutage) -> None:
        """Put an outage into the ledger, once for each absence."""
        try:
            await self.publish(outage.entry(), outage.idempotency_key)
        except Conflict:
            return  # it is there already, with the end that was seen first

    async def watch(self, from_version: int) -> AsyncIterator[LedgeredEntry]:
        """The entries from a version on, then each as it comes; never ends by itself."""
        woken = self._replica.subscribe()
        following = max(from_version, 1)
        try:
            while True:
                woken.clear()
                # bounded by the head, as every reader is
                known = self._replica.common_positions[: self._replica.directory.version]
                positions = known[following - 1 : following - 1 + _READ_AT_ONCE]
                if not positions:
                    await woken.wait()
                    continue
                entries = await asyncio.to_thread(
                    self._database.read, partial(mailboxes.read_entries, positions=positions)
                )
                for position in positions:
                    entry = directory_pb.CommonEntry.FromString(entries[position].payload)
                    yield LedgeredEntry(following, position, entry)
                    following += 1
        finally:
            self._replica.unsubscribe(woken)


def publication(replica: Replica, entry: directory_pb.CommonEntry, idempotency_key: str = "") -> Publication:
    """The command that publishes an entry, signed by this replica.

    Its idempotency is by the entry as it was asked for: what completes it may have changed by a repetition.
    """
    digest = digests.sha256(entry.SerializeToString(deterministic=True))

    def change(directory: Directory, _now: datetime) -> directory_pb.CommonEntry:
        return completed(entry, directory)

    return Publication(change, digest, idempotency_key, partial(_make, replica))


def changing(replica: Replica, change: Change) -> Publication:
    """The command that publishes what a change gives, signed by this replica."""
    return Publication(change, b"", "", partial(_make, replica))


def _make(
    replica: Replica, entry: directory_pb.CommonEntry, version: int, below: Head, now: datetime
) -> tuple[Letter, Signed]:
    payload = entry.SerializeToString(deterministic=True)
    header = pb.Header(
        letter_id=str(uuid7()),
        author=replica.registry,
        suite=_SUITE,
        payload_type=entry.DESCRIPTOR.full_name,
        payload_digest=digests.sha256(payload),
        actor=pb.Actor(name=replica.registry, subject="registry", role="registry", service=True),
        signed_at=timestamp(now),
        observed_head=pb.ObservedHead(
            log_id=below.log_id, epoch=below.epoch, size=below.size, root=below.edge.root
        ),
        common=pb.CommonHeader(version=version, topic=entry.WhichOneof("entry") or ""),
    )
    letter = open_letter(pb.Envelope(header=header.SerializeToString(), payload=payload))
    tree = BatchTree([digests.batch_leaf(letter.digest)])
    signature = keys.sign_batch(replica.sign_key, replica.key_id, tree.size, tree.root)
    proof = BatchProof(_SUITE, replica.key_id, tree.size, tree.root, signature)
    return letter, Signed(tree, proof, letter.digest)
