"""Log lines."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.common import log


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_names_its_case_and_hides_its_content(capsys: pytest.CaptureFixture[str]) -> None:
    """Ids are bound, secrets are left out, bytes are counted."""
    log.configure(json=True)
    with log.bound(case_id="c-1", department="health.qinghe"):
        structlog.get_logger().info("case.sent", token="t0p", payload=b"secret", header=b"\x00" * 7)
    line = json.loads(capsys.readouterr().err)
    assert line["case_id"] == "c-1"
    assert line["department"] == "health.qinghe"
    assert line["header"] == "(7 bytes)"
    assert line["token"] == line["payload"] == "(hidden)"
    assert "letter_id" not in line


def test_a_stack_shows_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """What a failing handler had in its hands does not reach the log."""
    log.configure(json=True)
    body = "the whole letter"
    try:
        int(body[:0])
    except ValueError:
        structlog.get_logger().exception("call.failed")
    written = capsys.readouterr().err
    assert "ValueError" in written
    assert "the whole letter" not in written


def test_lines_of_libraries_take_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """The standard library's logging is JSON too."""
    log.configure(json=True)
    logging.getLogger("alembic").warning("old %s", "thing")
    assert json.loads(capsys.readouterr().err)["event"] == "old thing"
