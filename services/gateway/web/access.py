"""Who may enter a page: the ways in that pages depend on, and the forms that come through them."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.datastructures import FormData

from services.common.errors import LimitExceeded, PermissionDenied, Unauthenticated
from services.gateway.accounts.callers import CSRF_HEADER, caller_of, check_csrf, secret_of
from services.gateway.proxies import check_origin
from services.gateway.web.page import WALL, LoginWanted, Page
from services.gateway.web.site import Site

CSRF_FIELD: Final = "csrf"
FORM_LIMIT: Final = 2 * 1024 * 1024
"""Bytes of a form; files go another way."""
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OF_DISPLAYS: Final = frozenset({WALL, "/live"})
_FORM: Final = "application/x-www-form-urlencoded"


class NewPasswordWanted(Exception):
    """The password was given by somebody else; the browser is sent to where it is changed."""


class FormTooLarge(LimitExceeded):
    """The form is larger than a form of ours can be."""

    status = 413


async def anybody(request: Request) -> Page:
    """A page for everybody; who is logged in is known all the same."""
    page = await _page(request)
    if request.method not in _SAFE and page.session is not None:
        own_form(page)
    return page


async def signed_in(request: Request) -> Page:
    """A page for people of a department.

    Raises:
        LoginWanted: Nobody known.
        NewPasswordWanted: One who has to change the password first.
        PermissionDenied: A display that wants anything but the wall view.
        Forged: A form that is not of our pages.
    """
    page = await changing(request)
    for_people(page)
    return page


def for_people(page: Page) -> None:
    """Check that the page is for whoever is logged in.

    Raises:
        LoginWanted: Nobody known.
        NewPasswordWanted: One who has to change the password first.
        PermissionDenied: A display that wants anything but the wall view.
    """
    if page.session is None:
        raise LoginWanted
    if page.session.must_change:
        raise NewPasswordWanted
    if page.session.account.is_display and page.request.url.path not in _OF_DISPLAYS:
        raise PermissionDenied("A display shows the wall view alone.")


async def changing(request: Request) -> Page:
    """The same, for somebody who may still have to change the password."""
    page = await _page(request)
    if page.session is None:
        raise LoginWanted
    if request.method not in _SAFE:
        own_form(page)
    return page


async def glancing(request: Request) -> Page:
    """The same for what a page asks by itself, again and again: it does not count as use of the session."""
    page = await _page(request, counts=False)
    if page.session is None or page.session.must_change:
        raise LoginWanted
    return page


Anybody = Annotated[Page, Depends(anybody)]
SignedIn = Annotated[Page, Depends(signed_in)]
Changing = Annotated[Page, Depends(changing)]
Glancing = Annotated[Page, Depends(glancing)]


async def of(request: Request, *, counts: bool = True) -> Page:
    """The page of a request, before anything it sends is read."""
    site: Site = request.app.state.site
    session = None
    secret = secret_of(request)
    if secret and site.accounts is not None:
        try:
            session = await (site.accounts.session_of if counts else site.accounts.peek)(secret)
        except Unauthenticated:
            session = None
    if session is not None:
        request.state.caller = caller_of(session)
        await site.directory.refresh(caller_of(session))
    return Page(request, site, session, FormData())


async def _page(request: Request, *, counts: bool = True) -> Page:
    page = await of(request, counts=counts)
    if page.session is not None:
        page.site.visits.take(page.caller.key)
    if request.method not in _SAFE:
        check_origin(request, page.site.public_url)
    if request.method not in _SAFE and request.headers.get("content-type", "").startswith(_FORM):
        await _bounded(request)
        page.form = await request.form()
    return page


def own_form(page: Page) -> None:
    """Check that a form is of a page of this session (CSRF): its word is in a field, or in the header that htmx sets.

    Raises:
        Forged: It is not.
    """
    check_csrf(page.secret, page.request.headers.get(CSRF_HEADER) or page.text_of(CSRF_FIELD))


async def _bounded(request: Request) -> None:
    kept = bytearray()
    async for piece in request.stream():
        kept += piece
        if len(kept) > FORM_LIMIT:
            raise FormTooLarge
    # what `request.form()` reads
    request._body = bytes(kept)  # noqa: SLF001 - there is no other way to read a form within a limit
