"""The templates of standing stock: their columns, and what a row of each becomes.

A kind says how a row is made into a message and which column a field of that message came from, so that whatever the
rules, the registry or the node find wrong is told at the cell.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.cases.v1 import bodies_pb2
from liandong.cases.v1 import import_service_pb2 as imports
from liandong.cases.v1 import subject_service_pb2 as subjects
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.exchange.v1 import envelope_pb2 as envelopes

from services.cli.sheets import Column, Problem, Row
from services.procedures.calendar import ZONE
from services.procedures.checker import PERSON_ROLES

_YES: Final = frozenset({"是", "1", "y", "yes", "true"})
_NO: Final = frozenset({"", "否", "0", "n", "no", "false"})


class BadCell(Exception):
    """A cell cannot be read."""

    def __init__(self, key: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.key, self.zh, self.en = key, zh, en


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of standing stock.

    Attributes:
        name: On the command line.
        title: Of its sheet, and in English.
        columns: Of its template.
        make: What a row becomes; raises `BadCell`.
        key: What a row is known by: its second occurrence in a file is refused.
        fields: Beginning of a field's path to the column that it comes from.
    """

    name: str
    title: tuple[str, str]
    columns: tuple[Column, ...]
    make: Callable[[Row], Message]
    key: tuple[str, ...]
    fields: Mapping[str, str]

    def problem(self, row: Row, field: str, zh: str, en: str) -> Problem:
        """A problem that was found with a field of the message, at the row's cell."""
        matching = [path for path in self.fields if field.startswith(path)]
        key = self.fields[max(matching, key=len)] if matching else self.key[0]
        return row.problem(key, zh, en)


def _moment(row: Row, key: str) -> Timestamp | None:
    text = row[key].replace("/", "-").replace("年", "-").replace("月", "-").rstrip("日")
    if not text:
        return None
    try:
        found = datetime.combine(date.fromisoformat(text), time(), ZONE)
    except ValueError:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise BadCell(
                key, "不是日期或时间，如 2026-01-01 或 2026-01-01 09:30", "No date or time"
            ) from None
    stamp = Timestamp()
    stamp.FromDatetime(found if found.tzinfo else found.replace(tzinfo=ZONE))
    return stamp


def _word(row: Row, key: str, words: Mapping[str, Any], otherwise: Any = None) -> Any:
    text = row[key]
    if not text and otherwise is not None:
        return otherwise
    if text not in words:
        listed = "、".join(dict.fromkeys(words))
        raise BadCell(key, f"应为：{listed}", f"One of: {listed}")
    return words[text]


def _flag(row: Row, key: str) -> bool:
    if row[key].lower() not in _YES | _NO:
        raise BadCell(key, "填“是”或留空", "是 (yes) or nothing")
    return row[key].lower() in _YES


def _list(row: Row, key: str) -> list[str]:
    text = row[key]
    for sign in "、，,;；\n":
        text = text.replace(sign, " ")
    return text.split()


# -- contacts ---------------------------------------------------------------------------------------

_ROLES: Final = {
    "承办人": "clerk", "收发员": "registry-clerk", "科室负责人": "section-head", "法制审核员": "legal-reviewer",
    "值班员": "duty-officer", "分管领导": "leader-in-charge", "主要负责人": "principal", "联络员": "liaison",
    "执法人员": "officer",
}  # fmt: skip


def _contact(row: Row) -> entries.CommonEntry:
    roles = [_ROLES.get(each, each) for each in _list(row, "roles")]
    unknown = [each for each in roles if each not in PERSON_ROLES]
    if unknown:
        said = "、".join(unknown)
        raise BadCell("roles", f"没有角色 {said}；有：{'、'.join(_ROLES)}", f"No role {said}")
    return entries.CommonEntry(
        person=entries.Person(
            department=row["department"], id=row["id"], name=row["name"], roles=roles, section=row["section"],
            telephone=row["telephone"], mechanisms=_list(row, "mechanisms"), retired=_flag(row, "retired"),
        )
    )  # fmt: skip


