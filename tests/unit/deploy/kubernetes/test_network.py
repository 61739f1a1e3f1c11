"""Every way that the NetworkPolicies leave between pods, ours and others, is one that is meant to be."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.unit.deploy.kubernetes.manifests import BACKENDS, PROCESSES, Manifests, Object, fits

NAME = "kubernetes.io/metadata.name"
HERE, ELSEWHERE, MONITORING = ({NAME: name} for name in ("tandem", "elsewhere", "monitoring"))
CLIENT, COLLECTOR = {"tandem-client": "true"}, {"tandem-collector": "true"}
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}


@dataclass(frozen=True)
class Pod:
    """One end of a connection: its labels, and those of its namespace."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str]


OTHERS = {
    "labelled client": Pod(CLIENT, HERE),
    "client of a labelled namespace": Pod({}, ELSEWHERE | CLIENT),
    "labelled pod of another namespace": Pod(CLIENT, ELSEWHERE),
    "neighbour": Pod({"app": "other"}, HERE),
    "prometheus": Pod(PROMETHEUS, MONITORING),
    "grafana": Pod({"app.kubernetes.io/name": "grafana"}, MONITORING),
    "prometheus of somebody else": Pod(PROMETHEUS, ELSEWHERE),
    "proxy of a route": Pod({}, {NAME: "envoy-gateway-system"}),
    "collector of another namespace": Pod(COLLECTOR, ELSEWHERE),
    "collector of a labelled namespace": Pod({}, ELSEWHERE | COLLECTOR),
    "collector beside ours": Pod(COLLECTOR, HERE),
    "dns": Pod({"k8s-app": "kube-dns"}, {NAME: "kube-system"}),
}


def is_peer(peer: Object, pod: Pod) -> bool:
    if "ipBlock" in peer:
        return False  # of no pod
    selector = peer.get("namespaceSelector")
    is_there = pod.namespace == HERE if selector is None else fits(selector, pod.namespace)
    return is_there and fits(peer.get("podSelector", {}), pod.labels)


def lets(manifests: Manifests, source: Pod, target: Pod, port: tuple[str | int, str]) -> bool:
    """Return whether the policies at both ends let this through; a pod that none selects may do everything."""
    for way, side, subject, other in (("Egress", "to", source, target), ("Ingress", "from", target, source)):
        specs = [
            policy["spec"]
            for policy in manifests.of("NetworkPolicy").values()
            if subject.namespace == HERE
            and way in policy["spec"]["policyTypes"]
            and fits(policy["spec"]["podSelector"], subject.labels)
        ]
        rules = [rule for spec in specs for rule in spec.get(way.lower(), ())]
        if specs and not any(
            port in [(each["port"], each["protocol"]) for each in rule["ports"]]
            and any(is_peer(peer, other) for peer in rule[side])
            for rule in rules
        ):
            return False
    return True


def test_who_reaches_which_port_of_ours_and_what_ours_reach_outside(variants):
    for manifests in variants:
        ours = {each: Pod(manifests.pod(each)["metadata"]["labels"], HERE) for each in PROCESSES}
        found = {
            (source, process, port)
            for source, pod in (OTHERS | ours).items()
            for process in PROCESSES
            for port in manifests.ports(process)
            if lets(manifests, pod, ours[process], (port, "TCP"))
        }
        clients = {(each, "gateway", port) for each in list(OTHERS)[:2] for port in ("grpc", "http")}
        backends = {("gateway", backend, "grpc") for backend in BACKENDS}
        scrapes = {("prometheus", backend, "metrics") for backend in BACKENDS} | {("prometheus", "gateway", "http")}
        routes = {("proxy of a route", "gateway", "grpc")} if "route" in manifests.variant.components else set()
        assert found == clients | backends | scrapes | routes
        outside = {
            (process, other, number, protocol)
            for process in PROCESSES
            for other, pod in OTHERS.items()
            for number in (53, 443, 4317)
            for protocol in ("TCP", "UDP")
            if lets(manifests, ours[process], pod, (number, protocol))
        }
        collectors = ("collector of a labelled namespace", "collector beside ours")
        assert outside == {
            *(("gateway", "dns", 53, protocol) for protocol in ("TCP", "UDP")),
            *(("gateway", collector, 4317, "TCP") for collector in collectors),
        }
