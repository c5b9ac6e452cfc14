"""Checks a dossier offline, from nothing but the file and the registry's key.

What is checked: that the file is whole and as its maker signed it; that every letter's digests belong
together, that its author's key signed it, that the author had that key when it was admitted, and that it
stands in the ledger under the head that the registry signed. What cannot be checked offline: that no newer
letter and no later revocation exists.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from liandong.directory.v1 import common_entry_pb2 as directory_pb
from liandong.exchange.v1 import envelope_pb2 as pb
from liandong.exchange.v1 import evidence_service_pb2

from services.cases import dossier_archive as names
from services.common.clock import from_microseconds
from services.common.errors import LiandongError
from services.exchange import digests, keys
from services.exchange.checkpoint import Checkpoint, parse_checkpoint, verify_checkpoint
from services.exchange.digests import Leaf
from services.exchange.directory import Directory
from services.exchange.evidence import Manifest
from services.exchange.letters import Letter, manifest_roots, open_letter, rebuild
from services.exchange.merkle import HASH_SIZE, root_from_path, verify_inclusion

_PIECE: Final = 256 * 1024
_SMALL: Final = 16 * 1024 * 1024
"""No file of a letter is larger; what is must not be read whole."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not hold: where in the file, and what."""

    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a dossier proves.

    Attributes:
        case_id: The case, as the dossier says.
        letters: How many letters were checked.
        problems: What does not hold; empty for a sound dossier.
        unproved: Folders of letters whose place in the ledger is not shown: not admitted yet, refused, or
            taken while the registry could not be asked.
    """

    case_id: str
    letters: int
    problems: tuple[Problem, ...]
    unproved: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether everything in the file holds."""
        return not self.problems


class _Failed(ValueError):
    """A check did not hold."""


