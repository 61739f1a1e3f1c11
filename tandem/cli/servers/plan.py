"""The three real processes: which ports they take, which commands start them, whether all they need is there."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from runtime.cores import usable_cores
from tandem.cli.models.weights import fetch
from tandem.cli.servers.child import ChildSpec
from tandem.cli.servers.ports import HOST, free_ports, is_free, listener
from tandem.shared.errors import ExpectedError
from tandem.shared.models import ModelError, ModelRepository

MOST_REPLICAS = 8
SEQUENTIAL, PARALLEL, GATEWAY = "sequential", "parallel", "gateway"
SEQUENTIAL_MODELS, PARALLEL_MODELS = ("smollm2-135m-instruct", "fashion-ar", "fashion-sar"), ("fashion-gan",)


class PortTaken(ExpectedError):
    """Expected error: something listens on a port that we need; the person must choose another."""


def _option(what: str) -> Any:
    return typer.Option(min=1, max=65535, help=what, rich_help_panel="Ports")


@dataclass(frozen=True)
class Ports:
    """The six ports, which are options of `tandem up`."""

    port: Annotated[int, _option("Gateway, gRPC.")] = 50050
    http_port: Annotated[int, _option("Gateway: web page and metrics.")] = 8080
    ar_port: Annotated[int, _option("Sequential backend, gRPC.")] = 50051
    ar_metrics_port: Annotated[int, _option("Sequential backend, metrics.")] = 9101
    gan_port: Annotated[int, _option("Parallel backend, gRPC.")] = 50052
    gan_metrics_port: Annotated[int, _option("Parallel backend, metrics.")] = 9102

    def check(self) -> None:
        """Raises PortTaken if one is in use, or wanted twice; says which option changes it."""
        wanted: dict[int, str] = {}
        for name, port in asdict(self).items():
            option = f"--{name.replace('_', '-')}"
            if port in wanted:
                raise PortTaken(f"port {port} is wanted by both {wanted[port]} and {option}")
            wanted[port] = option
            if not is_free(port):
                by = listener(port)
                raise PortTaken(f"port {port} is in use{f' by {by}' if by else ''}; choose another with {option}")

    @classmethod
    def default_or_free(cls) -> "Ports":
        """Return the default ports if all are free, else free ones."""
        ports = cls()
        return ports if all(is_free(port) for port in astuple(ports)) else cls.free()

    @classmethod
    def free(cls) -> "Ports":
        """Return free ports."""
        return cls(*free_ports(len(fields(cls))))


@dataclass(frozen=True)
class Plan:
    """What to start: ports, the model repository, the models of each backend, and whether there is a gateway.

    A backend without models is not started. `precision`: what both backends compute in, empty: as their settings say.
    `more_ports`: gRPC and metrics ports of more replicas of the sequential backend, `more_parallel_ports` of the
    parallel one. `parallel_flags`: more of the parallel one's. `beside`: what else to start.
    """

    ports: Ports
    models_dir: Path
    sequential_models: Sequence[str]
    parallel_models: Sequence[str]
    drain_seconds: float
    has_gateway: bool = True
    precision: str = ""
    more_ports: Sequence[tuple[int, int]] = ()
    more_parallel_ports: Sequence[tuple[int, int]] = ()
    parallel_flags: Mapping[str, str] = field(default_factory=dict)
    beside: "Plan | None" = None

    @property
    def sequential_ports(self) -> Sequence[tuple[int, int]]:
        """The gRPC and the metrics port of each sequential replica."""
        return ((self.ports.ar_port, self.ports.ar_metrics_port), *self.more_ports)

    @property
    def parallel_ports(self) -> Sequence[tuple[int, int]]:
        """The same of each parallel replica."""
        return ((self.ports.gan_port, self.ports.gan_metrics_port), *self.more_parallel_ports)

    @property
    def address(self) -> str:
        """The gateway's gRPC address."""
        return f"{HOST}:{self.ports.port}"

    @property
    def web_address(self) -> str:
        """The gateway's HTTP address."""
        return f"http://{HOST}:{self.ports.http_port}"

    def layers(self) -> list[list[ChildSpec]]:
        """Return the processes: the backends, the gateway in front of them, if there is one, and what is beside."""
        own = [self._backends(), *([[self._gateway()]] if self.has_gateway else [])]
        return [*own, *(self.beside.layers() if self.beside else [])]

    def _backends(self) -> list[ChildSpec]:
        own = {"--dtype": self.precision, "--precision": self.precision} if self.precision else {}
        sequential = self._replicas(SEQUENTIAL, "services.ar", self.sequential_ports, self.sequential_models, own)
        own = ({"--precision": self.precision} if self.precision else {}) | dict(self.parallel_flags)
        return [*sequential, *self._replicas(PARALLEL, "services.gan", self.parallel_ports, self.parallel_models, own)]

    def _replicas(
        self, name: str, module: str, ports: Sequence[tuple[int, int]], models: Sequence[str], own: dict[str, str]
    ) -> Iterator[ChildSpec]:
        own = {"--models-dir": str(self.models_dir), "--models": json.dumps(list(models)), **own}
        for number, (port, metrics_port) in enumerate(ports if models else (), 1):
            flags = {"--metrics-port": str(metrics_port), **own}
            yield self._spec(name if number == 1 else f"{name}-{number}", module, port, flags)

    def _gateway(self) -> ChildSpec:
        flags = {
            "--http-port": str(self.ports.http_port),
            "--ar-targets": _targets(self.sequential_ports) if self.sequential_models else "",
            "--gan-targets": _targets(self.parallel_ports) if self.parallel_models else "",
        }
        return self._spec(GATEWAY, "gateway", self.ports.port, flags)

    def _spec(self, name: str, module: str, port: int, flags: dict[str, str]) -> ChildSpec:
        flags = {"--port": str(port), **flags, "--drain-seconds": f"{self.drain_seconds:g}"}
        words = [word for flag in flags.items() for word in flag]
        name = f"{name}-{self.precision}" if self.precision else name
        return ChildSpec(name, (sys.executable, "-m", module, *words), f"{HOST}:{port}")

    def fetch_weights(self, report: Callable[[str], None]) -> None:
        """Download what is missing and can be; raises ModelError or NotFound for what is missing and cannot."""
        repository = ModelRepository(self.models_dir)
        if not repository.names():
            raise ModelError(f"{self.models_dir}: no models there; --models-dir says where they are")
        for name in (*self.sequential_models, *self.parallel_models):
            fetch(repository.get(name), report)


