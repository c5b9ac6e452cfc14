"""Runs the part of a compose file that ours uses, through the engine's API.

Not a general one: a key that it does not know is an error, so that what ships is what is tested. Published ports
and logging are left out, every network is closed to the outside, and health is asked for more often.
"""

import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import yaml

HEALTH_INTERVAL_S: Final = 1
_NANO: Final = 1_000_000_000
_WAIT_S: Final = 120.0
_VARIABLE: Final = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")
_COPIED: Final = (
    "image", "command", "environment", "hostname", "user", "read_only", "cap_drop", "security_opt", "pids_limit",
    "shm_size", "stop_signal",
)  # fmt: skip
_KNOWN: Final = {
    *_COPIED, "depends_on", "healthcheck", "logging", "networks", "ports", "restart", "stop_grace_period", "tmpfs",
    "volumes",
}  # fmt: skip


class UpFailed(AssertionError):
    """A container did not get as far as another one needs it; its log says why."""


def read(file: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """A compose file with its anchors merged and its variables filled in."""
    content = _filled(yaml.safe_load(file.read_text(encoding="utf-8")), variables)
    for name, service in content["services"].items():
        unknown = set(service) - _KNOWN
        assert not unknown, f"{name}: {unknown}: teach {__name__} first"
    return {part: content.get(part, {}) for part in ("services", "networks", "volumes")}


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, variables) for each in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    given = variables.get(found["name"], "")
    if given or found["kind"] is None:
        return given
    assert found["kind"] == "-", f"{found['name']}: {found['rest']}"
    return found["rest"]


class Composition:
    """One project on an engine.

    Args:
        client: A `docker.DockerClient`.
        file: The compose file.
        variables: For its interpolation.
        project: Prefix of everything that is made.

    Attributes:
        containers: By service, once created.
    """

    def __init__(self, client: Any, file: Path, variables: Mapping[str, str], project: str) -> None:
        self._client = client
        self._file = file
        self._project = project
        self._content = read(file, variables)
        self.services: dict[str, dict[str, Any]] = self._content["services"]
        self.containers: dict[str, Any] = {}

    def up(self) -> None:
        """Start everything, each service once what it depends on is as far as it asks.

        Raises:
            UpFailed: One did not get there.
        """
        for name in self._content["networks"]:
            self._client.networks.create(self._named(name), internal=True)
        for name in self._content["volumes"]:
            self._client.volumes.create(self._named(name))
        for name in self._order():
            for needed, how in self.services[name].get("depends_on", {}).items():
                self._wait(needed, how["condition"])
            self._start(name)
        for name in self.services:
            if "healthcheck" in self.services[name]:
                self.healthy(name)

    def down(self) -> None:
        """Remove everything."""
        with ThreadPoolExecutor(4) as pool:
            # one after the other they take longer than all tests
            list(pool.map(lambda container: container.remove(force=True, v=True), self.containers.values()))
        for name in self._content["volumes"]:
            for volume in self._client.volumes.list(filters={"name": self._named(name)}):
                volume.remove(force=True)
        for network in self._client.networks.list(
            names=[self._named(name) for name in self._content["networks"]]
        ):
            network.remove()

    def run(self, service: str, *command: str) -> tuple[int, str]:
        """Run a command in a service's container; its status and what it said."""
        status, said = self.containers[service].exec_run(list(command))
        return status, said.decode()

    def healthy(self, name: str) -> None:
        """Wait until a container is.

        Raises:
            UpFailed: It ended, or did not become so.
        """
        self._wait(name, "service_healthy")

    def stop(self, name: str) -> int:
        """Ask a container to end by SIGTERM; its exit code, 137 when it had to be killed."""
        container = self.containers[name]
        container.stop(timeout=30)
        return int(container.wait(timeout=10)["StatusCode"])

    def _named(self, name: str) -> str:
        return f"{self._project}_{name}"

    def _order(self) -> Iterator[str]:
        done: set[str] = set()
        while len(done) < len(self.services):
            # all that can start now, so that those that wait for the same wait together
            ready = [
                name
                for name, service in self.services.items()
                if name not in done and set(service.get("depends_on", {})) <= done
            ]
            assert ready, "services depend on each other in a circle"
            yield from ready
            done.update(ready)

    def _start(self, name: str) -> None:
        service = self.services[name]
        options = {key: service[key] for key in _COPIED if key in service}
        first, *others = map(self._named, service["networks"])
        check = service.get("healthcheck")
        container = self._client.containers.create(
            **options,
            name=self._named(name),
            tmpfs=dict.fromkeys(service.get("tmpfs", ()), ""),
            volumes=[self._volume(each) for each in service.get("volumes", ())],
            network=first,
            networking_config={first: self._client.api.create_endpoint_config(aliases=[name])},
            healthcheck=check and {
                "test": check["test"], "interval": HEALTH_INTERVAL_S * _NANO, "timeout": 10 * _NANO, "retries": 60,
            },
            detach=True,
        )  # fmt: skip
        self.containers[name] = container
        for other in others:
            self._client.networks.get(other).connect(container, aliases=[name])
        container.start()

    def _volume(self, text: str) -> str:
        source, _, target = text.partition(":")
        if source.startswith("."):
            return f"{(self._file.parent / source).resolve()}:{target}"
        return f"{self._named(source)}:{target}"

    def _wait(self, name: str, condition: str) -> None:
        container = self.containers[name]
        deadline = time.monotonic() + _WAIT_S
        while time.monotonic() < deadline:
            container.reload()
            state = container.attrs["State"]
            if condition == "service_healthy" and state.get("Health", {}).get("Status") == "healthy":
                return
            if state["Status"] == "exited":
                if condition == "service_completed_successfully" and state["ExitCode"] == 0:
                    return
                raise UpFailed(f"{name} ended with {state['ExitCode']}:\n{self.log(name)}")
            time.sleep(0.1)
        raise UpFailed(f"{name}: not {condition} in {_WAIT_S} s:\n{self.log(name)}")

    def log(self, name: str) -> str:
        """The end of what a container said."""
        return str(self.containers[name].logs(tail=40).decode(errors="replace"))
