"""The pods of deploy/kubernetes, by `kubectl kustomize` and `podman kube play`: what a kubelet would make of them.

What only a cluster does is not here: Services, NetworkPolicies, disruption budgets, scaling, topology and `preStop`.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tandem.client import Credentials, TandemClient, Unauthenticated, Unavailable
from tests.containers.deployment import Container, assert_sealed
from tests.containers.engine import Engine
from tests.containers.images import Image
from tests.containers.load import IMAGE, Load, image_stream, shown, until
from tests.containers.podman import Podman, passes, podman_with
from tests.containers.replicas import in_hand, until_serving
from tests.faults.clients import SAMPLE, SAMPLE_STREAM
from tests.unit.deploy.kubernetes.manifests import PROCESSES, VARIANTS, Manifests
from tests.unit.deploy.kubernetes.mounts import API_KEY, API_KEYS
from tests.waiting import wait_until

NUM_STREAMS = 16
IMAGES = 3000  # of each stream: both pods of a pair are still at it when one is stopped
Figures = list[tuple[str, str]]


@dataclass
class Cluster:
    """A pod of each process, by its name."""

    podman: Podman
    manifests: Manifests
    pods: dict[str, Container]

    @property
    def gateway(self) -> str:
        return f"{self.pods['gateway'].address}:50050"


def rendered(name: str, folder: Path) -> Manifests:
    [variant] = [each for each in VARIANTS if each.name == name]
    return variant.render(shutil.which("kubectl") or "kubectl", folder)


@pytest.fixture(scope="module")
def cluster(
    engine: Engine, images: dict[str, Image], tmp_path_factory: pytest.TempPathFactory, figures: Figures
) -> Iterator[Cluster]:
    manifests = rendered("cpu", tmp_path_factory.mktemp("own"))
    with podman_with(engine, [each.name for each in images.values()]) as podman:
        begun = time.monotonic()
        pods = {process: podman.play(manifests, process, process) for process in PROCESSES}
        for pod in pods.values():
            podman.until_started(pod, manifests)
        seconds = time.monotonic() - begun
        figures.append(("pods of the Kubernetes manifests, by Podman: until all have started", f"{seconds:.1f} s"))
        yield Cluster(podman, manifests, pods)


def draws_by_both(address: str, api_key: str | None = None) -> None:
    """Draw an image in one pass and another in sequence, through a gateway that may not know its backends yet."""
    with TandemClient(address, Credentials(api_key=api_key)) as client:

        def is_known() -> bool:
            with suppress(Unavailable):
                return bool(len(client.sample(1, seed=1)) and client.complete(label=7, seed=1).choices)
            return False

        wait_until(is_known)


def test_both_paradigms_answer(cluster: Cluster):
    draws_by_both(cluster.gateway)


@pytest.mark.parametrize("process", PROCESSES)
def test_a_pod_is_what_its_manifest_says(cluster: Cluster, process: str):
    pod, manifests = cluster.pods[process], cluster.manifests
    assert_sealed(pod)
    status = pod.status()
    assert status["Seccomp"] == "2"
    assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"10001"}
    assert {pod.mount(each["mountPath"])[0] for each in manifests.server(process)["volumeMounts"]} == {"tmpfs"}
    environment = dict(line.split("=", 1) for line in pod.process("environ").split("\0") if line)
    assert manifests.environment(process).items() <= environment.items()
    assert pod.listening_ports() == set(manifests.ports(process).values())
    grace_seconds = manifests.pod(process)["spec"]["terminationGracePeriodSeconds"]
    assert cluster.podman.inspect(pod.id)["Config"]["StopTimeout"] == grace_seconds


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
@pytest.mark.parametrize("process", PROCESSES)
def test_a_pod_passes_its_probes(cluster: Cluster, process: str, probe: str):
    assert passes(cluster.pods[process], cluster.manifests.server(process), probe)


async def test_a_rollout_loses_no_call(cluster: Cluster, figures: Figures):
    """A new pod comes, then the old one gets SIGTERM, without the seconds that `preStop` would give everybody."""
    podman, manifests, old = cluster.podman, cluster.manifests, cluster.pods["gan"]
    async with Load(cluster.gateway) as load, load.steady(IMAGE, 20):
        await load.more(20)
        new = await asyncio.to_thread(podman.play, manifests, "gan", "gan-new")
        await asyncio.to_thread(podman.until_started, new, manifests)
        await until_serving("gan", old, new, web=f"http://{cluster.pods['gateway'].address}:8080")
        for number in range(NUM_STREAMS):
            load.begin(image_stream(IMAGES), number)
        await until(lambda: in_hand(old) >= NUM_STREAMS // 4)
        num_open = NUM_STREAMS - len(load.of(SAMPLE_STREAM))
        seconds = await asyncio.to_thread(podman.stop, old)
        await load.more(20)
    cluster.pods["gan"] = new
    assert shown(load.failed(SAMPLE)) == shown(load.failed(SAMPLE_STREAM)) == {}
    assert num_open > NUM_STREAMS // 2, "they ended too soon to be open at the pod that was stopped"
    assert podman.inspect(old.id)["State"]["ExitCode"] == 0
    assert not passes(old, manifests.server("gan"), "readinessProbe")
    figures.append(
        (
            f"rollout of a pod of gan with {num_open} open streams at both",
            f"0 of {NUM_STREAMS} streams lost, 0 of {len(load.of(SAMPLE))} unary requests failed;"
            f" the old one gone after {seconds:.1f} s",
        )
    )


def test_a_secret_turns_keys_on(cluster: Cluster, tmp_path: Path):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "api-keys"}}
    keyed = rendered("cpu, with keys", tmp_path)
    keyed = Manifests(keyed.variant, (*keyed.objects, {**secret, "stringData": {"api-keys.toml": API_KEYS}}))
    pod = cluster.podman.play(keyed, "gateway", "gateway-keyed")
    cluster.podman.until_started(pod, keyed)
    draws_by_both(f"{pod.address}:50050", API_KEY)
    for key in (None, "tdm_of_nobody"):
        with pytest.raises(Unauthenticated):
            draws_by_both(f"{pod.address}:50050", key)
