"""docker-compose.yml as it is: healthy in time, sealed, seen by Prometheus, and of use."""

import json
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.containers.deployment import GATEWAY, PROMETHEUS, SERVICES, Deployment, assert_sealed
from tests.e2e.prometheus import Prometheus

UP_SECONDS = 60.0
OURS = ("gateway", "ar", "gan")


def test_it_is_up_in_time(deployment: Deployment, figures: list[tuple[str, str]]):
    [seconds] = [float(how_much.split()[0]) for what, how_much in figures if what.startswith("up until")]
    assert seconds < UP_SECONDS


def test_a_race_through_it(deployment: Deployment, tmp_path: Path, figures: list[tuple[str, str]]):
    report = tmp_path / "race.json"
    command = f"{sys.executable} -m tandem.cli race --rounds 10 --address {GATEWAY} --json {report}".split()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures.append(("race", done.stdout.splitlines()[0]))
    assert json.loads(report.read_text())


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_has_no_more_rights_than_it_needs(deployment: Deployment, service: str):
    for container in deployment.containers(service):
        assert_sealed(container)
        if service in OURS:
            status = container.status()
            assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_process_listens_where_its_image_says_and_nowhere_else(deployment: Deployment, service: str):
    for container in deployment.containers(service):
        exposed = deployment.engine.inspect(container.id)["Config"]["ExposedPorts"]
        assert container.listening_ports() == {int(port.removesuffix("/tcp")) for port in exposed}


def test_only_the_front_is_published_and_on_loopback_only(deployment: Deployment):
    published = {}
    for service in SERVICES:
        [container] = deployment.containers(service)
        ports = deployment.engine.inspect(container.id)["NetworkSettings"]["Ports"]
        bindings = [each for found in ports.values() for each in found or ()]
        assert {binding["HostIp"] for binding in bindings} <= {"127.0.0.1"}
        published[service] = sorted(int(each["HostPort"]) for each in bindings)
    assert published == {"gateway": [8080, 50050], "ar": [], "gan": [], "prometheus": [9090]}


def test_a_backend_can_reach_nothing_outside_its_network(deployment: Deployment):
    [container] = deployment.containers("gan")
    routes = [line.split() for line in container.process("net/route").splitlines()[1:]]
    assert routes
    assert all(destination != "00000000" for _, destination, *_ in routes), "there is a default route"


@pytest.mark.parametrize("service", OURS)
def test_at_rest_it_leaves_most_of_its_memory_for_requests(
    deployment: Deployment, service: str, figures: list[tuple[str, str]]
):
    taken, hundredths = deployment.at_rest[service]
    figures.append((f"memory of {service} at rest", taken))
    assert 0 < hundredths < 50


def test_prometheus_scrapes_all_three(deployment: Deployment):
    with httpx.Client(base_url=f"{PROMETHEUS}/api/v1") as client:
        deadline = time.monotonic() + 30.0
        seen: dict[str, float] = {}
        while set(seen.items()) != {(job, 1.0) for job in OURS} and time.monotonic() < deadline:
            seen = {labels["job"]: value for labels, value in Prometheus(client).values("up")}
            time.sleep(0.2)
    assert seen == dict.fromkeys(OURS, 1.0)
