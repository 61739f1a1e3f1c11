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

from benchmarks.harness.processes import free_port, serving
from tandem.measure.generator.priority import go_first

ROOT = Path(__file__).parents[2]
DIRECT, BEFORE, NOW = "direct", "before", "now"


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
def model_less(program: Path, plan: str, goes_first: bool = False) -> Iterator[int]:
    """Run the compiled backend of both paradigms with its plan; yield its port.

    `goes_first`: with the highest priority it can get.
    """
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
                yield port
            finally:
                process.stdin.close()


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
def gateway(
    name: str, tree: Path, *gan: int, ar: int | None = None, variables: Mapping[str, str] | None = None
) -> Iterator[Hop]:
    """Run the gateway of a source tree, with `variables` in its environment.

    `gan`: the ports of the parallel backend's replicas; `ar`: that of the sequential one, None without it.
    """
    own_port, http_port = free_port(), free_port()
    gan_targets = ",".join(f"127.0.0.1:{port}" for port in gan)
    targets = (f"--ar-targets={f'127.0.0.1:{ar}' if ar else ''}", f"--gan-targets={gan_targets}")
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
