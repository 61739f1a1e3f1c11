"""Four times the load that each service can carry, straight at it and through the gateway: what is answered in time.

    python -m benchmarks.overload [--out benchmarks/results] [--rounds 3] [--seconds 6] [--only parallel]

Writes overload.json and overload.md. For each route: the rate of a closed loop of 32 callers, the share of it that an
open loop of four times as many requests still gets answered in time, how fast the others are refused, and the
processor time that each part takes meanwhile: client, proxy and service share the machine. Needs g++ and nghttp2.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.harness.clients import SENDER, Client, open_client
from benchmarks.harness.cpu import cpu
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import Target, closed_loop
from benchmarks.harness.messages import AR_MODEL, GAN_MODEL, GENERATE, SAMPLE, generate_requests, sample_requests
from benchmarks.harness.printing import dumped, write
from benchmarks.harness.processes import free_port, serving
from benchmarks.harness.servers import DIRECT, NOW, ROOT
from benchmarks.hop.document import surroundings
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


@dataclass(frozen=True)
class Servers:
    """Ports by contender, and process ids by part."""

    ports: Mapping[str, int]
    pids: Mapping[str, int]


@contextmanager
def servers(workload: Workload) -> Iterator[Servers]:
    """Run the service and a gateway in front of it alone."""
    port, front = free_port(), free_port()
    flags = ("--port", str(port), "--metrics-port", str(free_port()), "--log-level", "WARNING")
    ours = "--ar-targets" if workload.module == "services.ar" else "--gan-targets"
    targets = {"--ar-targets": "", "--gan-targets": "", ours: f"127.0.0.1:{port}"}
    told = [f"{name}={value}" for name, value in targets.items()]
    at = ("--port", str(front), "--http-port", str(free_port()), "--log-level", "WARNING")
    with ExitStack() as stack:
        service = stack.enter_context(serving(workload.module, *flags, "--models", workload.model, port=port))
        gateway = stack.enter_context(serving("gateway", *at, *told, port=front, cwd=ROOT))
        yield Servers({DIRECT: port, NOW: front}, {SERVICE: service.pid, GATEWAY: gateway.pid})


def measure(load: Client, workload: Workload, rounds: int, seconds: float, figures: Figures) -> None:
    """Measure both routes in turn, `rounds` times."""
    with servers(workload) as running:
        targets = {name: Target(port, workload.path, workload.requests) for name, port in running.ports.items()}
        for target in targets.values():
            _warm_up(load, target)
        for number in range(rounds):
            for name, target in targets.items():
                peak = closed_loop(load, target, NUM_CALLERS, _PEAK_SECONDS).per_second
                figures.add(f"{workload.paradigm}.peak_per_second", name, peak)
                before = {part: cpu(pid).total for part, pid in running.pids.items()}
                began = time.monotonic()
                run = measure_overload(load, target, peak, seconds, number)
                lasted = time.monotonic() - began
                add_overload(figures, name, workload.paradigm, run, peak)
                figures.add(f"{workload.paradigm}.cores.{CLIENT}", name, run.cpu_seconds / lasted)
                for part, pid in running.pids.items():
                    figures.add(f"{workload.paradigm}.cores.{part}", name, (cpu(pid).total - before[part]) / lasted)


def _warm_up(load: Client, target: Target) -> None:
    """Send requests until some are answered: a gateway learns a moment later that its replica serves."""
    deadline = time.monotonic() + _REACHED_SECONDS
    while not closed_loop(load, target, NUM_CALLERS, _WARM_UP_SECONDS).num_ok:
        if time.monotonic() > deadline:
            raise RuntimeError(f"port {target.port}: no request was answered in {_REACHED_SECONDS:g} s")


def page(figures: Figures, machine: Mapping[str, object]) -> str:
    """Return the figures as a table."""
    rows = [
        Row((name, route, value_cell(each, number)))
        for name, by_route in figures.spreads().items()
        for route, each in by_route.items()
    ]
    return f"`{dumped(machine)}`\n\n{markdown_table(Table(('figure', 'route', 'median (lowest-highest)'), rows))}\n"


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
    machine = asdict(surroundings(None))
    write(options.out, "overload", {**machine, "figures": figures.spreads()}, page(figures, machine))


if __name__ == "__main__":
    main()
