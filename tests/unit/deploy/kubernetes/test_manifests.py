"""What one object says of another, of a setting, a metric or a file is so. tests/e2e runs the pods."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import ProcessCollector

from deploy.grafana.__main__ import FOLDER as GRAFANA
from deploy.kubernetes.__main__ import RULES, TARGET, render
from gateway.figures.metrics import GatewayMetrics
from gateway.proxy.bootstrap import default_limits
from gateway.settings import GatewaySettings
from runtime.metrics import new_registry
from runtime.probe import _parser as probe_parser
from runtime.rpc.routes import SERVICES
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from tests.unit.deploy.kubernetes.manifests import BACKENDS, FOLDER, PROCESSES, VARIANTS, Manifests, fits

MARGIN_SECONDS = 10  # beyond what is planned, before a pod is killed
PYTHON_MEBIBYTES = 256  # what the gateway's own process may take beside Envoy
SETTINGS = {"gateway": GatewaySettings(), "ar": ArSettings(), "gan": GanSettings()}
METRICS = {"gateway": GatewayMetrics, "ar": ArMetrics, "gan": GanMetrics}
NAME = re.compile(r"\b(?:tandem|gen_ai|process|envoy)_\w+")

# Two pods each, their series, and the numbers that KEDA's queries are to make of them.
SERIES = """
tandem_sequences_waiting{instance="a",model="text"} 5
tandem_sequences_waiting{instance="b",model="text"} 7
tandem_sequences_waiting{instance="b",model="image"} 1
tandem_sequences_running{instance="a",model="text"} 64
tandem_sequences_running{instance="b",model="text"} 20
tandem_sequences_running{instance="b",model="image"} 3
tandem_batcher_requests{instance="c",model="g",network="generator"} 30
tandem_batcher_requests{instance="c",model="g",network="discriminator"} 2
tandem_batcher_requests{instance="d",model="g",network="generator"} 40
tandem_images_queued{instance="c",model="g",network="generator"} 1000
tandem_images_queued{instance="d",model="g",network="generator"} 24
process_cpu_seconds_total{instance="e",job="gateway"} 0+2.5x60
process_cpu_seconds_total{instance="f",job="gateway"} 0+1.25x60
process_cpu_seconds_total{instance="a",job="ar"} 0+5x60
envoy_process_cpu_seconds_total{instance="e",job="gateway"} 0+5x60
envoy_process_cpu_seconds_total{instance="f",job="gateway"} 0+1.25x60
tandem_backend_phase_seconds_sum{instance="a",model="text",paradigm="sequential",phase="queue"} 0+2x60
tandem_backend_phase_seconds_sum{instance="b",model="text",paradigm="sequential",phase="queue"} 0+0x60
tandem_backend_phase_seconds_sum{instance="a",model="text",paradigm="sequential",phase="decode"} 0+9x60
tandem_backend_phase_seconds_count{instance="a",model="text",paradigm="sequential",phase="queue"} 0+3x60
tandem_backend_phase_seconds_count{instance="b",model="text",paradigm="sequential",phase="queue"} 0+1x60
tandem_backend_phase_seconds_sum{instance="c",model="g",paradigm="parallel",phase="queue"} 3+0x60
tandem_backend_phase_seconds_count{instance="c",model="g",paradigm="parallel",phase="queue"} 7+0x60
"""
EXPECTED = {"sequences": 100.0, "requests": 72.0, "images": 1024.0, "cores": 0.75, "envoy-cores": 1.25}
EXPECTED |= {"sequential-queue-seconds": 0.5, "parallel-queue-seconds": 0.0}


def test_selectors_and_targets_lead_to_the_pods_of_their_process(pods):
    for manifests, process in pods:
        service, ports = manifests.of("Service")[process]["spec"], manifests.ports(process)
        ports.pop("probes", None)  # for the cluster alone
        selectors = (
            manifests.of("Deployment")[process]["spec"]["selector"]["matchLabels"],
            manifests.of("PodDisruptionBudget")[process]["spec"]["selector"]["matchLabels"],
            service["selector"],
        )
        assert [manifests.selected(selector) for selector in selectors] == [{process}] * 3
        assert {port["name"]: port["port"] for port in service["ports"]} == ports
        assert {port["targetPort"] for port in service["ports"]} == ports.keys()
        second = "http" if process == "gateway" else "metrics"
        assert ports == {"grpc": SETTINGS[process].port, second: getattr(SETTINGS[process], f"{second}_port")}
        if process in BACKENDS:
            target = manifests.environment("gateway")[f"TANDEM_{process.upper()}_TARGETS"]
            assert (target, service["clusterIP"]) == (f"{process}:{ports['grpc']}", "None")


def test_a_pod_may_do_nothing_that_it_need_not(pods):
    for manifests, process in pods:
        pod = manifests.pod(process)["spec"]
        account = manifests.of("ServiceAccount")[pod["serviceAccountName"]]
        assert account["automountServiceAccountToken"] is pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False  # TANDEM_PORT of a Service would be taken for a setting
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert manifests.server(process)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_probes_ask_the_process_itself(pods):
    for manifests, process in pods:
        port = SETTINGS[process].port
        if process == "gateway":
            expected = {"httpGet": {"path": "/livez", "port": "probes"}}
            probes = manifests.environment(process)["TANDEM_PROBE_PORT"]
            assert manifests.ports(process)["probes"] == int(probes)
        elif "tls" in manifests.variant.components:
            expected = {"exec": {"command": ["python", "-m", "runtime.probe", f"127.0.0.1:{port}"]}}
        else:
            expected = {"grpc": {"port": port}}
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert expected.items() <= manifests.server(process)[name].items()


def test_what_a_pod_needs_is_reserved(pods):
    for manifests, process in pods:
        requests, limits = (manifests.server(process)["resources"][name] for name in ("requests", "limits"))
        assert requests["memory"] == limits["memory"]
        if process in BACKENDS:  # half a core would be rounded up, and throttled
            assert (requests["cpu"], limits["cpu"].isdecimal()) == (limits["cpu"], True)
        else:  # Envoy refuses requests before the pod is out of memory; the Python process takes the rest
            mebibytes = int(limits["memory"].removesuffix("Mi"))
            assert mebibytes >= int(default_limits()["heap"]) / 2**20 + PYTHON_MEBIBYTES
        on_gpu = manifests.variant.base == "overlays/gpu" and process in BACKENDS
        assert limits.get("nvidia.com/gpu") == (1 if on_gpu else None)


def test_a_pod_is_killed_only_after_all_that_it_was_promised(pods):
    for manifests, process in pods:
        pre_stop = manifests.server(process)["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = float(manifests.environment(process)["TANDEM_DRAIN_SECONDS"])
        grace = manifests.pod(process)["spec"]["terminationGracePeriodSeconds"]
        assert pre_stop >= 5  # until everybody has heard that it goes
        assert grace >= pre_stop + drain + MARGIN_SECONDS
        assert drain >= float(default_limits()["connection_grace"].removesuffix("s"))


def test_every_variable_is_a_setting_of_the_process(pods):
    asked = {f"TANDEM_PROBE_{name.upper()}" for name in vars(probe_parser().parse_args(["address"]))}
    for manifests, process in pods:
        fields = {name.upper() for name in type(SETTINGS[process]).model_fields}
        known = {f"TANDEM_{name}" for name in fields} | {f"TANDEM_{process.upper()}_{name}" for name in fields} | asked
        assert manifests.environment(process).keys() - known == set()


def test_rules_and_dashboards_are_those_of_prometheus_and_grafana(scaled: Manifests):
    assert TARGET.read_text() == render(), "run `make manifests`"
    maps = [each for each in scaled.of("ConfigMap").values() if "grafana_dashboard" in each["metadata"]["labels"]]
    boards = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert boards == {path.name: json.loads(path.read_text()) for path in GRAFANA.glob("*.json")}
    assert scaled.of("PrometheusRule").keys() == {"tandem-recording", "tandem-alert"}
    [monitor] = scaled.of("ServiceMonitor").values()
    usual = yaml.safe_load((RULES / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert {endpoint["interval"] for endpoint in monitor["spec"]["endpoints"]} == {usual}


def test_prometheus_scrapes_each_process_once_as_it_serves_under_the_job_that_rules_know(variants):
    for manifests in variants:
        for monitor in manifests.of("ServiceMonitor").values():
            spec = monitor["spec"]
            endpoints = {endpoint["port"]: endpoint for endpoint in spec["endpoints"]}
            jobs = {}
            for service in manifests.of("Service").values():
                labels, ports = service["metadata"]["labels"], {port["name"] for port in service["spec"]["ports"]}
                if fits(spec["selector"], labels):
                    jobs[labels[spec["jobLabel"]]] = len(endpoints.keys() & ports)
            assert (spec["jobLabel"], jobs) == ("app.kubernetes.io/component", dict.fromkeys(PROCESSES, 1))
            assert "scheme" not in endpoints["metrics"]
            if "tls" in manifests.variant.components:
                assert endpoints["http"]["scheme"] == "https"
                assert endpoints["http"]["tlsConfig"]["ca"]["secret"] == {"name": "gateway-tls", "key": "ca.crt"}


def test_a_replica_is_added_before_its_queue_or_batch_is_full(scaled: Manifests):
    thresholds = {each["name"]: float(each["metadata"]["threshold"]) for _, each in scaled.triggers()}
    assert thresholds["sequences"] < SETTINGS["ar"].max_num_sequences
    assert thresholds["images"] < SETTINGS["gan"].max_queued_images
    assert max(thresholds["cores"], thresholds["envoy-cores"]) < 1


def test_the_route_leads_to_every_service_of_the_gateway(scaled: Manifests):
    [rule] = scaled.of("GRPCRoute")["tandem"]["spec"]["rules"]
    services = {match["method"]["service"] for match in rule["matches"]}
    assert services == {*(service.full_name for service in SERVICES.values()), "grpc.health.v1.Health"}
    assert rule["backendRefs"] == [{"name": "gateway", "port": scaled.ports("gateway")["grpc"]}]


def test_every_component_is_looked_at_here():
    folders = {path.parent.name for path in (FOLDER / "components").glob("*/kustomization.yaml")}
    assert {name for variant in VARIANTS for name in variant.components} == folders


def exported(process: str) -> set[str]:
    registry = new_registry()
    METRICS[process](registry)
    if process == "gateway":
        ProcessCollector("envoy", registry=registry)  # as `Gateway.start` does
    return {sample.name for family in registry.collect() for sample in family.samples} | set(
        registry._names_to_collectors
    )


def test_what_scales_asks_for_is_exported_and_comes_out_as_one_number(scaled: Manifests, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package promtool has it")
    [namespace], questions = scaled.of("Namespace"), []
    for process, trigger in scaled.triggers():
        query = trigger["metadata"]["query"]
        assert set(NAME.findall(query)) <= exported(process)
        samples = [{"value": EXPECTED[trigger["name"]]}]
        questions.append({"expr": query, "eval_time": "4m", "exp_samples": samples})
    assert {process for process, _ in scaled.triggers()} == set(PROCESSES)
    lines = [
        line.replace("{", f'{{namespace="{name}",').rpartition(" ")
        for name in (namespace, "staging")
        for line in SERIES.strip().splitlines()
    ]
    series = [{"series": name, "values": value if "+" in value else f"{value}x60"} for name, _, value in lines]
    case = tmp_path / "queries_test.yml"
    test = {"interval": "5s", "input_series": series, "promql_expr_test": questions}
    case.write_text(yaml.safe_dump({"tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", str(case)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
