"""Who may connect to what under a set of NetworkPolicies: their semantics, as far as ours use them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Pod:
    """One end of a connection; `ports` are its ports' numbers by name, `namespace` its namespace's labels."""

    labels: Mapping[str, str]
    namespace: Mapping[str, str]
    ports: Mapping[str, int] = field(default_factory=dict)


class Network:
    """What some policies, all of one namespace, let through. Everything, from or to pods that none of them selects."""

    def __init__(self, policies: Sequence[Object], namespace: Mapping[str, str]) -> None:
        self._specs = [policy["spec"] for policy in policies]
        self._namespace = namespace

    def lets(self, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
        return self._one_way("Egress", source, target, target, port, protocol) and self._one_way(
            "Ingress", target, source, target, port, protocol
        )

    def _one_way(self, way: str, subject: Pod, other: Pod, target: Pod, port: int, protocol: str) -> bool:
        specs = [spec for spec in self._specs if way in spec["policyTypes"] and self._is_subject(spec, subject)]
        rules = [rule for spec in specs for rule in spec.get(way.lower(), ())]
        peers = "to" if way == "Egress" else "from"
        return not specs or any(
            any(self._is_peer(peer, other) for peer in rule[peers])
            and any((port, protocol) == open_port for open_port in _open_ports(rule, target))
            for rule in rules
        )

    def _is_subject(self, spec: Object, pod: Pod) -> bool:
        return pod.namespace == self._namespace and fits(spec["podSelector"], pod.labels)

    def _is_peer(self, peer: Object, pod: Pod) -> bool:
        if "ipBlock" in peer:
            return False  # of no pod
        in_namespace = (
            fits(peer["namespaceSelector"], pod.namespace)
            if "namespaceSelector" in peer
            else pod.namespace == self._namespace
        )
        return in_namespace and fits(peer.get("podSelector", {}), pod.labels)


def _open_ports(rule: Object, target: Pod) -> Iterator[tuple[int | None, str]]:
    for port in rule["ports"]:
        number = port["port"] if isinstance(port["port"], int) else target.ports.get(port["port"])
        yield number, port["protocol"]


def fits(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a label selector selects what has these labels. Knows the operator In alone."""
    expressions = selector.get("matchExpressions", ())
    assert all(expression["operator"] == "In" for expression in expressions)
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
