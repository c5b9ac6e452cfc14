"""deploy/compose.yaml on a real engine, from an image that was built without network."""

import json
import re
import time
from typing import Any

import pytest

from tests.deploy.compose import Composition

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.xdist_group("docker")]

DEPARTMENTS = ("gov", "health", "market", "police")
SERVED = ("postgresql", "registry", *DEPARTMENTS, "gateway")

# what a process of the container may do, as its kernel says
_STATUS = "grep -E '^(Uid|CapEff|NoNewPrivs):' /proc/1/status"
_READY = "import sys,urllib.request as r\ntry: print(r.urlopen(sys.argv[1]).read().decode())\nexcept r.HTTPError as e: print(e.read().decode())"  # noqa: E501 - a script


def readiness(federation: Composition) -> dict[str, Any]:
    """What the gateway says of the departments, by name."""
    status, said = federation.run("gateway", "python", "-c", _READY, "http://127.0.0.1:8080/readyz")
    assert status == 0, said
    return {each["name"]: each for each in json.loads(said)["departments"]}


def linked(federation: Composition, name: str) -> bool:
    """Whether a node's link comes up within the time that reconnecting takes."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        found = readiness(federation)[name]
        if (found["node"], found["link"]) == ("serving", "connected"):
            return True
        time.sleep(0.5)
    return False


def test_the_image_holds_the_product_and_nothing_to_build_it_with(client: Any, image: str) -> None:
    """It runs as a number that is not root, and holds no installer, no wheels and no test tools."""
    assert client.images.get(image).attrs["Config"]["User"] == "10001:10001"
    script = "command -v pip pip3 pytest mypy; ls -d /wheels /installer; liandong --version"
    said = client.containers.run(
        image, ["sh", "-c", script], network_disabled=True, read_only=True, remove=True
    )
    assert said.decode().splitlines()[0].startswith("liandong ")


@pytest.mark.parametrize("name", SERVED)
def test_a_container_may_do_nothing_but_its_work(federation: Composition, name: str) -> None:
    """Not root, no capabilities, no way to gain any, a root file system that it cannot write."""
    federation.healthy(name)
    status, said = federation.run(name, "sh", "-c", _STATUS)
    facts = dict(line.split(":", 1) for line in said.splitlines())
    assert status == 0
    assert "0" not in facts["Uid"].split()
    assert int(facts["CapEff"], 16) == 0
    assert facts["NoNewPrivs"].strip() == "1"
    status, said = federation.run(name, "touch", "/etc/probe")
    assert status != 0
    assert "Read-only file system" in said


@pytest.mark.parametrize("name", DEPARTMENTS)
def test_a_department_that_enrolled_is_linked_to_the_registry(federation: Composition, name: str) -> None:
    """It joined by its invitation; the gateway reaches its node, and the registry hears of it."""
    assert linked(federation, f"{name}.qinghe"), federation.log(name)


def test_the_registry_keeps_its_ledger_in_postgresql(federation: Composition) -> None:
    """What the departments' joining wrote is there."""
    query = "SELECT count(*) FROM ledger"
    status, said = federation.run(
        "postgresql", "env", "PGPASSWORD=only-for-tests",
        "psql", "--host=127.0.0.1", "--username=liandong", "--dbname=registry", "-Atc", query,
    )  # fmt: skip
    assert status == 0, said
    assert int(said) > len(DEPARTMENTS)


def test_an_invitation_and_a_key_are_readable_by_their_owner_only(federation: Composition) -> None:
    """Modes as docs/joining.md promises."""
    status, said = federation.run("health", "stat", "-c", "%a %u", "/data/sign.key", "/data/tls.key", "/data")
    assert (status, said.split("\n")[:3]) == (0, ["600 10001", "600 10001", "700 10001"])


_LOGIN = """import sys, urllib.request as r, urllib.parse as q
form = q.urlencode({"username": sys.argv[1], "password": sys.argv[2]}).encode()
opener = r.build_opener(r.HTTPCookieProcessor())
print(opener.open("http://127.0.0.1:8080/login", form).geturl())"""


def test_people_of_a_department_log_in_with_accounts_that_its_operator_adds(federation: Composition) -> None:
    """The gateway keeps them over a restart, and its key vouches for them: the node takes its word."""
    status, said = federation.run(
        "gateway", "liandong", "gateway", "add-account", "zhao", "--department", "health.qinghe",
        "--subject", "zhao", "--name", "赵文博", "--role", "clerk",
    )  # fmt: skip
    assert status == 0, said
    (password,) = re.findall(r"^(?:初始密码|First password)\s+(\S+)\s*$", said, re.MULTILINE)
    status, said = federation.run("gateway", "python", "-c", _LOGIN, "zhao", password)
    assert (status, said.strip()) == (0, "http://127.0.0.1:8080/account/password")


def test_sigterm_drains_and_a_restart_goes_on(federation: Composition) -> None:
    """Each server ends with 0 when asked, and comes back as the same member."""
    for name in ("gateway", "health", "registry"):
        assert federation.stop(name) == 0, federation.log(name)
        assert "Traceback" not in federation.log(name)
    for name in ("registry", "health", "gateway"):
        federation.containers[name].start()
        federation.healthy(name)
    assert linked(federation, "health.qinghe"), federation.log("health")
