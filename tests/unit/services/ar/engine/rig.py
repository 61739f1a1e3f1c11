"""Engines with models that can be worked out by hand: with all parts, or step by step without a thread."""

import threading
from collections.abc import Callable

from services.ar.engine.admission import AdmissionLimits
from services.ar.engine.block_pool import BlockPool, PrefixCache
from services.ar.engine.drafting import Drafter
from services.ar.engine.engine import Engine
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence
from services.ar.engine.step import Layout, LogitsRow, StepResult, Work, accept_tokens, keep_predicted

GUILTY = 666_000
"""The first token of a sequence that makes steps fail."""


class CountingRunner:
    """Answers n with n + 1. `gate` holds steps up when cleared; from step `dies_at` on, everything raises.

    A step raises whenever a sequence in it has output that began at GUILTY.
    """

    def __init__(self, dies_at: int | None = None) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.num_steps = 0
        self.steps: list[list[str]] = []
        """The callers in each step."""
        self._dies_at = dies_at

    def start(self):
        pass

    def run(self, batch, on_computing=lambda: None):
        on_computing()
        self.steps.append([work.sequence.caller for work in batch])
        self.gate.wait()
        self.num_steps += 1
        if self._dies_at is not None and self.num_steps >= self._dies_at:
            raise RuntimeError("a fault in the model")
        if any(work.sequence.token_ids[-1] > GUILTY for work in batch):
            raise ValueError("a fault in one sequence")
        return [[SampledToken(w.sequence.token_ids[-1] + 1)] if w.completes else [] for w in batch]


class Outcomes(list):
    """Implements EngineObserver by noting every outcome; raises, if it is told to, whatever it hears."""

    raises = False

    def stepped(self, batch, seconds):
        if self.raises:
            raise RuntimeError("a fault in an observer")

    def ended(self, outcome):
        self.append(outcome)
        if self.raises:
            raise RuntimeError("a fault in an observer")


class Rig:
    """Each token is one more than the last: an engine with all its parts at hand."""

    def __init__(self, dies_at: int | None = None, num_blocks: int = 64, max_open_sequences: int = 64) -> None:
        self.pool = BlockPool(num_blocks, 4)
        self.scheduler = Scheduler(self.pool, 8, 32)
        self.runner = CountingRunner(dies_at)
        self.outcomes = Outcomes()
        limits = AdmissionLimits(8, max_open_sequences, max_open_sequences, 60.0)
        self.engine = Engine(self.scheduler, self.runner, self.outcomes, limits)

    async def __aenter__(self) -> "Rig":
        self.engine.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.runner.gate.set()
        await self.engine.stop()


def sequence(first: int = 0, max_tokens: int = 5, num_prompt_tokens: int = 1, caller: str = "") -> Sequence:
    return Sequence([first] * num_prompt_tokens, SamplingParams(max_tokens=max_tokens), caller=caller)


async def read(stream) -> list[int]:
    tokens = []
    while not stream.is_finished:
        for output in await stream.get():
            tokens.extend(token.token_id for token in output.tokens)
    return tokens


BLOCK_SIZE = 4
History = tuple[int, ...]


class StepEngine:
    """A scheduler with a prefix cache, and what its steps wrote to each slot: a salt and the tokens up to its own.

    The model is a function of the tokens before a place: `next_token`, and for a MASK row at a place `predict`.
    """

    def __init__(
        self,
        next_token: Callable[[Sequence, History], int] = lambda sequence, history: 1,
        num_blocks: int = 64,
        max_batch_tokens: int = 64,
        chunk_tokens: int | None = None,
        drafter: Drafter | None = None,
        predict: Callable[[Sequence, int], int] = lambda sequence, place: 1,
    ) -> None:
        self._next_token = next_token
        self._predict = predict
        self._max_batch_tokens = max_batch_tokens
        self.pool = BlockPool(num_blocks, BLOCK_SIZE)
        self.cache = PrefixCache(self.pool, chunk_tokens)
        self.scheduler = Scheduler(self.pool, 4, max_batch_tokens, chunk_tokens, self.cache, drafter)
        self.brought: dict[Sequence, list[int]] = {}
        self._slots: dict[int, tuple[bytes, History]] = {}

    def step(self) -> list[Work]:
        batch = self.scheduler.schedule()
        assert sum(work.num_tokens for work in batch) <= self._max_batch_tokens
        assert len(batch) <= self.scheduler.max_num_sequences
        for progress in self.scheduler.commit(batch, [self._compute(work) for work in batch]):
            self.brought.setdefault(progress.sequence, []).extend(token.token_id for token in progress.tokens)
        self.scheduler.check_integrity()
        return batch

    def _compute(self, work: Work) -> StepResult:
        sequence, layout = work.sequence, Layout([work], BLOCK_SIZE)
        token_ids = (*sequence.token_ids[: work.positions.start + work.num_given], *work.draft)
        for place, slot in enumerate(layout.slots, work.positions.start):
            self._slots[slot] = sequence.cache_salt, token_ids[: place + 1] if place < len(token_ids) else ()
        for place in range(len(token_ids)):
            slot = sequence.block_table[place // BLOCK_SIZE] * BLOCK_SIZE + place % BLOCK_SIZE
            assert self._slots[slot] == (sequence.cache_salt, token_ids[: place + 1])
        rows = zip(layout.logits_indices, layout.logits_rows, strict=True)
        tokens = [SampledToken(self._sample(token_ids, layout.positions[index], row)) for index, row in rows]
        found = keep_predicted(work, tokens)
        if work.num_predicted and isinstance(found, list) and found:
            behind = (*sequence.token_ids, *(token.token_id for token in accept_tokens(work, found)))
            places = range(len(behind), len(behind) + work.num_predicted)
            work.predicted = tuple(self._predict(sequence, place) for place in places)
        return found

    def _sample(self, token_ids: History, position: int, row: LogitsRow) -> int:
        if row.forced is not None:
            return row.forced
        if position >= len(token_ids):  # a MASK row, which stands where its token goes
            assert position == row.sequence.num_prompt_tokens + row.position
            return self._predict(row.sequence, position)
        assert token_ids[: position + 1] == (*row.sequence.token_ids, *row.drafted)
        return self._next_token(row.sequence, token_ids[: position + 1])

    def run(self, *sequences: Sequence) -> list[int]:
        """Run them, and all that is there, to their ends; return how many tokens each step computed."""
        for sequence in sequences:
            self.scheduler.add(sequence)
        steps = []
        while self.scheduler.has_work:
            steps.append(sum(work.num_tokens for work in self.step()))
            assert steps[-1], "a step without progress"
        assert self.pool.num_taken == 0
        return steps
