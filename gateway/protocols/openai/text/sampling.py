"""The fields of completions and of chat alike, and the SamplingParams that they come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from gateway.protocols.openai.messages import Body, Int32, Seed, to_unsigned
from gateway.protocols.openai.text.constraint import Constraint, ResponseFormat, StructuredOutputs, constraint_of
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument

_GUIDED = ("guided_json", "guided_regex", "guided_choice", "guided_grammar")

Strings = Annotated[list[str], Field(fail_fast=True)]
TokenIds = Annotated[list[Int32], Field(fail_fast=True)]


class StreamOptions(Body):
    """Whether a stream reports usage."""

    include_usage: bool | None = Field(None, description="True: a last chunk with usage and no choices.")
    continuous_usage_stats: bool | None = Field(None, description="True: usage so far in each chunk.")


class SamplingBody(Body):
    """How tokens are chosen and when to stop; what is absent or null has the default of the backend."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    temperature: float | None = Field(None, description="0 (greedy) to 10; default: what the model recommends, or 1.")
    top_p: float | None = Field(None, description="Above 0 to 1; default 1.")
    n: Int32 | None = Field(None, description="Choices for each prompt, 1 to 16; default 1.")
    seed: Seed | None = Field(
        None, description="0 to 2^64 - 1; a negative one counts from 2^64 downwards. Absent: drawn by the server."
    )
    stop: str | Strings | None = Field(None, description="Up to 16 strings of 1 to 256 characters.")
    presence_penalty: float | None = Field(None, description="-2 to 2; default 0.")
    frequency_penalty: float | None = Field(None, description="-2 to 2; default 0.")
    logit_bias: dict[str, float] | None = Field(None, description="Up to 1,024 token ids, each with -100 to 100.")
    stream: bool | None = Field(None, description="True: server-sent events, a chunk for what is ready at a time.")
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, description="Ignored.")
    top_k: Int32 | None = Field(None, description="vLLM's: the k most probable tokens; 0 or -1: all (default).")
    min_p: float | None = Field(None, description="vLLM's: 0 (default) to 1.")
    repetition_penalty: float | None = Field(None, description="vLLM's: 0.01 to 10; default 1.")
    ignore_eos: bool | None = Field(None, description="vLLM's. True: the end token does not end the output.")
    min_tokens: Int32 | None = Field(None, description="vLLM's: tokens before which nothing may end a choice.")
    stop_token_ids: TokenIds | None = Field(None, description="vLLM's: up to 64 ids that end the output.")
    response_format: ResponseFormat | None = Field(None, description="What the output has to match; default text.")
    structured_outputs: StructuredOutputs | None = Field(None, description="vLLM's; see there.")
    guided_json: dict[str, Any] | str | None = Field(None, description="vLLM's: as structured_outputs.json.")
    guided_regex: str | None = Field(None, description="vLLM's: as structured_outputs.regex.")
    guided_choice: Strings | None = Field(None, description="vLLM's: as structured_outputs.choice.")
    guided_grammar: str | None = Field(None, description="vLLM's: as structured_outputs.grammar.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "add_special_tokens": (True,),
        "allowed_token_ids": (),
        "bad_words": (),
        "include_stop_str_in_output": (),
        "length_penalty": (1,),
        "prompt_logprobs": (),
        "skip_special_tokens": (True,),
        "spaces_between_special_tokens": (True,),
        "truncate_prompt_tokens": (),
        "use_beam_search": (),
    }

    @property
    def has_logprobs(self) -> bool:
        """Whether choices have an entry for each token, and one for each of its alternatives."""
        raise NotImplementedError

    @property
    def num_choices(self) -> int:
        """Choices for each prompt, not yet checked against the range."""
        return 1 if self.n is None else self.n

    @property
    def includes_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def continues_usage(self) -> bool:
        return self.includes_usage and bool(self.stream_options and self.stream_options.continuous_usage_stats)

    @property
    def constraint(self) -> Constraint | None:
        """What outputs have to match, None if that is anything. Raises InvalidArgument for two at a time."""
        guided = {name: getattr(self, name) for name in _GUIDED}
        return constraint_of(self.response_format, self.structured_outputs, guided)

    @property
    def names_of_sampling(self) -> Mapping[str, str]:
        """How the body calls the fields of the parameters; paths that are not here lose their beginning."""
        wanted = self.constraint
        of_constraint = {} if wanted is None else {f"sampling.{wanted.kind}": wanted.field}
        if wanted is not None and wanted.kind == "choice":
            of_constraint = {"sampling.choice.texts": wanted.field, **of_constraint}
        return {**of_constraint, "sampling": ""}

    def sampling(self, max_tokens: int | None) -> ar_pb2.SamplingParams:
        """Return the parameters. Raises InvalidArgument."""
        given = {name: getattr(self, name) for name in _SAME}
        sampling = ar_pb2.SamplingParams(**given, seed=to_unsigned(self.seed), max_tokens=max_tokens)
        if self.top_k is not None and self.top_k != -1:
            sampling.top_k = self.top_k
        sampling.stop.extend([self.stop] if isinstance(self.stop, str) else self.stop or ())
        if (wanted := self.constraint) is not None:
            field = {wanted.kind: wanted.value}
            sampling.MergeFrom(ar_pb2.SamplingParams(**field))
        for key, bias in (self.logit_bias or {}).items():
            sampling.logit_bias[_token_id(key)] = bias
        return sampling


_SAME = (
    "temperature",
    "top_p",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "min_p",
    "repetition_penalty",
    "ignore_eos",
    "min_tokens",
    "stop_token_ids",
)
"""Fields that the contract has under the same name."""


def _token_id(key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) <= 9):
        raise InvalidArgument("logit_bias", key, "token ids as keys")
    return int(key)
