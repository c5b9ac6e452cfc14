"""Verifying a registry's ledger from outside: every leaf, read page by page, against the signed head."""

from __future__ import annotations

from liandong.exchange.v1 import exchange_service_pb2 as pb
from liandong.exchange.v1 import exchange_service_pb2_grpc as stubs

from services.common.channel import open_channel, remote_errors
from services.common.tls import TlsFiles
from services.exchange.checkpoint import parse_checkpoint
from services.exchange.digests import Leaf
from services.exchange.merkle import BadProof, RightEdge

_PAGE = 5_000


async def verify_registry(address: str, tls: TlsFiles) -> tuple[int, bytes]:
    """Recompute the tree up to the newest head; returns its size and root.

    Raises:
        BadProof: The leaves do not give the signed root.
        LiandongError: The registry is not reached, or refuses.
    """
    async with open_channel(address, tls) as channel:
        stub = stubs.ExchangeServiceStub(channel)
        with remote_errors():
            head = parse_checkpoint(
                (await stub.GetHead(pb.GetHeadRequest(), timeout=30)).checkpoint
            ).checkpoint
            edge = RightEdge()
            while edge.size < head.size:
                limit = min(_PAGE, head.size - edge.size)
                page = await stub.ListLeaves(pb.ListLeavesRequest(start=edge.size, limit=limit), timeout=60)
                if not page.leaves:
                    raise BadProof("The registry shows fewer leaves than its head has.")
                hashes = []
                for index, each in enumerate(page.leaves):
                    if each.position != edge.size + index:
                        raise BadProof("A leaf is not where it says.")
                    leaf = Leaf(each.position, each.admitted_at_us, each.common_version, each.letter_digest)
                    hashes.append(leaf.hash())
                edge, _ = edge.append(hashes)
    if edge.root != head.root:
        raise BadProof("The leaves do not give the signed root.")
    return head.size, head.root
