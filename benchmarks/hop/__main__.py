"""What the gateway costs and whether its clock is right: direct, through an earlier gateway, and through this one.

    python -m benchmarks.hop [--out benchmarks/results] [--rounds 5] [--before COMMIT]

Writes hop.json and hop.md: the bars, the figures behind them, and the machine they were measured on. Needs g++ and
nghttp2 (Debian: libnghttp2-dev), with which it compiles the load generator's sender and its backend without a model.
Takes about six minutes, half of it with `--before none`; the machine should have nothing else to do. Exit code 1: a
bar is missed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness.bars import Results
from benchmarks.harness.command import parser
from benchmarks.harness.figures import Figures
from benchmarks.harness.load import SENDER, open_client
from benchmarks.harness.messages import AR_MODEL, GAN_MODEL, plan
from benchmarks.harness.printing import write
from benchmarks.harness.programs import program
from benchmarks.harness.servers import BEFORE, DIRECT, NOW, ROOT, Hop, earlier_tree, gateway, model_less, service
from benchmarks.harness.surroundings import surroundings
from benchmarks.hop import clock, costs
from benchmarks.hop.bars import BARS
from benchmarks.hop.durations import TOKENS_PER_SECOND, Durations
from benchmarks.hop.page import page
from tandem.measure.statistics.interleaving import turns
from tandem.shared.compiled.recipe import LibraryUnavailable

# The last commit whose gateway carried requests in Python.
LAST_IN_PYTHON = "55d227e760c7cd5e2237576b4e1371b2b7b58d72"


def measure(trees: Mapping[str, Path], rounds: int, durations: Durations) -> Figures:
    """Return what all rounds have measured: first before a backend without a model, then before the matched pair."""
    figures, client, tokens = Figures(), open_client(SENDER), int(durations.paced * TOKENS_PER_SECOND)
    with ExitStack() as stack:
        port = stack.enter_context(model_less(program("backend"), plan(tokens, TOKENS_PER_SECOND)))
        hops = [Hop(DIRECT, port), *_hops(stack, trees, port, port)]
        for number, order in zip(range(rounds), turns(hops, np.random.default_rng(0)), strict=False):
            measure_round = partial(costs.measure_round, client, order, durations, figures)
            figures.tried(f"cost, round {number + 1} of {rounds}", measure_round)
        figures.tried(
            "the log at the proxy's limit", partial(costs.measure_limit, client, hops[-1], durations, figures)
        )
    with ExitStack() as stack:
        delays = [clock.FLOOR_DELAY_SECONDS]
        port = stack.enter_context(model_less(program("backend"), plan(tokens, TOKENS_PER_SECOND, delays), True))
        for number in range(rounds):
            measure_floor = partial(clock.measure_floor, client, port, durations, figures)
            figures.tried(f"floor, round {number + 1} of {rounds}", measure_floor)
    with ExitStack() as stack:
        ar = stack.enter_context(service("services.ar", AR_MODEL))
        hops = _hops(stack, trees, ar.port, stack.enter_context(service("services.gan", GAN_MODEL)).port)
        for hop in hops:
            clock.warm_up(client, hop)
        for number, order in zip(range(rounds), turns(hops, np.random.default_rng(0)), strict=False):
            measure_round = partial(clock.measure_round, client, order, durations, figures, number)
            figures.tried(f"clock, round {number + 1} of {rounds}", measure_round)
    return figures


def _hops(stack: ExitStack, trees: Mapping[str, Path], ar: int, gan: int) -> list[Hop]:
    return [stack.enter_context(gateway(name, tree, gan, ar=ar)) for name, tree in trees.items()]


def run(rounds: int, before: str) -> Results:
    """Measure everything."""
    started, durations = time.monotonic(), Durations()
    with earlier_tree(before) as earlier:
        around = surroundings(before if earlier else None)
        trees = {BEFORE: earlier, NOW: ROOT} if earlier else {NOW: ROOT}
        figures = measure(trees, rounds, durations)
    seconds, more = round(time.monotonic() - started, 1), {"durations": asdict(durations)}
    return Results("hop", around, BARS, rounds, figures.spreads(), figures.failures, seconds, more)


def main() -> None:
    flags = parser(__doc__, rounds=5, out="hop")
    flags.add_argument("--before", default=LAST_IN_PYTHON, help="commit of the earlier gateway; left out if not there")
    options = flags.parse_args()
    try:
        results = run(options.rounds, options.before)
    except LibraryUnavailable as error:
        sys.exit(f"hop: {error}")
    write(options.out, "hop", results.as_json(), page(results))
    sys.exit(0 if results.are_met else 1)


if __name__ == "__main__":
    main()
