"""The parallel service beside its peers: as it chooses to compute, and on equal terms.

    python -m benchmarks.parallel [--out benchmarks/results] [--rounds 4] [--seconds 2] [--cache FOLDER]

Writes parallel.json: the bars, the figures behind them, and the machine they were measured on. Each contender is
started, must return the images of given latents, alone and beside others, is warmed up, measured in closed loop and
stopped, while no other runs. NxM: N images a request, M callers. The load is that of `tandem bench run`, and wrk's for
servers of HTTP. CPU: user and system time of all processes of a contender. Peers draw with ONNX Runtime in float32, a
session of one thread a core, but for the mosec that is named otherwise. Bare loops: the same with nothing around them.

Peers are installed into FOLDER the first time, each into an environment of its own; one that cannot be had is named
with the reason. Debian: g++, libnghttp2-dev; libgrpc++-dev, libprotobuf-dev and protobuf-compiler-grpc for the C++
reference. Takes about ten minutes, and at the first time what the installations take; the machine should have nothing
else to do. Exit code 1: a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

from benchmarks.harness.backend import GAN_MODEL
from benchmarks.harness.command import parser
from benchmarks.harness.figures import NOW, Figures
from benchmarks.harness.generators import BareLoop, open_bare_loop
from benchmarks.harness.processes import ROOT
from benchmarks.harness.results import are_met, write
from benchmarks.parallel.bars import BATCH_SIZES, FP32, PEERS, bars, compare_contenders
from benchmarks.parallel.contenders import VERSIONS, Contender, Peers, tandem
from benchmarks.parallel.measuring import check, expected_levels, measure_loads
from tandem.shared.models import ModelRepository


def measure_rounds(
    contenders: Sequence[Contender],
    loops: Sequence[BareLoop],
    peers: Peers,
    seconds: float,
    rounds: int,
    figures: Figures,
) -> None:
    """Measure contenders and bare loops, of which the last one has the runtime that Tandem draws with."""
    expected = expected_levels(peers.generator)

    def of_contender(contender: Contender, _: int) -> dict[str, float]:
        with contender.start() as served:
            off = check(served, contender.dialect, expected)
            found = measure_loads(contender, served, peers.folder / "wrk", seconds, figures.audited_runs)
        return {"levels_off": off, **found}

    def of_loop(loop: BareLoop, _: int) -> dict[str, float]:
        measured = {size: loop.run(size, seconds) for size in BATCH_SIZES}
        return {f"bare.{size}.{figure}": value for size, found in measured.items() for figure, value in found.items()}

    measures = {contender.name: partial(of_contender, contender) for contender in contenders}
    measures |= {loop.name: partial(of_loop, loop) for loop in loops}
    compare = partial(compare_contenders, runtime=loops[-1].name if loops else FP32)
    figures.measure_rounds(rounds, measures, lambda seen: {name: {NOW: value} for name, value in compare(seen).items()})


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the result of all rounds, in which those of the peers take part that can be had."""
    figures, models = Figures(), ROOT / "models"
    model = ModelRepository(models).get(GAN_MODEL)
    int8 = model.spec.int8
    peers = Peers(options.cache, model.path(model.spec.generator or ""), model.path(int8.generator) if int8 else None)
    found = (figures.attempt(name, partial(peers.set_up, name)) for name in options.peers)
    contenders = [*tandem(), *filter(None, found)]
    # As the peers have it, and last what the service chooses.
    loops = [open_bare_loop(model, models, runtime="onnxruntime", precision="float32"), open_bare_loop(model, models)]
    measure_rounds(contenders, loops, peers, options.seconds, options.rounds, figures)
    about = {
        "runtime": loops[-1].name,
        "contenders": [contender.name for contender in contenders],
        "loops": [loop.name for loop in loops],
        "peers": VERSIONS,
    }
    return figures.document("parallel", options.rounds, bars=bars(figures.around["instructions"]), about=about)


def main() -> None:
    flags = parser(__doc__, rounds=4, seconds=2.0, out="parallel", has_peers=True)
    flags.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    document = measure(options := flags.parse_args())
    write(options.out, "parallel", document)
    sys.exit(0 if are_met(document) else 1)


if __name__ == "__main__":
    main()