CONTACTS: Final = Kind(
    "contacts",
    ("人员与联络员", "People and contacts"),
    (
        Column(
            "department",
            "部门",
            "Department",
            True,
            120,
            "部门名称，如 health.qinghe",
            "Dotted name of the department",
        ),
        Column(
            "id", "人员编号", "Person id", True, 60, "部门内固定不变的编号", "Stable id within the department"
        ),
        Column("name", "姓名", "Name", True, 100),
        Column("roles", "角色", "Roles", False, 200, "、".join(_ROLES), "One or more, separated by blanks"),
        Column("section", "科室", "Section", False, 60, "科室编号", "Id of the section"),
        Column("telephone", "办公电话", "Telephone", False, 40),
        Column("mechanisms", "机制", "Mechanisms", False, 400, "担任其负责人或联络员的程序名", "Procedures"),
        Column("retired", "已离任", "Retired", False, 10, "填“是”或留空", "是 (yes) or nothing"),
    ),
    _contact,
    ("department", "id"),
    {
        f"person.{each}": each
        for each in ("department", "id", "name", "roles", "section", "telephone", "mechanisms")
    },
)

# -- authority lists --------------------------------------------------------------------------------

_MODES: Final = {
    "赋权": entries.AUTHORITY_MODE_GRANTED, "法定": entries.AUTHORITY_MODE_GRANTED,
    "委托": entries.AUTHORITY_MODE_DELEGATED, "未承接": entries.AUTHORITY_MODE_NONE,
}  # fmt: skip
_SPLITS: Final = {
    "全域": entries.AREA_SPLIT_UNSPECIFIED, "建成区内": entries.AREA_SPLIT_BUILT_UP,
    "建成区外": entries.AREA_SPLIT_OUTSIDE,
}  # fmt: skip


def _authority(row: Row) -> entries.CommonEntry:
    return entries.CommonEntry(
        authority=entries.Authority(
            item_code=row["item_code"],
            title=entries.Title(zh=row["title_zh"], en=row["title_en"] or row["title_zh"]),
            department=row["department"],
            area_code=row["area_code"],
            mode=_word(row, "mode", _MODES),
            basis=row["basis"],
            split=_word(row, "split", _SPLITS, entries.AREA_SPLIT_UNSPECIFIED),
            delegated_by=row["delegated_by"],
            valid_from=_moment(row, "valid_from"),
            valid_until=_moment(row, "valid_until"),
            withdrawn=_flag(row, "withdrawn"),
        )
    )


AUTHORITIES: Final = Kind(
    "authorities",
    ("权责清单", "Authority lists"),
    (
        Column("item_code", "事项编码", "Item code", True, 40),
        Column("title_zh", "事项名称", "Title", True, 200),
        Column("title_en", "英文名称", "English title", False, 200, "留空则用中文名称", "The Chinese title if empty"),
        Column("department", "部门", "Department", True, 120, "由谁办理", "Who is competent"),
        Column("area_code", "区划编码", "Area code", False, 40, "留空为全域", "Everywhere if empty"),
        Column("mode", "承接方式", "Mode", True, 20, "、".join(_MODES), "Granted, delegated, none"),
        Column("basis", "法律依据", "Basis", False, 400),
        Column("split", "区域划分", "Split", False, 20, "、".join(_SPLITS), "Whole, inside or outside the built-up area"),
        Column("delegated_by", "委托机关与文号", "Delegated by", False, 200, "部门、空格、文号", "Department, letter"),
        Column("valid_from", "生效日期", "Valid from", False, 20, "如 2026-01-01", "Such as 2026-01-01"),
        Column("valid_until", "失效日期", "Valid until", False, 20, "委托必填", "Required of delegations"),
        Column("withdrawn", "已取消", "Withdrawn", False, 10, "填“是”或留空", "是 (yes) or nothing"),
    ),
    _authority,
    ("item_code", "area_code", "department"),
    {
        **{f"authority.{each}": each for each in ("item_code", "department", "area_code", "basis", "delegated_by",
                                                   "valid_from", "valid_until")},
        "authority.title.zh": "title_zh", "authority.title.en": "title_en",
    },
)  # fmt: skip

