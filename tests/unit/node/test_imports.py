"""What a node's process loads."""

import os
import subprocess
import sys
from typing import Final

HEAVY: Final = (
    "alembic", "docx", "fontTools", "fpdf", "jsonschema_rs", "lxml", "openpyxl", "psycopg", "pydoc", "rich",
    "stamina",
)  # fmt: skip
"""Each of them MiB, and of no use to an idle node on SQLite."""


def test_what_an_idle_node_has_no_use_for_is_not_loaded() -> None:
    """None of the heavy libraries comes in with the node's program."""
    program = (
        "import sys, services.node.__main__;"
        f" sys.stdout.write(' '.join(name for name in {HEAVY} if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert not done.stdout
