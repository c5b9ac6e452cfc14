"""Whom one can choose in one's own department: people with an account or in the directory, sections, roles."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from liandong.cases.v1 import handling_service_pb2 as handling
from liandong.directory.v1 import directory_service_pb2 as directory

from services.common.errors import InvalidField
from services.common.titles import role_title
from services.gateway.web.page import Page


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody of the department."""

    subject: str
    name: str
    roles: tuple[str, ...]
    section: str = ""


@dataclass(frozen=True, slots=True)
class Staff:
    """The department's people and sections.

    Attributes:
        people: By name.
        sections: Id and title.
    """

    people: tuple[Colleague, ...] = ()
    sections: tuple[tuple[str, str], ...] = ()

    def named(self, subject: str) -> Colleague:
        """Somebody by the issuer's id.

        Raises:
            InvalidField: Nobody of the department.
        """
        for each in self.people:
            if each.subject == subject:
                return each
        raise InvalidField("Nobody of that id is of this department.", field="person")

    def in_role(self, roles: Iterable[str]) -> list[Colleague]:
        """Who has one of these roles."""
        wanted = set(roles)
        return [each for each in self.people if wanted & set(each.roles)]


async def staff_of(page: Page) -> Staff:
    """The department's people and sections: accounts of this gateway, and the directory's list."""
    assert page.site.accounts is not None
    name = page.caller.department
    accounts, found = await asyncio.gather(
        page.site.accounts.accounts(name),
        page.ask(directory.GetDepartmentRequest(name=name), directory.GetDepartmentResponse),
    )
    people = {
        each.id: Colleague(each.id, each.name, tuple(each.roles), each.section)
        for each in found.people
        if not each.retired
    }
    for account in accounts:
        if account.disabled:
            continue
        listed = people.get(account.subject)
        roles = tuple(dict.fromkeys((*account.roles, *(listed.roles if listed else ()))))
        section = listed.section if listed else ""
        people[account.subject] = Colleague(account.subject, account.name, roles, section)
    sections = tuple(
        (each.id, (each.title.zh if page.language == "zh" else each.title.en) or each.title.zh)
        for each in found.department.sections
    )
    return Staff(tuple(sorted(people.values(), key=lambda each: (each.name, each.subject))), sections)


def role_name(page: Page, role: str) -> str:
    """What a role is called."""
    return page.say(role_title(role))


def roles_name(page: Page, roles: Sequence[str]) -> str:
    """What several are called."""
    return page.t("work.comma").join(role_name(page, each) for each in roles)


def who_from(text: str, role: str = "") -> handling.Who:
    """Whom a choice names: `p|subject`, `s|section` or `r|role`.

    Args:
        text: The choice.
        role: In which a person is meant.

    Raises:
        InvalidField: It names nobody.
    """
    kind, _, value = text.partition("|")
    if not value or len(value) > 100:  # noqa: PLR2004 - as the contract says
        raise InvalidField("Choose somebody.", field="who")
    if kind == "p":
        return handling.Who(subject=value, role=role)
    if kind == "s":
        return handling.Who(section=value)
    if kind == "r":
        return handling.Who(role=value)
    raise InvalidField("Choose somebody.", field="who")
