"""The story that the demo plays: a transfer from discovery to outcome between real nodes, told as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from liandong.cases.v1 import bodies_pb2 as bodies
from liandong.cases.v1 import case_service_pb2 as cases
from liandong.exchange.v1 import envelope_pb2 as envelopes
from liandong.exchange.v1 import exchange_service_pb2 as exchange
from liandong.oversight.v1 import oversight_service_pb2 as oversight
from liandong.oversight.v1.oversight_service_pb2_grpc import OversightServiceStub
from liandong.sharing.v1 import sharing_service_pb2 as sharing

from services.cli.demo.party import Party
from services.common.channel import open_channel, remote_errors
from services.exchange.evidence import chunks_of_file, manifest_of
from services.exchange.evidence_client import upload
from services.exchange.letters import moment, timestamp

_ZONE = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the story."""

    department: str
    person: str
    act: str
    number: str
    position: str
    due: tuple[str, ...] = ()


class StoryFailed(Exception):
    """A step of the demo did not come out as it must."""


class Story:
    """Plays the transfer.

    Args:
        sender: Who discovers.
        receiver: Who is competent.
        office: Holds the mechanism's office and looks on.
        registry: Address of the registry, which shows it the headers and obligations.
        tell: Takes each step as it happens.
        language: `zh` or `en`.
    """

    def __init__(
        self,
        sender: Party,
        receiver: Party,
        office: Party,
        registry: str,
        tell: Callable[[Step], None],
        language: str,
    ) -> None:
        self._sender = sender
        self._office = office
        self._registry = registry
        self._receiver = receiver
        self._tell = tell
        self._zh = language == "zh"
        self.case_id = ""

    async def play(self) -> str:
        """Play it all; returns the case's id.

        Raises:
            StoryFailed: The registry refused a letter, or a state is not what it must be.
        """
        sender, receiver = self._sender, self._receiver
        await self._bulletin()
        await self._step(sender, self._discovery())
        materials = await self._materials()
        transfer = cases.ActDraft(
            case_id=self.case_id,
            act="transfer",
            parties=[envelopes.Party(role="receiver", department=receiver.name)],
            materials=materials,
            item_code="tableware-disinfection",
            transfer_letter=bodies.TransferLetter(
                title="餐饮具集中消毒单位涉嫌违法案",
                facts="该单位出厂餐饮具未附消毒合格证明，抽检大肠菌群超标。",
                provisions="《中华人民共和国食品安全法》第五十八条",
                competence="餐饮具集中消毒服务单位由市场监督管理部门依职责处理。",
                subjects=[_subject()],
                measures="已责令当场改正，先行登记保存餐饮具二十套。",
                contact="吴涛",
            ),
        )
        await self._step(sender, transfer, approver="leader-in-charge")
        await self._step(receiver, self._draft("sign-for", sign_for=bodies.SignFor(signed_by="马超群")))
        limit = timestamp(datetime.now(UTC) + timedelta(days=3))
        await self._step(
            receiver,
            self._draft(
                "request-material",
                material_request=bodies.MaterialRequest(
                    items=["抽样检验报告原件"], reason="检验报告仅有复印件。"
                ),
                requested_limit=limit,
                materials=[
                    await evidence_material(receiver, "material-list", "补正材料清单：抽样检验报告原件一份。")
                ],
            ),
        )
        await self._step(
            sender,
            self._draft(
                "supply-material",
                material_supply=bodies.MaterialSupply(items=["抽样检验报告原件"]),
                materials=[await evidence_material(sender, "supplement", "抽样检验报告（原件扫描）")],
            ),
        )
        await self._step(
            receiver,
            self._draft(
                "accept",
                acceptance_notice=bodies.AcceptanceNotice(
                    file_number="清市监受〔2026〕88号", section="综合执法大队", officer="马超群"
                ),
                materials=[await evidence_material(receiver, "acceptance-notice", "受理告知书")],
            ),
        )
        await self._step(
            receiver,
            self._draft(
                "progress",
                progress_report=bodies.ProgressReport(text="已现场检查并询问负责人，正在核实流向。"),
            ),
        )
        await self._step(
            receiver,
            self._draft(
                "outcome",
                outcome_letter=bodies.OutcomeLetter(
                    result="责令改正，没收违法所得，罚款人民币二万元。",
                    decision_number="清市监罚〔2026〕31号",
                    fine_fen=2_000_000,
                ),
                outcome_code="penalised",
                materials=[await evidence_material(receiver, "outcome-letter", "处理结果反馈函")],
            ),
        )
        await self._step(
            sender,
            self._draft("close", closing=bodies.Closing(remark="结果已收悉，办结。")),
            approver="section-head",
        )
        await self._look_on()
        return self.case_id

    # -- steps ----------------------------------------------------------------------------------

    async def _step(self, party: Party, draft: cases.ActDraft, approver: str = "") -> None:
        """Send an act, wait for the ledger and for the other node, tell what is now due."""
        answer = await party.act(draft, approver=approver)
        self.case_id = answer.case_id
        letter = await party.settled(answer)
        if letter.disposition != exchange.DISPOSITION_ADMITTED:
            raise StoryFailed(f"{draft.act}: {letter.reason} {answer.message}")
        position = letter.position.position
        view = await party.case(self.case_id)
        if draft.act != "register":
            other = self._receiver if party is self._sender else self._sender
            await other.reached(self.case_id, position)
            await self._agree(draft.act)
            view = await party.case(self.case_id)
        open_now = [each for each in view.obligations if each.state in ("OPEN", "OVERDUE")]
        self._tell(
            Step(
                party.title[0 if self._zh else 1],
                letter.actor.name,
                letter.act_title_zh if self._zh else letter.act_title_en,
                letter.number,
                str(position),
                tuple(self._due(each) for each in open_now),
            )
        )

    async def _agree(self, act: str) -> None:
        """Both nodes fold to the same state, once the Arrival of the letter has come to both as well."""
        for _ in range(200):
            ours, theirs = await self._sender.case(self.case_id), await self._receiver.case(self.case_id)
            if ours.state_digest == theirs.state_digest:
                return
            await asyncio.sleep(0.05)
        raise StoryFailed(f"{act}: the two nodes do not fold to the same state")

    async def _look_on(self) -> None:
        """What the office sees of it all, from headers and obligations alone."""
        office = self._office
        async with open_channel(self._registry, office.tls) as channel:
            with remote_errors():
                seen = await OversightServiceStub(channel).GetCaseOverview(
                    oversight.GetCaseOverviewRequest(case_id=self.case_id), timeout=30
                )
        met = sum(each.state == oversight.OBLIGATION_STATE_ON_TIME for each in seen.obligations)
        newest = seen.acts[-1]
        self._tell(
            Step(
                office.title[0 if self._zh else 1],
                office.people["liaison"].name,
                f"牵头办公室查看：{len(seen.acts)} 项行为，{met}/{len(seen.obligations)} 项期限按时办结"
                if self._zh
                else f"The office looks on: {len(seen.acts)} acts, {met} of {len(seen.obligations)} duties met in time",
                "",
                str(newest.position),
            )
        )

    def _due(self, obligation: cases.ObligationView) -> str:
        title = obligation.title_zh if self._zh else obligation.title_en
        due = moment(obligation.due_at).astimezone(_ZONE)
        return f"{title} · {obligation.limit} → {due:%Y-%m-%d %H:%M}"

    def _discovery(self) -> cases.ActDraft:
        return cases.ActDraft(
            procedure="case-transfer",
            act="register",
            urgency=envelopes.URGENCY_ORDINARY,
            occurred_at=timestamp(datetime.now(UTC) - timedelta(hours=2)),
            discovery=bodies.Discovery(
                title="餐饮具集中消毒单位涉嫌违法案",
                facts="卫生监督检查中发现其出厂餐饮具未附消毒合格证明。",
                source=bodies.DISCOVERY_SOURCE_INSPECTION,
                place="清河区工业园三路5号",
                subjects=[_subject()],
            ),
        )

    def _draft(self, act: str, **fields: Any) -> cases.ActDraft:
        return cases.ActDraft(case_id=self.case_id, act=act, **fields)

    async def _materials(self) -> list[envelopes.Material]:
        sender = self._sender
        return [
            await evidence_material(sender, "transfer-letter", "案件移送函（正文）"),
            await evidence_material(sender, "source-material", "现场检查笔录\n" * 2_000),
            await evidence_material(sender, "preliminary-evidence", "先行登记保存清单；照片说明\n" * 4_000),
        ]

    async def _bulletin(self) -> None:
        """Market subscribes to good practice; health shares one."""
        sender, receiver = self._sender, self._receiver
        await receiver.sharing.Subscribe(
            sharing.SubscribeRequest(category="bulletin.good-practice", subscribed=True),
            metadata=receiver.actor("liaison"),
            timeout=30,
        )
        await asyncio.sleep(0.3)
        answer = await sender.sharing.PublishBulletin(
            sharing.PublishBulletinRequest(
                category="bulletin.good-practice",
                bulletin=sharing.Bulletin(
                    title="餐饮具集中消毒单位联合检查经验", text="先看流向台账，再看出厂批次记录。"
                ),
                formed_at=timestamp(datetime.now(UTC) - timedelta(hours=1)),
            ),
            metadata=sender.actor("liaison"),
            timeout=30,
        )
        deadline = asyncio.get_running_loop().time() + 30
        while asyncio.get_running_loop().time() < deadline:
            listed = await receiver.sharing.ListBulletins(
                sharing.ListBulletinsRequest(), metadata=receiver.actor("liaison"), timeout=30
            )
            for each in listed.bulletins:
                if each.item_id == answer.answer.item_id:
                    self._tell(
                        Step(
                            sender.title[0 if self._zh else 1],
                            sender.people["liaison"].name,
                            "信息共享 · 到达" if self._zh else "Bulletin shared and received",
                            "",
                            str(each.position),
                        )
                    )
                    return
            await asyncio.sleep(0.1)
        raise StoryFailed("the bulletin did not reach its subscriber")


