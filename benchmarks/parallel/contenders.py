"""Who is measured: a name, how it is started and asked; and Tandem itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import grpc

from benchmarks.harness.backend import GAN_MODEL
from benchmarks.harness.servers import Service, gateway, service
from benchmarks.parallel.bars import BATCH_SIZES, DIRECT, EQUAL, FP32, PRODUCT
from benchmarks.parallel.dialects import TANDEM, Dialect
from benchmarks.runtimes import contenders as runtimes
from tandem.gan.v1 import gan_pb2, gan_pb2_grpc
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


def loops(model: Model) -> dict[str, runtimes.Contender]:
    """Return the bare loops by name: ONNX Runtime with the model's file as it is, OpenVINO with the fastest form of it.

    And of the int8 form, if there is one. Raises ModelError if the model has no generator.
    """
    base, *others = runtimes.ways_of(model, BATCH_SIZES)
    chosen = {FP32: base}
    for way in others:  # the fastest of each runtime come last
        if way.configuration.runtime == "openvino":
            chosen["openvino int8" if way.name.endswith("int8") else "openvino"] = way
    return {name: way.open() for name, way in chosen.items()}


def loop_of(served: Service) -> str:
    """Return which of the bare loops computes what Tandem's service does."""
    with grpc.insecure_channel(f"127.0.0.1:{served.port}") as channel:
        reply = gan_pb2_grpc.GanServiceStub(channel).ListModels(gan_pb2.ListModelsRequest(), timeout=10)
    runtime = reply.models[0].runtime
    return f"{runtime.name} int8" if runtime.precision == "int8" else runtime.name
