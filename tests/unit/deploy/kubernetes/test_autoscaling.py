"""What KEDA asks Prometheus is exported by the process that it scales, and comes out as the number that is meant."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from gateway.figures.metrics import GatewayMetrics
from runtime.metrics import new_registry
from services.ar.metrics import ArMetrics
from services.ar.settings import ArSettings
from services.gan.metrics import GanMetrics
from services.gan.settings import GanSettings
from tests.unit.deploy.kubernetes.manifests import PROCESSES, Manifests

METRICS = {"gateway": GatewayMetrics, "ar": ArMetrics, "gan": GanMetrics}
NAME = re.compile(r"\b(?:tandem|gen_ai|process|envoy)_\w+")

# Two pods each, their series, and the numbers that the queries are to make of them.
SERIES = """
tandem_sequences_waiting{instance="a",model="text"} 5
tandem_sequences_waiting{instance="a",model="image"} 0
tandem_sequences_waiting{instance="b",model="text"} 7
tandem_sequences_waiting{instance="b",model="image"} 1
tandem_sequences_running{instance="a",model="text"} 64
tandem_sequences_running{instance="a",model="image"} 3
tandem_sequences_running{instance="b",model="text"} 20
tandem_sequences_running{instance="b",model="image"} 0
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
"""
EXPECTED = {"sequences": 100.0, "requests": 72.0, "images": 1024.0, "cores": 0.75, "envoy-cores": 1.25}


def exported(process: str) -> set[str]:
    registry: CollectorRegistry = new_registry()
    METRICS[process](registry)
    if process == "gateway":
        ProcessCollector("envoy", registry=registry)  # as `Gateway.start` does
    return {sample.name for family in registry.collect() for sample in family.samples} | set(
        registry._names_to_collectors
    )


def test_queries_are_of_what_the_scaled_process_exports(scaled: Manifests):
    asked = {(process, name) for process, each in scaled.triggers() for name in NAME.findall(each["metadata"]["query"])}
    assert {process for process, _ in asked} == set(PROCESSES)
    assert [(process, name) for process, name in asked if name not in exported(process)] == []


def rule_test(scaled: Manifests) -> dict:
    def series() -> Iterator[dict]:
        for namespace in ("tandem", "staging"):
            for line in SERIES.strip().splitlines():
                name, _, values = line.replace("{", f'{{namespace="{namespace}",').rpartition(" ")
                yield {"series": name, "values": values if "+" in values else f"{values}x60"}

    questions = [
        {"expr": each["metadata"]["query"], "eval_time": "4m", "exp_samples": [{"value": EXPECTED[each["name"]]}]}
        for _, each in scaled.triggers()
    ]
    return {"tests": [{"interval": "5s", "input_series": list(series()), "promql_expr_test": questions}]}


def test_queries_give_one_number_for_all_replicas(scaled: Manifests, tmp_path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: Debian's package promtool has it")
    case = tmp_path / "queries_test.yml"
    case.write_text(yaml.safe_dump(rule_test(scaled)))
    done = subprocess.run([promtool, "test", "rules", str(case)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_queries_are_of_the_namespace_of_the_overlays(scaled: Manifests):
    [namespace] = scaled.of("Namespace")
    for _, trigger in scaled.triggers():
        query = trigger["metadata"]["query"]
        assert query.count(f'namespace="{namespace}"') == len(NAME.findall(query))


def test_a_replica_is_added_before_its_queue_or_batch_is_full(scaled: Manifests):
    thresholds = {each["name"]: float(each["metadata"]["threshold"]) for _, each in scaled.triggers()}
    assert thresholds["sequences"] < ArSettings().max_num_sequences
    assert thresholds["images"] < GanSettings().max_queued_images
    assert thresholds["cores"] < 1
    assert thresholds["envoy-cores"] < 1
