"""What pages for everybody ask of the departments that publish here, and how often one address may ask.

A gateway may show several departments: each node tells what is its own, and the answers are laid together. Answers are
kept for some seconds, so that many visitors cost a node what one does.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Generic, TypeVar, cast

from google.protobuf.message import Message

from services.common.errors import LiandongError, NotFound
from services.gateway.accounts.model import TOKEN_ACR
from services.gateway.callers import Caller
from services.gateway.rest.limits import RateLimit
from services.gateway.web.page import Page

M = TypeVar("M", bound=Message)

_KEPT: Final = timedelta(seconds=10)
"""So long after it was taken down, something may still be shown."""
_IPV6: Final = 64


class NothingPublic(NotFound):
    """This gateway publishes for no department."""


@dataclass(frozen=True, slots=True)
class Answers(Generic[M]):
    """What departments said.

    Attributes:
        said: By department, in their order.
        refused: Why others said nothing.
    """

    said: dict[str, M]
    refused: dict[str, LiandongError]

    @property
    def away(self) -> tuple[str, ...]:
        """Departments that could not be asked."""
        return tuple(name for name, error in self.refused.items() if not isinstance(error, NotFound))

    def one(self) -> tuple[str, M]:
        """The first that knew it.

        Raises:
            LiandongError: None did; that one is away says more than that others know nothing.
        """
        for name, answer in self.said.items():
            return name, answer
        for name in self.away:
            raise self.refused[name]
        raise next(iter(self.refused.values()), NothingPublic())


async def ask_all(
    page: Page, departments: Sequence[str], request: Message, answer: type[M], *, kept: bool = True
) -> Answers[M]:
    """Ask departments at once.

    Args:
        page: For which page.
        departments: Which.
        request: What is asked.
        answer: What the RPC answers with.
        kept: An answer of some seconds ago will do.
    """
    found = await asyncio.gather(
        *(_ask(page, each, request, answer, kept) for each in departments), return_exceptions=True
    )
    said: dict[str, M] = {}
    refused: dict[str, LiandongError] = {}
    for name, each in zip(departments, found, strict=True):
        if isinstance(each, LiandongError):
            refused[name] = each
        elif isinstance(each, BaseException):
            raise each
        else:
            said[name] = each
    return Answers(said, refused)


async def _ask(page: Page, department: str, request: Message, answer: type[M], kept: bool) -> M:
    async def call() -> Message:
        return await page.site.calls.call(system(department), request, answer, request_id=page.request_id)

    if not kept:
        return cast("M", await call())
    key = (department, type(request), request.SerializeToString(deterministic=True))
    return cast("M", await page.site.public_answers.get(key, _KEPT, call))


def system(department: str) -> Caller:
    """The gateway itself, in a department's name."""
    return Caller(
        department=department, subject="gateway", name="gateway", roles=("system",), acr=TOKEN_ACR, service=True,
        scopes=frozenset(), key="gateway",
    )  # fmt: skip


async def visit(page: Page) -> None:
    """Count a visit, and know what departments are called, though nobody is logged in.

    Raises:
        TooManyCalls: The address asks too often.
    """
    taken(page.site.public_visits, page)
    known = (*page.site.public_departments, page.site.public_intake)
    department = next((each for each in known if each), "")
    if department:
        await page.site.directory.refresh(system(department))


def taken(limit: RateLimit, page: Page, key: str | None = None) -> None:
    """Take something out of what an address may do, or another key.

    Raises:
        TooManyCalls: There is nothing left.
    """
    limit.take(address(page) if key is None else key)


def address(page: Page) -> str:
    """Whose visits are counted together: an address, of IPv6 the network of which one has all."""
    client = page.request.client
    try:
        found = ipaddress.ip_address(client.host if client else "")
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.ip_network((int(found), _IPV6), strict=False))
