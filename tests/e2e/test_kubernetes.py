"""The three processes as the manifests start them, with TLS and keys: environment, Secrets and probes are the pods'.

What differs from a cluster: addresses (loopback, free ports) and where the files lie.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest

from benchmarks.harness.processes import free_port
from tandem.client import Credentials, TandemClient, Unauthenticated, Unavailable
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.certificates import Authority
from tests.unit.deploy.kubernetes.manifests import BACKENDS, ROOT, VARIANTS, Manifests
from tests.unit.deploy.kubernetes.mounts import API_KEY, mount
from tests.waiting import wait_until

MODULES = {"gateway": "gateway", "ar": "services.ar", "gan": "services.gan"}


@dataclass
class Pod:
    """A process that runs as the manifests say, on a port of its own."""

    process: subprocess.Popen[bytes]
    container: dict
    environment: dict[str, str]
    port: int
    probe_port: int

    def passes(self, probe: str) -> bool:
        """Return whether it passes a probe of its container, asked once as the kubelet asks."""
        spec = self.container[probe]
        if "httpGet" in spec:
            return self._answers(spec["httpGet"])
        address = spec["exec"]["command"][-1]
        assert address.startswith("127.0.0.1:")
        command = [sys.executable, *spec["exec"]["command"][1:-1], f"127.0.0.1:{self.port}"]
        asked = subprocess.run(command, env=self.environment, capture_output=True, check=False, cwd=ROOT)
        return asked.returncode == 0

    def _answers(self, get: dict) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://localhost:{self.probe_port}{get['path']}").status_code == 200
        return False

    def becomes_ready(self) -> None:
        """Wait as long as its start-up probe does."""
        startup = self.container["startupProbe"]
        deadline = time.monotonic() + startup["periodSeconds"] * startup["failureThreshold"]
        while not self.passes("startupProbe"):
            assert self.process.poll() is None, "the process ended"
            assert time.monotonic() < deadline, "its start-up probe never passed"
        assert self.passes("readinessProbe")
        assert self.passes("livenessProbe")


@contextmanager
def running(manifests: Manifests, name: str, authority: Authority, folder: Path, **more: str) -> Iterator[Pod]:
    port, second = free_port(), free_port()
    own = mount(manifests, name, authority, folder / name)
    placed = {
        "TANDEM_HOST": "127.0.0.1",
        "TANDEM_PORT": str(port),
        "TANDEM_PROBE_PORT" if name == "gateway" else "TANDEM_METRICS_PORT": str(second),
        **({"TANDEM_HTTP_PORT": "0"} if name == "gateway" else {"TANDEM_MODELS_DIR": str(ROOT / "models")}),
    }
    usual = {key: value for key, value in os.environ.items() if not key.startswith("TANDEM_")}
    environment = usual | own | placed | more
    with subprocess.Popen([sys.executable, "-m", MODULES[name]], env=environment, cwd=ROOT) as process:
        try:
            yield Pod(process, manifests.server(name), environment, port, second)
        finally:
            process.terminate()
        assert process.wait(timeout=60) == 0  # nothing is open, so it is gone long before its grace period ends


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "cluster")


@pytest.fixture(scope="module")
def pods(authority, tmp_path_factory) -> Iterator[dict[str, Pod]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed: Debian's package kubectl has it")
    [variant] = [each for each in VARIANTS if each.name == "cpu, guarded"]
    manifests = variant.render(kubectl, tmp_path_factory.mktemp("own"))
    folder = tmp_path_factory.mktemp("pods")
    with ExitStack() as stack:
        found = {name: stack.enter_context(running(manifests, name, authority, folder)) for name in BACKENDS}
        targets = {f"TANDEM_{name.upper()}_TARGETS": f"localhost:{pod.port}" for name, pod in found.items()}
        found["gateway"] = stack.enter_context(running(manifests, "gateway", authority, folder, **targets))
        for pod in found.values():
            pod.becomes_ready()
        yield found


def answering(client: TandemClient) -> TandemClient:
    """Return the client once both paradigms answer: the gateway asks each second which backends are ready."""

    def is_so() -> bool:
        with suppress(Unavailable):
            client.sample(1)
            client.complete(label=7)
            return True
        return False

    wait_until(is_so)
    return client


def test_both_paradigms_answer_a_caller_with_a_key(pods, authority):
    with TandemClient(f"localhost:{pods['gateway'].port}", Credentials(authority.ca, api_key=API_KEY)) as client:
        assert len(answering(client).sample(2, seed=1)) == 2
        assert client.complete(label=7, seed=1).choices


@pytest.mark.parametrize("key", [None, "tdm_of_nobody"])
def test_the_gateway_refuses_a_caller_without(pods, authority, key):
    with (
        TandemClient(f"localhost:{pods['gateway'].port}", Credentials(authority.ca, api_key=key)) as client,
        pytest.raises(Unauthenticated),
    ):
        client.sample(1)


def test_a_backend_refuses_who_shows_no_certificate(pods, authority):
    credentials = grpc.ssl_channel_credentials(authority.ca.read_bytes())
    with grpc.secure_channel(f"localhost:{pods['gan'].port}", credentials) as channel:
        with pytest.raises(grpc.RpcError) as refusal:
            gan_pb2_grpc.GanServiceStub(channel).Sample(gan_pb2.SampleRequest(count=1), timeout=10)
        assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
