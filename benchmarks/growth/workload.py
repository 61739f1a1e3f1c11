"""One generator behind the service and bare: the loads, and what each of them is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Client, closed_loop
from benchmarks.harness.messages import SAMPLE
from benchmarks.harness.run import Target
from benchmarks.harness.servers import ROOT, Backends, gateway, service
from benchmarks.parallel.undisturbed import undisturbed
from benchmarks.parallel.workload import Workload
from benchmarks.runtimes.contenders import bare_loop
from runtime.models import Model
from services.common.runtimes.session import rows
from services.gan.generators import Generators, open_generators, probe
from services.gan.settings import GanSettings
from tandem.gan.v1 import gan_pb2

BARS = {"8x4": 0.95, "64x1": 0.95, "1x8": 0.85}
WORKLOADS = (Workload(1, 1), Workload(1, 8), Workload(1, 64), Workload(8, 4), Workload(64, 1), Workload(64, 4))
_BATCHES = (1, 8, 64)
_BEHIND = Workload(1, 64)
_NUM_REPLICAS = (1, 2)
_NUM_SEEDS = 64


@dataclass(frozen=True)
class Served:
    """A service that runs one model, and the same model opened here as the service opens it.

    `behind` has the ports of gateways, by the number of replicas of the service that each of them has behind it.
    """

    model: Model
    port: int
    behind: Mapping[int, int]
    bare: Generators

    def images_per_second(self, client: Client, workload: Workload, seconds: float, port: int = 0) -> float:
        """Return the images a second of a load on the service, or on what listens at `port`. Raises LoadFailed."""
        requests = [_request(self.model.name, workload.images, seed) for seed in range(_NUM_SEEDS)]
        run = closed_loop(client, Target(port or self.port, SAMPLE, requests), workload.clients, seconds)
        run.check_all_ok(f"{self.model.name}, {workload.shown}")
        return run.per_second * workload.images

    def bare_loop(self, size: int, seconds: float) -> dict[str, float]:
        """Return what `bare_loop` does of all instances."""
        calibrated, image = self.bare.calibrated, self.model.spec.image
        assert calibrated is not None, "the bare loop is the CPU's"
        assert image is not None
        sessions = calibrated.sessions[: calibrated.configuration.num_instances]
        feed = rows(self.bare.instances[0].feed(probe(image, size)), 0, size)
        return bare_loop(sessions, feed, seconds)


@contextmanager
def served(model: Model, folder: Path) -> Iterator[Served]:
    """Run the service with one model of the repository `folder`, alone and in replicas behind gateways."""
    settings = GanSettings.model_validate({"models_dir": folder, "models": [model.name]})
    assert model.spec.image is not None
    bare = open_generators(model, model.spec.image, settings)
    with ExitStack() as stack:
        replicas = []
        for _ in range(max(_NUM_REPLICAS)):
            replicas.append(stack.enter_context(service("services.gan", model.name, "--models-dir", str(folder))).port)
        behind = {
            number: stack.enter_context(gateway("", ROOT, Backends(None, replicas[0], tuple(replicas[1:number])))).port
            for number in _NUM_REPLICAS
        }
        yield Served(model, replicas[0], behind, bare)


def measured(
    it: Served, client: Client, workloads: Sequence[Workload], rounds: int, seconds: float, figures: Figures
) -> None:
    """Add images a second of every load and bare batch, and each load's share of the best batch that it could fill.

    In turns; a turn that others disturbed is repeated.
    """
    for workload in workloads:  # warms up
        it.images_per_second(client, workload, seconds)
    for port in it.behind.values():
        it.images_per_second(client, _BEHIND, seconds, port)
    for number in range(rounds):
        bare = {}
        for size in _BATCHES:
            found = undisturbed(partial(it.bare_loop, size, seconds), lambda found: found["others_cores"])
            bare[size] = found["images_per_second"]
            figures.add(f"bare {size}", it.model.name, bare[size])
        for workload in (*workloads[number % len(workloads) :], *workloads[: number % len(workloads)]):
            rate = it.images_per_second(client, workload, seconds)
            figures.add(workload.name, it.model.name, rate)
            figures.add(f"{workload.name} share", it.model.name, rate / bare[_batch_of(workload)])
        for replicas, port in it.behind.items():
            rate = it.images_per_second(client, _BEHIND, seconds, port)
            figures.add(f"{_BEHIND.name}, gateway, replicas: {replicas}", it.model.name, rate)


def _batch_of(workload: Workload) -> int:
    """Return the largest of the bare batches that the load's images fill."""
    return max(size for size in _BATCHES if size <= workload.images * workload.clients)


def _request(model: str, count: int, seed: int) -> bytes:
    return gan_pb2.SampleRequest(model=model, count=count, seed=seed).SerializeToString()
