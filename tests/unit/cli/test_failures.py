"""A failure says what, where and what to do, and ends with its code."""

import io

import pytest
from rich.console import Console

from services.cli import failures, main
from services.common.config import ConfigurationError
from services.common.errors import FieldViolation, InvalidField, LiandongError, Unavailable
from services.exchange.enrolment_client import NotJoined


def told(error: BaseException) -> tuple[int, str]:
    written = io.StringIO()
    code = failures.report(error, Console(file=written, width=200))
    return code, written.getvalue()


def test_a_refusal_names_reason_field_advice_and_request() -> None:
    """Everything that somebody needs to go on, or to ask for help."""
    error = LiandongError("transfer needs it.", reason="MATERIAL_MISSING", field="draft.materials")
    error.request_id = "0123"
    code, text = told(error)
    assert code == failures.REFUSED
    for part in ("MATERIAL_MISSING", "transfer needs it.", "draft.materials", "--material KIND=PATH", "0123"):
        assert part in text


def test_broken_rules_are_listed() -> None:
    """Each with its field."""
    violations = [FieldViolation("draft.act", "string.min_len", "must be at least 1 character")]
    assert "draft.act: must be at least 1 character" in told(InvalidField(violations=violations))[1]


def test_an_unreachable_server_has_its_own_code() -> None:
    """A script can tell it from a refusal."""
    assert told(Unavailable("no route"))[0] == failures.UNREACHABLE


def test_an_own_error_has_no_reason_of_the_wire() -> None:
    """INTERNAL would send people to a server that was never asked."""
    code, text = told(NotJoined())
    assert code == failures.REFUSED
    assert "INTERNAL" not in text
    assert "invitation" in text


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (ConfigurationError(["region: Field required.", "data_dir: Field required."]), "data_dir"),
        (FileNotFoundError(2, "No such file or directory", "tls.key"), "tls.key"),
    ],
)
def test_wrong_configuration_is_wrong_use(error: Exception, part: str) -> None:
    """With each mistake, or the file."""
    code, text = told(error)
    assert code == failures.USAGE
    assert part in text


def test_markup_in_a_message_is_not_read() -> None:
    """What a server says is shown as it is."""
    assert "[red]x[/]" in told(LiandongError("[red]x[/]", reason="STALE"))[1]


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["--version"], 0, "liandong "),
        (["--help"], 0, "doctor"),
        (["--lang", "zh", "--help"], 0, "退出码"),
        (["casse"], 2, "Did you mean 'case'"),
        (["--lang", "fr", "doctor"], 2, "zh or en"),
        (["case", "list"], 2, "--federation FILE"),
        (["assert", "--purpose", "rule"], 2, "approve"),
        (["calendar", "check", "/nowhere.csv"], 2, "/nowhere.csv"),
    ],
)
def test_the_command_ends_with_its_code(
    arguments: list[str],
    code: int,
    part: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a server: use, configuration, help."""
    monkeypatch.delenv("LIANDONG_FEDERATION", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main.main(arguments)
    output = capsys.readouterr()
    assert ended.value.code == code
    assert part in output.out + output.err


def test_a_missing_module_breaks_no_other_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which module; the rest works."""
    monkeypatch.setitem(main.COMMANDS, "bench", "not_there")
    with pytest.raises(SystemExit) as ended:
        main.main(["bench"])
    assert ended.value.code == failures.USAGE
    assert "services.cli.not_there" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
