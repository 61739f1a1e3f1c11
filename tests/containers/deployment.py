"""docker-compose.yml, brought up under an engine: its containers, seen from outside and from within."""

import ipaddress
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.containers.engine import COMPOSE, Engine

ROOT = Path(__file__).parents[2]
PROJECT = "tandem"
PATIENCE_SECONDS = 60.0
GATEWAY, WEB, PROMETHEUS = "127.0.0.1:50050", "http://127.0.0.1:8080", "http://127.0.0.1:9090"
# Grafana's image is in no registry that can be had here.
SERVICES = ("gateway", "ar", "gan", "prometheus")
_LISTENING, _DNS_OF_DOCKER = "0A", ipaddress.ip_address("127.0.0.11")


@dataclass(frozen=True)
class Container:
    """A container as it was when it was looked at."""

    id: str
    service: str
    state: Mapping[str, Any]
    address: str
    """On the network of the backends."""

    @property
    def pid(self) -> int:
        return int(self.state["Pid"])

    def process(self, file: str) -> str:
        """Return a file of the first process in /proc."""
        return Path(f"/proc/{self.pid}/{file}").read_text()

    def status(self) -> dict[str, str]:
        """Return /proc/PID/status by key."""
        lines = (line.partition(":") for line in self.process("status").splitlines())
        return {key: value.strip() for key, _, value in lines}

    def mount(self, path: str) -> tuple[str, set[str]]:
        """Return what is mounted there: its kind and its options."""
        mounts = (line.split() for line in self.process("mounts").splitlines())
        return next((fields[2], set(fields[3].split(","))) for fields in mounts if fields[1] == path)

    def listening_ports(self) -> set[int]:
        """Return the TCP ports that something listens on, as `ss -ltn` would, but for Docker's own name server."""
        lines = [line.split() for name in ("tcp", "tcp6") for line in self.process(f"net/{name}").splitlines()[1:]]
        sockets = [fields[1].split(":") for fields in lines if fields[3] == _LISTENING]
        return {int(port, 16) for host, port in sockets if _address(host) != _DNS_OF_DOCKER}


def assert_sealed(container: Container) -> None:
    """Check that a process has no more rights than it needs, and can't change its file system."""
    status = container.status()
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert "ro" in container.mount("/")[1]


def _address(hexadecimal: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    words = [bytes.fromhex(hexadecimal[i : i + 8])[::-1] for i in range(0, len(hexadecimal), 8)]
    return ipaddress.ip_address(b"".join(words))


class Deployment:
    """The project of docker-compose.yml."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.at_rest: dict[str, tuple[str, float]] = {}
        """What `memory` was when it had just come up."""

    def compose(self, *words: str) -> str:
        """Run docker-compose with the project's file."""
        project = ("--project-name", PROJECT, "--project-directory", str(ROOT))
        return self.engine.run(COMPOSE, *project, "--file", str(ROOT / "docker-compose.yml"), *words)

    def up(self, *services: str, **scale: int) -> float:
        """Bring services up, wait until all are healthy, and return the seconds that it took."""
        begun = time.monotonic()
        scales = (f"--scale={service}={count}" for service, count in scale.items())
        self.compose("up", "--detach", "--wait", "--no-build", "--no-recreate", *scales, *(services or SERVICES))
        return time.monotonic() - begun

    def memory(self) -> dict[str, tuple[str, float]]:
        """Return what each service takes, as "81MiB / 1.5GiB", and how many hundredths of its limit that is."""
        lines = self.engine.docker("stats", "--no-stream", "--format", "{{json .}}").splitlines()
        found = {each["Name"].split("-")[1]: each for each in map(json.loads, lines)}
        return {name: (each["MemUsage"], float(each["MemPerc"].rstrip("%"))) for name, each in found.items()}

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")

    def until_healthy(self, container: Container) -> None:
        """Return when its own health check says so; of a container that was paused it says nothing for a while."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.engine.inspect(container.id)["State"]["Health"]["Status"] != "healthy":
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def containers(self, service: str) -> list[Container]:
        """Return the running containers of a service, oldest first."""
        filters = (f"--filter=label=com.docker.compose.{key}" for key in (f"project={PROJECT}", f"service={service}"))
        found = self.engine.docker("ps", "--quiet", *filters).split()
        return sorted((self._container(each, service) for each in found), key=lambda each: each.state["StartedAt"])

    def _container(self, identity: str, service: str) -> Container:
        seen = self.engine.inspect(identity)
        networks = seen["NetworkSettings"]["Networks"]
        return Container(identity, service, seen["State"], networks[f"{PROJECT}_back"]["IPAddress"])