def replica_ports(models_dir: Path, sequential_models: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return free ports of more replicas of the sequential backend: one a core where it serves image models alone, each
    of which computes in one thread. A text model has a thread for each core. Raises NotFound.
    """
    repository = ModelRepository(models_dir)
    if not sequential_models or any(repository.get(name).spec.modality == "text" for name in sequential_models):
        return ()
    return free_pairs(min(usable_cores(), MOST_REPLICAS) - 1)


def free_pairs(count: int) -> tuple[tuple[int, int], ...]:
    """Return the ports of so many replicas, for gRPC and for metrics, which are free."""
    ports = free_ports(2 * count)
    return tuple(zip(ports[::2], ports[1::2], strict=True))


def _targets(ports: Sequence[tuple[int, int]]) -> str:
    return ",".join(f"{HOST}:{port}" for port, _ in ports)


def choose_models(
    models_dir: Path, sequential: Sequence[str] | None, parallel: Sequence[str] | None
) -> tuple[Sequence[str], Sequence[str]]:
    """Return the models of both backends: those that were named, else those of the usual ones that the repository has.

    So a repository of one's own needs no model that comes with Tandem. Raises ModelError if nothing is left to serve.
    """
    there = ModelRepository(models_dir).names()
    found = tuple(
        named or [name for name in usual if name in there]
        for named, usual in ((sequential, SEQUENTIAL_MODELS), (parallel, PARALLEL_MODELS))
    )
    if there and not any(found):
        raise ModelError(
            f"{models_dir}: which of its models are to be served? Name them with --sequential-model and"
            f" --parallel-model; there are: {', '.join(there)}"
        )
    return found[0], found[1]
