"""What a sequential model can be asked to go on with, and the keyword arguments of the client's methods.

A value of None, or an absent one, means the server's default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from tandem.client.labels import Labels

Encoding: TypeAlias = Literal["uint8", "float32", "png"]


@dataclass(frozen=True)
class Message:
    """One turn of a conversation; `role` is "system", "user" or "assistant"."""

    role: str
    content: str


Prompt: TypeAlias = str | Sequence[Message] | Sequence[int]
"""What a user says, which a model without a chat template goes on with; a conversation, the oldest message first; or
token ids. With the option `raw`, a str is plain text to go on with, whatever the model."""


class SamplingOptions(TypedDict, total=False):
    """How tokens are chosen and when to stop; the order of application is that of `logit_bias`, penalties,
    `temperature`, `top_k`, `top_p`, `min_p`."""

    max_tokens: int | None
    """Most tokens a choice; 1 to what is left of the context or image; default that rest, of texts at most 256."""
    temperature: float | None
    """0 (greedy) to 10; default 1."""
    top_k: int | None
    """Keep the k most probable tokens; 0 (default) keeps all."""
    top_p: float | None
    """Keep the smallest set of tokens that has this probability; above 0 to 1, default 1."""
    min_p: float | None
    """Drop tokens less probable than this share of the most probable one; 0 (default) to 1."""
    repetition_penalty: float | None
    """Divides the logits of tokens seen; above 0 to 10, default 1."""
    presence_penalty: float | None
    """Subtracted from the logits of tokens in the output; -2 to 2, default 0."""
    frequency_penalty: float | None
    """Subtracted once for each time that a token is in the output; -2 to 2, default 0."""
    seed: int | None
    """Same model, request, seed and fingerprint (see Usage): same output; 0 to 2**64 - 1; absent: drawn by the server
    and reported."""
    min_tokens: int | None
    """Tokens before which nothing ends a choice; 0 (default) to max_tokens."""
    stop: str | Sequence[str] | None
    """Text models: output ends before the first of these; up to 16 strings."""
    stop_token_ids: Sequence[int] | None
    """Token ids that end the output; up to 64."""
    logit_bias: Mapping[int, float] | None
    """Added to the logits of these token ids; each -100 to 100."""
    ignore_eos: bool | None
    """True: the model's end token does not end the output."""
    n: int | None
    """Choices to generate; 1 (default) to 16."""
    steps: int | None
    """Image models that say `takes_steps`: the number of steps that generate all of max_tokens, 1 to max_tokens, which
    is the default."""
    tokens_per_step: int | None
    """Text models that say `takes_steps`: tokens that each step generates together, 1 (default) to 64."""
    speculative_tokens: int | None
    """The most tokens that a step may try ahead and check, 0 to 64; default: as many as the server does. The output is
    the same."""
    json_schema: str | Mapping[str, object] | None
    """Text models: each choice is a JSON value that is valid under this schema; at most 65,536 bytes. This and the four
    that follow exclude each other."""
    json_object: bool | None
    """Text models. True: each choice is a JSON object."""
    regex: str | None
    """Text models: this regular expression matches each choice from its beginning to its end; at most 65,536 bytes."""
    lark: str | None
    """Text models: each choice is a text of this grammar, in llguidance's dialect of Lark; at most 65,536 bytes."""
    choice: Sequence[str] | None
    """Text models: each choice is one of these texts; up to 1,000, together at most 65,536 bytes."""


class GenerateOptions(SamplingOptions, total=False):
    """What `generate` and `complete` take besides the prompt."""

    raw: bool
    """True: the prompt is a plain text to go on with, and nothing is said to the model around it."""
    label: int | str | None
    """Image models, instead of a prompt: the class to draw, by number or name."""

    given_tokens: Mapping[int, int] | None
    """Models whose `window_tokens` is above 0: tokens of the output that are given, by their places in it."""
    model: str
    """Name of a model; may be left out where only one takes such a prompt."""
    logprobs: bool
    """True: each token comes with its log-probability."""
    top_logprobs: int | None
    """Alternatives reported for each token, 0 to 20; more than 0 turns `logprobs` on."""
    image_encoding: Encoding | None
    """Image models: how images travel: "uint8" (default), "float32" (the model's own values) or "png" (files)."""
    partial_images: bool
    """Image models. True: every chunk has the image as far as it is drawn, not only the last one of a choice."""
    timeout_seconds: float | None
    """Seconds until the call fails with DeadlineExceeded; None: no limit."""


class SampleOptions(TypedDict, total=False):
    """What `sample` and `sample_stream` take besides the count."""

    model: str
    """Name of a model; may be left out where there is only one."""
    labels: Labels | None
    """The class of all images, or one an image, by number or name; absent: drawn from the seed."""
    seed: int | None
    """Image i is drawn from (seed, i), the same under the same fingerprint (see Images); 0 to 2**64 - 1; absent: drawn
    by the server and reported."""
    latents: NDArray[np.float32] | None
    """[count, latent_dim], instead of a seed."""
    truncation: float | None
    """Latent values are cut off at plus and minus this; 0.1 to 10, absent: not at all."""
    encoding: Encoding | None
    """How images travel: "uint8" (default), "float32" (the generator's own values) or "png" (files)."""
    timeout_seconds: float | None
    """Seconds until the call fails with DeadlineExceeded; None: no limit."""
