"""One run: sets the engines up, checks them, and measures them in rounds. An engine is started for its turn and ended
after it, so that no other runs meanwhile.

All prompts are passages of held text, new ones each time, the same for every engine of a round. An engine that can't be
set up or answers wrongly is left out with a line that says why; the others go on.
"""

import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.harness.figures import Figures, Round
from benchmarks.harness.load import LoadFailed, LoadTester, open_tester
from benchmarks.harness.processes import free_port, peak_mebibytes, running
from benchmarks.harness.surroundings import without_places
from benchmarks.peers.engines import Dialect, Engine, Need
from benchmarks.side_by_side.output_check import LEAST_AGREEMENT, Tokens, agreement
from tandem.measure.scenario import ClosedLoop
from tandem.measure.workload_text import parse_workload

NUM_PROMPT_TOKENS = 64
CHECK_NEED = Need(8, 256)
NUM_WARM_UP_TOKENS = 8
RATE = "tokens_per_second"
_DRAIN_SECONDS = 300.0

Passages = Callable[[int], list[int]]  # from a number of tokens to a passage of that length


@dataclass(frozen=True)
class Workload:
    """`num_at_a_time` prompts of one length are open at once; each gets the same number of new tokens. `need`: what a
    server must hold.
    """

    num_prompts: int
    num_at_a_time: int
    prompt_tokens: int
    new_tokens: int
    need: Need


WORKLOADS = {
    "decode_1": Workload(3, 1, NUM_PROMPT_TOKENS, 128, Need(1, 256)),
    "decode_8": Workload(8, 8, NUM_PROMPT_TOKENS, 128, Need(8, 256)),
    "decode_32": Workload(32, 32, NUM_PROMPT_TOKENS, 128, Need(32, 256)),
    "prefill": Workload(3, 1, 1024, 1, Need(1, 2048)),
}


class Session:
    """The engines that are still in, and what they did so far: `facts` by engine."""

    def __init__(self, ids: Sequence[int], figures: Figures) -> None:
        self._ids = ids
        self._engines: list[Engine] = []
        self.figures = figures
        self.facts: dict[str, dict[str, Any]] = {}

    def set_up(self, engine: Engine) -> None:
        """Install what the engine needs, and take it in."""
        versions = self.figures.attempt(engine.name, engine.set_up)
        if versions is not None:
            command = without_places(" ".join(engine.command(CHECK_NEED, 0)))
            facts = {"is_ours": engine.is_ours, "versions": versions, "command": command}
            self.facts[engine.name] = {**facts, "start_seconds": 0.0, "peak_memory_mib": 0}
            self._engines.append(engine)

    def check(self, prompts: Sequence[Tokens], expected: Sequence[Tokens]) -> None:
        """Compare every engine's greedy outputs with the reference's, and go on with those that are right."""
        checks = {engine.name: partial(self._check, engine, prompts, expected) for engine in self._engines}
        shares = {name: self.figures.attempt(f"{name}, outputs", check) for name, check in checks.items()}
        self._engines = [engine for engine in self._engines if shares[engine.name] is not None]

    def _check(self, engine: Engine, prompts: Sequence[Tokens], expected: Sequence[Tokens]) -> float:
        with self._running(engine, CHECK_NEED) as tester:
            ask = partial(_ask, tester, engine.dialect, CHECK_NEED.num_sequences)
            share = self.facts[engine.name]["agreement_with_float32"] = agreement(ask, prompts, expected)
        print(f"{engine.name}: {share:.1%} of the reference's tokens", file=sys.stderr, flush=True)
        if share < LEAST_AGREEMENT:
            raise LoadFailed(
                f"{share:.0%} of its greedy tokens are the reference's, must be at least {LEAST_AGREEMENT:.0%}"
            )
        return share

    def run(self, rounds: int, workloads: Mapping[str, Workload]) -> None:
        """Let every engine do each workload, in rounds; add what ours reached over the best other's of the round."""
        for name, workload in workloads.items():
            measures = {engine.name: partial(self._measure, engine, name, workload) for engine in self._engines}
            self.figures.measure_rounds(rounds, measures, partial(self._compare, name), name)

    def _compare(self, workload: str, seen: Mapping[str, Round]) -> dict[str, Round]:
        rates = seen.get(f"{workload}.{RATE}", {})
        others = [rate for who, rate in rates.items() if not self.facts[who]["is_ours"]]
        ours = {who: rate / max(others) for who, rate in rates.items() if others and self.facts[who]["is_ours"]}
        return {f"{workload}.to_best": ours}

    def _measure(self, engine: Engine, name: str, workload: Workload, number: int) -> dict[str, float]:
        with self._running(engine, workload.need) as tester:
            warm_up = passages_of(self._ids, f"warm-up {name} {number}")
            count = workload.num_at_a_time  # as many prompts as will come: shapes may count
            prompts = [warm_up(max(NUM_PROMPT_TOKENS, workload.prompt_tokens)) for _ in range(count)]
            _ask(tester, engine.dialect, count, prompts, [NUM_WARM_UP_TOKENS] * count)
            passage, turn = passages_of(self._ids, f"{name} {number}"), f"{engine.name}, {name}"
            found = measure_workload(tester, turn, engine.dialect, workload, passage)
        return {f"{name}.{figure}": value for figure, value in found.items()}

    @contextmanager
    def _running(self, engine: Engine, need: Need) -> Iterator[LoadTester]:
        """Run a server that fills the need, yield a tester that sends to it, and note what it took."""
        facts, port, began = self.facts[engine.name], free_port(), time.monotonic()
        with (
            running(engine.command(need, port), lambda: engine.is_ready(port)) as process,
            open_tester(port, self.figures.audited_runs) as tester,
        ):
            facts["start_seconds"] = max(facts["start_seconds"], round(time.monotonic() - began, 1))
            yield tester
            facts["peak_memory_mib"] = max(facts["peak_memory_mib"], round(peak_mebibytes(process.pid)))


