"""What `kubectl kustomize` makes of deploy/kubernetes, as plain data."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "deploy" / "kubernetes"
PROCESSES = ("gateway", "ar", "gan")
BACKENDS = ("ar", "gan")

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where there is one, takes a tenth of the time

Object = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """One way to put the parts together, as an operator's own kustomization does."""

    name: str
    base: str
    components: tuple[str, ...] = ()

    def render(self, kubectl: str, folder: Path) -> "Manifests":
        """Return the objects; `folder` is where the operator's kustomization is written."""
        own: Object = {"namespace": "tandem", "resources": [_way(folder, self.base)]}
        own["components"] = [_way(folder, f"components/{name}") for name in self.components]
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(own))
        target = folder if self.components else FOLDER / self.base
        done = subprocess.run([kubectl, "kustomize", str(target)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Manifests(self, tuple(yaml.load_all(done.stdout, LOADER)))


def _way(folder: Path, part: str) -> str:
    return os.path.relpath(FOLDER / part, folder)


SCALED = ("monitoring", "autoscaling", "route")
VARIANTS = (
    Variant("base", "base"),
    Variant("cpu", "overlays/cpu"),
    Variant("gpu", "overlays/gpu"),
    Variant("cpu, scaled", "overlays/cpu", SCALED),
    Variant("cpu, with keys", "overlays/cpu", ("api-keys",)),
    Variant("cpu, guarded", "overlays/cpu", ("api-keys", "tls")),
    Variant("gpu, all", "overlays/gpu", (*SCALED, "api-keys", "tls", "route-tls")),
)


@dataclass(frozen=True)
class Manifests:
    """All objects of a variant."""

    variant: Variant
    objects: tuple[Object, ...]

    def of(self, kind: str) -> Mapping[str, Object]:
        """Return the objects of a kind by name."""
        return {each["metadata"]["name"]: each for each in self.objects if each["kind"] == kind}

    def pod(self, process: str) -> Object:
        """Return the template of a process' pods."""
        return self.of("Deployment")[process]["spec"]["template"]

    def server(self, process: str) -> Object:
        """Return a process' only container."""
        [container] = self.pod(process)["spec"]["containers"]
        return container

    def environment(self, process: str) -> dict[str, str]:
        """Return a container's variables: those of its ConfigMaps, a later one over an earlier, then its own."""
        container, maps = self.server(process), self.of("ConfigMap")
        found: dict[str, str] = {}
        for source in container["envFrom"]:
            found |= maps[source["configMapRef"]["name"]]["data"]
        return found | {each["name"]: each["value"] for each in container.get("env", ())}

    def ports(self, process: str) -> dict[str, int]:
        """Return the container's ports by name."""
        return {port["name"]: port["containerPort"] for port in self.server(process)["ports"]}

    def selected(self, labels: Mapping[str, str]) -> set[str]:
        """Return the processes whose pods have all of these labels."""
        return {each for each in PROCESSES if labels.items() <= self.pod(each)["metadata"]["labels"].items()}

    def triggers(self) -> Iterator[tuple[str, Object]]:
        """Return what KEDA watches, each with the process that it scales."""
        for scaled in self.of("ScaledObject").values():
            for trigger in scaled["spec"]["triggers"]:
                yield scaled["spec"]["scaleTargetRef"]["name"], trigger


def fits(selector: Object, labels: Mapping[str, str]) -> bool:
    """Return whether a selector selects what has these labels. Knows the operator In alone."""
    expressions = selector.get("matchExpressions", ())
    assert {expression["operator"] for expression in expressions} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
