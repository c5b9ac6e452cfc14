"""Logging in and out, and one's own account."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

from services.common.errors import LiandongError, NotFound
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.callers import COOKIE, SECURE_COOKIE
from services.gateway.accounts.model import CodeWanted, Locked, Session
from services.gateway.web.page import WALL, Anybody, Changing, Page, SignedIn, own_path, said

router = APIRouter()


@router.get("/login")
async def login(page: Anybody) -> Response:
    """Where one logs in; who is logged in goes on."""
    target = own_path(page.request.query_params.get("next", "/"))
    if page.session is not None:
        return RedirectResponse(target, 303)
    return _login(page, target)


@router.post("/login")
async def log_in(page: Anybody) -> Response:
    """Begin a session; what the browser held before is worth nothing."""
    target = own_path(page.text_of("next") or "/")
    client = page.request.client
    try:
        session, secret = await _accounts(page).log_in(
            page.text_of("username"),
            str(page.form.get("password", "")),
            page.text_of("code"),
            origin=client.host if client else "",
            agent=page.request.headers.get("user-agent", ""),
        )
    except LiandongError as error:
        return _login(page, target, error)
    if session.account.is_display:
        target = WALL
    response = RedirectResponse("/account/password" if session.account.must_change else target, 303)
    keep(page, response, session, secret)
    return response


def keep(page: Page, response: Response, session: Session, secret: str) -> None:
    """Let the browser hold a session: for this gateway alone, and for no script."""
    response.set_cookie(
        SECURE_COOKIE if page.secure else COOKIE, secret, max_age=int(session.account.longest.total_seconds()), path="/",
        httponly=True, secure=page.secure, samesite="lax",
    )  # fmt: skip


@router.post("/logout")
async def log_out(page: Changing) -> Response:
    """End the session."""
    assert page.session is not None
    await _accounts(page).end(page.session.account.id, [page.session.id])
    response = RedirectResponse("/login", 303)
    for name in (SECURE_COOKIE, COOKIE):
        response.delete_cookie(name, path="/", secure=name == SECURE_COOKIE, httponly=True)
    return response


@router.get("/account")
async def account(page: SignedIn) -> Response:
    """Who one is, and where one is logged in."""
    assert page.session is not None
    sessions = await _accounts(page).sessions(page.session.account.id)
    return page.render("account.html", sessions=sessions)


@router.get("/account/password")
async def password(page: Changing) -> Response:
    """Where the password is changed."""
    return page.render("password.html", wrong={})


@router.post("/account/password")
async def change_password(page: Changing) -> Response:
    """Change it; every other session ends."""
    assert page.session is not None
    new = str(page.form.get("password", ""))
    wrong: dict[str, str] = {}
    if new != str(page.form.get("again", "")):
        wrong = {"again": page.t("account.differ")}
    else:
        try:
            await _accounts(page).change_password(page.session, str(page.form.get("old", "")), new)
        except LiandongError as error:
            wrong = dict(said(error))
    if wrong:
        return page.render("password.html", status=400, wrong=wrong)
    return page.go("/account", "account.changed")


def _login(page: Page, target: str, error: LiandongError | None = None) -> Response:
    context: dict[str, Any] = {
        "next": target,
        "wrong": "",
        "code": False,
        "username": page.text_of("username"),
    }
    if isinstance(error, Locked):
        minutes = -(-error.retry_after_ms // 60000)
        context["wrong"] = page.t("account.locked", minutes=minutes)
    elif isinstance(error, CodeWanted):
        context |= {"code": True, "wrong": page.t("account.code_wrong") if page.text_of("code") else ""}
    elif error is not None:
        context["wrong"] = page.t("account.not_known")
    return page.render("login.html", status=401 if error else 200, **context)


def _accounts(page: Page) -> Accounts:
    if page.site.accounts is None:
        raise NotFound("This gateway knows no accounts.")
    return page.site.accounts
