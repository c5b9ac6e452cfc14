"""Code tables, from a file to every node, over real TLS."""

import time
from pathlib import Path

import pytest

from tests.wire.cli.conftest import World

pytestmark = pytest.mark.xdist_group("cli")

OPERATOR = {"LIANDONG_FEDERATION": "", "LIANDONG_AS": ""}


def as_operator(world: World, *arguments: str, code: int = 0) -> str:
    run = world.run.process if code else world.run
    return run(
        "codes", *arguments, "--data-dir", "registry", "--registry", world.addresses["registry"],
        code=code, settings=OPERATOR,
    )  # fmt: skip


def search(world: World, *arguments: str) -> list[str]:
    """What a node finds; it may have to wait for what was just published."""
    until = time.monotonic() + 30
    while True:
        found = world.run.json("codes", "search", *arguments)
        if found.get("codes") or time.monotonic() > until:
            return [each["row"]["code"] for each in found.get("codes", [])]
        time.sleep(0.2)


def test_a_seed_is_published_and_found_on_the_node(world: World) -> None:
    """Previewed, published once, found by initials; the same again changes nothing."""
    world.run("codes", "seeds", "specialty", "--out", "seeds")
    assert "specialty" in world.run("codes", "check", "seeds/specialty.csv")
    said = as_operator(world, "import", "seeds/specialty.csv", "--yes")
    assert "11 added" in said
    assert search(world, "shyys") == ["02"]
    assert "nothing to publish" in as_operator(world, "import", "seeds/specialty.csv", "--yes")
    assert world.run.json("codes", "show", "specialty", "02")["code"]["usable"]
    _retire(world.folder / "seeds" / "specialty.csv", "02")
    said = as_operator(world, "import", "seeds/specialty.csv", "--yes")
    assert "1 retired" in said
    assert as_operator(world, "search", "shyys").strip() == "(nothing)"
    assert "no" in as_operator(world, "show", "specialty", "02").lower()


def _retire(path: Path, code: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text(
        "\n".join(line for line in lines if not line.startswith(f"{code},")) + "\n", encoding="utf-8"
    )


def test_a_bad_file_publishes_nothing(world: World) -> None:
    """Every bad cell is named, and a node cannot publish at all."""
    path = world.folder / "bad.csv"
    path.write_text("#table,bad\n#title,坏,Bad\n代码,中文名称\nA,甲\nA,乙\n,丙\n", encoding="utf-8")
    said = as_operator(world, "import", "bad.csv", "--yes", code=2)
    assert "bad.csv!A5" in said
    assert "bad.csv!A6" in said
    assert "bad " not in as_operator(world, "list")
