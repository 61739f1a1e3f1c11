"""The fields of completions and of chat alike, and the SamplingParams that they come to.

What an output has to match comes in OpenAI's words (response_format) and in vLLM's (guided_*, structured_outputs).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, AliasChoices, Field

from gateway.protocols.openai.messages import Body, Int32, Seed, limits
from tandem.ar.v1 import ar_pb2
from tandem.shared.errors import InvalidArgument


class NamedSchema(Body):
    """A JSON Schema as OpenAI's clients send it."""

    name: str | None = Field(None, description="Ignored.")
    description: str | None = Field(None, description="Ignored.")
    schema_: dict[str, Any] | None = Field(None, alias="schema", description="Draft 2020-12; absent: any object.")
    strict: bool | None = Field(None, description="Ignored: a schema always holds.")


class ResponseFormat(Body):
    """How an answer is written."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = Field(None, description="With the type json_schema.")
    schema_: dict[str, Any] | None = Field(
        None,
        validation_alias=AliasChoices("schema", "value"),
        description="llama.cpp's, and as `value` Hugging Face's: with the type json_object.",
    )


class StructuredOutputs(Body):
    """vLLM's: one of these."""

    json_: dict[str, Any] | str | None = Field(None, alias="json", description="A JSON Schema.")
    json_object: bool | None = Field(None, description="True: any JSON object.")
    regex: str | None = Field(None, description="A regular expression that the whole output matches.")
    choice: list[str] | None = Field(None, description="One of these texts.")
    grammar: str | None = Field(None, description="A grammar in Lark's language.")


class Constraint(NamedTuple):
    """A field of the contract's `constraint` with its value, and the field of the body that it came in."""

    field: str
    kind: str
    value: Any


_KINDS = {"json": "json_schema", "json_object": "json_object", "regex": "regex", "choice": "choice", "grammar": "lark"}
"""Fields of structured_outputs, and the kind of constraint that each is."""
_GUIDED = {f"guided_{name}": kind for name, kind in _KINDS.items() if name != "json_object"}
"""vLLM's older ones."""

Strings = Annotated[list[str], Field(fail_fast=True)]
TokenIds = Annotated[list[Annotated[Int32, limits(minimum=0)]], Field(fail_fast=True)]
Stop = Annotated[
    Annotated[str, limits(minLength=1, maxLength=256)] | Annotated[Strings, limits(maxItems=16)],
    AfterValidator(lambda stop: [stop] if isinstance(stop, str) else stop),
]
TopK = Annotated[Int32, limits(minimum=-1), AfterValidator(lambda top_k: 0 if top_k == -1 else top_k)]
Temperature = Annotated[float, limits(minimum=0, maximum=10)]
TopP = Annotated[float, limits(exclusiveMinimum=0, maximum=1)]
MinP = Annotated[float, limits(minimum=0, maximum=1)]
Penalty = Annotated[float, limits(minimum=-2, maximum=2)]
RepetitionPenalty = Annotated[float, limits(minimum=0.01, maximum=10)]
LogitBias = Annotated[dict[str, Annotated[float, limits(minimum=-100, maximum=100)]], limits(maxProperties=1024)]
StopTokenIds = Annotated[TokenIds, limits(maxItems=64)]
MaxTokens = Annotated[Int32, limits(minimum=0)]
NumLogprobs = Annotated[Int32, limits(minimum=0, maximum=20)]
StepTokens = Annotated[Int32, limits(minimum=1, maximum=64)]
TriedTokens = Annotated[Int32, limits(minimum=0, maximum=64)]
NumChoices = Annotated[Int32, limits(minimum=1, maximum=16)]


class StreamOptions(Body):
    """Whether a stream reports usage."""

    include_usage: bool | None = Field(None, description="True: a last chunk with usage and no choices.")
    continuous_usage_stats: bool | None = Field(None, description="True: usage so far in each chunk.")


