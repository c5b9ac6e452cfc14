"""The gateway's own small store: where its migrations are, and what all its tables belong to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import sqlalchemy as sa

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "gateway_version"

metadata: Final = sa.MetaData()
