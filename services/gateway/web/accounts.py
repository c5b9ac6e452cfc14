"""A department's accounts, tokens and audit at the gateway, for its administrator; the audit for auditors, too.

An administrator keeps the accounts of the own department and nobody else's, not even sees that there are others;
gives no account the administrator's role, which is the operator's to give, and changes nothing of the own one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from services.common.errors import InvalidField, NotFound, RoleNotPermitted
from services.gateway.accounts import certificates
from services.gateway.accounts.claims import MOST_SUBJECT
from services.gateway.accounts.identities import IdentityTaken
from services.gateway.accounts.model import ADMINISTRATOR, AUDITOR, ROLES, Account, UsernameTaken
from services.gateway.accounts.parts import Parts
from services.gateway.audit import PAGE
from services.gateway.rest.scopes import SCOPES
from services.gateway.web.access import SignedIn
from services.gateway.web.page import Page

router = APIRouter(prefix="/admin")

GRANTED: Final = tuple(sorted(ROLES - {ADMINISTRATOR}))
PAGES: Final = {
    "accounts": (ADMINISTRATOR,),
    "tokens": (ADMINISTRATOR,),
    "webhooks": (ADMINISTRATOR,),
    "logins": (ADMINISTRATOR, AUDITOR),
}
"""What there is to keep, and who sees it."""
_ACTIONS: Final = frozenset({
    "log-in", "session.end", "password.change", "account.add", "account.change", "account.reset",
    "account.disable", "account.enable", "authenticator.set", "authenticator.end", "identity.add",
    "identity.remove", "token.add", "token.revoke", "webhook.add", "webhook.remove", "webhook.enable",
    "webhook.disable", "webhook.rotate", "webhook.ping", "webhook.replay", "template.add", "template.change",
    "template.remove",
})  # fmt: skip
_ACR: Final = "urn:liandong:acr:"
_GIVEN_BYTES: Final = 12
_MOST_DAYS: Final = 366
_OFFERED_DAYS: Final = 90


def pages_for(page: Page) -> tuple[str, ...]:
    """The pages that the person may enter."""
    return tuple(name for name, roles in PAGES.items() if set(roles) & set(page.caller.roles))


@router.get("/accounts")
async def accounts(page: SignedIn) -> Response:
    """The department's accounts."""
    only(page, ADMINISTRATOR)
    found = await _parts(page).accounts.accounts(page.caller.department)
    return page.render("accounts/accounts.html", accounts=found)


@router.get("/accounts/new")
async def new_account(page: SignedIn) -> Response:
    """Where an account is added."""
    only(page, ADMINISTRATOR)
    return _form(page, {})


@router.post("/accounts")
async def add_account(page: SignedIn) -> Response:
    """Add one; its first password is shown once."""
    only(page, ADMINISTRATOR)
    password = secrets.token_urlsafe(_GIVEN_BYTES)
    try:
        made = await _parts(page).accounts.create(
            Account(
                id="", username=page.text_of("username"), department=page.caller.department,
                subject=page.text_of("subject"), name=page.text_of("name"), roles=_roles(page),
                certificate=page.text_of("certificate"), must_change=True, totp=False, locked_until=None,
                disabled=False, language="",
            ),
            password,
            by=page.by,
        )  # fmt: skip
    except (InvalidField, UsernameTaken) as error:
        field = error.field or "username"
        return _form(page, {field: page.t(f"accounts.wrong_{field}")})
    return page.render("accounts/password.html", account=made, password=password)


@router.get("/accounts/{account_id}")
async def account(page: SignedIn, account_id: str) -> Response:
    """One account: who, which roles, what opens it, where it is logged in."""
    only(page, ADMINISTRATOR)
    return await _account(page, account_id, {})


@router.post("/accounts/{account_id}")
async def change_account(page: SignedIn, account_id: str) -> Response:
    """Change name, roles, officer's certificate."""
    account = await _others(page, account_id)
    try:
        # the administrator's role is neither given nor taken here
        kept = tuple(each for each in account.roles if each == ADMINISTRATOR)
        await _parts(page).accounts.change(
            page.caller.department, account_id, name=page.text_of("name"), roles=(*_roles(page), *kept),
            certificate=page.text_of("certificate"), by=page.by,
        )  # fmt: skip
    except InvalidField as error:
        return await _account(page, account_id, {error.field: page.t(f"accounts.wrong_{error.field}")})
    return page.go(f"/admin/accounts/{account_id}", "accounts.saved")


@router.post("/accounts/{account_id}/reset")
async def reset(page: SignedIn, account_id: str) -> Response:
    """A new first password, shown once; the authenticator is taken off, and sessions end."""
    account = await _others(page, account_id)
    password = secrets.token_urlsafe(_GIVEN_BYTES)
    await _parts(page).accounts.reset_password(page.caller.department, account_id, password, by=page.by)
    return page.render("accounts/password.html", account=account, password=password)


@router.post("/accounts/{account_id}/disable")
async def disable(page: SignedIn, account_id: str) -> Response:
    """Let nobody log in with it, or let them again."""
    await _others(page, account_id)
    disabled = page.text_of("disabled") == "yes"
    await _parts(page).accounts.disable(page.caller.department, account_id, disabled=disabled, by=page.by)
    return page.go(f"/admin/accounts/{account_id}", "accounts.disabled" if disabled else "accounts.enabled")


@router.post("/accounts/{account_id}/sessions")
async def end_sessions(page: SignedIn, account_id: str) -> Response:
    """End all its sessions."""
    account = await _others(page, account_id)
    await _parts(page).accounts.end(account.id, by=page.by)
    return page.go(f"/admin/accounts/{account_id}", "accounts.sessions_ended")


