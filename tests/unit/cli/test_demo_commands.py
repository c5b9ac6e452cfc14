"""Commands inside scenarios: run as people run them, in a folder, and read again."""

from pathlib import Path

import pytest

from services.cli.demo.commands import CommandFailed, Printed, mistake, run


async def play(folder: Path, line: str) -> Printed:
    return await run(line, folder=folder, federation=folder / "federation.json", whom="health.qinghe:clerk")


async def test_a_command_ends_well_is_refused_or_breaks(tmp_path: Path) -> None:
    """Each told from the others: what it printed, that it was refused, or that it did not come to anything."""
    (tmp_path / "a.yaml").write_text("no chain\n", encoding="utf-8")
    refused = await play(tmp_path, "handling check-chain a.yaml")
    assert refused.refused
    assert "a.yaml:1:" in refused.out
    written = await play(tmp_path, "import template contacts contacts.csv")
    assert not written.refused
    assert (tmp_path / "contacts.csv").exists()
    with pytest.raises(CommandFailed, match="it ended with 2"):
        await play(tmp_path, "handling list")


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("handling check-chain a.yaml", ""),
        ("case prepare notify --body @notice.json", ""),
        ("case prepare notify --body @other.json", "there is no file other.json"),
        ("case prepared notify", "there is no such command: case prepared"),
        ("lost", "there is no such command"),
        ("", "there is no such command"),
        ("handling do x --yess", "--yess"),
        ("handling do x y", "there is no place for y"),
        ("handling do 'x", "No closing quotation"),
    ],
)
def test_a_command_that_cannot_be_is_found_before_it_is_run(line: str, wrong: str) -> None:
    """By its name, its options, its arguments and the files that it names."""
    said = mistake(line, {"notice.json"})
    assert wrong in said
    assert bool(wrong) == bool(said)
