"""What comes back from a sequential model, texts or images, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tandem.client.images import ImageBatch, join
from tandem.client.models import Timings

FinishReason: TypeAlias = Literal["stop", "length"]


@dataclass(frozen=True)
class Alternative:
    """A token that could have stood here; `logprob` is natural, <= 0; `token` may be a part of a character."""

    token_id: int
    logprob: float
    token: bytes

    @property
    def probability(self) -> float:
        return math.exp(self.logprob)


@dataclass(frozen=True)
class TokenLogprob(Alternative):
    """A token with its log-probability under the model itself, and the most probable tokens at its place."""

    alternatives: tuple[Alternative, ...] = ()


@dataclass(frozen=True)
class Usage:
    """What a request consumed, in tokens, and the seed used, given or drawn."""

    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    seed: int
    fingerprint: str = ""
    """Same model, request, seed and fingerprint: same output."""
    steps: int = 0
    """Steps that generate max_tokens of an image; 0 for texts, and models that generate one token a step."""
    drafted_tokens: int = 0
    """Tokens that were tried ahead, see `SamplingOptions.speculative_tokens`."""
    accepted_tokens: int = 0
    """Of those, tokens that proved to be the ones generated."""


@dataclass(frozen=True)
class GenerateChunk:
    """What one message of a stream adds to one choice.

    `text` is whole characters and may lag behind `token_ids`; `finish_reason` is there in a choice's last chunk,
    `usage` and `timings` in the stream's last one. `image` is one image, of an image model: in a choice's last chunk,
    with `partial_images` in every one, black where no token has been drawn yet.
    """

    choice_index: int
    token_ids: tuple[int, ...]
    text: str
    logprobs: tuple[TokenLogprob, ...]
    finish_reason: FinishReason | None
    matched_stop: str
    usage: Usage | None
    timings: Timings | None
    image: ImageBatch | None = None
    places: tuple[int, ...] = ()
    """Where in the output each of `token_ids` stands, if the model writes in an order of its own."""


@dataclass(frozen=True)
class Choice:
    """One finished continuation; `image` is one image, of an image model."""

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]
    finish_reason: FinishReason | None
    matched_stop: str
    image: ImageBatch | None = None
    places: tuple[int, ...] = ()
    """Where in the text each of `token_ids` stands, if the model writes in an order of its own."""


@dataclass(frozen=True)
class Completion:
    """A finished generation; `choices` has one entry for each of `n`."""

    choices: tuple[Choice, ...]
    usage: Usage
    timings: Timings

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return self.choices[0].text

    @property
    def images(self) -> ImageBatch | None:
        """The images of all choices, of an image model."""
        images = [choice.image for choice in self.choices if choice.image is not None]
        return join(images) if images else None


@dataclass(frozen=True)
class Score:
    """The log-likelihood of a content: `total_logprob` is natural, <= 0, over every token but the first.

    Of an image it is that of its tokens given its class. `timings` are those of the whole call.
    """

    total_logprob: float
    bits_per_token: float
    tokens: tuple[TokenLogprob, ...]
    timings: Timings