async def evidence_material(party: Party, kind: str, text: str, role: str = "clerk") -> envelopes.Material:
    """Write a file, bring it to the party's node as evidence, and name it as a material."""
    path: Path = party.folder / "uploads" / f"{kind}.txt"
    path.parent.mkdir(exist_ok=True)
    await asyncio.to_thread(path.write_text, text, encoding="utf-8")
    manifest = await manifest_of(path, media_type="text/plain", collected_by=party.people[role].name)
    await upload(_with_actor(party, role), manifest, chunks_of_file(path))
    return envelopes.Material(
        kind=kind,
        manifest_root=manifest.root,
        digest=manifest.digest,
        size=manifest.size,
        media_type="text/plain",
    )


def _with_actor(party: Party, role: str) -> Any:
    """The party's evidence stub with an assertion on every call."""
    stub = party.evidence

    class Bound:
        def __getattr__(self, name: str) -> Any:
            method = getattr(stub, name)
            return lambda *arguments, **options: method(*arguments, metadata=party.actor(role), **options)

    return Bound()


def _subject() -> bodies.Subject:
    return bodies.Subject(
        kind=bodies.SUBJECT_KIND_UNIT,
        name="清河洁源餐具消毒有限公司",
        identifier="91110000600037341L",
        address="清河区工业园三路5号",
        representative="刘某",
    )
