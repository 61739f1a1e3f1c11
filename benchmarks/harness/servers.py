"""The servers of a measurement: backends with and without models, and the gateway of this tree or of an earlier one."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.messages import AR_MODEL, GAN_MODEL
from benchmarks.harness.processes import free_port, serving
from tandem.measure.generator.priority import go_first

ROOT = Path(__file__).parents[2]
DIRECT, BEFORE, NOW = "direct", "before", "now"


@dataclass(frozen=True)
class Backends:
    """Ports of the two paradigms' backends, which may be the same; None: there is none of that paradigm."""

    ar: int | None
    gan: int | None
    further_gan: tuple[int, ...] = ()
    """Ports of further replicas of the parallel backend."""


@dataclass(frozen=True)
class Service:
    """A server that runs: its port on 127.0.0.1, and the processes that lead all of its processes."""

    port: int
    pids: tuple[int, ...]


@dataclass(frozen=True)
class Hop:
    """A gateway in front of backends; `pid` leads all its processes. The way without one has 0."""

    name: str
    port: int
    http_port: int = 0
    pid: int = 0


@contextlib.contextmanager
def model_less(program: Path, plan: str, goes_first: bool = False) -> Iterator[Backends]:
    """Run the compiled backend of both paradigms with its plan; `goes_first`: with the highest priority it can get."""
    with tempfile.NamedTemporaryFile("w", suffix=".plan") as file:
        file.write(plan)
        file.flush()
        command = [str(program), file.name]
        # It ends with its standard input, so it cannot outlive this process.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            port = int(process.stdout.readline())
            if goes_first:
                go_first(process.pid)
            try:
                yield Backends(port, port)
            finally:
                process.stdin.close()


@contextlib.contextmanager
def with_models() -> Iterator[Backends]:
    """Run both backends with the matched pair of models."""
    with service("services.ar", AR_MODEL) as ar, service("services.gan", GAN_MODEL) as gan:
        yield Backends(ar.port, gan.port)


@contextlib.contextmanager
def service(module: str, model: str, *flags: str, tree: Path = ROOT) -> Iterator[Service]:
    """Run a backend of a source tree with one model."""
    port = free_port()
    ports = ("--port", str(port), "--metrics-port", str(free_port()))
    usual = ("--models", model, "--log-level", "WARNING")
    variables = {"PYTHONPATH": str(tree)}
    with serving(module, *ports, *usual, *flags, port=port, cwd=tree, variables=variables) as process:
        yield Service(port, (process.pid,))


@contextlib.contextmanager
def gateway(name: str, tree: Path, backends: Backends, variables: Mapping[str, str] | None = None) -> Iterator[Hop]:
    """Run the gateway of a source tree in front of the backends, with `variables` in its environment."""
    own_port, http_port = free_port(), free_port()
    ar = "" if backends.ar is None else f"127.0.0.1:{backends.ar}"
    gan = ",".join(f"127.0.0.1:{port}" for port in (backends.gan, *backends.further_gan) if port is not None)
    targets = (f"--ar-targets={ar}", f"--gan-targets={gan}")
    flags = ("--port", str(own_port), "--http-port", str(http_port), "--log-level", "WARNING", *targets)
    with serving("gateway", *flags, port=own_port, cwd=tree, variables=variables) as process:
        yield Hop(name, own_port, http_port, process.pid)


@contextlib.contextmanager
def earlier_tree(commit: str) -> Iterator[Path | None]:
    """Yield a folder with the sources of a commit of this repository; None if it cannot be had."""
    try:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # no git, or no such commit
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tandem-before-") as folder:
        with tarfile.open(fileobj=io.BytesIO(archive)) as sources:
            sources.extractall(folder, filter="data")
        yield Path(folder)
