"""The parallel service beside its peers, direct and behind Envoy: as it chooses to compute, and on equal terms.

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

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.backend import GAN_MODEL
from benchmarks.harness.command import parser, some_of
from benchmarks.harness.figures import NOW, Figures
from benchmarks.harness.generators import BareLoop, open_bare_loop
from benchmarks.harness.processes import ROOT
from benchmarks.harness.results import are_met, write
from benchmarks.parallel.bars import BATCH_SIZES, FP32, PEERS, bars, compare_contenders
from benchmarks.parallel.contenders import VERSIONS, Contender, Peers, tandem
from benchmarks.parallel.measuring import check, expected_levels, measure_loads
from tandem.measure.statistics.interleaving import turns
from tandem.shared.models import ModelRepository


class Session:
    """Contenders and bare loops of runtimes. Holds what was found, and with which runtime Tandem draws."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        bare: Sequence[BareLoop],
        peers: Peers,
        seconds: float,
        figures: Figures,
    ) -> None:
        self._measures: dict[str, Callable[[], dict[str, float]]]
        self._measures = {contender.name: partial(self._measure, contender) for contender in contenders}
        self._measures |= {loop.name: partial(_measure_loop, loop, seconds) for loop in bare}
        self._expected = expected_levels(peers.generator)
        self._wrk = peers.folder / "wrk"
        self._seconds = seconds
        self.figures = figures
        self.runtime = bare[-1].name if bare else FP32

    def run(self, rounds: int) -> None:
        """Measure all rounds; a contender that fails is missing from that round."""
        orders = turns(list(self._measures), np.random.default_rng(0))
        for number in range(rounds):
            seen: dict[str, dict[str, float]] = defaultdict(dict)
            for name in next(orders):
                found = self.figures.attempt(f"round {number + 1} of {rounds}, {name}", self._measures[name])
                for figure, value in (found or {}).items():
                    seen[figure][name] = value
                    self.figures.add(figure, name, value)
            for figure, value in compare_contenders(seen, self.runtime).items():
                self.figures.add(figure, NOW, value)

    def _measure(self, contender: Contender) -> dict[str, float]:
        """Return the figures of all workloads."""
        with contender.start() as served:
            off = check(served, contender.dialect, self._expected)
            found = measure_loads(contender.name, served, contender.dialect, self._wrk, self._seconds, self.figures)
        return {"levels_off": off, **found}


def _measure_loop(loop: BareLoop, seconds: float) -> dict[str, float]:
    """Return the figures of a bare loop at all batch sizes."""
    measured = {size: loop.run(size, seconds) for size in BATCH_SIZES}
    return {f"bare.{size}.{figure}": value for size, found in measured.items() for figure, value in found.items()}


def measure(rounds: int, seconds: float, folder: Path, peer_names: Sequence[str]) -> dict[str, Any]:
    """Return the result of all rounds, in which those of the peers take part that can be had."""
    figures, models = Figures(), ROOT / "models"
    model = ModelRepository(models).get(GAN_MODEL)
    int8 = model.spec.int8
    peers = Peers(folder, model.path(model.spec.generator or ""), model.path(int8.generator) if int8 else None)
    found = (figures.attempt(name, partial(peers.set_up, name)) for name in peer_names)
    contenders = [*tandem(), *(contender for contender in found if contender is not None)]
    # As the peers have it, and last what the service chooses.
    bare = [open_bare_loop(model, models, runtime="onnxruntime", precision="float32"), open_bare_loop(model, models)]
    session = Session(contenders, bare, peers, seconds, figures)
    session.run(rounds)
    about = {
        "runtime": session.runtime,
        "contenders": [contender.name for contender in contenders],
        "loops": [loop.name for loop in bare],
        "peers": VERSIONS,
    }
    return figures.document("parallel", rounds, bars=bars(figures.around["instructions"]), about=about)


def main() -> None:
    flags = parser(__doc__, rounds=4, seconds=2.0, out="parallel", has_peers=True)
    flags.add_argument("--peers", type=some_of(PEERS, ";"), default=PEERS, help="with semicolons between; default: all")
    options = flags.parse_args()
    document = measure(options.rounds, options.seconds, options.cache, options.peers)
    write(options.out, "parallel", document)
    sys.exit(0 if are_met(document) else 1)


if __name__ == "__main__":
    main()
