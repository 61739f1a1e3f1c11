"""How the cost of generating in sequence grows: one JSON document, complete in itself, with its schema's version.

Figures were measured, fits computed from them, the explanation written from both; nothing is computed in this file.
Only additions keep `SCHEMA_VERSION`.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from bench.load.document import Machine, ServedModel, read_result
from bench.load.setting_errors import explained

SCHEMA_VERSION: Literal[1] = 1

Text = Literal["repeats itself", "new"]
Shape = Literal["sum", "max"]
Concurrency = Annotated[int, Field(ge=1, le=1024)]
Tokens = Annotated[int, Field(ge=2, le=1_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Settings(_Part):
    """What was asked for. `concurrencies`: streams at a time, of prompts of `prompt_tokens`; `contexts`: tokens of a
    lone stream's prompt; `draft_concurrencies`: streams at a time that other servers are compared at.
    """

    model: str = ""
    concurrencies: tuple[Concurrency, ...] = Field((1, 2, 4, 8, 16, 32, 48, 64), min_length=1)
    prompt_tokens: Tokens = 64
    new_tokens: Tokens = 64
    contexts: tuple[Tokens, ...] = Field((64, 128, 256, 512, 1024, 2000), min_length=1)
    context_new_tokens: Tokens = 32
    draft_concurrencies: tuple[Concurrency, ...] = Field((1, 8), min_length=1)
    draft_new_tokens: Tokens = 96
    num_rounds: int = Field(5, ge=1, le=1000)
    seed: int = Field(0, ge=0, lt=2**62)

    @field_validator("concurrencies", "contexts", "draft_concurrencies", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """Accept the written form, with commas between."""
        return value.split(",") if isinstance(value, str) else value

    @field_validator("concurrencies", "contexts", "draft_concurrencies")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))


class Figure(_Part):
    """A quantity: one value a round, their median and their range."""

    values: tuple[float, ...]
    median: float
    low: float
    high: float


class Server(_Part):
    """A server, and what a reader is to call it."""

    label: str
    address: str


class ConcurrencyPoint(_Part):
    """So many streams at a time. decode: while all of them were generating, from the last one's first token to the
    first one's end. whole: from sending to the last one's end, prompts included. step: what a stream waited for a
    token while all were generating, in the mean; gap: the median time between its messages.
    """

    concurrency: int
    decode_tokens_per_second: Figure
    whole_tokens_per_second: Figure
    step_seconds: Figure
    gap_p50_seconds: Figure
    first_token_p50_seconds: Figure


class ContextPoint(_Part):
    """One stream alone, with a prompt of so many tokens. prefill: these by the time to the first token."""

    context_tokens: int
    first_token_seconds: Figure
    prefill_tokens_per_second: Figure
    gap_p50_seconds: Figure
    decode_tokens_per_second: Figure


class DraftResult(_Part):
    """What one server did with some texts. tokens_per_message: behind the first message of each stream; what a step
    brings travels in one message, so these are tokens a step as long as the client keeps up.
    """

    server: Server
    decode_tokens_per_second: Figure
    whole_tokens_per_second: Figure
    tokens_per_message: Figure
    ratio: Figure  # of decode tokens/s to the first server's in the same round


class DraftPoint(_Part):
    """The same texts from every server, the measured one first. `num_different`: outputs that differed from its."""

    text: Text
    concurrency: int
    results: tuple[DraftResult, ...]
    num_outputs: int
    num_different: int


class StepFit(_Part):
    """Seconds of a step with b sequences: sum: shared + own * b; max: the larger of the two. knee: shared / own, where
    both are equal; its range is that of fits to single rounds. None where own is 0.
    """

    shape: Shape
    shared_seconds: float
    own_seconds: float
    knee: float | None
    knee_low: float | None
    knee_high: float | None
    most_tokens_per_second: float | None
    worst_relative_residual: float
    is_good: bool


class LineFit(_Part):
    """base + per_token * tokens of context."""

    base_seconds: float
    per_token_seconds: float
    worst_relative_residual: float
    is_good: bool


class Growth(_Part):
    """One measurement. `is_partial`: it was broken off; `problems` says what is wrong, `caveats` what a reader has to
    know. Fits are None where too little was measured.
    """

    kind: Literal["growth"] = "growth"
    schema_version: Literal[1] = SCHEMA_VERSION
    tool_version: str
    address: str
    is_local: bool
    is_partial: bool
    problems: tuple[str, ...]
    caveats: tuple[str, ...]
    started_at: datetime
    machine: Machine
    models: tuple[ServedModel, ...]  # the one that was measured
    settings: Settings
    method: tuple[str, ...]
    concurrency: tuple[ConcurrencyPoint, ...]
    context: tuple[ContextPoint, ...]
    drafts: tuple[DraftPoint, ...]
    step_fit: StepFit | None
    gap_fit: LineFit | None
    first_token_fit: LineFit | None
    explanation: tuple[str, ...]


def settings_of(values: dict[str, Any]) -> Settings:
    """Return checked settings. Raises ValueError that names field, value and what is accepted."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ValueError(explained(error)) from None


def read_growth(path: Path) -> Growth:
    """Return the growth in a file. Raises OSError, and ValueError for anything that is no such document."""
    return read_result(path, Growth, "tandem bench growth", SCHEMA_VERSION)
