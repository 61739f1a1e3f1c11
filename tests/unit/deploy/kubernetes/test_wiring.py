"""What one object says of another is so: selectors, names, ports, paths of the API."""

import json

import pytest
import yaml

from deploy.grafana.__main__ import FOLDER as GRAFANA
from deploy.kubernetes.__main__ import RULES, TARGET, render
from runtime.rpc.routes import SERVICES
from tests.unit.deploy.kubernetes.manifests import BACKENDS, COMPONENT, FOLDER, PROCESSES, VARIANTS
from tests.unit.deploy.kubernetes.network import fits


def test_selectors_select_the_pods_of_their_process(pods):
    for manifests, process in pods:
        selectors = (
            manifests.of("Deployment")[process]["spec"]["selector"]["matchLabels"],
            manifests.of("Service")[process]["spec"]["selector"],
            manifests.of("PodDisruptionBudget")[process]["spec"]["selector"]["matchLabels"],
        )
        assert [manifests.selected(selector) for selector in selectors] == [{process}] * 3
        assert all("app.kubernetes.io/version" not in selector for selector in selectors)


def test_a_service_has_the_ports_of_its_pods(pods):
    for manifests, process in pods:
        service, ports = manifests.of("Service")[process]["spec"], manifests.ports(process)
        ports.pop("probes", None)
        assert {port["name"]: port["port"] for port in service["ports"]} == ports
        assert {port["targetPort"] for port in service["ports"]} == ports.keys()
        assert (service.get("clusterIP") == "None") == (process in BACKENDS)


def test_the_gateway_s_targets_are_the_backends_services(variants):
    for manifests in variants:
        for backend in BACKENDS:
            target = manifests.environment("gateway")[f"TANDEM_{backend.upper()}_TARGETS"]
            assert target == f"{backend}:{manifests.ports(backend)['grpc']}"


def test_prometheus_scrapes_each_pod_once_under_the_job_that_rules_know(scaled):
    [monitor] = scaled.of("ServiceMonitor").values()
    spec, scraped = monitor["spec"], []
    for service in scaled.of("Service").values():
        labels = service["metadata"]["labels"]
        if fits(spec["selector"], labels):
            ports = {port["name"] for port in service["spec"]["ports"]}
            scraped += [labels[spec["jobLabel"]] for endpoint in spec["endpoints"] if endpoint["port"] in ports]
    assert sorted(scraped) == sorted(PROCESSES)
    assert spec["jobLabel"] == COMPONENT
    usual = yaml.safe_load((RULES / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert {endpoint["interval"] for endpoint in spec["endpoints"]} == {usual}


def test_the_rules_are_those_of_prometheus():
    assert TARGET.read_text() == render(), "run `make manifests`"


@pytest.mark.parametrize("name", ["recording", "alert"])
def test_the_operator_gets_every_rule(scaled, name):
    def but_for_white_space(thing: object) -> object:  # kustomize adds empty lines to folded text
        return " ".join(json.dumps(thing, sort_keys=True).replace("\\n", " ").split())

    own = yaml.safe_load((RULES / f"{name}_rules.yml").read_text())
    assert but_for_white_space(scaled.of("PrometheusRule")[f"tandem-{name}"]["spec"]) == but_for_white_space(own)


def test_grafana_gets_every_dashboard(scaled):
    maps = [each for each in scaled.of("ConfigMap").values() if "grafana_dashboard" in each["metadata"]["labels"]]
    boards = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    assert boards == {path.name: json.loads(path.read_text()) for path in GRAFANA.glob("*.json")}


def test_the_route_leads_to_every_service_of_the_gateway(scaled):
    [rule] = scaled.of("GRPCRoute")["tandem"]["spec"]["rules"]
    services = {match["method"]["service"] for match in rule["matches"]}
    assert services == {*(service.full_name for service in SERVICES.values()), "grpc.health.v1.Health"}
    assert rule["backendRefs"] == [{"name": "gateway", "port": scaled.ports("gateway")["grpc"]}]


def test_prometheus_asks_the_gateway_as_it_serves(variants):
    for manifests in variants:
        for monitor in manifests.of("ServiceMonitor").values():
            endpoints = {endpoint["port"]: endpoint for endpoint in monitor["spec"]["endpoints"]}
            assert "scheme" not in endpoints["metrics"]
            if "tls" in manifests.variant.components:
                assert endpoints["http"]["scheme"] == "https"
                assert endpoints["http"]["tlsConfig"]["ca"]["secret"] == {"name": "gateway-tls", "key": "ca.crt"}


def test_every_component_is_looked_at_here():
    folders = {path.parent.name for path in (FOLDER / "components").glob("*/kustomization.yaml")}
    assert {name for variant in VARIANTS for name in variant.components} == folders
