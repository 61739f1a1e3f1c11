"""The servers of a measurement, those of this tree: a backend with a model, and the gateway."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.processes import free_port, serving

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Service:
    """A server that runs: its ports on 127.0.0.1, and the processes that lead all of its processes."""

    port: int
    pids: tuple[int, ...]
    http_port: int = 0


@contextlib.contextmanager
def service(module: str, model: str, *flags: str) -> Iterator[Service]:
    """Run a backend with one model."""
    port = free_port()
    ports = ("--port", str(port), "--metrics-port", str(free_port()))
    with serving(module, *ports, "--models", model, "--log-level", "WARNING", *flags, port=port, cwd=ROOT) as process:
        yield Service(port, (process.pid,))


@contextlib.contextmanager
def gateway(*gan: int, ar: int | None = None) -> Iterator[Service]:
    """Run the gateway. `gan`: the ports of the parallel backend's replicas; `ar`: that of the sequential one."""
    port, http_port = free_port(), free_port()
    gan_targets = ",".join(f"127.0.0.1:{each}" for each in gan)
    targets = (f"--ar-targets={f'127.0.0.1:{ar}' if ar else ''}", f"--gan-targets={gan_targets}")
    flags = ("--port", str(port), "--http-port", str(http_port), "--log-level", "WARNING", *targets)
    with serving("gateway", *flags, port=port, cwd=ROOT) as process:
        yield Service(port, (process.pid,), http_port)
