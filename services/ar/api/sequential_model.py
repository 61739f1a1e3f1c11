"""A loaded model: its codec, the engine that runs its transformer, and what a kind of content makes of requests.

Knows no tensors. `text.py` and `image.py` have the two kinds.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from collections.abc import Sequence as SequenceOf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from runtime.rpc.call import Call
from services.ar.api.reply_size import TokenSizes
from services.ar.codecs.image_codec import ImageCodec
from services.ar.codecs.text_codec import TextCodec
from services.ar.engine.engine import Engine
from services.ar.engine.groups import TokenGroups
from services.ar.engine.sequence import SamplingParams, Sequence, TokenMask
from services.common.batching.batcher import Batcher
from services.common.batching.work_thread import WorkThread
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

if TYPE_CHECKING:
    from services.ar.api.calls import CallReader
    from services.ar.api.image import GrowingImages
    from services.common.diversity.watch import DiversityWatch

Codec: TypeAlias = TextCodec | ImageCodec
Part: TypeAlias = Engine | Batcher[Any, Any] | WorkThread

MAX_TEXTS = 256
NONE: Mapping[int, int] = MappingProxyType({})
LIST_FIELD = "tokens.token_lists[{}].ids"


class SequentialModel(ABC):
    """One entry of the model repository, loaded.

    `description` is what ListModels says of it. The model generates tokens 0 to `num_output_tokens`, exclusive, and
    `default_max_tokens` of them where a request says none. When it starts, prompts of `num_warm_up_tokens` run through
    the engine. `background` works for the model besides the engine; `watch` receives the images of an image model.
    """

    makes: str
    default_max_tokens: int
    takes_steps = False
    """Whether a request may say in how many steps all tokens are generated."""
    most_tokens_per_step = 1
    """How many tokens a request may have generated together."""
    window_tokens = 0
    """The most tokens of an output, in a model with an order of its own; else 0."""

    def __init__(
        self,
        codec: Codec,
        engine: Engine,
        description: ar_pb2.Model,
        num_output_tokens: int,
        num_warm_up_tokens: int,
        background: SequenceOf[Part],
        watch: DiversityWatch | None = None,
    ) -> None:
        self.codec = codec
        self.engine = engine
        self.description = description
        self.num_output_tokens = num_output_tokens
        self._num_warm_up_tokens = num_warm_up_tokens
        self.parts = [engine, *background]
        self.watch = watch
        description.takes_steps = codec.mask_token is not None
        self.name: str = description.name
        self.fingerprint: str = description.fingerprint
        tokens = [codec.token_bytes(token_id) for token_id in range(description.vocab_size)]
        self.token_sizes = TokenSizes.of(tokens, description.window_tokens)

    def sequence(
        self, token_ids: list[int], params: SamplingParams, call: Call, given: Mapping[int, int] = NONE, **fields: Any
    ) -> Sequence:
        """Return a sequence of the call, with other `fields` of it: a prompt, or a text to score.

        `given`: tokens of the output that are there before others are generated, by their places in it.
        """
        num_prompt_tokens = fields.get("num_context_tokens", len(token_ids))
        scored = token_ids[num_prompt_tokens:]
        groups = self.groups(num_prompt_tokens, len(scored) or params.max_tokens, params, tuple(sorted(given)))
        if groups is not None and scored:
            token_ids = token_ids[:num_prompt_tokens] + groups.arranged(scored)
        if given:
            token_ids = token_ids + [given[place] for place in sorted(given)]
            params = dataclasses.replace(params, max_tokens=params.max_tokens - len(given))
        return Sequence(
            token_ids,
            params,
            self.codec.eos_token_ids,
            caller=call.owner,
            cache_salt=call.caller.encode(),
            mask_token_id=self.codec.mask_token,
            groups=groups,
            **fields,
        )

    @abstractmethod
    def groups(
        self, num_prompt_tokens: int, num_tokens: int, params: SamplingParams, given_places: tuple[int, ...]
    ) -> TokenGroups | None:
        """Return which of `num_tokens` tokens behind a prompt are generated together; None if each by itself.

        `given_places` of them, rising, are not generated.
        """

    @abstractmethod
    async def prompt(self, request: ar_pb2.GenerateRequest, call: Call) -> list[int]:
        """Return the prompt's tokens, checked against what the model takes.

        Raises InvalidArgument, ResourceExhausted.
        """

    async def masks(
        self, request: ar_pb2.GenerateRequest, count: int, call: Call
    ) -> tuple[SequenceOf[TokenMask], SequenceOf[CallReader]]:
        """Return what rules tokens out of each of `count` choices, and what reads calls of functions out of its text.

        There is none of either where nothing is ruled out, or called. Raises InvalidArgument, TooComplex,
        ResourceExhausted.
        """
        return (), ()

    @abstractmethod
    async def read_scored(self, request: ar_pb2.ScoreRequest, call: Call) -> list[list[int]]:
        """Return the sequences to score, in the request's order, of two tokens at least.

        Raises InvalidArgument, ResourceExhausted.
        """

    @abstractmethod
    def growing_images(
        self, request: ar_pb2.GenerateRequest, prompt: list[int], params: SamplingParams
    ) -> GrowingImages | None:
        """Return what draws the tokens, None if they are text. Raises InvalidArgument."""

    def refusal(self, field: str, kind: str | None, value: object, accepted: str) -> InvalidArgument:
        """Return the error of a request whose oneof `field` has another kind of content than is accepted, or none."""
        if kind is None:
            return InvalidArgument(field, None, accepted)
        return InvalidArgument(kind, value, f"{accepted}: this model makes {self.makes}")

    def token_lists(self, request: ar_pb2.ScoreRequest, accepted: str) -> list[list[int]]:
        """Return the lists that are to be scored. Raises InvalidArgument for another kind of content."""
        kind = request.WhichOneof("content")
        if kind != "tokens":
            raise self.refusal("content", kind, kind, accepted)
        check_count("tokens.token_lists", len(request.tokens.token_lists), MAX_TEXTS)
        return [list(prompt.ids) for prompt in request.tokens.token_lists]

    async def start(self) -> None:
        """Start the parts; run prompts of as many tokens in all as it takes to be warm, and a decode step."""
        for part in self.parts:
            part.start()
        if self.watch is not None:
            self.watch.start()
        most, num_tokens = self.codec.max_context_tokens, self._num_warm_up_tokens
        params = SamplingParams(max_tokens=min(2, most - 1), ignore_eos=True, temperature=0.0)
        length = min(num_tokens, most - params.max_tokens)
        count = min(num_tokens // length, self.engine.max_num_sequences)
        stream = self.engine.submit([Sequence([0] * length, params) for _ in range(count)])
        while not stream.is_finished:
            await stream.get()


def check_count(field: str, count: int, most: int) -> None:
    """Raises InvalidArgument unless there are 1 to `most` entries."""
    if not 1 <= count <= most:
        raise InvalidArgument(field, f"{count} entries", f"1 to {most}")


def check_is_scorable(field: str, token_ids: list[int]) -> None:
    """Raises InvalidArgument if no token has one before it."""
    if len(token_ids) < 2:
        raise InvalidArgument(field, f"{len(token_ids)} token", "at least two tokens: the first has no probability")