def _ask(
    tester: LoadTester, dialect: Dialect, callers: int, prompts: Sequence[Tokens], lengths: Sequence[int]
) -> list[Tokens]:
    """Return the tokens that follow each prompt."""
    requests = list(map(dialect.request, prompts, lengths))
    return list(map(dialect.tokens, tester.ask(parse_workload("text", dialect.api, dialect.model), requests, callers)))


def measure_workload(
    tester: LoadTester, name: str, dialect: Dialect, workload: Workload, passage: Passages
) -> dict[str, float]:
    """Do a workload once; rates of decoding count new tokens, with their prompts' time included.

    Raises LoadFailed if an output has another length.
    """
    prompts = [passage(workload.prompt_tokens) for _ in range(workload.num_prompts)]
    run = tester.run(
        name,
        parse_workload("text", dialect.api, dialect.model),
        ClosedLoop(concurrency=workload.num_at_a_time),
        [dialect.request(prompt, workload.new_tokens) for prompt in prompts],
        num_requests=len(prompts),
        drain_seconds=_DRAIN_SECONDS,
    )
    counts = {int(row["num_outputs"]) if row["is_counted"] else 0 for row in run.rows}
    if counts != {workload.new_tokens}:
        raise LoadFailed(f"{sorted(counts)} tokens where {workload.new_tokens} were asked for")
    measured, is_decoding = run.measured, workload.new_tokens > 1
    (process,) = run.found.document.audit.processes
    rate = measured.rates.outputs if is_decoding else measured.rates.requests * workload.prompt_tokens
    found = {RATE: rate, "client_cores": process.cpu_share}
    if is_decoding and measured.gap is not None:
        gaps = measured.gap.seconds
        seconds = {"first_token": measured.first_output.seconds.p50, "gap": gaps.p50}
        found |= {f"{name}_seconds_p50": value or math.nan for name, value in seconds.items()}
        found["gap_seconds_p99"] = gaps.p99 or math.nan
    return found


def passages_of(ids: Sequence[int], seed: str) -> Passages:
    """Return passages of a text that depend on the seed alone."""
    source = random.Random(seed)

    def passage(num_tokens: int) -> list[int]:
        start = source.randrange(len(ids) - num_tokens)
        return list(ids[start : start + num_tokens])

    return passage
