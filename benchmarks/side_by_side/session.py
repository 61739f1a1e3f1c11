"""One run: engines are set up, checked and then measured in rounds, one awake at a time.

An engine that can't be set up or answers wrongly is left out with a line that says why; the others go on.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.harness.figures import Figures
from benchmarks.harness.load import LoadFailed, LoadTester, open_tester
from benchmarks.harness.surroundings import without_places
from benchmarks.peers.engine import Engine, Need
from benchmarks.peers.installing import CannotSetUp
from benchmarks.side_by_side.fleet import Fleet, Server
from benchmarks.side_by_side.output_check import LEAST_AGREEMENT, Tokens, agreement
from benchmarks.side_by_side.workloads import NUM_PROMPT_TOKENS, Workload, measure, passages_of
from tandem.measure.workload_text import parse_workload

CHECK_NEED = Need(8, 256)  # a server that some workload wants anyway
NUM_WARM_UP_TOKENS = 8
# What an engine may do wrong without ending the run.
FAILURES = (CannotSetUp, LoadFailed, RuntimeError, OSError)
RATE, TO_BEST = "tokens_per_second", "to_best"


class Session:
    """The engines that are still in, and what they did so far: `facts` by engine."""

    def __init__(self, fleet: Fleet, ids: Sequence[int], figures: Figures) -> None:
        self._fleet = fleet
        self._ids = ids
        self._engines: dict[str, Engine] = {}
        self.figures = figures
        self.facts: dict[str, dict[str, Any]] = {}
        self.left_out: dict[str, str] = {}

    def set_up(self, engine: Engine, is_ours: bool) -> None:
        """Install what the engine needs, and take it in."""
        _say(f"setting up {engine.name}")
        with self._leaving_out(engine.name):
            command = without_places(" ".join(engine.command(CHECK_NEED, 0)))
            facts = {"is_ours": is_ours, "versions": engine.set_up(), "command": command}
            self.facts[engine.name] = {**facts, "start_seconds": 0.0, "peak_memory_mib": 0}
            self._engines[engine.name] = engine

    def check(self, prompts: Sequence[Tokens], expected: Sequence[Tokens]) -> None:
        """Compare every engine's greedy outputs with the reference's."""
        for name, engine in list(self._engines.items()):
            with self._leaving_out(name), self._reach(engine, CHECK_NEED) as (_, tester):
                dialect = engine.dialect
                workload = parse_workload("text", dialect.api, dialect.model)

                def complete(asked: Sequence[Tokens], lengths: Sequence[int]) -> list[Tokens]:
                    requests = list(map(dialect.request, asked, lengths))  # noqa: B023  it is used at once
                    replies = tester.ask(workload, requests, CHECK_NEED.num_sequences)  # noqa: B023
                    return [dialect.tokens(messages) for messages in replies]  # noqa: B023

                share = agreement(complete, prompts, expected)
                self.facts[name]["agreement_with_float32"] = share
                _say(f"{name}: {share:.1%} of the reference's tokens")
                if share < LEAST_AGREEMENT:
                    raise LoadFailed(
                        f"{share:.0%} of its greedy tokens are the reference's, must be at least {LEAST_AGREEMENT:.0%}"
                    )
            if name in self.left_out:
                self._fleet.end(name)
                del self._engines[name]

    def run_round(self, number: int, workloads: Mapping[str, Workload]) -> None:
        """Let every engine do every workload once; add what ours reached over the best other's of the round."""
        names = list(self._engines)
        first = number % max(1, len(names))  # another engine goes first in each round
        for workload in workloads:
            rates = {}
            for name in names[first:] + names[:first]:
                label = f"{name}, {workload}"
                if label in self.left_out:
                    continue
                with self._leaving_out(label):
                    found = self._measure(self._engines[name], workload, workloads[workload], number)
                    rates[name] = found[RATE]
                    for figure, value in found.items():
                        self.figures.add(f"{workload}.{figure}", name, value)
                    _say(f"round {number + 1}: {label}: {found[RATE]:.4g} tokens/s")
                if label in self.left_out:
                    self._fleet.end(name)  # a server started for one workload does not serve the next
            others = [rate for name, rate in rates.items() if not self.facts[name]["is_ours"]]
            for name in rates.keys() if others else ():
                if self.facts[name]["is_ours"]:
                    self.figures.add(f"{workload}.{TO_BEST}", name, rates[name] / max(others))

    def _measure(self, engine: Engine, name: str, workload: Workload, number: int) -> dict[str, float]:
        with self._reach(engine, workload.need) as (server, tester):
            warm_up = passages_of(self._ids, f"warm-up {name} {number}")
            # The first time as many prompts as will come: shapes may count.
            count = 1 if name in server.workloads else workload.num_at_a_time
            server.workloads.add(name)
            prompts = [warm_up(max(NUM_PROMPT_TOKENS, workload.prompt_tokens)) for _ in range(count)]
            tester.ask(
                parse_workload("text", engine.dialect.api, engine.dialect.model),
                [engine.dialect.request(prompt, NUM_WARM_UP_TOKENS) for prompt in prompts],
                count,
            )
            label = f"round {number + 1}: {engine.name}, {name}"
            found = measure(tester, label, engine.dialect, workload, passages_of(self._ids, f"{name} {number}"))
            facts = self.facts[engine.name]
            facts["peak_memory_mib"] = max(facts["peak_memory_mib"], round(server.peak_mebibytes()))
            facts["start_seconds"] = max(facts["start_seconds"], round(server.start_seconds, 1))
        return found

    @contextmanager
    def _reach(self, engine: Engine, need: Need) -> Iterator[tuple[Server, LoadTester]]:
        """Wake a server, and yield it with a tester that sends to it."""
        with (
            self._fleet.awake(engine, need) as server,
            open_tester(server.port, self.figures.audited_runs) as tester,
        ):
            yield server, tester

    @contextmanager
    def _leaving_out(self, label: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            first, *others = str(error).strip().splitlines() or [""]
            self.left_out[label] = without_places(" / ".join((first, *others[-3:])))
            _say(f"left out: {label}: {self.left_out[label]}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
