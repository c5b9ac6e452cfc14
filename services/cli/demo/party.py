"""A department's people and system in the demo: each call under an assertion of the demo's issuer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import grpc.aio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from liandong.cases.v1 import case_service_pb2 as pb
from liandong.cases.v1 import case_service_pb2_grpc as case_stubs
from liandong.directory.v1 import common_entry_pb2 as directory
from liandong.exchange.v1 import evidence_service_pb2_grpc as evidence_stubs
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.sharing.v1 import sharing_service_pb2_grpc as sharing_stubs

from services.common.channel import open_channel, remote_errors
from services.common.errors import LiandongError, NotFound
from services.common.tls import TlsFiles
from services.exchange.assertions import Claims, Purpose, issue

_LIFETIME: Final = timedelta(minutes=5)
_WAIT_S: Final = 60.0
_ROLES: Final = (
    ("clerk", "承办人"),
    ("registry-clerk", "收发员"),
    ("section-head", "科室负责人"),
    ("legal-reviewer", "法制审核员"),
    ("leader-in-charge", "分管领导"),
    ("principal", "主要负责人"),
    ("liaison", "联络员"),
    ("auditor", "审计员"),
    ("officer", "执法人员"),
    ("officer-2", "执法人员"),
    ("officer-3", "执法人员"),
    ("head", "领导小组组长"),
    ("deputy-head", "领导小组副组长"),
    ("director", "办公室主任"),
)
"""People of every department; where several hold a role, all but the first are keyed by their number."""
_FAMILY_NAMES: Final = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨"
_GIVEN_NAMES: Final = ("文博", "晓云", "建国", "思远", "丽华", "志强", "雨桐", "海燕")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone, or some system, of a department."""

    role: str
    name: str
    subject: str
    service: bool = False
    certificate: str = ""


def people_of(name: str, title: str, listed: Iterable[directory.Person]) -> dict[str, Person]:
    """People of a department: those that the directory lists, and others with plausible names, always the same."""
    named: dict[str, Person] = {}
    for each in listed:
        for role in each.roles:
            named.setdefault(role, Person(role, each.name, each.id))
    seed = sum(name.encode())
    people = {}
    for index, (key, _) in enumerate(_ROLES):
        role = key.rstrip("-0123456789")
        family = _FAMILY_NAMES[(seed + index * 5) % len(_FAMILY_NAMES)]
        given = _GIVEN_NAMES[(seed + index * 3) % len(_GIVEN_NAMES)]
        if role == "officer":
            # as the certificates of the region's file name them
            people[key] = Person(role, family + given, f"{key}@{name}", certificate=f"{key}@{name}")
        else:
            people[key] = named.get(key) or Person(role, family + given, f"{key}@{name}")
    people["system"] = Person("system", f"{title}业务系统", f"system@{name}", service=True)
    return people


