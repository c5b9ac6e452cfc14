"""For whom a page is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from services.common.errors import PermissionDenied
from services.gateway.web.access import NewPasswordWanted, for_people
from services.gateway.web.page import LoginWanted, Page


def page(path: str, *, logged_in: bool = True, must_change: bool = False, display: bool = False) -> Page:
    """A page at an address."""
    session = SimpleNamespace(must_change=must_change, account=SimpleNamespace(is_display=display))
    request = SimpleNamespace(url=SimpleNamespace(path=path))
    return cast("Page", SimpleNamespace(session=session if logged_in else None, request=request))


def test_a_display_has_the_wall_alone() -> None:
    """Also where it would bring files."""
    for_people(page("/picture/wall", display=True))
    for path in ("/", "/evidence", "/new/sheets/1/files", "/picture"):
        with pytest.raises(PermissionDenied):
            for_people(page(path, display=True))
        for_people(page(path))


def test_nobody_and_whoever_has_a_first_password_have_no_page() -> None:
    """They are sent to where that changes."""
    with pytest.raises(LoginWanted):
        for_people(page("/", logged_in=False))
    with pytest.raises(NewPasswordWanted):
        for_people(page("/", must_change=True))
