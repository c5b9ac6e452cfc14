"""Cases that pages are looked at with, made by people of the departments over the wire."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.exchange.v1 import envelope_pb2
from stdnum.cn import ric, uscc

from services.cli.demo.party import Party
from services.common.channel import remote_errors
from services.exchange.evidence import Manifest, chunks_of_file, manifest_of
from services.exchange.evidence_client import upload

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}"
"""What a page shows as it stands, or is broken by."""
UNIT = "91330109MA2B1Q7L0" + uscc.calc_check_digit("91330109MA2B1Q7L0")
CITIZEN = "33010619900307291" + ric.calc_check_digit("330106199003072910")


def png(width: int = 8, height: int = 8) -> bytes:
    """A small red picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\xc0\x20\x20" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file that is attached.

    Attributes:
        kind: Of material.
        name: As its sender calls it.
        media_type: As its sender says.
        data: Its bytes.
    """

    kind: str
    name: str
    media_type: str
    data: bytes


FILES = (
    File("transfer-letter", "案件移送函.pdf", "application/pdf", PDF),
    File("source-material", "投诉记录.txt", "text/plain", "投诉记录".encode()),
    File("preliminary-evidence", "现场照片.png", "image/png", png()),
)


def ago(**past: int) -> Timestamp:
    """Some time ago, to the second."""
    found = Timestamp()
    found.FromDatetime((datetime.now(UTC) - timedelta(**past)).replace(microsecond=0))
    return found


async def brought(party: Party, folder: Path, file: File) -> Manifest:
    """A file on a node, in its clerk's name."""
    path = folder / f"{file.kind}.bin"
    path.write_bytes(file.data)
    manifest = await manifest_of(path, file_name=file.name, media_type=file.media_type)
    await upload(_Acting(party), manifest, chunks_of_file(path))  # type: ignore[arg-type]
    return manifest


def material(kind: str, manifest: Manifest) -> envelope_pb2.Material:
    """A file as an attachment."""
    return envelope_pb2.Material(
        kind=kind, manifest_root=manifest.root, digest=manifest.digest, size=manifest.size,
        media_type=manifest.media_type,
    )  # fmt: skip


class _Acting:
    """The evidence service of a node in its clerk's name."""

    def __init__(self, party: Party) -> None:
        self._party = party

    def __getattr__(self, name: str) -> object:
        method = getattr(self._party.evidence, name)

        def call(*arguments: object, **named: object) -> object:
            return method(*arguments, metadata=self._party.actor("clerk"), **named)

        return call


def subjects(name: str = "青禾食品有限公司") -> list[bodies_pb2.Subject]:
    """A unit and a person."""
    return [
        bodies_pb2.Subject(
            kind=bodies_pb2.SUBJECT_KIND_UNIT, name=name, identifier=UNIT, address="清河区新河路18号",
            telephone="0571-88886666", representative="李建国",
        ),
        bodies_pb2.Subject(
            kind=bodies_pb2.SUBJECT_KIND_CITIZEN, name="王小明", identifier=CITIZEN,
            address="清河区柳庄镇幸福里3幢2单元501室", telephone="13812345678",
        ),
    ]  # fmt: skip


async def registered(sender: Party, title: str = "某食品厂抽检不合格案", **more: str) -> str:
    """A case that was registered; its id."""
    body = bodies_pb2.Discovery(
        title=title, facts=more.get("facts", "抽检发现菌落总数超标。"), place=more.get("place", "新河路18号"),
        source=bodies_pb2.DISCOVERY_SOURCE_INSPECTION, subjects=subjects(more.get("name", "青禾食品有限公司")),
        prior_consultation=more.get("consultation", ""),
    )  # fmt: skip
    draft = pb.ActDraft(
        procedure="case-transfer", act="register", discovery=body, occurred_at=ago(hours=2),
        urgency=envelope_pb2.URGENCY_ORDINARY,
    )  # fmt: skip
    answer = await sender.act(draft)
    await sender.settled(answer)
    return answer.case_id


async def transfer_draft(
    sender: Party, receiver: str, case_id: str, folder: Path, files: Sequence[File] = FILES, **more: str
) -> pb.DraftView:
    """A transfer letter that waits for its approval."""
    body = bodies_pb2.TransferLetter(
        title=more.get("title", "某食品厂抽检不合格案"), facts=more.get("facts", "抽检发现菌落总数超标。"),
        provisions=more.get("provisions", "《食品安全法》第三十四条"),
        competence=more.get("competence", "属市场监管职责"),
        measures=more.get("measures", "已封存样品"), contact=more.get("contact", "赵文博 0571-88881234"),
        subjects=subjects(more.get("name", "青禾食品有限公司")),
    )  # fmt: skip
    draft = pb.ActDraft(
        case_id=case_id, act="transfer", transfer_letter=body, occurred_at=ago(minutes=30),
        parties=[envelope_pb2.Party(role="receiver", department=receiver)],
        materials=[material(each.kind, await brought(sender, folder, each)) for each in files],
    )  # fmt: skip
    return await sender.prepare(draft)


async def transferred(
    sender: Party, receiver: Party, folder: Path, files: Sequence[File] = FILES, **more: str
) -> str:
    """A case that came to the receiver; its id."""
    case_id = await registered(sender, **{"title": "某食品厂抽检不合格案", **more})
    draft = await transfer_draft(sender, receiver.name, case_id, folder, files, **more)
    answer = await sender.send(await sender.approve(draft, "leader-in-charge"))
    settled = await sender.settled(answer)
    await receiver.reached(case_id, settled.position.position)
    return case_id


async def act(party: Party, case_id: str, draft: pb.ActDraft, role: str = "clerk") -> pb.LetterView:
    """One more act in a case."""
    draft.case_id = case_id
    with remote_errors():
        return await party.settled(await party.act(draft, role))
