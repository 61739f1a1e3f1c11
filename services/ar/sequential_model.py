"""A loaded model: the codec of its modality and the engine that runs its transformer. Knows no tensors."""

from typing import TypeAlias

from services.ar.engine import Engine
from services.ar.image_codec import ImageCodec
from services.ar.reply_size import TokenSizes
from services.ar.sampling_params import SamplingParams
from services.ar.sequence import Sequence
from services.ar.text_codec import TextCodec
from services.ar.token_decoder import Tokens
from services.common.batcher import Batcher
from services.common.diversity import DiversityWatch
from services.common.images import Images
from tandem.ar.v1 import ar_pb2

Codec: TypeAlias = TextCodec | ImageCodec
Part: TypeAlias = Engine | Batcher[Tokens, Images] | Batcher[Images, Tokens]


class SequentialModel:
    """One entry of the model repository, loaded: it makes what its codec says.

    `num_output_tokens`: it generates tokens 0 to this, exclusive. `description` is what ListModels says of it. `watch`
    is told of the pictures of an image model.
    """

    def __init__(
        self,
        codec: Codec,
        engine: Engine,
        num_output_tokens: int,
        description: ar_pb2.Model,
        watch: DiversityWatch | None = None,
    ) -> None:
        self.codec = codec
        self.engine = engine
        self.num_output_tokens = num_output_tokens
        self.description = description
        self.watch = watch
        self.name: str = description.name
        self.token_sizes = TokenSizes.of([codec.token_bytes(token_id) for token_id in range(description.vocab_size)])

    @property
    def vocab_size(self) -> int:
        return self.description.vocab_size

    @property
    def fingerprint(self) -> str:
        """The short name of all that outputs depend on to the last bit, besides the request."""
        return self.description.fingerprint

    @property
    def max_context_tokens(self) -> int:
        """Tokens that prompt and output may have together."""
        return self.codec.max_context_tokens

    @property
    def parts(self) -> list[Part]:
        """What works for the model in the background."""
        return [self.engine, *(self.codec.parts if isinstance(self.codec, ImageCodec) else [])]

    async def start(self, num_tokens: int) -> None:
        """Start the parts; run prompts of so many tokens in all through the engine, and some decode steps."""
        for part in self.parts:
            part.start()
        if self.watch is not None:
            self.watch.start()
        params = SamplingParams(max_tokens=min(4, self.max_context_tokens - 1), ignore_eos=True, temperature=0.0)
        length = min(num_tokens, self.max_context_tokens - params.max_tokens)
        count = min(num_tokens // length, self.engine.max_num_sequences)
        stream = self.engine.submit([Sequence([0] * length, params) for _ in range(count)])
        while not stream.is_finished:
            await stream.get()
