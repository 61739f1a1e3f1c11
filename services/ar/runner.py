"""Runs one step: lays the batch out flat, has it computed, samples. Knows nothing of how it is computed."""

from typing import Any, Protocol

import torch
from torch import Tensor

from services.ar.layout import Layout
from services.ar.sampling import sample
from services.ar.scheduler import Work
from services.ar.sequence import SampledToken


class Forward(Protocol):
    """The model with its KV cache, as it runs on a device. Called from the engine's thread only."""

    def start(self) -> None:
        """Called once, in the thread that will call, before the first step."""

    def kind(self, work: Work) -> Any:
        """Return, to sort by, what decodes have in common that are computed together."""

    def __call__(self, layout: Layout) -> Tensor:
        """Keep keys and values of the step's tokens; return the logits wanted, [rows, vocab_size] float32."""


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
    def run(self, batch: list[Work]) -> list[list[SampledToken]]:
        """Return, for each work, the tokens it brought: one if it completes, none if more of its prompt is to come.

        A draft brings one more for each of its tokens, as if all before it held; a scored text one for each computed.
        """
        order = sorted(range(len(batch)), key=lambda place: self._kind(batch[place]))
        results = dict(zip(order, self._run([batch[place] for place in order]), strict=True))
        return [results[place] for place in range(len(batch))]

    def _kind(self, work: Work) -> tuple[bool, bool, Any]:
        return not work.is_decode, bool(work.draft), self._forward.kind(work) if work.is_decode else 0

    def _run(self, batch: list[Work]) -> list[list[SampledToken]]:
        layout = Layout(batch, self._block_size)
        logits = self._forward(layout)
        tokens = iter(sample(logits[:, : self._num_output_tokens], layout.logits_rows))
        return [[next(tokens) for _ in range(count)] for count in layout.tokens_per_work]
