"""What the gateway costs and whether its clock is right: direct, through an earlier gateway, and through this one.

    python -m benchmarks.hop [--out benchmarks/results] [--quick] [--rounds 5] [--before COMMIT]

Writes hop.json and hop.md: the bars, the figures behind them, and the machine they were measured on. Needs g++ and
nghttp2 (Debian: libnghttp2-dev), with which it compiles the load generator's sender and its backend without a model.
Takes about six minutes, with --quick one; the machine should have nothing else to do. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import SENDER, open_client
from benchmarks.harness.messages import plan
from benchmarks.harness.printing import write
from benchmarks.harness.programs import ProgramUnavailable, program
from benchmarks.harness.run import LoadFailed
from benchmarks.harness.servers import BEFORE, NOW, ROOT, Backends, Hop, earlier_tree, gateway, model_less, with_models
from benchmarks.harness.surroundings import surroundings
from benchmarks.hop import clock, costs
from benchmarks.hop.bars import BARS
from benchmarks.hop.document import Results
from benchmarks.hop.durations import FULL, QUICK, TOKENS_PER_SECOND, Durations
from benchmarks.hop.page import page
from tandem.measure.statistics.interleaving import turns

# The last commit whose gateway carried requests in Python.
LAST_IN_PYTHON = "55d227e760c7cd5e2237576b4e1371b2b7b58d72"


def measure(trees: Mapping[str, Path], durations: Durations) -> tuple[Figures, list[str]]:
    """Return what all rounds have measured, and why rounds broke off that did."""
    figures = Figures()
    return figures, [*_costs(trees, durations, figures), *_clock(trees, durations, figures)]


def _costs(trees: Mapping[str, Path], durations: Durations, figures: Figures) -> list[str]:
    """Measure before a backend without a model."""
    load, tokens = open_client(SENDER), int(durations.paced * TOKENS_PER_SECOND)
    with ExitStack() as stack:
        backends = stack.enter_context(model_less(program("backend"), plan(tokens, TOKENS_PER_SECOND)))
        orders = turns(costs.contenders(backends, _hops(stack, trees, backends)), np.random.default_rng(0))
        return _rounds("cost", durations, lambda _: costs.measure_round(load, next(orders), durations, figures))


def _clock(trees: Mapping[str, Path], durations: Durations, figures: Figures) -> list[str]:
    """Measure before the matched pair of models."""
    load = open_client(SENDER)
    with ExitStack() as stack:
        hops = _hops(stack, trees, stack.enter_context(with_models()))
        for hop in hops:
            clock.warm_up(load, hop)
        orders = turns(hops, np.random.default_rng(0))
        return _rounds(
            "clock", durations, lambda number: clock.measure_round(load, next(orders), durations, figures, number)
        )


def _hops(stack: ExitStack, trees: Mapping[str, Path], backends: Backends) -> list[Hop]:
    return [stack.enter_context(gateway(name, tree, backends)) for name, tree in trees.items()]


def _rounds(name: str, durations: Durations, measure_round: Callable[[int], None]) -> list[str]:
    """Run the rounds; one that breaks off ends alone. Return why."""
    failures = []
    for number in range(durations.rounds):
        say(f"{name}, round {number + 1} of {durations.rounds}")
        try:
            measure_round(number)
        except (LoadFailed, OSError) as error:
            failures.append(f"{name}, round {number + 1}: {error}")
            say(failures[-1])
    return failures


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run(out: Path, durations: Durations, before: str) -> bool:
    """Measure, write both files into `out`, print the page, and return whether all went well and every bar is met."""
    started = time.monotonic()
    with earlier_tree(before) as earlier:
        around = surroundings(before if earlier else None)
        trees = {BEFORE: earlier, NOW: ROOT} if earlier else {NOW: ROOT}
        figures, failures = measure(trees, durations)
    results = Results(around, durations, figures.spreads(), failures, round(time.monotonic() - started, 1))
    write(out, "hop", results.as_json(), page(results))
    return not failures and all(bar.is_met(results.spreads, NOW) for bar in BARS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for hop.json and hop.md")
    parser.add_argument("--quick", action="store_true", help="a minute, to see that all works; nothing to be quoted")
    parser.add_argument("--rounds", type=int, help="instead of the usual number")
    parser.add_argument("--before", default=LAST_IN_PYTHON, help="commit of the earlier gateway; left out if not there")
    options = parser.parse_args()
    durations = QUICK if options.quick else FULL
    try:
        is_met = run(options.out, replace(durations, rounds=options.rounds or durations.rounds), options.before)
    except ProgramUnavailable as error:
        sys.exit(f"hop: {error}")
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
