"""The pods of deploy/kubernetes, run by Podman in the place of a kubelet, with all that it keeps in its own folder."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import yaml

from runtime.probe import main as ask_health
from tests.containers.deployment import Container
from tests.containers.engine import Engine, run
from tests.unit.deploy.kubernetes.manifests import Manifests, Object

# Beside the networks of the Docker engine, in the same range for tests.
NETWORK, SUBNET = "tandem", "198.18.32"
# crun, Podman's default, refuses cgroups of both versions at once.
CONFIGURATION = """\
[containers]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
tmp_dir = "{folder}/tmp"
[network]
firewall_driver = "iptables"
network_config_dir = "{folder}/networks"
"""
STORAGE = '[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'


class Podman:
    """Runs pods on a network whose name server stands in for headless Services: a name means all pods that have it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._num_played = 0
        for name, text in (("containers.conf", CONFIGURATION), ("storage.conf", STORAGE)):
            (folder / name).write_text(text.format(folder=folder))
        self._environment = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "DISABLE_HC_SYSTEMD": "true",  # it has systemd ask its probes, which need not run here
        }

    def run(self, *words: str) -> str:
        """Run the client and return what it prints. Raises AssertionError with its errors."""
        return run("podman", *words, **self._environment)

    def play(self, manifests: Manifests, process: str, name: str) -> Container:
        """Run one pod of a Deployment, called `name`, with everything that is not another Deployment beside it."""
        deployment = copy.deepcopy(manifests.of("Deployment")[process])
        deployment["metadata"]["name"] = name
        objects = [*(each for each in manifests.objects if each["kind"] != "Deployment"), deployment]
        self._num_played += 1
        address = f"{SUBNET}.{self._num_played + 1}"
        network = f"--network={NETWORK}:alias={process},ip={address}"
        file = self._folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump_all(objects))
        self.run("kube", "play", "--start=false", network, str(file))
        group = manifests.pod(process)["spec"]["securityContext"].get("fsGroup")
        if group is not None:  # Podman doesn't know it
            for path in (self._folder / "storage" / "volumes").rglob("*"):
                os.chown(path, -1, group)
        self.run("pod", "start", f"{name}-pod")
        identity = f"{name}-pod-server"
        return Container(identity, process, self.inspect(identity)["State"], address)

    def inspect(self, identity: str) -> Any:
        """Return what Podman knows of a container."""
        return json.loads(self.run("inspect", identity))[0]

    def stop(self, pod: Container) -> float:
        """Stop a pod as its grace period says, and return the seconds that it took."""
        begun = time.monotonic()
        self.run("stop", pod.id)  # `podman pod stop` takes the network away first, which a kubelet does last
        return time.monotonic() - begun

    def until_started(self, pod: Container, manifests: Manifests) -> None:
        """Return once its start-up probe passes, which may take as long as the manifest says."""
        container = manifests.server(pod.service)
        probe = container["startupProbe"]
        deadline = time.monotonic() + probe["periodSeconds"] * probe["failureThreshold"]
        while not passes(pod, container, "startupProbe"):
            assert time.monotonic() < deadline, self.run("logs", pod.id)[-6000:]
            time.sleep(0.2)


def passes(pod: Container, container: Object, name: str) -> bool:
    """Return whether a pod passes a probe of its container, asked once and from outside, as a kubelet asks."""
    probe = container[name]
    seconds = probe.get("timeoutSeconds", 1)
    if "grpc" in probe:
        return ask_health([f"{pod.address}:{probe['grpc']['port']}", f"--timeout={seconds}"]) == 0
    [port] = [each["containerPort"] for each in container["ports"] if each["name"] == probe["httpGet"]["port"]]
    with suppress(httpx.TransportError):
        return httpx.get(f"http://{pod.address}:{port}{probe['httpGet']['path']}", timeout=seconds).is_success
    return False


@contextmanager
def podman_with(engine: Engine, images: list[str]) -> Iterator[Podman]:
    """Give Podman these images of an engine, and take away whatever it made, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="tandem-pods-"))
    podman, archive = Podman(folder), folder / "images.tar"
    try:
        engine.docker("save", "--output", str(archive), *images)
        podman.run("load", "--input", str(archive))
        archive.unlink()
        podman.run("network", "create", f"--subnet={SUBNET}.0/24", NETWORK)
        yield podman
    finally:
        podman.run("pod", "rm", "--all", "--force", "--time=0")
        podman.run("network", "rm", "--force", NETWORK)
        subprocess.run(["umount", str(folder / "storage" / "overlay")], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)
