"""Runs one step: lays the batch out flat, has it computed, samples. Knows nothing of how it is computed."""

from itertools import islice
from typing import Any, Protocol

import torch

from runtime.errors import ModelFault
from services.ar.computed import Computed
from services.ar.layout import Layout
from services.ar.sampling import sample
from services.ar.scheduler import StepResult, Work
from services.ar.sequence import SampledToken


class Forward(Protocol):
    """The model with its KV cache, as it runs on a device. Called from the engine's thread only."""

    def start(self) -> None:
        """Called once, in the thread that will call, before the first step."""

    def kind(self, work: Work) -> Any:
        """Return, to sort by, what decodes have in common that are computed together."""

    def __call__(self, layout: Layout) -> Computed:
        """Keep keys and values of the step's tokens, finite ones only; return logits, and which rows were finite."""


class Runner:
    """`run` turns a step's work into sampled tokens. Called from the engine's thread only.

    The distribution is over the first `num_output_tokens` of the vocabulary; the rest are there to prompt with.
    """

    def __init__(self, forward: Forward, block_size: int, num_output_tokens: int) -> None:
        self._forward = forward
        self._block_size = block_size
        self._num_output_tokens = num_output_tokens

    def start(self) -> None:
        self._forward.start()

    @torch.inference_mode()
    def run(self, batch: list[Work]) -> list[StepResult]:
        """Return, for each work, the tokens it brought: one if it completes, none if more of its prompt is to come.

        A draft brings one more for each of its tokens, as if all before it held; a scored text one for each computed.
        A work for which the model computed NaN or infinity has ModelFault instead; the others are as without it.
        """
        order = sorted(range(len(batch)), key=lambda place: self._kind(batch[place]))
        results = dict(zip(order, self._run([batch[place] for place in order]), strict=True))
        return [results[place] for place in range(len(batch))]

    def _kind(self, work: Work) -> tuple[bool, bool, Any]:
        return not work.is_decode, bool(work.draft), self._forward.kind(work) if work.is_decode else 0

    def _run(self, batch: list[Work]) -> list[StepResult]:
        layout = Layout(batch, self._block_size)
        computed = self._forward(layout)
        is_sound = _soundness(layout, computed)
        tokens = iter(self._sampled(layout, computed, is_sound))
        return [
            list(islice(tokens, count)) if sound else ModelFault()
            for count, sound in zip(layout.tokens_per_work, is_sound, strict=True)
        ]

    def _sampled(self, layout: Layout, computed: Computed, is_sound: list[bool]) -> list[SampledToken]:
        """Return the tokens of all sound works, work after work."""
        logits, rows = computed.logits[:, : self._num_output_tokens], layout.logits_rows
        if not all(is_sound):
            counts = zip(layout.tokens_per_work, is_sound, strict=True)
            is_wanted = [sound for count, sound in counts for _ in range(count)]
            wanted = [place for place, sound in enumerate(is_wanted) if sound]
            logits, rows = logits[wanted], [rows[place] for place in wanted]
        return sample(logits, rows)


def _soundness(layout: Layout, computed: Computed) -> list[bool]:
    """Return, for each work, whether all that was computed of it is finite."""
    if all(computed.is_finite):
        return [True] * len(layout.rows_of_works)
    return [all(computed.is_finite[row] for row in rows) for rows in layout.rows_of_works]