# -- officers ---------------------------------------------------------------------------------------


def _officer(row: Row) -> entries.CommonEntry:
    return entries.CommonEntry(
        officer=entries.OfficerCertificate(
            number=row["number"], department=row["department"], subject=row["subject"], name=row["name"],
            scope=_list(row, "scope"), valid_from=_moment(row, "valid_from"), valid_until=_moment(row, "valid_until"),
            suspended=_flag(row, "suspended"),
        )
    )  # fmt: skip


OFFICERS: Final = Kind(
    "officers",
    ("执法人员", "Enforcement officers"),
    (
        Column("number", "执法证号", "Certificate", True, 64),
        Column("department", "部门", "Department", True, 120),
        Column(
            "subject", "人员编号", "Person id", True, 100, "与登录系统一致", "The issuer's id of the person"
        ),
        Column("name", "姓名", "Name", True, 100),
        Column(
            "scope",
            "执法范围",
            "Scope",
            False,
            400,
            "事项编码或其前缀；留空为全部",
            "Item codes or beginnings; empty: all",
        ),
        Column("valid_from", "发证日期", "Valid from", True, 20),
        Column(
            "valid_until", "有效期至", "Valid until", True, 20, "当日不再有效", "No longer valid on that day"
        ),
        Column("suspended", "暂扣", "Suspended", False, 10, "填“是”或留空", "是 (yes) or nothing"),
    ),
    _officer,
    ("number",),
    {
        f"officer.{each}": each
        for each in ("number", "department", "subject", "name", "scope", "valid_from", "valid_until")
    },
)

# -- subjects ---------------------------------------------------------------------------------------

_KINDS: Final = {
    "单位": bodies_pb2.SUBJECT_KIND_UNIT, "个人": bodies_pb2.SUBJECT_KIND_CITIZEN,
    "未知": bodies_pb2.SUBJECT_KIND_UNKNOWN,
}  # fmt: skip
_SUBJECT_COLUMNS: Final = (
    Column(
        "kind",
        "类别",
        "Kind",
        False,
        10,
        "单位、个人；留空为未知",
        "Unit (单位), person (个人); unknown if empty",
    ),
    Column("name", "名称", "Subject", True, 200),
    Column(
        "identifier",
        "代码或号码",
        "Identifier",
        False,
        18,
        "统一社会信用代码或公民身份号码，须校验",
        "Checked",
    ),
    Column("address", "地址", "Address", False, 300),
    Column("telephone", "电话", "Telephone", False, 40),
    Column("representative", "法定代表人", "Representative", False, 100),
)


def _subject(row: Row) -> bodies_pb2.Subject:
    kind = _word(row, "kind", _KINDS, bodies_pb2.SUBJECT_KIND_UNKNOWN)
    if row["identifier"] and kind == bodies_pb2.SUBJECT_KIND_UNKNOWN:
        raise BadCell("kind", "有代码或号码时须填类别", "With an identifier its kind is said")
    return bodies_pb2.Subject(
        kind=kind, name=row["name"], identifier=row["identifier"].upper(), address=row["address"],
        telephone=row["telephone"], representative=row["representative"],
    )  # fmt: skip


def _registered(row: Row) -> subjects.RegisteredSubject:
    return subjects.RegisteredSubject(
        key=row["key"], subject=_subject(row), industry_code=row["industry_code"], area_code=row["area_code"],
        specialties=_list(row, "specialties"), remark=row["remark"],
    )  # fmt: skip


SUBJECTS: Final = Kind(
    "subjects",
    ("监管对象", "Subjects"),
    (
        Column("key", "编号", "Number", True, 60, "本部门的固定编号", "The department's own"),
        *_SUBJECT_COLUMNS,
        Column("industry_code", "行业代码", "Industry", False, 40),
        Column("area_code", "区划编码", "Area code", False, 40),
        Column("specialties", "专业", "Specialties", False, 200, "专业代码", "Codes of specialties"),
        Column("remark", "备注", "Remark", False, 400),
    ),
    _registered,
    ("key",),
    {
        "key": "key", "industry_code": "industry_code", "area_code": "area_code", "specialties": "specialties",
        "remark": "remark", "subject": "name", "subject[0]": "identifier",
        **{f"subject.{each}": each for each in ("name", "identifier", "address", "telephone", "representative")},
    },
)  # fmt: skip

