"""Letters as documents see them: a transfer, an inspection's long report, their approvals, materials and clocks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2, supervision_bodies_pb2

from services.common.title import Title
from services.documents.letter import Addressee, Approved, Attached, Duty, Ledgered, Letter
from services.procedures.calendar import ZONE, Calendar
from services.procedures.deadlines import explain
from services.procedures.facts import Urgency
from services.procedures.obligation import Limit, Obligation, Unit

SIGNED = datetime(2026, 2, 11, 9, 30, tzinfo=ZONE)
NOW = datetime(2026, 2, 12, 10, 0, tzinfo=ZONE)
HEALTH = Title("清河区卫生健康局", "Qinghe District Health Commission")
MARKET = Title("清河区市场监督管理局", "Qinghe District Market Regulation Bureau")
JUSTICE = Title("清河区司法局", "Qinghe District Justice Bureau")
POLICE = Title("清河区公安分局", "Qinghe District Police")

FACTS = """2026年2月9日，我局执法人员在日常监督检查中发现，清河区北街28号“康宁中医馆”未取得《医疗机构执业许可证》，擅自\
开展针灸、推拿、拔罐等诊疗活动。现场查获处方笺46张、药品32种（其中过期药品7种）、一次性使用无菌针灸针1200支，均无\
合法来源凭证。
该馆负责人王建国（身份证号11010119900307451X）承认自2025年6月起开展上述活动，共接诊患者约380人次，收取费用126400元。\
“没有办证，是因为场地面积不够”，王建国在询问笔录中如此陈述。另查，该馆在店堂和互联网平台上发布“包治百病”“无效退款”\
等内容的广告，并销售标示具有“治疗功能”的普通食品9种。"""


def transfer() -> Letter:
    """A transfer, as one page and a little more in the letter form."""
    body = bodies_pb2.TransferLetter(
        title="康宁中医馆涉嫌发布违法医疗广告案",
        facts=FACTS,
        provisions="《中华人民共和国广告法》第十六条、第五十八条；《中华人民共和国食品安全法》第七十三条、第一百四十条。",
        competence="对广告发布活动和食品经营活动的监督管理属于你单位职责。",
        measures="已对无证行医行为立案调查，对现场药品、器械先行登记保存，责令立即停止执业活动。",
        contact="陈晓，0000-6100012",
        subjects=[
            bodies_pb2.Subject(
                kind=bodies_pb2.SUBJECT_KIND_UNIT,
                name="清河区康宁中医馆",
                identifier="91110000600037341L",
                address="清河区北街28号",
                representative="王建国",
            )
        ],
    )
    return Letter(
        letter_id="0195f3a0-1111-7222-8333-444455556666",
        case_id="0195f3a0-aaaa-7bbb-8ccc-ddddeeeeffff",
        draft=False,
        procedure="case-transfer",
        procedure_title=Title("案件移送", "Case transfer"),
        act="transfer",
        act_title=Title("移送案件", "Transfer"),
        case_title=body.title,
        author=HEALTH,
        sub_unit="",
        recipients=(
            Addressee(
                "market.qinghe", MARKET, SIGNED + timedelta(minutes=4), "李强", SIGNED + timedelta(hours=2)
            ),
        ),
        copies=(JUSTICE, POLICE),
        number="清卫〔2026〕12号",
        urgency=Urgency.URGENT,
        occurred_at=SIGNED - timedelta(days=2),
        signed_at=SIGNED,
        requested_limit=None,
        actor_name="陈晓",
        actor_role="clerk",
        drafted_by="陈晓",
        drafted_at=SIGNED - timedelta(hours=3),
        approvals=(
            Approved("section-head", "周宁", SIGNED - timedelta(hours=2), "QH-0231"),
            Approved("leader-in-charge", "赵敏", SIGNED - timedelta(hours=1), stood_for="孙立人"),
        ),
        missing=(),
        materials=(
            Attached("transfer-letter", "案件移送函.pdf", "application/pdf", 183_245, sha256(b"1").digest()),
            Attached(
                "source-material",
                "现场检查笔录（北街28号）.pdf",
                "application/pdf",
                2_412_009,
                sha256(b"2").digest(),
            ),
            Attached(
                "preliminary-evidence", "现场录像.mp4", "video/mp4", 1_288_490_188, sha256(b"3").digest()
            ),
            Attached("preliminary-evidence", "", "", 0, bytes(32), announced=True),
        ),
        duties=duties(),
        body=body,
        sealed=False,
        amends="",
        content_digest=sha256(b"content").digest(),
        ledgered=Ledgered("liandong.qinghe", 4711, SIGNED + timedelta(minutes=2), sha256(b"letter").digest()),
    )


def duties() -> tuple[Duty, ...]:
    """What a transfer sets running, over the Spring Festival."""
    admitted = SIGNED + timedelta(minutes=2)
    calendar = Calendar("qinghe")
    found = []
    for rule, title, limit in (
        ("sign", Title("签收期限", "Sign for the letter"), Limit(1, Unit.WORKING_DAYS)),
        ("reply", Title("受理答复期限", "Answer whether it is accepted"), Limit(3, Unit.WORKING_DAYS)),
    ):
        on_receipt = rule == "reply"
        obligation = Obligation(
            "case", rule, 1, "market.qinghe", "receiver", 4711, "transfer", limit, SIGNED, admitted,
            admitted + timedelta(minutes=2) if on_receipt else None, starts_on_receipt=on_receipt,
        )  # fmt: skip
        found.append(
            Duty(title, MARKET, limit, on_receipt=on_receipt, explanation=explain(obligation, calendar))
        )
    return tuple(found)


def findings(problems: int = 24) -> Letter:
    """A report of findings of many pages, to many departments."""
    text = FACTS.replace("\n", "")
    body = supervision_bodies_pb2.SupervisionFindings(
        text=f"{text}\n{text[:260]}",
        problems=[f"第{number}处：{text[number : number + 150]}。" for number in range(1, problems + 1)],
        proposals=[
            f"由{MARKET.zh}会同{POLICE.zh}于3月{number}日前完成整改，并报送书面材料；"
            for number in range(1, 9)
        ],
    )
    return replace(
        transfer(),
        procedure="inspection",
        procedure_title=Title("督查", "Inspection"),
        act="report",
        act_title=Title("督查情况通报", "Report findings"),
        case_title="2026年第一季度医疗乱象专项整治",
        recipients=(Addressee("market.qinghe", MARKET), Addressee("police.qinghe", POLICE)),
        body=body,
        urgency=Urgency.ORDINARY,
        materials=(),
        duties=(),
    )


def grid(characters: int = 28 * 60) -> Letter:
    """A letter of one paragraph without marks, words and numbers: every full line has as many characters as fit."""
    body = bodies_pb2.ProgressReport(
        text="".join("清河区案件移送办理进展"[index % 11] for index in range(characters))
    )
    return replace(
        findings(),
        procedure="case-transfer",
        act="progress",
        act_title=Title("进展通报", "Report progress"),
        body=body,
    )


def draft() -> Letter:
    """The transfer before it was approved and sent."""
    return replace(
        transfer(),
        draft=True,
        number="",
        signed_at=None,
        actor_name="",
        approvals=transfer().approvals[:1],
        missing=("leader-in-charge",),
        ledgered=None,
        recipients=(Addressee("market.qinghe", MARKET),),
    )


def at(moment: datetime) -> Timestamp:
    """A time in a body."""
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp
