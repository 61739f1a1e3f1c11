"""An engine with a model that can be worked out by hand: each token is one more than the last."""

import threading

from services.ar.engine.admission import AdmissionLimits
from services.ar.engine.block_pool import BlockPool
from services.ar.engine.engine import Engine
from services.ar.engine.scheduler import Scheduler
from services.ar.engine.sequence import SampledToken, SamplingParams, Sequence

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

    def run(self, batch):
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
    """An engine with all its parts at hand."""

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
