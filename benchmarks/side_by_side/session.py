"""One run: engines are set up, checked and then measured in rounds, one awake at a time.

An engine that can't be set up or answers wrongly is left out with a line that says why; the others go on.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from benchmarks.harness.surroundings import without_places
from benchmarks.peers.engine import Engine, Need, Prompt
from benchmarks.peers.installing import CannotSetUp
from benchmarks.side_by_side.asker import Asker, WrongOutput
from benchmarks.side_by_side.fleet import Fleet, Server
from benchmarks.side_by_side.held_text import HeldText
from benchmarks.side_by_side.output_check import LEAST_AGREEMENT, NUM_TOKENS, agreement
from benchmarks.side_by_side.results import EngineRecord, Results
from benchmarks.side_by_side.workloads import NUM_PROMPT_TOKENS, Figures, Passages, Workload, passages_of
from tandem.client import TandemRpcError
from tandem.measure.generator.generator import Generator, generator

CHECK_NEED = Need(8, 2048)  # a server that some workload wants anyway
WORK_SECONDS = 300.0
NUM_WARM_UP_TOKENS = 8
# What a peer may do wrong without ending the run.
FAILURES = (CannotSetUp, WrongOutput, TimeoutError, RuntimeError, OSError, TandemRpcError)


class Session:
    """The engines that are still in, and what they did so far."""

    def __init__(self, fleet: Fleet, text: HeldText, results: Results, say: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._text = text
        self._results = results
        self._say = say
        self._engines: dict[str, Engine] = {}

    def set_up(self, engine: Engine, is_ours: bool) -> None:
        """Install what the engine needs, and take it in."""
        self._say(f"setting up {engine.name}")
        with self._leaving_out(engine.name):
            versions = engine.set_up()
            self._engines[engine.name] = engine
            self._results.engines.append(EngineRecord(engine.name, is_ours, versions))

    async def check(self, reference: Engine, prompts: list[Prompt]) -> None:
        """Compare every engine's greedy outputs with the reference's."""
        self._say(f"reference outputs of {reference.name}")
        async with self._reached(reference, CHECK_NEED) as (_, source):
            expected = await Asker(reference, source).outputs(prompts, [NUM_TOKENS] * len(prompts))
        self._fleet.end_all_of(reference.name)
        for name, engine in list(self._engines.items()):
            self._say(f"checking {name}")
            with self._leaving_out(name):
                async with self._reached(engine, CHECK_NEED) as (_, source):
                    share = await agreement(Asker(engine, source), prompts, expected)
                self._record(name).agreement = share
                self._say(f"{name}: {share:.1%} of the reference's tokens")
                if share < LEAST_AGREEMENT:
                    least = f"at least {LEAST_AGREEMENT:.0%}"
                    raise WrongOutput(f"{share:.0%} of its greedy tokens are the reference's, must be {least}")
            if name in self._results.left_out:
                self._fleet.end_all_of(engine.name)
                del self._engines[name]

    async def round(self, number: int) -> None:
        """Let every engine do every workload once."""
        names = list(self._engines)
        first = number % max(1, len(names))  # another engine goes first in each round
        for workload in self._results.workloads:
            for name in names[first:] + names[:first]:
                engine = self._engines[name]
                label = f"{name}, {workload.name}"
                is_suited = workload.suits_static_batches or not engine.is_static_batch
                if is_suited and label not in self._results.left_out:
                    with self._leaving_out(label):
                        figures = await self._measured(engine, workload, number)
                        self._record(name).add(workload.name, number, figures)
                        self._say(f"round {number + 1}: {label}: {workload.figure} {figures[workload.figure]:.4g}")
                    if label in self._results.left_out:
                        self._fleet.end_all_of(engine.name)  # a server started for one workload does not serve the next
        self._results.num_rounds = number + 1

    async def _measured(self, engine: Engine, workload: Workload, number: int) -> Figures:
        passages = passages_of(self._text, f"{workload.name} {number}")
        name = f"round {number + 1}: {engine.name}, {workload.name}"
        async with asyncio.timeout(WORK_SECONDS), self._reached(engine, workload.need) as (server, source):
            warm_up_passages = passages_of(self._text, f"warm-up {workload.name} {number}")
            await self._warm_up(Asker(engine, source), workload, server, warm_up_passages)
            figures = await workload.run(Asker(engine, source, self._results.audited_runs, name), passages)
            self._look_at(engine, server)
        return figures

    @asynccontextmanager
    async def _reached(self, engine: Engine, need: Need) -> AsyncIterator[tuple[Server, Generator]]:
        """Wake a server, and yield it with a load generator that sends to it."""
        with self._fleet.awake(engine, need) as server:
            async with generator(f"127.0.0.1:{server.port}") as source:
                yield server, source

    async def _warm_up(self, asker: Asker, workload: Workload, server: Server, passage: Passages) -> None:
        """Ask for a few tokens; the first time of as many prompts as will come, and of a long one: shapes may count."""
        is_first = workload.name not in server.workloads
        server.workloads.add(workload.name)
        count = workload.need.num_sequences if is_first else 1
        prompts = [passage(NUM_PROMPT_TOKENS) for _ in range(count)]
        await asker.ask(prompts, NUM_WARM_UP_TOKENS, at_a_time=count)
        if is_first:
            await asker.ask([passage(workload.need.num_context_tokens * 3 // 4)], 1)

    def _look_at(self, engine: Engine, server: Server) -> None:
        record = self._record(engine.name)
        record.peak_mebibytes = max(record.peak_mebibytes, server.peak_mebibytes())
        record.start_seconds = max(record.start_seconds, server.start_seconds)
        record.command = without_places(" ".join(engine.command(CHECK_NEED, 0)))

    def _record(self, name: str) -> EngineRecord:
        return next(record for record in self._results.engines if record.name == name)

    @contextmanager
    def _leaving_out(self, label: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            first, *others = str(error).strip().splitlines() or [""]
            reason = " / ".join((first, *others[-3:]))
            if not isinstance(error, FAILURES[:2]):
                reason = f"{type(error).__name__}: {reason}"
            self._results.left_out[label] = without_places(reason)
            self._say(f"left out: {label}: {reason}")