def verify_dossier(path: Path, registry_key: bytes) -> Report:
    """Check a dossier.

    Args:
        path: The file.
        registry_key: The registry's Ed25519 `sign` key, raw, known from elsewhere than the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Verification(archive, registry_key).report()
    except Exception as error:  # noqa: BLE001 - a tampered file can make its readers raise anything
        return Report("", 0, (_problem(path.name, error),), ())


class _Verification:
    """One pass over one file."""

    def __init__(self, archive: zipfile.ZipFile, registry_key: bytes) -> None:
        self._archive = archive
        self._written = self._read(names.MANIFEST)
        self._manifest: dict[str, Any] = json.loads(self._written)
        if self._manifest["format"] != names.FORMAT or self._manifest["version"] != names.FORMAT_VERSION:
            raise _Failed("This is no dossier of a form that is known here.")
        self._registry_key = registry_key
        self._directory = Directory.empty(str(self._manifest["region"]))
        self._head: Checkpoint | None = None
        self._problems: list[Problem] = []
        self._unproved: list[str] = []
        self._positions: set[int] = set()
        self._based_on: list[tuple[str, int]] = []
        self._roots: set[bytes] = set()

    def report(self) -> Report:
        """Check everything."""
        manifest = self._manifest
        with self._at(names.MANIFEST):
            self._check_files()
        opened = [each for each in manifest["entries"] if self._entry(each)]
        with self._at(names.SIGNATURE):
            self._check_maker()
        with self._at(names.CHECKPOINT):
            self._check_head()
        for each in opened:
            with self._at(each["folder"]):
                self._check_place(each, self._leaf(each["folder"]))
        for each in manifest["letters"]:
            with self._at(each["folder"]):
                self._check_letter(each)
        for folder, position in self._based_on:
            if position not in self._positions:
                self._problems.append(
                    Problem(folder, f"It was written upon position {position}, which is missing.")
                )
        for each in manifest["evidence"]:
            with self._at(each["folder"]):
                self._check_evidence(each)
        return Report(
            str(manifest["case_id"]), len(manifest["letters"]), tuple(self._problems), tuple(self._unproved)
        )

    def _at(self, where: str) -> _Noting:
        return _Noting(where, self._problems)

    # -- the file -------------------------------------------------------------------------------

    def _check_files(self) -> None:
        listed = self._manifest["files"]
        present = self._archive.namelist()
        if len(set(present)) != len(present):
            raise _Failed("A name stands twice in the file.")
        for name in sorted({*present} ^ {*listed, names.MANIFEST, names.SIGNATURE}):
            self._problems.append(Problem(name, "It is missing, or not named in the manifest."))
        for name in sorted({*present} & {*listed}):
            with self._at(name):
                digest = sha256()
                for piece in self._pieces(name):
                    digest.update(piece)
                if digest.hexdigest() != listed[name]:
                    raise _Failed("Its digest is not that of the manifest.")

    def _check_maker(self) -> None:
        """The manifest is signed by the department that made the dossier."""
        manifest = self._manifest
        key_id = keys.parse_key_id(str(manifest["signed_by"]))
        if key_id.department != manifest["department"]:
            raise _Failed("The manifest is signed by another department than its maker.")
        key = self._directory.sign_key(str(key_id), datetime.fromisoformat(manifest["made_at"]))
        if key is None:
            raise _Failed("The manifest is signed by no key that its maker had.")
        scheme = keys.signature_scheme(keys.Suite.ED25519_SHA256_AES256GCM)
        scheme.verify(key, self._read(names.SIGNATURE), names.signed_bytes(self._written))

    def _check_head(self) -> None:
        if names.CHECKPOINT not in self._manifest["files"]:
            return
        note = self._read(names.CHECKPOINT).decode()
        listed = [each.key.public_key for each in self._directory.registries.values()]
        self._head = verify_checkpoint(note, str(self._manifest["log_id"]), {self._registry_key, *listed})
        if parse_checkpoint(note).checkpoint != self._head:
            raise _Failed("The head is not the one that was signed.")

    # -- letters --------------------------------------------------------------------------------

    def _entry(self, each: dict[str, Any]) -> bool:
        """Take a common entry in, if the registry signed it; its place is checked when the head is known."""
        with self._at(each["folder"]):
            letter, leaf = self._open(each["folder"]), self._leaf(each["folder"])
            if letter.kind != "common" or letter.header.common.version != each["version"]:
                raise _Failed("It is not the common entry that the manifest names.")
            self._check_author(each["folder"], letter, leaf)
            self._directory = self._directory.apply(
                directory_pb.CommonEntry.FromString(letter.envelope.payload),
                version=letter.header.common.version,
                position=leaf.position,
                admitted_at=from_microseconds(leaf.admitted_at_us),
            )
            return True
        return False

    def _check_letter(self, each: dict[str, Any]) -> None:
        folder = each["folder"]
        letter = self._open(folder)
        content, header = letter.content, letter.header
        if content is None or content.case_id != self._manifest["case_id"]:
            raise _Failed("It is a letter of another case.")
        if (each["letter_id"], each["author"], each["act"]) != (
            letter.letter_id, header.author, content.act
        ):  # fmt: skip
            raise _Failed("It is not the letter that the manifest names.")
        self._roots.update(manifest_roots(content))
        if each["position"] is None:
            # not admitted: nothing proves it yet, and nobody has to believe it
            self._unproved.append(folder)
            return
        leaf = self._leaf(folder)
        self._check_author(folder, letter, leaf)
        self._check_place(each, leaf)
        self._positions.add(leaf.position)
        if header.act.HasField("based_on"):
            self._based_on.append((folder, header.act.based_on.position))

    def _check_place(self, each: dict[str, Any], leaf: Leaf) -> None:
        if leaf.position != each["position"]:
            raise _Failed("It stands at another position than the manifest says.")
        if self._head is None or not each["proved"]:
            self._unproved.append(each["folder"])
            return
        joined = self._read(f"{each['folder']}/{names.PATH}")
        path = [joined[at : at + HASH_SIZE] for at in range(0, len(joined), HASH_SIZE)]
        verify_inclusion(leaf.hash(), leaf.position, self._head.size, path, self._head.root)

    def _check_author(self, folder: str, letter: Letter, leaf: Leaf) -> None:
        """The author's key, as it was listed when the letter was admitted, signed the batch it came in."""
        if letter.digest != leaf.letter_digest:
            raise _Failed("The leaf is that of another letter.")
        proof = pb.AuthorProof.FromString(self._read(f"{folder}/{names.PROOF}"))
        if keys.parse_key_id(proof.key_id).department != letter.header.author:
            raise _Failed("It was signed by another department than its author.")
        key = self._directory.sign_key(proof.key_id, from_microseconds(leaf.admitted_at_us))
        registry = str(self._manifest["registry"])
        own = keys.key_id(registry, keys.KeyRole.SIGN, self._registry_key)
        if key is None and proof.key_id == own:
            # the first entry is signed by the key that it lists, which is known from elsewhere
            key = self._registry_key
        if key is None or (letter.kind == "common") != (letter.header.author == registry):
            raise _Failed("Its author had no such key when it was admitted.")
        root = root_from_path(
            digests.batch_leaf(letter.digest), proof.leaf_index, proof.tree_size, list(proof.path)
        )
        if root != proof.root:
            raise _Failed("The author's batch does not hold it.")
        keys.verify_batch(key, proof.key_id, proof.tree_size, proof.root, proof.signature, suite=proof.suite)

    def _open(self, folder: str) -> Letter:
        parts = [self._read(f"{folder}/{name}") for name in (names.HEADER, names.PAYLOAD, names.EXTRAS)]
        return open_letter(rebuild(*parts))

    def _leaf(self, folder: str) -> Leaf:
        return digests.decode_leaf(self._read(f"{folder}/{names.LEAF}"))

    # -- evidence -------------------------------------------------------------------------------

    def _check_evidence(self, each: dict[str, Any]) -> None:
        folder, root = each["folder"], bytes.fromhex(each["root"])
        if root not in self._roots:
            raise _Failed("No letter of the case names it.")
        if not each["complete"]:
            self._unproved.append(folder)
            return
        manifest = Manifest.from_wire(
            evidence_service_pb2.Manifest.FromString(self._read(f"{folder}/{names.EVIDENCE_MANIFEST}"))
        )
        if manifest.root != root:
            raise _Failed("The manifest is that of other evidence.")
        whole = sha256()
        for index, expected in enumerate(manifest.chunks):
            chunk = sha256()
            for piece in self._pieces(names.chunk_name(folder, index)):
                chunk.update(piece)
                whole.update(piece)
            if chunk.digest() != expected:
                raise _Failed(f"Chunk {index} has another digest than its manifest says.")
        if whole.digest() != manifest.digest:
            raise _Failed("The whole has another digest than its manifest says.")

    # -- reading --------------------------------------------------------------------------------

    def _read(self, name: str) -> bytes:
        if self._archive.getinfo(name).file_size > _SMALL:
            raise _Failed(f"{name} is larger than anything of a letter.")
        return self._archive.read(name)

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._archive.open(name) as file:
            while piece := file.read(_PIECE):
                yield piece


class _Noting:
    """Notes what fails inside it, and goes on after it."""

    def __init__(self, where: str, problems: list[Problem]) -> None:
        self._where = where
        self._problems = problems

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        # a tampered file can make its readers raise anything
        if isinstance(error, Exception):
            self._problems.append(_problem(self._where, error))
            return True
        return False


def _problem(where: str, error: BaseException) -> Problem:
    message = error.message if isinstance(error, LiandongError) else str(error)
    return Problem(where, message or type(error).__name__)