class SamplingBody(Body):
    """How tokens are chosen and when to stop; what is absent or null has the default of the backend."""

    model: str | None = Field(None, description="Name of a text model; absent: the first there is.")
    temperature: Temperature | None = Field(
        None, description="0 (greedy) to 10; default: what the model recommends, or 1."
    )
    top_p: TopP | None = Field(None, description="Above 0 to 1; default 1.")
    n: NumChoices | None = Field(None, description="Choices for each prompt, 1 to 16; default 1.")
    seed: Seed | None = Field(
        None, description="0 to 2^64 - 1; a negative one counts from 2^64 downwards. Absent: drawn by the server."
    )
    stop: Stop | None = Field(None, description="Up to 16 strings of 1 to 256 characters.")
    presence_penalty: Penalty | None = Field(None, description="-2 to 2; default 0.")
    frequency_penalty: Penalty | None = Field(None, description="-2 to 2; default 0.")
    logit_bias: LogitBias | None = Field(None, description="Up to 1,024 token ids, each with -100 to 100.")
    stream: bool | None = Field(None, description="True: server-sent events, a chunk for what is ready at a time.")
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, description="Ignored.")
    top_k: TopK | None = Field(None, description="vLLM's: the k most probable tokens; 0 or -1: all (default).")
    min_p: MinP | None = Field(None, description="vLLM's: 0 (default) to 1.")
    repetition_penalty: RepetitionPenalty | None = Field(None, description="vLLM's: 0.01 to 10; default 1.")
    ignore_eos: bool | None = Field(None, description="vLLM's. True: the end token does not end the output.")
    min_tokens: MaxTokens | None = Field(None, description="vLLM's: tokens before which nothing may end a choice.")
    stop_token_ids: StopTokenIds | None = Field(None, description="vLLM's: up to 64 ids that end the output.")
    tokens_per_step: StepTokens | None = Field(
        None, description="Tandem's: tokens of a choice that a step draws together, 1 (default) to 64."
    )
    speculative_tokens: TriedTokens | None = Field(
        None, description="Tandem's: the most tokens that a step tries ahead, 0 to 64; default: the server's setting."
    )
    response_format: ResponseFormat | None = Field(None, description="What the output has to match; default text.")
    structured_outputs: StructuredOutputs | None = Field(None, description="vLLM's; see there.")
    guided_json: dict[str, Any] | str | None = Field(None, description="vLLM's: as structured_outputs.json.")
    guided_regex: str | None = Field(None, description="vLLM's: as structured_outputs.regex.")
    guided_choice: Strings | None = Field(None, description="vLLM's: as structured_outputs.choice.")
    guided_grammar: str | None = Field(None, description="vLLM's: as structured_outputs.grammar.")

    unsupported: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        **dict.fromkeys(("allowed_token_ids", "bad_words", "include_stop_str_in_output", "prompt_logprobs"), ()),
        **dict.fromkeys(("truncate_prompt_tokens", "use_beam_search"), ()),
        "add_special_tokens": (True,),
        "length_penalty": (1,),
        "skip_special_tokens": (True,),
        "spaces_between_special_tokens": (True,),
    }

    @property
    def has_logprobs(self) -> bool:
        """Whether choices have an entry for each token, and one for each of its alternatives."""
        logprobs = getattr(self, "logprobs", None)
        return logprobs is not None and logprobs is not False  # 0 asks for no alternatives

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

    @cached_property
    def constraint(self) -> Constraint | None:
        """What outputs have to match, None if that is anything. Raises InvalidArgument for two that differ."""
        # False and null ask for nothing.
        constraints = [stated for stated in self._stated_constraints() if stated.value not in (None, False)]
        for second in constraints[1:]:
            if second[1:] != constraints[0][1:]:  # clients of several versions of vLLM say the same twice
                raise InvalidArgument(second.field, "a second constraint", f"none beside {constraints[0].field}")
        return constraints[0] if constraints else None

    def _stated_constraints(self) -> Iterator[Constraint]:
        asked = self.response_format
        if asked is not None and asked.type != "text":
            named = asked.json_schema if asked.type == "json_schema" else None
            if asked.type == "json_schema" and named is None:
                raise InvalidArgument("response_format.json_schema", None, "an object with a schema")
            schema = (named or asked).schema_
            if schema is None:
                yield Constraint("response_format", "json_object", True)
            else:
                place = "json_schema.schema" if named else "schema"
                yield Constraint(f"response_format.{place}", "json_schema", schema)
        if self.structured_outputs is not None:
            structured = self.structured_outputs.model_dump(by_alias=True)
            for name, kind in _KINDS.items():
                yield Constraint(f"structured_outputs.{name}", kind, structured[name])
        for name, kind in _GUIDED.items():
            yield Constraint(name, kind, getattr(self, name))

    @property
    def names_of_sampling(self) -> Mapping[str, str]:
        """How the body calls the fields of the parameters; paths that are not here lose their beginning."""
        if (wanted := self.constraint) is None:
            return {"sampling": ""}
        return {"sampling.choice.texts": wanted.field, f"sampling.{wanted.kind}": wanted.field, "sampling": ""}

    def sampling(self, max_tokens: int | None) -> ar_pb2.SamplingParams:
        """Return the parameters. Raises InvalidArgument."""
        given = {name: getattr(self, name) for name in _SAME}
        if (wanted := self.constraint) is not None:
            given[wanted.kind] = wanted.value
            if wanted.kind == "choice":
                given["choice"] = ar_pb2.TextChoice(texts=wanted.value)
            elif wanted.kind == "json_schema" and not isinstance(wanted.value, str):
                given["json_schema"] = schema_text(wanted.value)
        given["logit_bias"] = {_token_id(key): bias for key, bias in (self.logit_bias or {}).items()}
        return ar_pb2.SamplingParams(**given, max_tokens=max_tokens)


_SAME = [name for name in ar_pb2.SamplingParams.DESCRIPTOR.fields_by_name if name in SamplingBody.model_fields]
"""Fields that the contract has under the same name."""


def schema_text(schema: Mapping[str, Any]) -> str:
    """Return a JSON Schema as the contract has it."""
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _token_id(key: str) -> int:
    if not (key.isascii() and key.isdigit() and len(key) <= 9):
        raise InvalidArgument("logit_bias", key, "token ids as keys")
    return int(key)
