"""One's own account: where one is logged in, the password, the authenticator."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import Response

from services.common.errors import InvalidField, LiandongError, NotFound
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.model import Locked, NotKnown, Session, WeakPassword
from services.gateway.accounts.parts import Parts
from services.gateway.web.access import Changing, SignedIn
from services.gateway.web.page import Page

router = APIRouter()


@router.get("/account")
async def account(page: SignedIn) -> Response:
    """Who one is, and where one is logged in."""
    own, parts = _session(page), _parts(page)
    return page.render(
        "account.html",
        sessions=await parts.accounts.sessions(own.account.id),
        identities=await parts.identities.of(own.account.id),
    )


@router.post("/account/sessions")
async def end_sessions(page: SignedIn) -> Response:
    """End one session of one's own, or all but this one."""
    own, only = _session(page), page.text_of("session")
    accounts = _accounts(page)
    if only:
        await accounts.end(own.account.id, [only], by=page.by)
    else:
        await accounts.end(own.account.id, but=own.id, by=page.by)
    return page.go("/account", "account.ended")


@router.get("/account/password")
async def password(page: Changing) -> Response:
    """Where the password is changed."""
    return page.render("password.html", wrong={})


@router.post("/account/password")
async def change_password(page: Changing) -> Response:
    """Change it; every other session ends."""
    new = str(page.form.get("password", ""))
    wrong: Mapping[str, str] = {}
    if new != str(page.form.get("again", "")):
        wrong = {"again": page.t("account.differ")}
    else:
        try:
            await _accounts(page).change_password(_session(page), str(page.form.get("old", "")), new)
        except LiandongError as error:
            wrong = _wrong(page, error)
    if wrong:
        return page.render("password.html", status=400, wrong=wrong)
    return page.go("/account", "account.changed")


@router.get("/account/authenticator")
async def authenticator(page: SignedIn) -> Response:
    """Where an authenticator is set up, or taken off."""
    return _authenticator(
        page, "" if _session(page).account.totp else _parts(page).codes.begin(_session(page))
    )


@router.post("/account/authenticator")
async def set_authenticator(page: SignedIn) -> Response:
    """Set up: the code shows that the authenticator has the key; the password, that it is still the person."""
    own, uri = _session(page), page.text_of("uri")
    try:
        if own.account.totp:
            raise InvalidField("There is one already.", field="code")
        await _accounts(page).prove(own, str(page.form.get("old", "")), "authenticator.set")
        await _parts(page).codes.confirm(own, uri, page.text_of("code"))
    except LiandongError as error:
        return _authenticator(page, uri, _wrong(page, error))
    return page.go("/account", "account.authenticator_set")


@router.post("/account/authenticator/end")
async def end_authenticator(page: SignedIn) -> Response:
    """Take it off."""
    own = _session(page)
    try:
        await _accounts(page).prove(own, str(page.form.get("old", "")), "authenticator.end")
    except LiandongError as error:
        return _authenticator(page, "", _wrong(page, error))
    await _parts(page).codes.end(own)
    return page.go("/account", "account.authenticator_ended")


def _authenticator(page: Page, uri: str, wrong: Mapping[str, str] | None = None) -> Response:
    import segno  # noqa: PLC0415 - only here

    picture, key = "", ""
    if uri.startswith("otpauth://totp/"):
        picture = segno.make(uri, error="m").svg_data_uri(scale=4, border=4, light="white")
        _, _, key = uri.partition("secret=")
    return page.render(
        "authenticator.html", status=400 if wrong else 200, uri=uri, picture=picture,
        key=key.partition("&")[0], wrong=wrong or {},
    )  # fmt: skip


def _wrong(page: Page, error: LiandongError) -> Mapping[str, str]:
    """What is wrong by field, in the page's language."""
    if isinstance(error, Locked):
        return {"old": page.t("account.locked", minutes=-(-error.retry_after_ms // 60000))}
    if isinstance(error, NotKnown):
        return {"old": page.t("account.not_the_password")}
    if isinstance(error, WeakPassword):
        return {"password": page.t("account.weak")}
    if isinstance(error, InvalidField) and error.field in {"password", "code", "uri"}:
        texts = {
            "password": "account.same",
            "code": "account.code_not_of_key",
            "uri": "account.code_not_of_key",
        }
        return {"code" if error.field == "uri" else error.field: page.t(texts[error.field])}
    raise error


def _session(page: Page) -> Session:
    assert page.session is not None
    return page.session


def _parts(page: Page) -> Parts:
    if page.site.parts is None:
        raise NotFound("This gateway knows no accounts.")
    return page.site.parts


def _accounts(page: Page) -> Accounts:
    return _parts(page).accounts