@router.post("/accounts/{account_id}/identities")
async def add_identity(page: SignedIn, account_id: str) -> Response:
    """Let a certificate, or somebody of the provider, open it, too."""
    account = await _others(page, account_id)
    openid, pem, subject = page.site.ways.openid, page.text_of("pem"), page.text_of("openid")
    try:
        if pem:
            shown = certificates.shown(certificates.parse(pem.encode()))
            identity = (shown.issuer, shown.serial, shown.title)
        elif openid is not None and 0 < len(subject) <= MOST_SUBJECT:
            identity = (openid.settings.issuer, subject, subject)
        else:
            raise InvalidField("A certificate or a subject is expected.", field="identity")
        await _parts(page).identities.add(page.caller.department, account.id, *identity, by=page.by)
    except IdentityTaken:
        return await _account(page, account_id, {"identity": page.t("accounts.identity_taken")})
    except InvalidField:
        return await _account(page, account_id, {"identity": page.t("accounts.wrong_identity")})
    return page.go(f"/admin/accounts/{account_id}", "accounts.identity_added")


@router.post("/accounts/{account_id}/identities/remove")
async def remove_identity(page: SignedIn, account_id: str) -> Response:
    """Let it no longer."""
    await _others(page, account_id)
    await _parts(page).identities.remove(
        page.caller.department, account_id, page.text_of("issuer"), page.text_of("subject"), by=page.by
    )
    return page.go(f"/admin/accounts/{account_id}", "accounts.identity_removed")


@router.get("/tokens")
async def tokens(page: SignedIn) -> Response:
    """What the department's systems call with."""
    only(page, ADMINISTRATOR)
    return await _tokens(page, {})


@router.post("/tokens")
async def add_token(page: SignedIn) -> Response:
    """Make one; it is shown once."""
    only(page, ADMINISTRATOR)
    days = page.text_of("days")
    scopes = [each for each in page.form.getlist("scope") if isinstance(each, str)]
    try:
        if not days.isascii() or not days.isdigit() or not 0 < int(days[:4]) <= _MOST_DAYS:
            raise InvalidField("A token lives for at most a year.", field="expires_at")
        if set(scopes) - set(SCOPES):
            raise InvalidField("There is no such scope.", field="scopes")
        token, secret = await _parts(page).tokens.create(
            page.caller.department, page.text_of("title"), scopes, timedelta(days=int(days)), by=page.by
        )
    except InvalidField as error:
        return await _tokens(page, {error.field: page.t(f"accounts.wrong_{error.field}")})
    return page.render("accounts/token.html", token=token, secret=secret)


@router.post("/tokens/{token_id}/revoke")
async def revoke_token(page: SignedIn, token_id: str) -> Response:
    """End one at once."""
    only(page, ADMINISTRATOR)
    await _parts(page).tokens.revoke(page.caller.department, token_id, by=page.by)
    return page.go("/admin/tokens", "accounts.token_revoked")


@router.get("/logins")
async def logins(page: SignedIn, before: int = 0, refused: bool = False) -> Response:
    """Who logged in, what was refused, what was changed."""
    only(page, *PAGES["logins"])
    rows = await _parts(page).audit.read(
        page.caller.department, before=max(0, min(before, 2**62)), refused=refused
    )
    return page.render(
        "accounts/logins.html",
        said=lambda word: _said(page, word),
        rows=rows,
        refused=refused,
        more=rows[-1].id if len(rows) == PAGE else 0,
    )


async def _others(page: Page, account_id: str) -> Account:
    """An account of the department that is not the own one."""
    only(page, ADMINISTRATOR)
    found = await _parts(page).accounts.account(page.caller.department, account_id)
    assert page.session is not None
    if found.id == page.session.account.id:
        raise RoleNotPermitted("Nobody changes the own account here.")
    return found


def _said(page: Page, word: str) -> str:
    """An action of the gateway's own, or how somebody was authenticated, in words; RPCs and pages as they are called."""
    if word in _ACTIONS:
        return page.t(f"accounts.did_{word.replace('.', '_')}")
    if word.startswith(_ACR):
        return page.t(f"account.acr_{word.removeprefix(_ACR)}")
    return word


def only(page: Page, *roles: str) -> None:
    """Check that somebody has one of these roles.

    Raises:
        RoleNotPermitted: None of them.
    """
    if not set(roles) & set(page.caller.roles):
        raise RoleNotPermitted


def _roles(page: Page) -> tuple[str, ...]:
    asked = {each for each in page.form.getlist("role") if isinstance(each, str)}
    if not asked or asked - set(GRANTED):
        raise InvalidField("There are no such roles, or none.", field="roles")
    return tuple(sorted(asked))


def _form(page: Page, wrong: Mapping[str, str]) -> Response:
    return page.render("accounts/new_account.html", status=400 if wrong else 200, wrong=wrong, roles=GRANTED)


async def _account(page: Page, account_id: str, wrong: Mapping[str, str]) -> Response:
    parts = _parts(page)
    found = await parts.accounts.account(page.caller.department, account_id)
    return page.render(
        "accounts/account.html", status=400 if wrong else 200, account=found, roles=GRANTED, wrong=wrong,
        identities=await parts.identities.of(found.id), sessions=await parts.accounts.sessions(found.id),
    )  # fmt: skip


async def _tokens(page: Page, wrong: Mapping[str, str]) -> Response:
    found = await _parts(page).tokens.all_of(page.caller.department)
    return page.render(
        "accounts/tokens.html", status=400 if wrong else 200, tokens=found, scopes=SCOPES, wrong=wrong,
        days=_OFFERED_DAYS,
    )  # fmt: skip


def _parts(page: Page) -> Parts:
    if page.site.parts is None:
        raise NotFound("This gateway knows no accounts.")
    return page.site.parts
