"""Does a load tester tell the truth? Against a server whose p50 and p99 are known.

    python -m benchmarks.truth [--rounds 3] [--laws fixed,bimodal,exponential,stall]
    python -m benchmarks.truth --serve LAW

Measures each law with Tandem's load generator, directly and through the gateway, and prints both beside what is the
case. The server is compiled (`benchmarks/harness/native/backend.cpp`), and all runs are open loops that carry the
generator's audit. Takes about four minutes. The last line of stdout is JSON. Exit code 1: a median is off by more than
3 %, or a run failed its audit.

With --serve the server stays up for another tester: point it at `tandem.gan.v1.GanService/Sample` (any request) in an
open loop, with a whole number of thousands of requests, or whole periods of 5 s for the stall. Needs g++ and nghttp2.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import sys
from collections.abc import Sequence

from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures, Spreads
from benchmarks.harness.messages import plan
from benchmarks.harness.printing import show, spread_table
from benchmarks.harness.programs import program
from benchmarks.harness.servers import DIRECT, NOW, ROOT, gateway, model_less
from benchmarks.truth.laws import LAWS, TABLE_SIZE, Law
from runtime.compiled.recipe import LibraryUnavailable
from tandem.measure.formats import decimals
from tandem.measure.formats import seconds as seconds_text
from tandem.measure.generator.audited_runs import AuditedRuns
from tandem.measure.generator.generator import generator
from tandem.measure.scenario import OpenLoop, Scenario
from tandem.measure.workload_text import parse_workload

PER_SECOND = 400
NUM_REQUESTS = 2 * TABLE_SIZE
MOST_OFF = 3.0  # %
QUANTILES = {"p50": 0.5, "p99": 0.99}
KNOWN = "known, ms"
OFF = {DIRECT: f"{DIRECT}, off, %", NOW: f"{NOW}, off, %"}
COLUMNS = (KNOWN, f"{DIRECT}, ms", OFF[DIRECT], f"{NOW}, ms", OFF[NOW])


def serving_law(law: Law) -> contextlib.AbstractContextManager[int]:
    """Run the compiled backend, whose images take as long as the law says; it waits for a core as little as it may."""
    return model_less(program("backend"), plan(1, 0.0, law.delays, law.stall), goes_first=True)


async def measure(law: Law, ports: dict[str, int], rounds: int, figures: Figures, audited_runs: AuditedRuns) -> None:
    """Add p50 and p99 of each way to the server; which one is first changes each round."""
    arrivals = OpenLoop(rate_per_second=PER_SECOND, arrivals="constant")
    workloads = (parse_workload("images"),)
    load = Scenario(workloads=workloads, load=arrivals, num_requests=NUM_REQUESTS, warm_up_seconds=0.0)
    warm_up = load.model_copy(update={"num_requests": TABLE_SIZE})
    async with contextlib.AsyncExitStack() as stack:
        sources = {way: await stack.enter_async_context(generator(f"127.0.0.1:{port}")) for way, port in ports.items()}
        for source in sources.values():
            await audited_runs.once(source, warm_up)
        for number in range(rounds):
            for way in list(sources)[:: -1 if number % 2 else 1]:
                run_result = await audited_runs.run(sources[way], f"{law.name}, {way}", load)
                (stream,) = run_result.document.streams
                print(f"{law.name}, {way}: round {number + 1}", file=sys.stderr)
                for quantile, share in QUANTILES.items():
                    seconds, known = getattr(stream.latency.seconds, quantile) or math.nan, law.quantile(share)
                    figures.add(f"{law.name} {quantile}", f"{way}, ms", 1e3 * seconds)
                    figures.add(f"{law.name} {quantile}", OFF[way], 100 * (seconds / known - 1))


def measured(laws: Sequence[Law], rounds: int) -> tuple[Spreads, AuditedRuns]:
    """Return what is the case of each law and quantile, and what was measured by either way to the server."""
    figures, audited_runs = Figures(), AuditedRuns()
    for law in laws:
        for quantile, share in QUANTILES.items():
            figures.add(f"{law.name} {quantile}", KNOWN, 1e3 * law.quantile(share))
        with serving_law(law) as port, gateway(NOW, ROOT, port) as hop:
            asyncio.run(measure(law, {DIRECT: port, NOW: hop.port}, rounds, figures, audited_runs))
    return figures.spreads(), audited_runs


def serve(law: Law) -> None:
    """Serve until Ctrl-C."""
    with serving_law(law) as port, contextlib.suppress(KeyboardInterrupt):
        says = ", ".join(f"{name} {seconds_text(law.quantile(share))}" for name, share in QUANTILES.items())
        print(f"127.0.0.1:{port} tandem.gan.v1.GanService/Sample: {says}; Ctrl-C ends it", flush=True)
        signal.pause()


def main() -> None:
    flags = parser(__doc__, rounds=3)
    flags.add_argument("--serve", choices=LAWS, metavar="LAW", help="serve this law for another tester")
    flags.add_argument("--laws", default=",".join(LAWS), help="which ones to measure")
    options = flags.parse_args()
    try:
        if options.serve:
            return serve(LAWS[options.serve])
        laws = [LAWS[name] for name in options.laws.split(",")]
        spreads, audited_runs = measured(laws, options.rounds)
    except LibraryUnavailable as error:
        sys.exit(f"truth: {error}")
    audits = audited_runs.summary()
    table = spread_table(spreads, COLUMNS, decimals(1), f"{NOW}: through the gateway", "law")
    show(table, {"benchmark": "truth", "figures": spreads}, audits)
    is_true = all(abs(found[way].value) <= MOST_OFF for found in spreads.values() for way in OFF.values())
    sys.exit(0 if is_true and not audits.invalid else 1)


if __name__ == "__main__":
    main()
