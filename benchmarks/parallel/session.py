"""The rounds: contenders in turn, each started, checked, warmed up, measured and stopped alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import open_client
from benchmarks.harness.servers import NOW
from benchmarks.parallel.bars import DIRECT, FP32, OTHERS, compared
from benchmarks.parallel.check import Check
from benchmarks.parallel.contenders import Contender, loop_of
from benchmarks.parallel.measuring import load
from benchmarks.parallel.undisturbed import undisturbed
from benchmarks.parallel.workload import BATCH_SIZES, BULK, SOME, Durations
from benchmarks.runtimes import contenders as runtimes
from tandem.measure.statistics.interleaving import turns

_WARM_UP = (SOME, BULK)


class Session:
    """Contenders and bare loops of runtimes. Holds what was found."""

    def __init__(
        self,
        contenders: Sequence[Contender],
        loops: Mapping[str, runtimes.Contender],
        generator: Path,
        durations: Durations,
    ) -> None:
        self._measures = {each.name: partial(self._measured, each) for each in contenders}
        self._measures |= {name: partial(self._looped, loop) for name, loop in loops.items()}
        self._check = Check(generator)
        self._durations = durations
        self.figures = Figures()
        self.runtime = FP32

    def run(self, rounds: int) -> None:
        """Measure all rounds; a contender that fails is missing from that round."""
        orders = turns(list(self._measures), np.random.default_rng(0))
        for number, order in zip(range(rounds), orders, strict=False):
            seen: dict[str, dict[str, float]] = defaultdict(dict)
            for name in order:
                found = self.figures.tried(f"round {number + 1} of {rounds}, {name}", self._measures[name])
                for figure, value in (found or {}).items():
                    seen[figure][name] = value
                    self.figures.add(figure, name, value)
            for figure, value in compared(seen, self.runtime).items():
                self.figures.add(figure, NOW, value)

    def _measured(self, contender: Contender) -> dict[str, float]:
        """Return the figures of all workloads."""
        client, dialect = open_client(contender.dialect.client), contender.dialect
        with contender.start() as served:
            found = {"levels_off": self._check(client, served.port, dialect)}
            if contender.name == DIRECT:
                self.runtime = loop_of(served)
            for workload in _WARM_UP:
                load(client, served, dialect, workload, self._durations.warm_up)
            for workload, seconds in self._durations.loads.items():
                once = partial(load, client, served, dialect, workload, seconds)
                measured = undisturbed(once, lambda it: it[OTHERS])
                found |= {f"{workload.name}.{name}": value for name, value in measured.items()}
        return found

    def _looped(self, loop: runtimes.Contender) -> dict[str, float]:
        """Return the figures of a bare loop at all batch sizes."""
        found: dict[str, float] = {}
        for size in BATCH_SIZES:
            measured = undisturbed(partial(loop.loop, size, self._durations.bare), lambda it: it[OTHERS])
            found |= {f"bare.{size}.{name}": value for name, value in measured.items()}
        return found
