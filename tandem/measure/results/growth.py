"""How the cost of generating in sequence grows, with the streams at a time and with the context.

Values are medians of the rounds, with their range.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from tandem.measure.results.header import Header
from tandem.measure.results.value import Part, Repeated, Value

Shape = Literal["sum", "max"]
Concurrency = Annotated[int, Field(ge=1, le=1024)]
Tokens = Annotated[int, Field(ge=2, le=1_000_000)]


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


FromText = BeforeValidator(_split)
"""Accepts a tuple in its written form, too, with commas between."""


class Settings(Part):
    """What was asked for. `concurrencies`: streams at a time, of prompts of `prompt_tokens`; `contexts`: tokens of a
    lone stream's prompt.
    """

    model: str = ""
    concurrencies: Annotated[tuple[Concurrency, ...], Field(min_length=1), FromText] = (1, 2, 4, 8, 16, 32, 48, 64)
    prompt_tokens: Tokens = 64
    new_tokens: Tokens = 64
    contexts: Annotated[tuple[Tokens, ...], Field(min_length=1), FromText] = (64, 128, 256, 512, 1024, 2000)
    context_new_tokens: Tokens = 32
    num_rounds: int = Field(5, ge=1, le=1000)
    seed: int = Field(0, ge=0, lt=2**62)

    @field_validator("concurrencies", "contexts")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))


class Point(Part):
    """`at` streams at a time, or one stream behind `at` tokens of context.

    decode_tokens_per_second: while all of them were generating, from the last one's first token to the first one's end.
    whole: from sending to the last one's end, prompts included. step: what a stream waited for a token while all were
    generating, in the mean; gap: the median time between its messages. prefill: the context by the time to the first
    token, of a context alone.
    """

    at: int
    figures: dict[str, Repeated]


class Fit(Part):
    """Seconds over b sequences in a step, or tokens of context. sum: shared + own * b; max: the larger of the two.
    knee: shared / own, where both are equal; its range is that of fits to single rounds. None where own is 0.
    """

    shape: Shape
    shared_seconds: float
    own_seconds: float
    knee: Value | None
    worst_relative_residual: float
    is_good: bool


class Growth(Header):
    """One measurement of `models[0]`. Fits are None where too little was measured."""

    kind: Literal["growth"] = "growth"
    settings: Settings
    streams: tuple[Point, ...]
    contexts: tuple[Point, ...]
    step_fit: Fit | None
    gap_fit: Fit | None
    first_token_fit: Fit | None