@dataclass(slots=True)
class Party:
    """A department as its own clients see it.

    Attributes:
        name: Dotted name.
        title: Chinese and English.
        issuer: The `iss` of its demo issuer.
        key: The issuer's key.
        people: By role.
    """

    name: str
    title: tuple[str, str]
    address: str
    tls: TlsFiles
    issuer: str
    key: Ed25519PrivateKey
    people: dict[str, Person]
    folder: Path
    channel: grpc.aio.Channel | None = field(default=None)

    def open(self) -> None:
        """Open the channel to its node."""
        self.channel = open_channel(self.address, self.tls)

    async def close(self) -> None:
        """Close it."""
        if self.channel is not None:
            await self.channel.close(None)

    @property
    def cases(self) -> Any:
        """CaseService of its node."""
        return case_stubs.CaseServiceStub(self._open())

    @property
    def sharing(self) -> Any:
        """SharingService of its node."""
        return sharing_stubs.SharingServiceStub(self._open())

    @property
    def evidence(self) -> Any:
        """EvidenceService of its node."""
        return evidence_stubs.EvidenceServiceStub(self._open())

    def _open(self) -> grpc.aio.Channel:
        if self.channel is None:
            self.open()
        assert self.channel is not None
        return self.channel

    def assertion(self, role: str, digest: bytes | None = None, purpose: Purpose = Purpose.ACT) -> bytes:
        """What the issuer says about a person, named by role, for five minutes from now."""
        person = self.people[role]
        now = datetime.now(UTC).replace(microsecond=0)
        return issue(
            self.key,
            Claims(
                issuer=self.issuer,
                subject=person.subject,
                name=person.name,
                audience=self.name,
                roles=(person.role,),
                acr="demo",
                issued_at=now,
                expires_at=now + _LIFETIME,
                token_id=uuid4().hex,
                content_digest=digest,
                purpose=purpose,
                service=person.service,
                certificate=person.certificate,
            ),
        )

    def actor(
        self, role: str, digest: bytes | None = None, purpose: Purpose = Purpose.ACT
    ) -> tuple[tuple[str, str], ...]:
        """The metadata of a call."""
        return (("liandong-actor", self.assertion(role, digest, purpose).decode()),)

    async def ready(self) -> None:
        """Wait until its node has the directory, which names its issuers, and its link is up.

        Raises:
            TimeoutError: It has not within a minute.
        """
        deadline = asyncio.get_running_loop().time() + _WAIT_S
        while True:
            with contextlib.suppress(LiandongError):
                with remote_errors():
                    state = await self.cases.GetNodeState(
                        pb.GetNodeStateRequest(), metadata=self.actor("system"), timeout=30
                    )
                if state.connected:
                    return
            _check(deadline, f"the node of {self.name} is not connected")
            await asyncio.sleep(0.1)

    # -- what people do -------------------------------------------------------------------------

    async def prepare(self, draft: pb.ActDraft, role: str = "clerk") -> pb.DraftView:
        """Freeze an act."""
        with remote_errors():
            answer = await self.cases.PrepareLetter(
                pb.PrepareLetterRequest(draft=draft), metadata=self.actor(role), timeout=30
            )
        return answer.draft  # type: ignore[no-any-return]

    async def approve(self, draft: pb.DraftView, person: str) -> pb.DraftView:
        """Have a person, named by role, approve a draft."""
        with remote_errors():
            answer = await self.cases.ApproveLetter(
                pb.ApproveLetterRequest(
                    letter_id=draft.letter_id,
                    content_digest=draft.content_digest,
                    role=self.people[person].role,
                ),
                metadata=self.actor(person, draft.content_digest, Purpose.APPROVE),
                timeout=30,
            )
        return answer.draft  # type: ignore[no-any-return]

    async def send(self, draft: pb.DraftView, role: str = "clerk") -> pb.LetterAnswer:
        """Sign and record a draft."""
        with remote_errors():
            answer = await self.cases.SendLetter(
                pb.SendLetterRequest(letter_id=draft.letter_id, content_digest=draft.content_digest),
                metadata=self.actor(role, draft.content_digest, Purpose.SEND),
                timeout=30,
            )
        return answer.answer  # type: ignore[no-any-return]

    async def act(self, draft: pb.ActDraft, role: str = "clerk", approver: str = "") -> pb.LetterAnswer:
        """Prepare, have approved if need be, and send."""
        prepared = await self.prepare(draft, role)
        if approver:
            prepared = await self.approve(prepared, approver)
        return await self.send(prepared, role)

    async def case(self, case_id: str, role: str = "clerk") -> pb.CaseView:
        """A case as it stands at this department's node."""
        with remote_errors():
            answer = await self.cases.GetCase(
                pb.GetCaseRequest(case_id=case_id), metadata=self.actor(role), timeout=30
            )
        return answer.case  # type: ignore[no-any-return]

    async def timeline(self, case_id: str, role: str = "clerk") -> list[pb.LetterView]:
        """The letters of a case at this department's node."""
        with remote_errors():
            answer = await self.cases.GetTimeline(
                pb.GetTimelineRequest(case_id=case_id), metadata=self.actor(role), timeout=30
            )
        return list(answer.letters)

    async def settled(self, answer: pb.LetterAnswer) -> pb.LetterView:
        """Wait until the registry has answered a letter.

        Raises:
            TimeoutError: It did not within a minute.
        """
        deadline = asyncio.get_running_loop().time() + _WAIT_S
        while True:
            for letter in await self.timeline(answer.case_id):
                if (
                    letter.letter_id == answer.letter_id
                    and letter.disposition != exchange.DISPOSITION_RECORDED
                ):
                    return letter
            _check(deadline, f"{answer.letter_id} was not answered")
            await asyncio.sleep(0.1)

    async def reached(self, case_id: str, position: int) -> pb.CaseView:
        """Wait until a case has come to this department's node up to a position.

        Raises:
            TimeoutError: It did not within a minute.
        """
        deadline = asyncio.get_running_loop().time() + _WAIT_S
        while True:
            with contextlib.suppress(NotFound):
                view = await self.case(case_id)
                if view.last_position >= position:
                    return view
            _check(deadline, f"{case_id} did not come to {self.name}")
            await asyncio.sleep(0.1)


def _check(deadline: float, what: str) -> None:
    if asyncio.get_running_loop().time() > deadline:
        raise TimeoutError(f"{what} within {_WAIT_S:.0f} s")
