"""A ledger that chance writes: real letters through real admission, over months, with pauses, arrivals and calendars."""

import random
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from liandong.directory.v1 import common_entry_pb2 as directory_pb

from services.common.clock import ManualClock
from services.exchange.letters import timestamp
from services.registry import tables
from services.registry.commands import Admitted
from tests.builders.departments import HEALTH, MARKET, Sent, Signer, new_id
from tests.builders.registry import Bench

_LIKELY = {
    "registered": ("transfer", "transfer", "close"),
    "sent": ("sign-for", "sign-for", "recall", "accept"),
    "signed": ("request-material", "accept"),
    "awaiting-material": ("supply-material", "accept", "progress"),
    "accepted": ("progress", "outcome", "transfer"),
    "answered": ("close", "progress"),
}
"""What chance tries in which state; some of it is refused."""


class Walk:
    """Steps that chance takes. Acts that do not fit are refused, which is right too.

    Args:
        registry: Where.
        clock: Its clock.
        seed: Of chance.
    """

    def __init__(self, registry: Bench, clock: ManualClock, seed: int) -> None:
        self.registry = registry
        self.clock = clock
        self.chance = random.Random(seed)
        self.last: dict[str, int] = {}
        self.admitted = 0

    def take(self, steps: int) -> None:
        """Take so many steps."""
        for _ in range(steps):
            kind = self.chance.random()
            if kind < 0.15 or not self.last:
                self._open()
            elif kind < 0.80:
                self._act(self.chance.choice([*self.last]))
            elif kind < 0.90:
                self._arrive()
            elif kind < 0.93:
                self._publish()
            self.clock.advance(timedelta(hours=self.chance.choice((0, 1, 5, 20, 60))))
            for signer in self.registry.signers.values():
                # a system's assertion is good for minutes
                vars(signer).pop("session", None)

    def _open(self) -> None:
        case_id = new_id()
        codes: dict[str, Any] = {
            "item_code": self.chance.choice(("", "WJ-0601")),
            "area_code": self.chance.choice(("", "hexi")),
        }
        letter = self.registry.health.act(case_id, "register", parties={HEALTH: "sender"}, **codes)
        self._submit(self.registry.health, case_id, letter)

    def _act(self, case_id: str) -> None:
        health, market, at = self.registry.health, self.registry.market, self.last[case_id]
        limit = timestamp(self.clock.now() + timedelta(days=self.chance.randint(1, 40)))
        state = self._state(case_id)
        name = self.chance.choice(_LIKELY.get(state, ("progress", "transfer", "recall")))
        if name == "transfer":
            letter = self.registry.transfer(case_id, at)
            self._submit(health, case_id, letter)
        elif name == "request-material":
            letter = market.act(
                case_id, name, based_on=at, materials=["material-list"], requested_limit=limit
            )
            self._submit(market, case_id, letter)
        elif name in {"supply-material", "close", "recall"}:
            letter = health.act(
                case_id,
                name,
                based_on=at,
                materials=["supplement"] if name == "supply-material" else (),
                approved_by={"close": ["section-head"], "recall": ["leader-in-charge"]}.get(name, []),
                amended_letter="",
            )
            self._submit(health, case_id, letter)
        else:
            needs = {"accept": ["acceptance-notice"], "outcome": ["outcome-letter"]}.get(name, [])
            self._submit(market, case_id, market.act(case_id, name, based_on=at, materials=needs))

    def _state(self, case_id: str) -> str:
        columns = tables.cases.c
        found: str = self.registry.database.read(
            lambda connection: connection.execute(
                sa.select(columns.state).where(columns.case_id == case_id)
            ).scalar_one()
        )
        return found

    def _submit(self, signer: Signer, case_id: str, letter: Sent) -> None:
        (result,) = self.registry.submit(signer, letter)
        if isinstance(result, Admitted):
            self.last[case_id] = result.position
            self.admitted += 1

    def _arrive(self) -> None:
        columns = tables.awaited_receipts.c
        waiting = self.registry.database.read(
            lambda connection: connection.execute(
                sa.select(columns.position).where(columns.department == MARKET)
            ).scalars().all()
        )  # fmt: skip
        if waiting:
            position = self.chance.choice(waiting)
            digest = self.registry.database.read(
                lambda connection: connection.execute(
                    sa.select(tables.ledger.c.letter_digest).where(tables.ledger.c.position == position)
                ).scalar_one()
            )
            self.registry.submit(self.registry.market, self.registry.market.arrival({position: digest}))

    def _publish(self) -> None:
        day = f"{self.chance.randint(1, 12):02d}-{self.chance.randint(1, 28):02d}"
        year = self.clock.now().year
        calendar = directory_pb.CalendarYear(region="qinghe", year=year, holidays=["01-01", "10-01", day])
        self.registry.publish(directory_pb.CommonEntry(calendar=calendar))
        officer = directory_pb.OfficerCertificate(
            number=f"Z-{self.chance.randint(1, 5)}",
            department=HEALTH,
            subject="officer-9",
            name="李四",
            valid_from=timestamp(self.clock.now() - timedelta(days=30)),
            valid_until=timestamp(self.clock.now() + timedelta(days=self.chance.randint(1, 200))),
        )
        self.registry.publish(directory_pb.CommonEntry(officer=officer))


def region_lists(registry: Bench) -> None:
    """A duty and the areas that the authority lists name for its matter."""
    title = directory_pb.Title(zh="公共场所卫生", en="Hygiene of public places")
    duty = directory_pb.Duty(subject="public-places", title=title, lead=HEALTH, item_codes=["WJ-0601"])
    registry.publish(directory_pb.CommonEntry(duty=duty))
    for area in ("hexi", "liuzhuang"):
        row = directory_pb.Authority(
            item_code="WJ-0601",
            title=title,
            department=HEALTH,
            area_code=area,
            mode=directory_pb.AUTHORITY_MODE_GRANTED,
        )
        registry.publish(directory_pb.CommonEntry(authority=row))
