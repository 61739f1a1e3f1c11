"""A loaded model: its modality and the engine that runs its transformer. Knows no tensors."""

from __future__ import annotations

from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING

from services.ar.api.modality import Modality, Part
from services.ar.api.reply_size import TokenSizes
from services.ar.codecs.codec import Codec
from services.ar.engine.engine import Engine
from services.ar.engine.sequence import SamplingParams, Sequence, TokenGroups
from tandem.ar.v1 import ar_pb2

if TYPE_CHECKING:
    from services.common.diversity.watch import DiversityWatch


class SequentialModel:
    """One entry of the model repository, loaded: it makes what its modality says.

    `description` is what ListModels says of it. When it starts, prompts of `num_warm_up_tokens` run through the engine.
    `watch` receives the images of an image model.
    """

    def __init__(
        self,
        modality: Modality,
        engine: Engine,
        description: ar_pb2.Model,
        num_warm_up_tokens: int,
        watch: DiversityWatch | None = None,
    ) -> None:
        self.modality = modality
        self.engine = engine
        self.description = description
        self._num_warm_up_tokens = num_warm_up_tokens
        self.watch = watch
        self.name: str = description.name
        self.token_sizes = TokenSizes.of(
            [modality.codec.token_bytes(token_id) for token_id in range(description.vocab_size)]
        )

    @property
    def codec(self) -> Codec:
        return self.modality.codec

    @property
    def fingerprint(self) -> str:
        """The short name of all that outputs depend on to the last bit, besides the request."""
        return self.description.fingerprint

    @property
    def max_context_tokens(self) -> int:
        """Tokens that prompt and output may have together."""
        return self.codec.max_context_tokens

    @property
    def takes_steps(self) -> bool:
        """Whether it can generate several tokens a step."""
        return self.modality.mask_token is not None

    def groups(self, num_prompt_tokens: int, num_tokens: int, steps: int) -> TokenGroups | None:
        """Return which of `num_tokens` tokens behind a prompt are generated together; None if each by itself."""
        return self.modality.groups(num_prompt_tokens, num_tokens, steps) if 0 < steps < num_tokens else None

    @property
    def parts(self) -> SequenceOf[Engine | Part]:
        """What works for the model in the background."""
        return [self.engine, *self.modality.parts]

    async def start(self) -> None:
        """Start the parts; run prompts of as many tokens in all as it takes to be warm, and a decode step."""
        for part in self.parts:
            part.start()
        if self.watch is not None:
            self.watch.start()
        params = SamplingParams(max_tokens=min(2, self.max_context_tokens - 1), ignore_eos=True, temperature=0.0)
        num_tokens = self._num_warm_up_tokens
        length = min(num_tokens, self.max_context_tokens - params.max_tokens)
        count = min(num_tokens // length, self.engine.max_num_sequences)
        stream = self.engine.submit([Sequence([0] * length, params) for _ in range(count)])
        while not stream.is_finished:
            await stream.get()
