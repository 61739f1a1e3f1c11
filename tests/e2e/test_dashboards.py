"""Every panel of every dashboard, and every rule, finds something in a live system under load.

The three real processes with the matched pair and a tiny language model, Debian's Prometheus with the committed
configuration, and the committed JSON.
"""

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
import yaml

from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
from tests.e2e.mixed_load import IMAGE_MODEL, NUM_CHOICES, TEXT_MODEL, Load, mixed_load
from tests.e2e.prometheus import COMMITTED, Prometheus, prometheus
from tests.e2e.stacks import Stack, running_stack
from tests.tiny_models import add_to_repository
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
VARIABLES = {"$sequential": IMAGE_MODEL, "$parallel": "fashion-gan", "$model": ".+", "$window": "30s"}
PARADIGMS = frozenset({"sequential", "parallel"})

pytestmark = [
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="Debian's package prometheus is not installed")
]


@dataclass(frozen=True)
class Watched:
    """A stack under load, and who watches it."""

    prometheus: Prometheus
    load: Load
    stack: Stack


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Iterator[Watched]:
    models_dir = tmp_path_factory.mktemp("models")
    add_to_repository(models_dir, TEXT_MODEL)
    shutil.copytree(ROOT / "models" / IMAGE_MODEL, models_dir / IMAGE_MODEL)
    models = ("--models", json.dumps([TEXT_MODEL, IMAGE_MODEL]), "--models-dir", str(models_dir))
    names = ("--metrics-names", "vllm")
    ar = (*models, *names, "--diversity-every", "1")
    with (
        running_stack(ar, gan=("--diversity-every", "4"), gateway=names) as stack,
        prometheus(tmp_path_factory.mktemp("prometheus"), stack.metrics) as server,
        mixed_load(stack.address) as load,
    ):
        yield Watched(server, load, stack)


@dataclass(frozen=True)
class Question:
    """An expression; `paradigms` are those that the answer must have a series of."""

    place: str
    expr: str
    paradigms: frozenset[str] = frozenset()

    def is_answered(self, by: Prometheus) -> bool:
        values = by.values(self.expr)
        return bool(values) and self.paradigms <= {labels.get("paradigm") for labels, _ in values}


def panel_queries() -> list[Question]:
    """Return each query of each panel as Grafana sends it, once its variables are set."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", ()):
                both = PARADIGMS if "{{paradigm}}" in target["legendFormat"] else frozenset()
                found.append(Question(f"{path.stem}: {panel['title']}", substituted(target["expr"]), both))
    return found


def substituted(expr: str) -> str:
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    return expr


def recordings() -> list[Question]:
    groups = yaml.safe_load((COMMITTED / "recording_rules.yml").read_text())["groups"]
    found = []
    for rule in (rule for group in groups for rule in group["rules"]):
        labels = ",".join(f'{name}="{value}"' for name, value in rule.get("labels", {}).items())
        both = PARADIGMS if "by (paradigm" in rule["expr"] else frozenset()
        found.append(Question(rule["record"], f"{rule['record']}{{{labels}}}", both))
    return found


def offered_models() -> list[Question]:
    """Return what the dashboards' variables choose from."""
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                metric = variable["query"].removeprefix("label_values(").removesuffix(", model)")
                found.append(Question(f"{path.stem}: ${variable['name']}", f"count by (model) ({metric}) > 0"))
    return found


def vllm_queries() -> list[Question]:
    """Return those of vLLM's own dashboard, but for the last one; see the file."""
    lines = (Path(__file__).parent / "vllm_queries.txt").read_text().splitlines()
    queries = [line for line in lines if not line.startswith("#")][:-1]
    variables = {"$model_name": TEXT_MODEL, "$__rate_interval": "30s"}
    for variable, value in variables.items():
        queries = [query.replace(variable, value) for query in queries]
    return [Question("vLLM's dashboard", query) for query in queries]


@pytest.mark.parametrize("questions", [panel_queries, recordings, offered_models, vllm_queries])
def test_nothing_is_empty_under_load(watched: Watched, questions: Callable[[], list[Question]]):
    asked = questions()
    assert asked
    for question in asked:
        wait_until(lambda question=question: question.is_answered(watched.prometheus), question)


def test_no_rule_fails_and_a_healthy_system_alarms_nobody(watched: Watched):
    rules = [rule for group in watched.prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["name"]: rule.get("lastError", "") for rule in rules if rule["health"] == "err"} == {}
    assert watched.prometheus.values('ALERTS{alertstate="firing"}') == []


@pytest.mark.parametrize("paradigm", sorted(PARADIGMS))
def test_the_stacked_phases_reach_the_line_of_the_whole(watched: Watched, paradigm: str):
    [panel] = [
        panel
        for panel in json.loads((DASHBOARDS / "tradeoff.json").read_text())["panels"]
        if panel["title"] == f"Mean request, {paradigm}"
    ]

    def reach() -> bool:
        now = time.time()
        phases, whole = (watched.prometheus.values(substituted(target["expr"]), now) for target in panel["targets"])
        total = sum(seconds for _, seconds in phases)
        return len(phases) > 4 and bool(whole) and total == pytest.approx(whole[0][1], rel=0.01)

    wait_until(reach)  # a rate is extrapolated to its window's ends, in each series by its own first sample


def test_a_picture_in_sequence_is_49_tokens_and_one_image(watched: Watched):
    def is_so() -> bool:
        counted = watched.prometheus.values(f'sum by (unit) (tandem_outputs_total{{model="{IMAGE_MODEL}"}})')
        units = {labels["unit"]: value for labels, value in counted}
        assert 0 < units["image"] <= watched.load.num_images + NUM_CHOICES
        return units["token"] == 49 * units["image"]

    wait_until(is_so)  # a scrape may come between the counts of one picture


@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian's package promtool is not installed")
@pytest.mark.parametrize("job", ["gateway", "ar", "gan"])
def test_what_a_process_exports_is_well_formed(watched: Watched, job: str):
    page = httpx.get(f"http://{watched.stack.metrics[job]}/metrics", timeout=60).text
    page = "\n".join(line for line in page.splitlines() if "vllm:" not in line) + "\n"  # colons are for rules, it says
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACED = {"gateway": "gen_ai_server_request_duration_seconds", "gan": "tandem_backend_request_duration_seconds"}


def traces(server: Prometheus) -> dict[str, set[str]]:
    """Return the traces that Prometheus knows, by job."""
    begin, end = time.time() - 600, time.time() + 600
    found = {}
    for job, metric in TRACED.items():
        series = server.get("query_exemplars", query=f"{metric}_bucket", start=begin, end=end)
        found[job] = {exemplar["labels"]["trace_id"] for one in series for exemplar in one["exemplars"]}
    return found


def test_a_latency_leads_to_its_trace_at_the_gateway_and_at_the_backend(watched: Watched):
    metadata = (("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),)
    with grpc.insecure_channel(watched.stack.address) as channel:
        stub = gan_pb2_grpc.GanServiceStub(channel)

        def are_known() -> bool:
            stub.Sample(gan_pb2.SampleRequest(), metadata=metadata)
            return traces(watched.prometheus) == {job: {TRACE} for job in TRACED}

        # An exemplar is kept when its series is scraped; it stays in the histogram until another takes its place.
        wait_until(are_known)
