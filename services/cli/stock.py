"""The templates of standing stock: their columns, and what a row of each becomes.

A kind says how a row is made into a message and which column a field of that message came from, so that whatever the
rules, the registry or the node find wrong is told at the cell.
"""

from __future__ import annotations

from typing import Final

from liandong.cases.v1 import subject_service_pb2 as subjects
from liandong.directory.v1 import common_entry_pb2 as entries

from services.cli.sheets import Column, Row
from services.cli.stock_cases import opening
from services.cli.stock_cells import BadCell, Kind, flag, listed, moment, subject, word
from services.procedures.checker import PERSON_ROLES

# -- contacts ---------------------------------------------------------------------------------------

_ROLES: Final = {
    "承办人": "clerk", "收发员": "registry-clerk", "科室负责人": "section-head", "法制审核员": "legal-reviewer",
    "值班员": "duty-officer", "分管领导": "leader-in-charge", "主要负责人": "principal", "联络员": "liaison",
    "执法人员": "officer",
}  # fmt: skip


def _contact(row: Row) -> entries.CommonEntry:
    roles = [_ROLES.get(each, each) for each in listed(row, "roles")]
    unknown = [each for each in roles if each not in PERSON_ROLES]
    if unknown:
        said = "、".join(unknown)
        raise BadCell("roles", f"没有角色 {said}；有：{'、'.join(_ROLES)}", f"No role {said}")
    return entries.CommonEntry(
        person=entries.Person(
            department=row["department"], id=row["id"], name=row["name"], roles=roles, section=row["section"],
            telephone=row["telephone"], mechanisms=listed(row, "mechanisms"), retired=flag(row, "retired"),
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
            mode=word(row, "mode", _MODES),
            basis=row["basis"],
            split=word(row, "split", _SPLITS, entries.AREA_SPLIT_UNSPECIFIED),
            delegated_by=row["delegated_by"],
            valid_from=moment(row, "valid_from"),
            valid_until=moment(row, "valid_until"),
            withdrawn=flag(row, "withdrawn"),
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
            scope=listed(row, "scope"), valid_from=moment(row, "valid_from"), valid_until=moment(row, "valid_until"),
            suspended=flag(row, "suspended"),
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


def _registered(row: Row) -> subjects.RegisteredSubject:
    return subjects.RegisteredSubject(
        key=row["key"], subject=subject(row), industry_code=row["industry_code"], area_code=row["area_code"],
        specialties=listed(row, "specialties"), remark=row["remark"],
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

CASES: Final = opening()

KINDS: Final = {each.name: each for each in (CONTACTS, AUTHORITIES, OFFICERS, SUBJECTS, CASES)}
"""By name."""
