"""What a pod may do, which ports it has, how it starts and how it ends; next to what the code does."""

import re

from gateway.proxy.bootstrap import default_limits
from gateway.settings import GatewaySettings
from runtime.probe import _parser as probe_parser
from runtime.server import grpcio as grpcio_server
from services.ar.settings import ArSettings
from services.gan.settings import GanSettings
from tests.unit.deploy.kubernetes.manifests import BACKENDS, ROOT

MARGIN_SECONDS = 10  # beyond what is planned, before a pod is killed
PYTHON_MEBIBYTES = 256  # what the gateway's own process may take beside Envoy
DOCKERFILE = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
PORTS = {
    "gateway": {"grpc": GatewaySettings().port, "http": GatewaySettings().http_port},
    "ar": {"grpc": ArSettings().port, "metrics": ArSettings().metrics_port},
    "gan": {"grpc": GanSettings().port, "metrics": GanSettings().metrics_port},
}


def test_a_pod_may_do_nothing_that_it_need_not(pods):
    for manifests, process in pods:
        pod, container = manifests.pod(process)["spec"], manifests.server(process)
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        account = manifests.of("ServiceAccount")[pod["serviceAccountName"]]
        assert account["automountServiceAccountToken"] is False


def test_ports_are_those_of_the_settings_and_of_the_image(pods):
    for manifests, process in pods:
        ports = manifests.ports(process)
        if process == "gateway":  # for the cluster alone
            assert ports.pop("probes") == int(manifests.environment(process)["TANDEM_PROBE_PORT"])
        assert ports == PORTS[process]
        stage = DOCKERFILE.partition(f" AS {process}\n")[2]
        exposed = re.search(r"^EXPOSE (.*)$", stage, re.MULTILINE)
        assert exposed is not None
        assert [int(port) for port in exposed[1].split()] == list(PORTS[process].values())


def test_a_pod_is_killed_only_after_all_that_it_was_promised(pods):
    for manifests, process in pods:
        pod, container = manifests.pod(process)["spec"], manifests.server(process)
        pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = float(manifests.environment(process)["TANDEM_DRAIN_SECONDS"])
        assert pod["terminationGracePeriodSeconds"] >= pre_stop + drain + MARGIN_SECONDS
        assert drain >= dict(grpcio_server.OPTIONS)["grpc.max_connection_age_grace_ms"] / 1000
        assert drain >= float(default_limits()["connection_grace"].removesuffix("s"))
        assert pre_stop >= 5


def test_probes_ask_the_process_itself(pods):
    for manifests, process in pods:
        container = manifests.server(process)
        for probe in (container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")):
            if process == "gateway":
                assert probe["httpGet"] == {"path": "/livez", "port": "probes"}
            elif "tls" in manifests.variant.components:
                address = f"127.0.0.1:{PORTS[process]['grpc']}"
                assert probe["exec"]["command"] == ["python", "-m", "runtime.probe", address]
            else:
                assert probe["grpc"] == {"port": PORTS[process]["grpc"]}


def test_what_a_pod_needs_is_reserved(pods):
    for manifests, process in pods:
        resources = manifests.server(process)["resources"]
        assert resources["requests"]["memory"] == resources["limits"]["memory"]
        if process in BACKENDS:  # half a core would be rounded up, and throttled
            assert resources["requests"]["cpu"] == resources["limits"]["cpu"]
            assert resources["limits"]["cpu"].isdecimal()
        else:  # Envoy refuses requests before the pod is out of memory; the Python process takes the rest
            mebibytes = int(resources["limits"]["memory"].removesuffix("Mi"))
            assert mebibytes >= int(default_limits()["heap"]) / 2**20 + PYTHON_MEBIBYTES
        on_gpu = manifests.variant.base == "overlays/gpu" and process in BACKENDS
        assert resources["limits"].get("nvidia.com/gpu") == (1 if on_gpu else None)


def test_every_variable_is_a_setting_of_the_process(variants):
    asked = {f"TANDEM_PROBE_{name.upper()}" for name in vars(probe_parser().parse_args(["address"]))}
    for process, settings in (("gateway", GatewaySettings), ("ar", ArSettings), ("gan", GanSettings)):
        fields = {name.upper() for name in settings.model_fields}
        known = {f"TANDEM_{name}" for name in fields} | {f"TANDEM_{process.upper()}_{name}" for name in fields} | asked
        for manifests in variants:
            assert manifests.environment(process).keys() - known == set()
