"""The rounds: contenders in turn, each started, checked, warmed up, measured and stopped alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import open_client
from benchmarks.harness.run import LoadFailed
from benchmarks.harness.servers import NOW, ROOT
from benchmarks.parallel.bars import FP32, OTHERS, compared
from benchmarks.parallel.check import Check
from benchmarks.parallel.contenders import DIRECT, Contender, loop_of
from benchmarks.parallel.measuring import load
from benchmarks.parallel.undisturbed import undisturbed
from benchmarks.parallel.workload import BULK, SOME, Durations
from tandem.measure.statistics.interleaving import turns

Measure = Callable[[], dict[str, float]]

_WARM_UP = (SOME, BULK)


class Session:
    """`loops` are the files that the bare loops of runtimes run. Holds what was found."""

    def __init__(
        self, contenders: Sequence[Contender], loops: Mapping[str, Path], generator: Path, durations: Durations
    ) -> None:
        self._contenders = contenders
        self._loops = loops
        self._check = Check(generator)
        self._durations = durations
        self.figures = Figures()
        self.failures: list[str] = []
        self.runtime = FP32

    def run(self) -> None:
        """Measure all rounds; a contender that fails is missing from that round."""
        measures: dict[str, Measure] = {each.name: partial(self._measured, each) for each in self._contenders}
        measures |= {name: partial(self._looped, name) for name in self._loops}
        orders = turns(list(measures), np.random.default_rng(0))
        for number, order in zip(range(self._durations.rounds), orders, strict=False):
            seen: dict[str, dict[str, float]] = defaultdict(dict)
            for name in order:
                found = self._tried(f"round {number + 1} of {self._durations.rounds}, {name}", measures[name])
                for figure, value in found.items():
                    seen[figure][name] = value
            self._add(seen)

    def _tried(self, turn: str, measure: Measure) -> dict[str, float]:
        """Return the figures; none, and remember why, if the turn breaks off."""
        print(turn, file=sys.stderr, flush=True)
        try:
            return measure()
        except (LoadFailed, OSError, RuntimeError) as error:
            print(f"{turn}: {error}", file=sys.stderr, flush=True)
            self.failures.append(f"{turn}: {str(error).strip().splitlines()[-1]}")
            return {}

    def _add(self, seen: Mapping[str, Mapping[str, float]]) -> None:
        for figure, values in seen.items():
            for name, value in values.items():
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
                measured = undisturbed(
                    partial(load, client, served, dialect, workload, seconds), lambda it: it.others_cores
                )
                found |= {f"{workload.name}.{name}": value for name, value in asdict(measured).items()}
        return found

    def _looped(self, name: str) -> dict[str, float]:
        """Return the figures of a bare loop at all batch sizes."""
        path, seconds = self._loops[name], self._durations.bare
        flags = ("--runtime", name.split()[0], "--generator", str(path), "--seconds", str(seconds))
        command = [sys.executable, "-m", "benchmarks.peers.gan.bare", *flags]
        batches = undisturbed(partial(_printed, command), lambda it: max(each[OTHERS] for each in it.values()))
        return {f"bare.{size}.{name}": value for size, each in batches.items() for name, value in each.items()}


def _printed(command: Sequence[str]) -> dict[str, dict[str, float]]:
    """Run a program and return the JSON object that it prints. Raises RuntimeError."""
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command[:3])}: {ended.stderr.strip()[-500:]}")
    return dict(json.loads(ended.stdout))
