"""Who is measured: a name, how it is started and asked; and Tandem itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks.harness.backend import GAN_MODEL
from benchmarks.harness.servers import ROOT, Service, gateway, service
from benchmarks.parallel.bars import DIRECT, EQUAL, PRODUCT
from benchmarks.parallel.dialects import TANDEM, Dialect
from benchmarks.runtimes.bare import BareLoop, open_bare_loop
from tandem.shared.models import Model


@dataclass(frozen=True)
class Contender:
    """`start` runs its processes until it is left."""

    name: str
    dialect: Dialect
    start: Callable[[], AbstractContextManager[Service]]


@contextmanager
def product() -> Iterator[Service]:
    """Run the parallel service behind the gateway."""
    with drawing() as backend, gateway(backend.port) as hop:
        yield Service(hop.port, (*backend.pids, *hop.pids))


def drawing(*flags: str) -> AbstractContextManager[Service]:
    """Run the parallel service with these flags."""
    return service("services.gan", GAN_MODEL, *flags)


def tandem() -> list[Contender]:
    """Return the service as it chooses to compute, the same with the peers' runtime and precision, and the product."""
    as_peers = partial(drawing, "--runtime", "onnxruntime", "--precision", "float32")
    found: dict[str, Callable[[], AbstractContextManager[Service]]]
    found = {DIRECT: drawing, EQUAL: as_peers, PRODUCT: product}
    return [Contender(name, TANDEM, start) for name, start in found.items()]


def loops(model: Model) -> list[BareLoop]:
    """Return the bare loops: ONNX Runtime in float32 as the peers have it, and last what the service chooses."""
    folder = ROOT / "models"
    base = open_bare_loop(model, folder, runtime="onnxruntime", precision="float32")
    return [base, open_bare_loop(model, folder)]
