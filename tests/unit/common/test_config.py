"""Settings from file and environment."""

from pathlib import Path

import pytest

from services.common.config import ConfigurationError, Section, Settings, load


class Listen(Section):
    """A nested part."""

    host: str = "127.0.0.1"
    port: int = 7443


class Example(Settings):
    """The settings of some process."""

    department: str
    listen: Listen = Listen()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value comes from the environment, else from the file, else from the default."""
    file = tmp_path / "liandong.toml"
    file.write_text('department = "health.qinghe"\n[listen]\nhost = "0.0.0.0"\nport = 1\n')
    monkeypatch.setenv("LIANDONG_CONFIG", str(file))
    monkeypatch.setenv("LIANDONG_LISTEN__PORT", "2")
    settings = load(Example)
    assert (settings.department, settings.listen.host, settings.listen.port) == (
        "health.qinghe",
        "0.0.0.0",
        2,
    )


def test_every_mistake_has_a_line_and_no_value(tmp_path: Path) -> None:
    """The start names each wrong setting and how it is set, and does not print what was set."""
    file = tmp_path / "liandong.toml"
    file.write_text('[listen]\nport = "hunter2"\ncolour = "red"\n')
    with pytest.raises(ConfigurationError) as caught:
        load(Example, file)
    lines = caught.value.mistakes
    assert len(lines) == 3
    assert any(line.startswith("listen.port (LIANDONG_LISTEN__PORT): ") for line in lines)
    assert any("department" in line for line in lines)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "this is no = = toml"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    """Missing or no TOML: the mistake names the file."""
    file = tmp_path / "other.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"other\.toml"):
        load(Example, file)
