"""Every way there is between pods is one that is meant to be."""

from tests.unit.deploy.kubernetes.manifests import BACKENDS, PROCESSES, Manifests
from tests.unit.deploy.kubernetes.network import Network, Pod

HERE, ELSEWHERE = {"kubernetes.io/metadata.name": "tandem"}, {"kubernetes.io/metadata.name": "elsewhere"}
CLIENT = {"tandem-client": "true"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
COLLECTOR = {"tandem-collector": "true"}
OUTSIDE = {
    "labelled client": Pod(CLIENT, HERE),
    "client of a labelled namespace": Pod({}, {**ELSEWHERE, **CLIENT}),
    "labelled pod of another namespace": Pod(CLIENT, ELSEWHERE),
    "neighbour": Pod({"app": "other"}, HERE),
    "prometheus": Pod(PROMETHEUS, {"kubernetes.io/metadata.name": "monitoring"}),
    "grafana": Pod({"app.kubernetes.io/name": "grafana"}, {"kubernetes.io/metadata.name": "monitoring"}),
    "prometheus of somebody else": Pod(PROMETHEUS, ELSEWHERE),
    "proxy of a route": Pod({}, {"kubernetes.io/metadata.name": "envoy-gateway-system"}),
    "collector": Pod(COLLECTOR, ELSEWHERE),
    "collector of a labelled namespace": Pod({}, {**ELSEWHERE, **COLLECTOR}),
    "collector beside ours": Pod(COLLECTOR, HERE),
    "dns": Pod({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"}),
}


def pods_of(manifests: Manifests) -> dict[str, Pod]:
    ours = {each: Pod(manifests.pod(each)["metadata"]["labels"], HERE, manifests.ports(each)) for each in PROCESSES}
    return OUTSIDE | ours


def network_of(manifests: Manifests) -> Network:
    return Network(list(manifests.of("NetworkPolicy").values()), HERE)


def expected(manifests: Manifests) -> set[tuple[str, str, str]]:
    clients = {(each, "gateway", port) for each in list(OUTSIDE)[:2] for port in ("grpc", "http")}
    backends = {("gateway", backend, "grpc") for backend in BACKENDS}
    scrapes = {("prometheus", backend, "metrics") for backend in BACKENDS} | {("prometheus", "gateway", "http")}
    routes = {("proxy of a route", "gateway", "grpc")} if "route" in manifests.variant.components else set()
    return clients | backends | scrapes | routes


def test_who_reaches_which_port_of_ours(variants):
    for manifests in variants:
        network, pods = network_of(manifests), pods_of(manifests)
        found = {
            (source, process, name)
            for source in pods
            for process in PROCESSES
            for name, number in manifests.ports(process).items()
            if network.lets(pods[source], pods[process], number)
        }
        assert found == expected(manifests)


def test_what_ours_reach_outside_is_dns_and_a_collector_for_the_gateway(variants):
    for manifests in variants:
        network, pods = network_of(manifests), pods_of(manifests)
        found = {
            (process, target, protocol, port)
            for process in PROCESSES
            for target in OUTSIDE
            for protocol in ("TCP", "UDP")
            for port in (53, 443, 4317)
            if network.lets(pods[process], pods[target], port, protocol)
        }
        collectors = ("collector of a labelled namespace", "collector beside ours")
        to_collectors = {("gateway", collector, "TCP", 4317) for collector in collectors}
        assert found == {("gateway", "dns", protocol, 53) for protocol in ("TCP", "UDP")} | to_collectors
