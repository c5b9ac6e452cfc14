"""The parts that keep the gateway's accounts, wired over one store: for the process and for the command line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from services.common.clock import Clock
from services.common.db import Database
from services.gateway.accounts.accounts import Accounts
from services.gateway.accounts.codes import Codes
from services.gateway.accounts.identities import Identities
from services.gateway.accounts.tokens import Tokens
from services.gateway.audit import KEPT, Audit


@dataclass(frozen=True, slots=True)
class Parts:
    """What is kept.

    Attributes:
        audit: What was done and refused.
        accounts: People, their passwords and sessions.
        codes: Their authenticators.
        identities: Ways into accounts other than a password.
        tokens: What systems call with.
    """

    audit: Audit
    accounts: Accounts
    codes: Codes
    identities: Identities
    tokens: Tokens

    @staticmethod
    def over(database: Database, clock: Clock, kept: timedelta = KEPT) -> Parts:
        """The parts over a store.

        Args:
            database: The gateway's own.
            clock: The time.
            kept: How long the audit is kept.
        """
        audit = Audit(database, clock, kept)
        return Parts(
            audit,
            Accounts(database, clock, audit=audit),
            Codes(database, clock, audit),
            Identities(database, clock, audit),
            Tokens(database, clock, audit),
        )
