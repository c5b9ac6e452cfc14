"""What a page is made with: who looks at it, in which language, the services in that person's name, templates."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

import uuid_utils
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from liandong.exchange.v1 import envelope_pb2
from liandong.exchange.v1.reason_pb2 import Reason
from starlette.datastructures import FormData

from services.common.errors import LiandongError
from services.common.title import Title
from services.common.titles import field_title
from services.gateway.accounts.callers import (
    caller_of,
    csrf_of,
    secret_of,
)
from services.gateway.accounts.model import ADMINISTRATOR, AUDITOR, Session
from services.gateway.audit import By
from services.gateway.callers import Caller
from services.gateway.languages import LANGUAGES, TAGS, Language, choose
from services.gateway.proxies import origin_of
from services.gateway.web.due import Due, say
from services.gateway.web.filters import at
from services.gateway.web.procedures import OFFICE
from services.gateway.web.site import Site
from services.gateway.web.texts import catalogue, text

M = TypeVar("M", bound=Message)

LANGUAGE_COOKIE: Final = "liandong-language"
_DONE_COOKIE: Final = "liandong-done"
_LONGEST_SAID: Final = 300
"""Characters: a cookie has at most 4 KiB, and one Chinese character takes nine bytes in it."""
_ON_A_BUTTON: Final = 2
AREAS: Final[tuple[tuple[str, str], ...]] = (
    ("work", "/"),
    ("cases", "/cases"),
    ("new", "/new"),
    ("documents", "/documents"),
    ("registers", "/registers"),
    ("subjects", "/subjects"),
    ("sharing", "/sharing"),
    ("picture", "/picture"),
    ("admin", "/admin"),
)
"""Areas of the pages, with where each begins."""
_OF_DOERS: Final = frozenset({"work", "new"})
WALL: Final = "/picture/wall"


class LoginWanted(Exception):
    """Nobody is logged in; the browser is sent to where one logs in."""


@dataclass
class Page:
    """One request for a page.

    Attributes:
        request: The request.
        site: The gateway's pages.
        session: Of whoever looks at it; None on pages for everybody.
        form: What was sent, on a POST of a form.
    """

    request: Request
    site: Site
    session: Session | None
    form: FormData

    @cached_property
    def language(self) -> Language:
        """What is spoken: as the address says, as was chosen, as the account or the browser prefers."""
        asked = self.request.query_params.get("lang") or self.request.cookies.get(LANGUAGE_COOKIE)
        if not asked and self.session is not None:
            asked = self.session.account.language
        return choose(asked, self.request.headers.get("accept-language"), self.site.language)

    @property
    def now(self) -> datetime:
        """The time."""
        return self.site.clock.now()

    @cached_property
    def request_id(self) -> str:
        """Of this request, in the node's audit."""
        made = uuid_utils.uuid7().hex
        self.request.state.request_id = made
        return made

    @property
    def caller(self) -> Caller:
        """Who looks at it.

        Raises:
            LoginWanted: Nobody known.
        """
        if self.session is None:
            raise LoginWanted
        return caller_of(self.session)

    @property
    def department_title(self) -> str:
        """What the person's department is called."""
        return self.name_of(self.caller.department)

    def name_of(self, department: str) -> str:
        """What a department is called; its dotted name where the directory does not know it."""
        return self.site.directory.title(department, self.language)

    def names(self, titles: Sequence[str]) -> str:
        """Titles of departments on a button: of many the first, and how many."""
        if len(titles) > _ON_A_BUTTON:
            return self.t("act.several", first=titles[0], count=len(titles))
        return self.listed(titles)

    def listed(self, words: Iterable[str]) -> str:
        """Words one after the other, with what stands between them in the page's language."""
        return ("、" if self.language == "zh" else ", ").join(words)

    def others(self, parties: Iterable[envelope_pb2.Party]) -> tuple[str, ...]:
        """What the other departments of a case are called, each once.

        The office is a party to every case and says nothing of this one; of one role there can be several departments.
        """
        own = self.caller.department
        named = [each.department for each in parties if each.department != own and each.role != OFFICE]
        return tuple(dict.fromkeys(self.name_of(each) for each in named))

    def due(self, due_at: Timestamp | datetime | None, suspended: bool = False) -> Due | None:
        """How a due time is said; None for one that is not set."""
        moment = at(due_at)
        if moment is None and not suspended:
            return None
        working = self.site.directory.is_working_day
        return say(moment, self.now, working, self.language, suspended=suspended)

    @property
    def other_tag(self) -> str:
        """The language tag of the other language."""
        return TAGS[self._other]

    @property
    def other_language_url(self) -> str:
        """Where the same page is chosen in the other language."""
        here = quote(str(self.request.url.remove_query_params("lang").replace(scheme="", netloc="")))
        return f"/language?to={self._other}&next={here}"

    @property
    def _other(self) -> Language:
        return next(each for each in LANGUAGES if each != self.language)

    @property
    def areas(self) -> tuple[tuple[str, str], ...]:
        """Areas that the person may enter, with where they begin."""
        if self.only_keeps:
            return tuple(each for each in AREAS if each[0] == "admin")
        return tuple(each for each in AREAS if each[0] not in _OF_DOERS or not self.only_reads)

    @property
    def only_keeps(self) -> bool:
        """The person keeps accounts, and does nothing in cases."""
        return set(self.caller.roles) == {ADMINISTRATOR}

    @property
    def only_reads(self) -> bool:
        """The person reads what was done, and does nothing."""
        return set(self.caller.roles) == {AUDITOR}

    def is_in(self, target: str) -> bool:
        """Whether the page is of the area that begins there."""
        path = self.request.url.path
        return path == target or (target != "/" and path.startswith(f"{target}/"))

    @property
    def done(self) -> str:
        """What was done just now, on the page after it."""
        return unquote(self.request.cookies.get(_DONE_COOKIE, ""))[:500]

    def t(self, name: str, /, **values: object) -> str:
        """One text in the page's language."""
        return text(name, self.language, **values)

    def why(self, refused: LiandongError | str) -> str:
        """Why something was refused, in words: of an error, or of a reason without its prefix."""
        reason = refused if isinstance(refused, str) else refused.reason
        name = f"reasons.{reason}"
        if name in catalogue():
            return self.t(name)
        return reason if isinstance(refused, str) else refused.message

    def why_not(self, reason: Reason.ValueType) -> str:
        """The same of a number of the reasons' enum; empty for none."""
        return self.why(Reason.Name(reason).removeprefix("REASON_")) if reason in Reason.values() else ""

    def field_title(self, message: Message, name: str) -> str:
        """What a field of a message is called."""
        return self.say(field_title(message.DESCRIPTOR.fields_by_name[name]))

    def say(self, title: Title) -> str:
        """A title in the page's language."""
        return title.zh if self.language == "zh" else title.en

    def title(self, thing: Any, name: str = "title") -> str:
        """One of the two titles of a message, `title_zh` or `title_en`; the other if it is empty."""
        pair = [getattr(thing, f"{name}_{language}") for language in ("zh", "en")]
        first, second = pair if self.language == "zh" else reversed(pair)
        return str(first or second)

    async def ask(self, request: Message, answer: type[M]) -> M:
        """Call a service in the person's name; the request says which.

        Raises:
            LiandongError: What it said.
        """
        return await self.site.calls.call(self.caller, request, answer, request_id=self.request_id)

    def stream(self, request: Message, answer: type[M]) -> AsyncGenerator[M]:
        """The same where the answer is a stream."""
        return self.site.calls.stream(self.caller, request, answer, request_id=self.request_id)

    @property
    def is_fragment(self) -> bool:
        """Only a part of the page is asked for, by htmx."""
        return self.request.headers.get("hx-request") == "true"

    def render(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """An answer from a template; `base.html` says what every page has."""
        found = self.site.templates.get_template(template)
        content = found.render(
            page=self,
            t=self.t,
            title_of=self.title,
            language=self.language,
            tag=TAGS[self.language],
            session=self.session,
            csrf=self.csrf,
            now=self.now,
            path=self.request.url.path,
            **context,
        )
        headers = {"Content-Language": TAGS[self.language], "Vary": "Accept-Language, Cookie"}
        response = HTMLResponse(content, status, headers)
        if not self.is_fragment and _DONE_COOKIE in self.request.cookies:
            response.delete_cookie(_DONE_COOKIE)
        return response

    def go(self, path: str, done: str = "", **values: object) -> Response:
        """Send the browser on after something was done; the next page says so.

        Args:
            path: Of this gateway.
            done: The text that is shown there, by name.
            values: Put into it.
        """
        return self.say_and_go(path, self.t(done, **values) if done else "")

    def say_and_go(self, path: str, said: str) -> Response:
        """The same with words that were put together already."""
        if self.is_fragment:
            response = Response(status_code=204, headers={"HX-Redirect": path})
        else:
            response = RedirectResponse(path, 303)
        if said:
            response.set_cookie(
                _DONE_COOKIE, quote(said[:_LONGEST_SAID]), max_age=60, httponly=True,
                secure=self.secure, samesite="lax",
            )  # fmt: skip
        return response

    @property
    def secure(self) -> bool:
        """The browser came over TLS, as far as the proxy says."""
        return self.request.url.scheme == "https"

    def own_cookie(self, name: str) -> str:
        """A cookie's name; over TLS one that no other host of the domain can set."""
        return f"__Host-{name}" if self.secure else name

    @property
    def origin(self) -> str:
        """The browser's address."""
        return origin_of(self.request)

    @property
    def agent(self) -> str:
        """What the browser says it is."""
        return self.request.headers.get("user-agent", "")

    @property
    def by(self) -> By:
        """Who looks at it, for the audit of what is done."""
        return By(self.caller.who, self.origin, self.request_id)

    @property
    def secret(self) -> str:
        """What the session's cookie holds; empty for none."""
        return secret_of(self.request)

    @property
    def csrf(self) -> str:
        """The word that a form shows."""
        return csrf_of(self.secret) if self.session is not None else ""

    def text_of(self, name: str) -> str:
        """One field of the form, without blanks around it; empty if it is missing."""
        found = self.form.get(name, "")
        return found.strip() if isinstance(found, str) else ""


def own_path(path: str, otherwise: str = "/") -> str:
    """A path of this gateway, as it may stand in `next=`; what leads elsewhere is replaced."""
    parts = urlsplit(path)
    leads_away = parts.scheme or parts.netloc or not path.startswith("/") or path.startswith(("//", "/\\"))
    return otherwise if leads_away or not path.isprintable() or "\\" in path else path


def said(error: LiandongError) -> Mapping[str, str]:
    """What is wrong by field, for a form that is shown again; what is about none is under an empty name."""
    found = {each.field: each.message for each in error.violations}
    if error.field and error.field not in found:
        found[error.field] = error.message
    return found or {"": error.message}
