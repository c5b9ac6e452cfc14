"""What a sheet looks up while it is typed, with a node that answers and with one that does not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from types import SimpleNamespace
from typing import Any, cast

import pytest
from liandong.directory.v1 import code_service_pb2 as codes
from liandong.directory.v1 import common_entry_pb2 as entries
from liandong.directory.v1 import directory_service_pb2 as directory

from services.common.errors import Unavailable
from services.gateway.sheets.model import Sheet
from services.gateway.web import sheet_parts
from services.gateway.web.page import Page
from services.gateway.web.procedures import read, shortcuts
from services.gateway.web.sheet_forms import Plan, plan_for
from tests.unit.gateway.test_sheet_forms import sheet

MARKET = "market.qinghe"


@pytest.fixture(scope="module")
def plan() -> Plan:
    """A transfer."""
    source = resources.files("services.procedures").joinpath("case-transfer.yaml").read_text(encoding="utf-8")
    return plan_for(read(source), "transfer", shortcuts(), "health.qinghe")


def page(answer: Callable[[Any], Any]) -> Page:
    """A page whose node answers so."""

    async def ask(request: Any, _kind: Any) -> Any:
        return answer(request)

    said = SimpleNamespace(
        ask=ask, language="zh", name_of=str, caller=SimpleNamespace(department="health.qinghe")
    )
    return cast("Page", said)


def away(_request: Any) -> Any:
    """It does not answer."""
    raise Unavailable("The node is away.")


def there(request: Any) -> Any:
    """It knows one matter."""
    title = entries.Title(zh="对违法发布医疗广告的处罚", en="Medical advertising")
    if isinstance(request, directory.GetRulesRequest):
        rows = [entries.Authority(item_code="SJ-0101", title=title, department=MARKET)]
        return directory.GetRulesResponse(authorities=rows)
    if isinstance(request, directory.ProposeRouteRequest):
        return directory.ProposeRouteResponse(proposals=[directory.RouteProposal(department=MARKET)])
    assert isinstance(request, codes.ListTablesRequest)
    return codes.ListTablesResponse()


def chosen() -> Sheet:
    """A sheet on which the matter was chosen."""
    return sheet({"item_code": ("SJ-0101",)})


async def test_a_matter_is_found_by_any_word_of_it(plan: Plan) -> None:
    """And the competent department is proposed for it."""
    found = await sheet_parts.search(page(there), plan, "item_code", "医疗 广告")
    assert found is not None
    assert [each.code for each in found] == ["SJ-0101"]
    assert await sheet_parts.search(page(there), plan, "item_code", "供水") == []
    proposals = await sheet_parts.proposals(page(there), plan, chosen())
    assert proposals is not None
    assert [each.department for each in proposals] == [MARKET]


async def test_nothing_found_is_not_nobody_asked(plan: Plan) -> None:
    """Whoever cannot be answered is told so, and not that there is nothing."""
    assert await sheet_parts.search(page(away), plan, "item_code", "广告") is None
    assert await sheet_parts.proposals(page(away), plan, chosen()) is None
