"""Our kernel asked for logits, without server or engine."""

from collections.abc import Iterable

import torch
from torch import Tensor

from benchmarks.parity.figures import ScoredText
from runtime.cores import usable_cores
from services.ar.compute.opening import open_computation
from services.ar.compute.runner import Forward
from services.ar.engine.layout import Layout
from services.ar.engine.sampling_params import SamplingParams
from services.ar.engine.sequence import Sequence
from services.ar.engine.step import Work
from services.ar.model.checkpoint import Checkpoint
from services.ar.settings import ArSettings

CHUNK_TOKENS = 256
CONTEXT_TOKENS = 1024


class Kernel:
    """The kernel on a checkpoint; `dtype` and `activation_bits` are those of the settings. One text at a time."""

    def __init__(self, checkpoint: Checkpoint, dtype: str, activation_bits: str = "8") -> None:
        chosen = {"device": "cpu", "kernel": "native", "dtype": dtype, "activation_bits": activation_bits}
        sizes = {"kv_cache_tokens": CONTEXT_TOKENS, "max_context_tokens": CONTEXT_TOKENS}
        settings = ArSettings.model_validate({**chosen, **sizes})
        computation = open_computation(checkpoint, CONTEXT_TOKENS, usable_cores(), settings, lambda share: None)
        self._forward: Forward = computation.forward
        self._forward.start()
        self._blocks = list(range(CONTEXT_TOKENS // settings.block_size))
        self._block_size = settings.block_size

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
        sequence.block_table = self._blocks
        sequence.num_computed_tokens = known
        while sequence.num_computed_tokens < len(ids):
            work = Work(sequence, min(CHUNK_TOKENS, len(ids) - sequence.num_computed_tokens))
            yield torch.from_numpy(self._forward(Layout([work], self._block_size)).logits.copy())
            sequence.num_computed_tokens += work.num_tokens