# -- cases of before --------------------------------------------------------------------------------

_SOURCES: Final = {
    "检查": bodies_pb2.DISCOVERY_SOURCE_INSPECTION, "投诉举报": bodies_pb2.DISCOVERY_SOURCE_COMPLAINT,
    "上级交办": bodies_pb2.DISCOVERY_SOURCE_ASSIGNED, "移送": bodies_pb2.DISCOVERY_SOURCE_PASSED_ON,
    "在线监测": bodies_pb2.DISCOVERY_SOURCE_MONITORING,
}  # fmt: skip
_URGENCIES: Final = {
    "一般": envelopes.URGENCY_ORDINARY, "紧急": envelopes.URGENCY_URGENT, "重大": envelopes.URGENCY_MAJOR,
}  # fmt: skip


def _case(row: Row) -> imports.StandingCase:
    made = imports.StandingCase(key=row["key"])
    draft = made.draft
    draft.procedure, draft.act = row["procedure"] or "case-transfer", "register"
    draft.item_code, draft.area_code = row["item_code"], row["area_code"]
    draft.urgency = _word(row, "urgency", _URGENCIES, envelopes.URGENCY_ORDINARY)
    discovered = _moment(row, "discovered_at")
    if discovered is not None:
        draft.occurred_at.CopyFrom(discovered)
    body = draft.discovery
    body.title, body.place = row["title"], row["place"]
    body.facts = f"{row['facts']}\n（存量案件，原案号：{row['key']}）"
    body.source = _word(row, "source", _SOURCES, bodies_pb2.DISCOVERY_SOURCE_UNSPECIFIED)
    if row["name"]:
        body.subjects.append(_subject(row))
    return made


CASES: Final = Kind(
    "cases",
    ("在办案件", "Open cases"),
    (
        Column("key", "原案号", "Old number", True, 60, "再次导入时以此识别", "Known again by it"),
        Column("title", "案件名称", "Title", True, 200),
        Column("facts", "基本情况", "Facts", True, 19_000),
        Column("discovered_at", "发现时间", "Discovered", True, 20, "期限自此起算", "Limits run from here"),
        Column("source", "线索来源", "Source", False, 20, "、".join(_SOURCES), "How it came to notice"),
        Column("place", "地点", "Place", False, 300),
        Column("procedure", "程序", "Procedure", False, 60, "留空为 case-transfer", "case-transfer if empty"),
        Column("urgency", "紧急程度", "Urgency", False, 10, "、".join(_URGENCIES), "Ordinary, urgent, major"),
        Column("item_code", "事项编码", "Item code", False, 40),
        Column("area_code", "区划编码", "Area code", False, 40),
        Column("kind", "当事人类别", "Subject kind", False, 10, "单位、个人", "Unit or person"),
        Column("name", "当事人", "Subject", False, 200),
        Column("identifier", "当事人代码或号码", "Identifier", False, 18, "须校验", "Checked"),
        Column("address", "当事人地址", "Address", False, 300),
        Column("telephone", "当事人电话", "Telephone", False, 40),
        Column("representative", "法定代表人", "Representative", False, 100),
    ),
    _case,
    ("key",),
    {
        "key": "key", "draft.item_code": "item_code", "draft.area_code": "area_code",
        "draft.occurred_at": "discovered_at", "draft.urgency": "urgency", "draft.procedure": "procedure",
        "draft.act": "procedure", "draft.discovery.title": "title", "draft.discovery.facts": "facts",
        "draft.discovery.place": "place", "draft.discovery.subjects": "name",
        **{f"draft.discovery.subjects[0].{each}": each for each in ("name", "identifier", "address", "telephone",
                                                                    "representative")},
    },
)  # fmt: skip

KINDS: Final = {each.name: each for each in (CONTACTS, AUTHORITIES, OFFICERS, SUBJECTS, CASES)}
"""By name."""
