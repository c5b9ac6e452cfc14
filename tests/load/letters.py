"""Letters as their authors' nodes sign them: bodies, contents, headers, batches, Arrivals."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from liandong.cases.v1 import bodies_pb2, complaint_bodies_pb2, support_bodies_pb2
from liandong.exchange.v1 import envelope_pb2 as pb

from services.cli.demo.party import Party
from services.exchange import digests, keys
from services.exchange.assertions import Claims, issue
from services.exchange.letters import facts_of, timestamp_us
from services.exchange.merkle import BatchTree
from services.exchange.numbers import number_text
from services.procedures.calendar import ZONE
from services.procedures.facts import ActFacts
from services.procedures.model import Procedure
from tests.load.stock import Case

_SUITE: Final = pb.SUITE_ED25519_SHA256_AES256GCM
_REPORTS: Final = (
    "已现场检查并询问当事人，正在核实进货渠道，拟于下周完成取证。",
    "已调取监控录像和销售台账，正在核对数量。",
    "已委托检验机构抽样检验，等待检验报告。",
    "当事人已提交书面陈述，法制审核正在进行。",
    "已责令限期改正，定于本周复查。",
)
_RESULTS: Final = (
    "责令改正，给予警告。",
    "罚款并没收违法所得。",
    "情节轻微，不予处罚。",
    "已整改到位，复查合格。",
)


@dataclass(slots=True)
class Author:
    """A department that writes: its keys, its people, its numbers.

    Attributes:
        word: What its letter numbers begin with.
        material: A piece of evidence that its node holds, which all of its letters attach.
        numbers: The last running number of each year.
    """

    party: Party
    sign_key: Ed25519PrivateKey
    key_id: str
    word: str
    material: pb.Material
    numbers: dict[int, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The department."""
        return self.party.name

    def number(self, at_us: int) -> str:
        """The next letter number of the year."""
        year = datetime.fromtimestamp(at_us / 1e6, ZONE).year
        self.numbers[year] = running = self.numbers.get(year, 0) + 1
        return number_text(self.word, year, running)

    def assertion(self, at_us: int) -> bytes:
        """What its issuer says of its clerk at a time."""
        now = datetime.fromtimestamp(at_us // 1_000_000, UTC)
        clerk = self.party.people["clerk"]
        return issue(
            self.party.key,
            Claims(
                issuer=self.party.issuer, subject=clerk.subject, name=clerk.name, audience=self.name,
                roles=(clerk.role,), acr="demo", issued_at=now, expires_at=now + timedelta(minutes=5),
                token_id=f"{at_us:x}",
            ),
        )  # fmt: skip

    def actor(self) -> pb.Actor:
        """Its clerk, as headers name them."""
        clerk = self.party.people["clerk"]
        return pb.Actor(name=clerk.name, subject=clerk.subject, role=clerk.role)


@dataclass(frozen=True, slots=True)
class Made:
    """A letter that is not admitted yet."""

    letter_id: str
    header: bytes
    payload: bytes
    digest: bytes
    number: str = ""
    content: pb.ActContent | None = None
    facts: ActFacts | None = None


def name_of(at_us: int, *parts: object) -> str:
    """A UUIDv7 of a time, the same for the same parts."""
    drawn = hashlib.blake2b(repr(parts).encode(), digest_size=10).digest()
    stamp = f"{at_us // 1000:012x}"
    rest = drawn.hex()
    return f"{stamp[:8]}-{stamp[8:]}-7{rest[:3]}-{'89ab'[drawn[2] & 3]}{rest[7:10]}-{rest[8:20]}"


def act(
    author: Author,
    case: Case,
    case_id: str,
    index: int,
    procedure: Procedure,
    *,
    registry: str,
    assertion_digest: bytes,
    head: pb.ObservedHead,
    based_on: int | None,
    log_id: str,
    signed_us: int,
) -> Made:
    """One act of a case.

    Args:
        author: Who does it.
        case: The case.
        case_id: Its id.
        index: Which of its acts.
        procedure: Its rules.
        registry: The case's home.
        assertion_digest: Of the assertion that travels with it.
        head: The newest head that the author knew.
        based_on: The last position of the case; None of its first act.
        log_id: The ledger's name.
        signed_us: When it is signed.
    """
    at_us, place = case.acts[index]
    step = case.flow.steps[place]
    rules = procedure.acts[step.act]
    body_type, payload = body(case, step.act, rules.body, at_us)
    parties = {role: case.roles[role] for role in (step.role, step.joins) if role not in ("", "office")}
    content = pb.ActContent(
        case_id=case_id,
        home_registry=registry,
        procedure=procedure.name,
        procedure_version=procedure.version,
        act=step.act,
        recipients=[
            name for role, name in case.roles.items() if role != "office" and name != author.name and place
        ],
        occurred_at=timestamp_us(at_us),
        body_type=body_type,
        body_digest=digests.sha256(payload),
    )
    if not place or step.joins not in ("", "office"):
        content.parties.extend(
            pb.Party(role=role, department=name)
            for role, name in parties.items()
            if not place or role != step.role
        )
        content.recipients[:] = [
            name for role, name in parties.items() if role == step.joins and name != author.name
        ]
    if not place:
        content.urgency = case.urgency  # type: ignore[assignment]
        content.item_code, content.area_code = "WJ-0201", "110108"
    if "outcome_code" in rules.requires:
        content.outcome_code = "resolved"
    for kind in rules.needs:
        content.materials.add().MergeFrom(author.material)
        content.materials[-1].kind = kind
    letter_id = name_of(at_us, case_id, index)
    header = pb.Header(
        letter_id=letter_id,
        author=author.name,
        suite=_SUITE,
        payload_type=body_type,
        payload_digest=content.body_digest,
        assertion_digests=[assertion_digest],
        actor=author.actor(),
        signed_at=timestamp_us(signed_us),
        observed_head=head,
    )
    header.act.content = content.SerializeToString()
    for role in rules.approved_by:
        person = author.party.people[role]
        header.act.approvals.add(
            role=role, name=person.name, subject=person.subject, approved_at=timestamp_us(signed_us),
            assertion_digest=assertion_digest,
        )  # fmt: skip
    if based_on is not None:
        header.act.based_on.log_id = log_id
        header.act.based_on.epoch = 1
        header.act.based_on.position = based_on
    number = author.number(at_us) if rules.numbered else ""
    header.act.number = number
    frozen = header.SerializeToString()
    return Made(
        letter_id, frozen, payload, digests.letter_digest(frozen), number, content, facts_of(header, content)
    )


def arrival(author: Author, came: Sequence[tuple[int, bytes]], head: pb.ObservedHead, at_us: int) -> Made:
    """A node's word that letters came."""
    letter_id = name_of(at_us, author.name, came[0][0])
    header = pb.Header(
        letter_id=letter_id,
        author=author.name,
        suite=_SUITE,
        payload_digest=digests.sha256(b""),
        actor=pb.Actor(name="node", subject="node", role="node", service=True),
        signed_at=timestamp_us(at_us),
        observed_head=head,
    )
    for position, digest in came:
        header.arrival.letters.add(position=position, letter_digest=digest)
    frozen = header.SerializeToString()
    return Made(letter_id, frozen, b"", digests.letter_digest(frozen))


def batch(author: Author, made: Sequence[Made]) -> tuple[pb.AuthorProof, BatchTree]:
    """The signature over letters that go up together, and their tree."""
    tree = BatchTree([digests.batch_leaf(each.digest) for each in made])
    signature = keys.sign_batch(author.sign_key, author.key_id, tree.size, tree.root)
    proof = pb.AuthorProof(
        suite=_SUITE, key_id=author.key_id, tree_size=tree.size, root=tree.root, signature=signature
    )
    return proof, tree


def proof_of(proof: pb.AuthorProof, tree: BatchTree, index: int) -> bytes:
    """The proof that goes with one letter of a batch."""
    one = pb.AuthorProof()
    one.CopyFrom(proof)
    one.leaf_index = index
    one.path.extend(tree.path(index))
    return one.SerializeToString()


def body(case: Case, name: str, body_type: str, at_us: int) -> tuple[str, bytes]:
    """What an act says to people."""
    short = body_type.rpartition(".")[2]
    message: Message
    match short:
        case "ProgressReport":
            return body_type, _report(at_us % len(_REPORTS))
        case "Discovery":
            message = bodies_pb2.Discovery(source=bodies_pb2.DISCOVERY_SOURCE_INSPECTION, **_told(case))
        case "TransferLetter":
            provisions = "《行政处罚法》第二十七条"
            message = bodies_pb2.TransferLetter(
                provisions=provisions,
                contact=f"{case.subject.representative or '张工'} 6100123",
                **_told(case),
            )
        case "HazardNotice":
            message = complaint_bodies_pb2.HazardNotice(advice="立即整改并书面反馈。", **_told(case))
        case "ComplaintRecord":
            message = complaint_bodies_pb2.ComplaintRecord(
                channel=complaint_bodies_pb2.COMPLAINT_CHANNEL_HOTLINE,
                upper_order_number=f"QH{case.index:08d}",
                complainant="李女士",
                complainant_contact=f"139{case.index * 7919 % 10**8:08d}",
                **_told(case),
            )
        case "AssistanceRequest":
            message = support_bodies_pb2.AssistanceRequest(
                kinds=[support_bodies_pb2.ASSISTANCE_KIND_RECORDS], **_told(case)
            )
        case "SignFor":
            message = bodies_pb2.SignFor(signed_by="收发员")
        case "AcceptanceNotice":
            message = bodies_pb2.AcceptanceNotice(file_number=f"受理{case.index}", section="综合监督科")
        case "OutcomeLetter":
            fine = case.index % 4 == 1
            message = bodies_pb2.OutcomeLetter(
                result=_RESULTS[case.index % 4],
                decision_number=f"清罚〔{2025 + case.index % 2}〕{case.index}号" if fine else "",
                fine_fen=500_000 if fine else 0,
                decided_at=timestamp_us(at_us),
            )
        case "Closing":
            message = bodies_pb2.Closing(remark="已办结。")
        case "ContactRecord":
            message = complaint_bodies_pb2.ContactRecord(by="承办人", text="已电话联系诉求人。", reached=True)
        case "ComplaintAnswer":
            message = complaint_bodies_pb2.ComplaintAnswer(
                result=_RESULTS[case.index % 4], told_to="李女士", told_how="电话"
            )
        case "ReturnVisit":
            message = complaint_bodies_pb2.ReturnVisit(
                satisfaction=complaint_bodies_pb2.SATISFACTION_SATISFIED, visited_by="回访员"
            )
        case "AssistanceResult":
            message = support_bodies_pb2.AssistanceResult(result="已提供相关记录。")
        case _:
            raise LookupError(f"{name}: no stock of {body_type}")
    return body_type, message.SerializeToString()


def _told(case: Case) -> dict[str, Any]:
    subject = case.subject
    kind = bodies_pb2.SUBJECT_KIND_CITIZEN if subject.citizen else bodies_pb2.SUBJECT_KIND_UNIT
    return {
        "title": case.title,
        "facts": f"执法人员检查发现，{subject.address}存在上述问题，已制作现场笔录。",
        "subjects": [
            bodies_pb2.Subject(
                kind=kind,
                name=subject.name,
                identifier=subject.identifier,
                address=subject.address,
                telephone=subject.telephone,
                representative=subject.representative,
            )
        ],
    }


@lru_cache
def _report(which: int) -> bytes:
    return bodies_pb2.ProgressReport(text=_REPORTS[which]).SerializeToString()
