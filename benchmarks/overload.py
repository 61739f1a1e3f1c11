"""Four times the load that each service can carry, straight at it and through the gateway: what is answered in time.

    python -m benchmarks.overload [--out benchmarks/results] [--rounds 3] [--seconds 6] [--only parallel]

Writes overload.json and overload.md. For each route: the rate of a closed loop of 32 callers, the share of it that an
open loop of four times as many requests still gets answered in time, how fast the others are refused, and the
processor time that each part takes meanwhile: client, proxy and service share the machine. Needs g++ and nghttp2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.clients import SENDER, Client, open_client
from benchmarks.harness.cpu import cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Target, closed_loop
from benchmarks.harness.messages import AR_MODEL, GAN_MODEL, GENERATE, SAMPLE, generate_requests, sample_requests
from benchmarks.harness.printing import write
from benchmarks.harness.servers import DIRECT, NOW, ROOT, Backends, gateway, service
from benchmarks.harness.surroundings import surroundings
from benchmarks.hop.overload import add_overload, measure_overload
from tandem.measure.formats import number
from tandem.measure.report.tables.table import Row, Table, value_cell
from tandem.measure.report.tables.writers import markdown_table

GATEWAY, CLIENT, SERVICE = "gateway", "client", "service"
NUM_CALLERS = 32
_PEAK_SECONDS, _WARM_UP_SECONDS, _REACHED_SECONDS = 2.0, 1.0, 10.0


@dataclass(frozen=True)
class Workload:
    """What is asked for: `paradigm` names the figures, `module` serves it."""

    paradigm: str
    module: str
    model: str
    path: str
    requests: tuple[bytes, ...] = field(repr=False)


WORKLOADS = {
    "sequential": Workload("sequential", "services.ar", AR_MODEL, GENERATE, tuple(generate_requests())),
    "parallel": Workload("parallel", "services.gan", GAN_MODEL, SAMPLE, tuple(sample_requests())),
    "parallel_16": Workload("parallel_16", "services.gan", GAN_MODEL, SAMPLE, tuple(sample_requests(count=16))),
    "parallel_64": Workload("parallel_64", "services.gan", GAN_MODEL, SAMPLE, tuple(sample_requests(count=64))),
}


@contextmanager
def servers(workload: Workload) -> Iterator[tuple[dict[str, int], dict[str, int]]]:
    """Run the service and a gateway in front of it alone; yield ports by contender and process ids by part."""
    with service(workload.module, workload.model) as own:
        is_sequential = workload.module == "services.ar"
        backends = Backends(own.port, None) if is_sequential else Backends(None, own.port)
        with gateway(NOW, ROOT, backends) as hop:
            yield {DIRECT: own.port, NOW: hop.port}, {SERVICE: own.pid, GATEWAY: hop.pid}


def measure(load: Client, workload: Workload, rounds: int, seconds: float, figures: Figures) -> None:
    """Measure both routes in turn, `rounds` times."""
    with servers(workload) as (ports, pids):
        targets = {name: Target(port, workload.path, workload.requests) for name, port in ports.items()}
        for target in targets.values():
            _warm_up(load, target)
        for number in range(rounds):
            for name, target in targets.items():
                peak = closed_loop(load, target, NUM_CALLERS, _PEAK_SECONDS).per_second
                figures.add(f"{workload.paradigm}.peak_per_second", name, peak)
                before = {part: cpu(pid).total for part, pid in pids.items()}
                began = time.monotonic()
                run = measure_overload(load, target, peak, seconds, number)
                lasted = time.monotonic() - began
                add_overload(figures, name, workload.paradigm, run, peak)
                figures.add(f"{workload.paradigm}.cores.{CLIENT}", name, run.cpu_seconds / lasted)
                for part, pid in pids.items():
                    figures.add(f"{workload.paradigm}.cores.{part}", name, (cpu(pid).total - before[part]) / lasted)


def _warm_up(load: Client, target: Target) -> None:
    """Send requests until some are answered: a gateway learns a moment later that its replica serves."""
    deadline = time.monotonic() + _REACHED_SECONDS
    while not closed_loop(load, target, NUM_CALLERS, _WARM_UP_SECONDS).num_ok:
        if time.monotonic() > deadline:
            raise RuntimeError(f"port {target.port}: no request was answered in {_REACHED_SECONDS:g} s")


def page(figures: Figures, machine: str) -> str:
    """Return the figures as a table."""
    rows = [
        Row((name, route, value_cell(each, number)))
        for name, by_route in figures.spreads().items()
        for route, each in by_route.items()
    ]
    return f"{machine}\n\n{markdown_table(Table(('figure', 'route', 'median (lowest-highest)'), rows))}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for overload.json and overload.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each flood")
    parser.add_argument("--only", choices=WORKLOADS, nargs="+", default=list(WORKLOADS))
    options = parser.parse_args()
    figures, load = Figures(), open_client(SENDER)
    for name in options.only:
        measure(load, WORKLOADS[name], options.rounds, options.seconds, figures)
    around = surroundings()
    write(options.out, "overload", {"surroundings": around, "figures": figures.spreads()}, page(figures, around.text))


if __name__ == "__main__":
    main()
