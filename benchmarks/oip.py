"""Images a second through the Open Inference Protocol beside our own Sample, in turns, through one gateway.

    python -m benchmarks.oip [--rounds 5] [--seconds 2]

For each size of request and number of callers: the median of the rounds and its range, for both protocols, and the
ratio within each round. Closed loops of the load generator, which shares the machine with what it measures. Needs the
committed fashion-gan. The last line of stdout is JSON, with the machine.
"""

from __future__ import annotations

import asyncio

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.messages import GAN_MODEL
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.scenarios import closed
from benchmarks.harness.servers import NOW, ROOT, gateway, service
from benchmarks.harness.surroundings import surroundings
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import generator
from tandem.measure.scenario import Api
from tandem.measure.workload_text import parse_workload

OWN, OIP, RATIO = "own", "oip", "ratio"
APIS: dict[str, Api] = {OWN: "tandem", OIP: "oip"}
CASES = ((1, 1), (1, 4), (1, 16), (16, 4), (64, 4))
"""Images a request, and callers."""

_WARM_UP_SECONDS = 1.0


async def measure(port: int, rounds: int, seconds: float) -> tuple[Figures, AuditedRuns]:
    """Return what all rounds have measured; which protocol begins changes from round to round."""
    figures, audited_runs = Figures(), AuditedRuns()
    async with generator(f"127.0.0.1:{port}") as source:
        for count, callers in CASES:
            name = f"images_{count}_callers_{callers}"
            workloads = {who: parse_workload(f"images,images={count}", api, GAN_MODEL) for who, api in APIS.items()}
            for each in workloads.values():
                await audited_runs.once(source, closed(each, callers, duration_seconds=_WARM_UP_SECONDS))
            for turn in range(rounds):
                rates = {}
                for who in list(APIS)[:: 1 if turn % 2 else -1]:
                    load = closed(workloads[who], callers, duration_seconds=seconds)
                    (stream,) = (await audited_runs.run(source, f"{name} {who}", load)).document.streams
                    rates[who] = stream.rates.images or float("nan")
                for who, rate in (*rates.items(), (RATIO, rates[OIP] / rates[OWN])):
                    figures.add(name, who, rate)
    return figures, audited_runs


def main() -> None:
    options = parser(__doc__, rounds=5, seconds=2.0).parse_args()
    with service("services.gan", GAN_MODEL) as gan, gateway(NOW, ROOT, gan.port) as hop:
        figures, audited_runs = asyncio.run(measure(hop.port, options.rounds, options.seconds))
    found = figures.spreads()
    results = {"benchmark": "oip", "surroundings": surroundings(), "images_per_second": found}
    show(spread_table(found, (*APIS, RATIO), title="images/s"), results, audited_runs.summary())


if __name__ == "__main__":
    main()
