"""What a node verifies of deliveries before it applies them: the ledger's word and the authors'.

Sources: docs/wire.md; RFC 9162 for the trees. A registry that is not honest can refuse and delay, but
what it delivers it cannot alter, invent or reorder without being seen.
"""

from __future__ import annotations

from liandong.directory.v1 import common_entry_pb2
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as pb

from services.common.clock import from_microseconds
from services.common.errors import LiandongError
from services.exchange import digests, keys
from services.exchange.checkpoint import Checkpoint
from services.exchange.delivered import Delivered, Place, Receipt
from services.exchange.department import Department
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.keys import BadSignature
from services.exchange.letters import Letter, open_letter
from services.exchange.merkle import BadProof, root_from_path, verify_multiproof


class Verification:
    """Verifies the responses of one stream, in their order.

    Authors' keys are looked up in the directory as of each letter's place. Common entries count from where
    they stand, also while the node's writer has not applied the response that brought them.

    Args:
        department: Whose node this is.
    """

    def __init__(self, department: Department) -> None:
        self._department = department
        self._directory = department.directory

    def verify(self, response: pb.DeliverResponse, head: Checkpoint) -> list[Delivered]:
        """Verify a response and open its letters.

        A letter that is proved but cannot be read is kept as it came, to be parked.

        Args:
            response: The response.
            head: Its head, verified.

        Raises:
            BadProof: A leaf is not under the head, a letter not under its batch's root, or out of order.
            BadSignature: A batch is not signed by a key that its author had.
        """
        leaves: dict[int, bytes] = {}
        wire: list[tuple[pb.Delivery, Leaf]] = []
        for each in response.deliveries:
            leaf = Leaf(
                each.leaf.position,
                each.leaf.admitted_at_us,
                each.leaf.common_version,
                each.leaf.letter_digest,
            )
            leaves[leaf.position] = leaf.hash()
            wire.append((each, leaf))
        verify_multiproof(leaves, response.tree_size, list(response.multiproof), head.root)
        if response.tree_size != head.size:
            raise BadProof("The proof is for another size than its head.")
        signed = _Batches(response, self._department, self._directory)
        found: list[Delivered] = []
        previous: Place | None = None
        for each, leaf in wire:
            place = Place(each.cursor.at, each.cursor.position)
            if place.position != leaf.position or (previous is not None and place <= previous):
                raise BadProof("A delivery is out of order.")
            previous = place
            found.append(_open(each, leaf, place, signed))
        self._directory = signed.directory
        return found


def _open(each: pb.Delivery, leaf: Leaf, place: Place, signed: _Batches) -> Delivered:
    flags = tuple(each.flags)
    if each.HasField("receipt"):
        receipt = Receipt(each.receipt.letter_id, leaf, flags)
        return Delivered(place, leaf, None, receipt, flags, b"", b"")
    envelope = each.envelope
    if digests.letter_digest(envelope.header) != leaf.letter_digest:
        raise BadProof("The leaf is that of another letter.")
    proof = signed.proof_of(each, leaf)
    letter: Letter | None = None
    error = ""
    try:
        letter = open_letter(envelope)
        if letter.header.author != signed.author(each.batch):
            raise BadSignature("The batch was signed by another department.")
        if letter.kind == "common":
            signed.take(letter, leaf)
    except BadSignature:
        raise
    except LiandongError as failure:
        error = f"{failure.reason}: {failure.message}"
    raw = each.SerializeToString() if error else b""
    return Delivered(place, leaf, letter, None, flags, proof, raw, error)


class _Batches:
    """The author batches of one response: each signature is verified once, when its first letter is met."""

    def __init__(self, response: pb.DeliverResponse, department: Department, directory: Directory) -> None:
        self._batches = response.batches
        self._department = department
        self.directory = directory
        self._verified: dict[int, bytes] = {}

    def author(self, index: int) -> str:
        """Whose key signed a batch."""
        return keys.parse_key_id(self._batches[index].key_id).department

    def proof_of(self, each: pb.Delivery, leaf: Leaf) -> bytes:
        """The letter's own proof, verified, as it is stored.

        Raises:
            BadProof: The path does not lead to the signed root.
            BadSignature: No valid key signed it.
        """
        if each.batch >= len(self._batches):
            raise BadProof("The batch is not in the response.")
        batch, path = self._batches[each.batch], each.envelope.proof
        root = root_from_path(
            digests.batch_leaf(leaf.letter_digest), path.leaf_index, batch.tree_size, list(path.path)
        )
        if root != batch.root:
            raise BadProof
        stored = self._verified.get(each.batch)
        if stored is None:
            keys.verify_batch(
                self._key(batch, leaf),
                batch.key_id,
                batch.tree_size,
                batch.root,
                batch.signature,
                suite=batch.suite,
            )
            stored = self._verified[each.batch] = batch.SerializeToString()
        # serialised messages merge by standing one after the other: the batch's part, then the letter's
        return stored + path.SerializeToString()

    def _key(self, batch: envelopes.AuthorProof, leaf: Leaf) -> bytes:
        found = self.directory.sign_key(batch.key_id, from_microseconds(leaf.admitted_at_us))
        if found is None and batch.key_id == self._department.registry_key_id:
            # before the first common entry the registry's key is known from joining alone
            found = self._department.registry_key
        if found is None:
            raise BadSignature(f"{batch.key_id} is no key that its author had then.")
        return found

    def take(self, letter: Letter, leaf: Leaf) -> None:
        """Take a common entry in, for the letters after it."""
        self.directory = self.directory.apply(
            common_entry_pb2.CommonEntry.FromString(letter.envelope.payload),
            version=letter.header.common.version,
            position=leaf.position,
            admitted_at=from_microseconds(leaf.admitted_at_us),
        )
