"""Accounts of the demo's people at the gateway: one for every person of every department, all with one password."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uuid_utils
from sqlalchemy import Connection

from services.cli.demo.party import Party
from services.common.db import Database
from services.common.migrations import migrate
from services.gateway import schema
from services.gateway.accounts import store
from services.gateway.accounts.model import ADMINISTRATOR, Account
from services.gateway.accounts.passwords import Passwords

_PASSWORD_FILE: Final = "password"  # noqa: S105 - a file's name
_PASSWORD_BYTES: Final = 9
_KEEPER: Final = "系统管理员"


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """What somebody needs to log in.

    Attributes:
        department: Dotted name.
        role: Of the person.
        name: Of the person.
        username: Typed.
        password: Typed; the same for all.
    """

    department: str
    role: str
    name: str
    username: str
    password: str


def add_accounts(url: str, folder: Path, parties: Iterable[Party]) -> list[DemoAccount]:
    """Give every person an account; who has one keeps it.

    Args:
        url: The gateway's store.
        folder: Where the password is kept.
        parties: The departments.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _PASSWORD_FILE
    if not path.exists():
        path.touch(0o600)
        path.write_text(secrets.token_urlsafe(_PASSWORD_BYTES), encoding="utf-8")
    password = path.read_text(encoding="utf-8")
    migrate(url, schema.MIGRATIONS, version_table=schema.VERSION_TABLE)
    # hashing takes its time by design: once for all of them
    hashed = Passwords().hashed(password)
    now = datetime.now(UTC)
    made, accounts = [], []
    for party in parties:
        keeper = f"admin.{party.name.partition('.')[0]}"
        made.append(DemoAccount(party.name, ADMINISTRATOR, _KEEPER, keeper, password))
        accounts.append(_account(keeper, party.name, keeper, _KEEPER, ADMINISTRATOR))
        for key, person in party.people.items():
            if person.service:
                continue
            username = f"{key}.{party.name.partition('.')[0]}"
            made.append(DemoAccount(party.name, person.role, person.name, username, password))
            accounts.append(
                _account(username, party.name, person.subject, person.name, person.role, person.certificate)
            )

    def add(connection: Connection) -> None:
        for each in accounts:
            if store.find(connection, each.username) is None:
                store.add(connection, each, hashed, now)

    database = Database(url)
    try:
        database.write(add)
    finally:
        database.close()
    return made


def _account(
    username: str, department: str, subject: str, name: str, role: str, certificate: str = ""
) -> Account:
    return Account(
        id=uuid_utils.uuid7().hex, username=username, department=department, subject=subject, name=name,
        roles=(role,), certificate=certificate, must_change=False, totp=False, locked_until=None, disabled=False,
        language="",
    )  # fmt: skip
