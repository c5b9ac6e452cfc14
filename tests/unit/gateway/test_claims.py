"""Whom claims mean, and that nobody gets more by them than the operator said."""

from typing import Any

import pytest

from services.gateway.accounts.claims import ClaimNames, IdentityRefused, person_of
from services.gateway.accounts.model import ADMINISTRATOR, AUDITOR, DISPLAY, ROLES
from services.procedures.checker import PERSON_ROLES

SERVED = frozenset({"health.qinghe", "market.qinghe"})
NAMES = ClaimNames(
    name="name", username="preferred_username", department="org", roles="realm_access.roles",
    departments={"卫健局": "health.qinghe", "rest of the world": "police.qinghe"},
    role_names={"经办": "clerk", "分管": "leader-in-charge"},
)  # fmt: skip
BASE: dict[str, Any] = {"iss": "https://id.example", "sub": "u-1", "name": "陈慧", "org": "卫健局"}


def roles(*names: Any) -> dict[str, Any]:
    return {"realm_access": {"roles": list(names)}}


def test_departments_and_roles_are_what_the_mapping_says() -> None:
    """A path leads into objects; a served department may be named as it is."""
    person = person_of({**BASE, **roles("经办", "分管")}, NAMES, SERVED)
    assert (person.department, person.roles, person.name) == (
        "health.qinghe", ("clerk", "leader-in-charge"), "陈慧",
    )  # fmt: skip
    assert person_of({**BASE, "org": "market.qinghe"}, NAMES, SERVED).department == "market.qinghe"


@pytest.mark.parametrize(
    "claimed",
    ["principal", "system-administrator", "经办 分管 principal", ["leader-in-charge"], {"x": 1}, 7, None],
)
def test_a_role_that_is_not_mapped_means_nothing(claimed: Any) -> None:
    """Not even one that would be known here under this name."""
    assert person_of({**BASE, **roles(claimed, "clerk")}, NAMES, SERVED).roles == ()
    assert "principal" not in person_of({**BASE, "realm_access": {"roles": claimed}}, NAMES, SERVED).roles


@pytest.mark.parametrize(
    "org", ["police.qinghe", "rest of the world", "", None, ["卫健局", "market.qinghe"], 3]
)
def test_no_department_or_two_are_none(org: Any) -> None:
    """Nor one that the gateway does not stand before, though the mapping names it."""
    assert person_of({**BASE, "org": org, **roles("经办")}, NAMES, SERVED).department == ""


@pytest.mark.parametrize("sub", [None, "", 5, ["u-1"], "x" * 256])
def test_without_a_subject_nobody_is_meant(sub: Any) -> None:
    """A subject is a text of at most 255 characters."""
    with pytest.raises(IdentityRefused):
        person_of({**BASE, "sub": sub}, NAMES, SERVED)


def test_ids_of_two_providers_are_never_the_same() -> None:
    """Nor are they those of local people, whatever the provider calls them."""
    one = person_of({**BASE, "preferred_username": "Chen Hui"}, NAMES, SERVED)
    two = person_of({**BASE, "iss": "https://other.example"}, NAMES, SERVED)
    assert one.own_subject != two.own_subject
    assert one.own_subject.startswith("openid-")
    assert one.own_username.startswith("chenhui#")


def test_roles_of_accounts_are_those_of_procedures_and_three_more() -> None:
    """The gateway has no procedures, so it names the roles itself."""
    assert PERSON_ROLES | {AUDITOR, ADMINISTRATOR, DISPLAY} == ROLES
