"""Routing proposes the competent department and says why."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.directory.v1 import common_entry_pb2 as pb

from services.exchange.directory import Directory
from services.exchange.routing import Proposal, propose

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
COUNTY, TOWN, POLICE = "health.qinghe", "liuzhuang.qinghe", "police.qinghe"
TITLES = {
    COUNTY: pb.Title(zh="卫健局", en="Health"),
    TOWN: pb.Title(zh="柳庄镇", en="Liuzhuang"),
    POLICE: pb.Title(zh="公安局", en="Police"),
}
ANYWHERE = pb.AREA_SPLIT_UNSPECIFIED


def stamp(moment: datetime) -> Timestamp:
    result = Timestamp()
    result.FromDatetime(moment)
    return result


def row(department: str, mode: pb.AuthorityMode.ValueType, area: str = "", **more: object) -> pb.Authority:
    return pb.Authority(
        item_code="W1", title=pb.Title(zh="无证行医", en="illegal practice"), department=department,
        area_code=area, mode=mode, basis="第五十九条", **more,  # type: ignore[arg-type]
    )  # fmt: skip


BY_LAW = row(COUNTY, pb.AUTHORITY_MODE_GRANTED)


def directory(*entries: pb.Authority | pb.Duty, left: str = "") -> Directory:
    result = Directory.empty("qinghe")
    known = [
        pb.CommonEntry(
            department=pb.Department(
                name=name,
                title=title,
                status=pb.DEPARTMENT_STATUS_LEFT if name == left else pb.DEPARTMENT_STATUS_ACTIVE,
            )
        )
        for name, title in TITLES.items()
    ]
    ruled = [
        pb.CommonEntry(duty=each) if isinstance(each, pb.Duty) else pb.CommonEntry(authority=each)
        for each in entries
    ]
    for number, entry in enumerate([*known, *ruled]):
        result = result.apply(entry, version=number + 1, position=number, admitted_at=NOW)
    return result


def ask(
    *entries: pb.Authority | pb.Duty,
    item: str = "W1",
    subject: str = "",
    area: str = "liuzhuang",
    split: pb.AreaSplit.ValueType = ANYWHERE,
    left: str = "",
) -> tuple[Proposal, ...]:
    return propose(directory(*entries, left=left), item, subject, area, split, NOW)


def names(proposals: tuple[Proposal, ...]) -> list[str]:
    return [proposal.department for proposal in proposals]


def test_a_granted_matter_goes_to_the_town() -> None:
    """The town is subject and answers for it; the county department still inspects."""
    town, county = ask(BY_LAW, row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang"))
    assert (town.department, town.mode) == (TOWN, pb.AUTHORITY_MODE_GRANTED)
    assert "承担责任" in town.reason.zh
    assert "answers for it" in town.reason.en
    assert county.department == COUNTY
    assert "监督检查" in county.reason.zh
    assert "still inspects" in county.reason.en
    assert county.basis == "第五十九条"


def test_a_delegated_matter_is_the_towns_in_the_county_departments_name() -> None:
    """The reason names the letter and the last day."""
    end = datetime(2027, 12, 31, 16, tzinfo=UTC)  # 2028-01-01 00:00 in Shanghai, exclusive
    delegated = row(
        TOWN, pb.AUTHORITY_MODE_DELEGATED, "liuzhuang",
        delegated_by=f"{COUNTY} 清卫委〔2026〕2号", valid_until=stamp(end),
    )  # fmt: skip
    town = ask(BY_LAW, delegated)[0]
    assert (town.department, town.in_name_of, town.valid_until) == (TOWN, COUNTY, end)
    assert "以卫健局名义" in town.reason.zh
    assert "清卫委〔2026〕2号" in town.reason.zh
    assert town.reason.zh.endswith("有效期至2027-12-31")
    assert town.reason.en.endswith("until 2027-12-31")


def test_a_matter_not_taken_over_stays_with_the_county_department() -> None:
    """It comes in its own name with at least two officers."""
    (county,) = ask(BY_LAW, row(COUNTY, pb.AUTHORITY_MODE_NONE, "liuzhuang"))
    assert (county.department, county.mode) == (COUNTY, pb.AUTHORITY_MODE_NONE)
    assert "不少于2人" in county.reason.zh
    assert "at least 2 officers" in county.reason.en


def test_a_split_area_is_the_countys_inside_and_the_towns_outside() -> None:
    """Where the part is not said, both are proposed with their part in the reason."""
    rows = (
        row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang", split=pb.AREA_SPLIT_OUTSIDE),
        row(COUNTY, pb.AUTHORITY_MODE_NONE, "liuzhuang", split=pb.AREA_SPLIT_BUILT_UP),
    )
    assert names(ask(*rows, split=pb.AREA_SPLIT_BUILT_UP)) == [COUNTY]
    assert names(ask(*rows, split=pb.AREA_SPLIT_OUTSIDE)) == [TOWN]
    town, county = ask(*rows)
    assert town.reason.zh.startswith("赋权：建成区外")
    assert county.reason.en.startswith("Not taken over: in the built-up area")


@pytest.mark.parametrize(
    "change",
    [
        {"withdrawn": True},
        {"valid_until": stamp(NOW)},
        {"valid_from": stamp(NOW + timedelta(seconds=1))},
    ],
)
def test_rows_not_in_force_are_ignored(change: dict[str, object]) -> None:
    """A withdrawn, ended or future row gives the town nothing."""
    assert names(ask(BY_LAW, row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang", **change))) == [COUNTY]


def test_rows_of_other_areas_are_ignored() -> None:
    """A neighbouring town's list is not this one's."""
    assert names(ask(BY_LAW, row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang"), area="hexi")) == [COUNTY]
    assert names(ask(BY_LAW, row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang"), area="")) == [COUNTY]


def test_the_matrix_of_duties_names_lead_and_those_who_act_along() -> None:
    """By subject, or by the subject that the matter belongs to."""
    duty = pb.Duty(
        subject="illegal-practice", title=pb.Title(zh="非法行医", en="Illegal practice"), lead=COUNTY,
        co_acting=[POLICE], item_codes=["W1"],
    )  # fmt: skip
    for proposals in (ask(duty), ask(duty, item="", subject="illegal-practice")):
        (lead,) = proposals
        assert (lead.department, lead.co_acting) == (COUNTY, (POLICE,))
        assert lead.mode == pb.AUTHORITY_MODE_UNSPECIFIED
        assert "牵头" in lead.reason.zh
    town, county = ask(duty, row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang"))
    assert (town.department, town.co_acting) == (TOWN, (COUNTY, POLICE))
    assert county.department == COUNTY


def test_departments_that_left_or_are_unknown_are_not_proposed() -> None:
    """A list may outlive a department."""
    assert names(ask(BY_LAW, row(TOWN, pb.AUTHORITY_MODE_GRANTED, "liuzhuang"), left=TOWN)) == [COUNTY]
    assert names(ask(row("gone.qinghe", pb.AUTHORITY_MODE_GRANTED), BY_LAW)) == [COUNTY]


def test_nothing_known_proposes_nobody() -> None:
    """An unknown matter and an unknown subject have no answer, and no error."""
    assert ask(BY_LAW, item="W9") == ()
    assert ask(BY_LAW, item="", subject="x") == ()
