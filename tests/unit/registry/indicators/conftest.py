"""The indicator service over the registry's tables."""

import pytest

from services.common.clock import ManualClock
from services.common.db import Database
from services.registry.handlers.indicators import IndicatorHandlers
from services.registry.indicators import catalogue
from tests.unit.procedures.deadline_samples import at
from tests.unit.registry.oversight_samples import directory


@pytest.fixture
def clock() -> ManualClock:
    """Long after the periods that are asked for."""
    return ManualClock(at("2026-05-20 12:00"))


@pytest.fixture
def figures(database: Database, clock: ManualClock) -> IndicatorHandlers:
    """The indicator service; justice holds the office of `relay`."""
    newest = directory()
    return IndicatorHandlers(database, lambda: newest, clock, catalogue.load())
