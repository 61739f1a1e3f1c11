"""Who is measured: a name, how it is started and asked; and Tandem itself, of this tree and of an earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc

from benchmarks.harness import servers
from benchmarks.harness.messages import GAN_MODEL
from benchmarks.harness.servers import ROOT, Backends, gateway
from benchmarks.parallel.dialects import TANDEM, Dialect
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc

DIRECT, PRODUCT = "Tandem's service, direct", "Tandem, whole product"
DIRECT_BEFORE, PRODUCT_BEFORE = "the service before", "the whole product before"


@dataclass(frozen=True)
class Served:
    """A contender that runs: its port on 127.0.0.1, and the processes that lead all of its processes."""

    port: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class Contender:
    """`start` runs its processes until it is left."""

    name: str
    dialect: Dialect
    start: Callable[[], AbstractContextManager[Served]]


@contextmanager
def service(tree: Path) -> Iterator[Served]:
    """Run the parallel service of a source tree."""
    with servers.service("services.gan", GAN_MODEL, tree=tree) as own:
        yield Served(own.port, (own.pid,))


@contextmanager
def product(tree: Path) -> Iterator[Served]:
    """Run the parallel service of a source tree behind the gateway of the same."""
    with service(tree) as backend, gateway("", tree, Backends(None, backend.port)) as hop:
        yield Served(hop.port, (*backend.pids, hop.pid))


def tandem(before: Path | None) -> list[Contender]:
    """Return the service and the whole product, of this tree and of the earlier one if there is one."""
    found = [(DIRECT, service, ROOT), (PRODUCT, product, ROOT)]
    if before is not None:
        found += [(DIRECT_BEFORE, service, before), (PRODUCT_BEFORE, product, before)]
    return [Contender(name, TANDEM, partial(start, tree)) for name, start, tree in found]


def loop_of(served: Served) -> str:
    """Return the name of the bare loop that computes what Tandem's service does, see `benchmarks.parallel.loops`."""
    with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        reply = gan_pb2_grpc.GanServiceStub(channel).ListModels(gan_pb2.ListModelsRequest(), timeout=10)
    runtime = reply.models[0].runtime
    return f"{runtime.name} int8" if runtime.precision == "int8" else runtime.name
