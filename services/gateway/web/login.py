"""Logging in, by a password, an OpenID provider or a certificate, and logging out."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from services.common.errors import LiandongError, NotFound
from services.gateway import problems
from services.gateway.accounts.callers import COOKIE, SECURE_COOKIE
from services.gateway.accounts.certificates import CertificateRefused
from services.gateway.accounts.claims import IdentityRefused, person_of
from services.gateway.accounts.model import (
    CERTIFICATE_ACR,
    OPENID_ACR,
    Account,
    CodeWanted,
    Locked,
    NotKnown,
    Session,
)
from services.gateway.accounts.openid import BACK, FLOW_TIME, FlowOver, OpenId, ProviderRefused, TokenRefused
from services.gateway.accounts.parts import Parts
from services.gateway.proxies import through_proxy
from services.gateway.rest.limits import TooManyCalls
from services.gateway.web.access import Anybody, Changing
from services.gateway.web.page import WALL, Page, own_path

router = APIRouter()

_FLOW: Final = "liandong-openid"
_WORDS: Final = {
    NotKnown: "account.not_known",
    TooManyCalls: "account.too_many",
    FlowOver: "account.login_over",
    ProviderRefused: "account.provider_refused",
    TokenRefused: "account.provider_refused",
    IdentityRefused: "account.identity_refused",
    CertificateRefused: "account.certificate_refused",
}


@router.get("/login")
async def login(page: Anybody) -> Response:
    """Where one logs in; who is logged in goes on."""
    target = own_path(page.request.query_params.get("next", "/"))
    if page.session is not None:
        return RedirectResponse(target, 303)
    provider = ""
    if page.site.ways.openid is not None and page.request.query_params.get("out") == "openid":
        provider = await page.site.ways.openid.log_out_url()
    return _login(page, target, provider=provider)


@router.post("/login")
async def log_in(page: Anybody) -> Response:
    """Begin a session; what the browser held before is worth nothing."""
    target = own_path(page.text_of("next") or "/")
    try:
        session, secret = await _parts(page).accounts.log_in(
            page.text_of("username"),
            str(page.form.get("password", "")),
            page.text_of("code"),
            origin=page.origin,
            agent=page.agent,
        )
    except LiandongError as error:
        # what was wrong is in the audit already, with the account if there is one
        return _login(page, target, error)
    if session.account.is_display:
        target = WALL
    return _entered(page, session, secret, "/account/password" if session.must_change else target)


@router.get("/login/openid")
async def begin_openid(page: Anybody) -> Response:
    """Send the browser to the provider."""
    target = own_path(page.request.query_params.get("next", "/"))
    openid = _openid(page)
    try:
        page.site.ways.attempts.take(page.origin)
        url, secret = await openid.begin(target)
    except LiandongError as error:
        return _refused(page, target, error)
    response = RedirectResponse(url, 303)
    _set(page, response, page.own_cookie(_FLOW), secret, int(FLOW_TIME.total_seconds()))
    return response


@router.get(BACK)
async def end_openid(page: Anybody) -> Response:
    """The browser comes back from the provider."""
    openid, parts, about = _openid(page), _parts(page), ""
    name = page.own_cookie(_FLOW)
    try:
        page.site.ways.attempts.take(page.origin)
        claims, place = await openid.finish(
            page.request.cookies.get(name, ""), dict(page.request.query_params)
        )
        person = person_of(claims, openid.settings.names, page.site.served)
        about = f"{person.issuer} {person.subject}"
        response = await _begin(page, await parts.identities.account_for(person), OPENID_ACR, place)
    except LiandongError as error:
        response = _refused(page, "/", error, about)
    response.delete_cookie(name, path="/", secure=page.secure, httponly=True, samesite="lax")
    return response


@router.post("/login/certificate")
async def log_in_by_certificate(page: Anybody) -> Response:
    """By the certificate that the browser has shown to the proxy."""
    target = own_path(page.text_of("next") or "/")
    certificates = page.site.ways.certificates
    if certificates is None:
        raise NotFound("This gateway takes no certificates.")
    given, about = page.request.headers.getlist(certificates.header), ""
    try:
        page.site.ways.attempts.take(page.origin)
        if not through_proxy(page.request) or len(given) != 1:
            raise CertificateRefused
        shown = certificates.judge(given[0])
        about = f"{shown.issuer} {shown.serial}"
        account = await _parts(page).identities.account_of(shown.issuer, shown.serial)
        return await _begin(page, account, CERTIFICATE_ACR, target)
    except LiandongError as error:
        return _refused(page, target, error, about)


@router.post("/logout")
async def log_out(page: Changing) -> Response:
    """End the session."""
    assert page.session is not None
    await _parts(page).accounts.end(page.session.account.id, [page.session.id], by=page.by)
    there = page.session.acr == OPENID_ACR and page.site.ways.openid is not None
    response = RedirectResponse("/login?out=openid" if there else "/login", 303)
    for name in (SECURE_COOKIE, COOKIE):
        response.delete_cookie(name, path="/", secure=name == SECURE_COOKIE, httponly=True, samesite="lax")
    return response


async def _begin(page: Page, account: Account, acr: str, place: str) -> Response:
    session, secret = await _parts(page).accounts.begin(account, acr, origin=page.origin, agent=page.agent)
    return _entered(page, session, secret, place)


def _entered(page: Page, session: Session, secret: str, place: str) -> Response:
    response = RedirectResponse(place, 303)
    name = SECURE_COOKIE if page.secure else COOKIE
    _set(page, response, name, secret, int(session.account.longest.total_seconds()))
    return response


def _set(page: Page, response: Response, name: str, secret: str, seconds: int) -> None:
    """Let the browser hold something: for this gateway alone, and for no script."""
    response.set_cookie(
        name, secret, max_age=seconds, path="/", httponly=True, secure=page.secure, samesite="lax"
    )


def _refused(page: Page, target: str, error: LiandongError, about: str = "") -> Response:
    problems.note_refusal(page.request, error, about)
    return _login(page, target, error)


def _login(page: Page, target: str, error: LiandongError | None = None, provider: str = "") -> Response:
    context: dict[str, Any] = {
        "next": target,
        "wrong": "",
        "code": False,
        "username": page.text_of("username"),
        "provider": provider,
    }
    if isinstance(error, Locked):
        minutes = -(-error.retry_after_ms // 60000)
        context["wrong"] = page.t("account.locked", minutes=minutes)
    elif isinstance(error, CodeWanted):
        context |= {"code": True, "wrong": page.t("account.code_wrong") if page.text_of("code") else ""}
    elif error is not None:
        context["wrong"] = page.t(_WORDS.get(type(error), "account.try_later"))
    status = problems.STATUSES.get(error.code, 500) if error is not None else 200
    return page.render("login.html", status=int(status), **context)


def _openid(page: Page) -> OpenId:
    if page.site.ways.openid is None:
        raise NotFound("This gateway has no OpenID provider.")
    return page.site.ways.openid


def _parts(page: Page) -> Parts:
    if page.site.parts is None:
        raise NotFound("This gateway knows no accounts.")
    return page.site.parts
