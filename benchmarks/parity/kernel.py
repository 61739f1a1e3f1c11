"""Our kernel asked for logits, without server or engine."""

from collections.abc import Iterable

import torch
from torch import Tensor

from benchmarks.harness.kernel import BLOCK_SIZE, open_kernel
from benchmarks.parity.figures import ScoredText
from services.ar.engine.layout import Layout
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work
from services.ar.model.checkpoint import Checkpoint

CHUNK_TOKENS = 256
CONTEXT_TOKENS = 1024


class Kernel:
    """The kernel on a checkpoint; `dtype` and `activation_bits` are those of the settings. One text at a time."""

    def __init__(self, checkpoint: Checkpoint, dtype: str, activation_bits: str = "8") -> None:
        self._forward = open_kernel(checkpoint, CONTEXT_TOKENS, dtype=dtype, activation_bits=activation_bits)

    def logits(self, text: ScoredText) -> Tensor:
        """Return the logits that judge a text's tokens."""
        return torch.cat(list(self._chunks(text.ids[:-1], 0)))[text.first - 1 :]

    def greedy(self, prompt: list[int], num_tokens: int, ends: Iterable[int]) -> list[int]:
        """Return the likeliest continuation, up to the first of `ends`, which it includes."""
        ids = list(prompt)
        while len(ids) < len(prompt) + num_tokens and not (len(ids) > len(prompt) and ids[-1] in ends):
            known = len(ids) - 1 if len(ids) > len(prompt) else 0
            *_, last = self._chunks(ids, known)
            ids.append(int(last[-1].argmax()))
        return ids[len(prompt) :]

    def _chunks(self, ids: list[int], known: int) -> Iterable[Tensor]:
        """Compute what comes behind the `known` first tokens."""
        sequence = Sequence([*ids, 0], SamplingParams(logprobs=True), is_scored=True)
        sequence.block_table = list(range(CONTEXT_TOKENS // BLOCK_SIZE))
        sequence.num_computed_tokens = known
        while sequence.num_computed_tokens < len(ids):
            work = Work(sequence, min(CHUNK_TOKENS, len(ids) - sequence.num_computed_tokens))
            yield torch.from_numpy(self._forward(Layout([work], BLOCK_SIZE)).logits.copy())
            sequence.num_computed_tokens += work.num_tokens
